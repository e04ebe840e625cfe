"""For how long the garbage collector stops everybody, with many connected: as the server tunes it, and as Python does.

    python -m benchmarks.collector [--json] [--quick]

The server runs on the first core with `module` from here among its modules; people come on the second, and one of them
talks. A full collection is asked for in the end, since as tuned hardly one comes about by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import resource
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import uvloop
from starlette.requests import Request
from starlette.responses import JSONResponse

from app.application import Application
from app.load import Crowd
from benchmarks.fanout import NO_LIMITS, ROOT, Contender, serving

PEOPLE, SECONDS = 4000, 5.0
PYTHONS_OWN = 700, 10, 10


def module(app: Application) -> None:
    """Register `/collector`, which tells what was collected since it was asked last; with `?own` the collector is from
    then on as Python has it."""
    pauses: list[tuple[int, float]] = []
    began = 0.0

    def watch(phase: str, details: dict[str, int]) -> None:
        nonlocal began
        if phase == "start":
            began = time.perf_counter()
        else:
            pauses.append((details["generation"], 1000 * (time.perf_counter() - began)))

    async def tell(request: Request) -> JSONResponse:
        if "own" in request.query_params:
            gc.unfreeze()
            gc.set_threshold(*PYTHONS_OWN)
        happened = [[pause for generation, pause in pauses if generation == number] for number in range(3)]
        gc.collect()
        full = pauses[-1][1]
        pauses.clear()
        longest = [max(times, default=0.0) for times in happened]
        return JSONResponse({"collections": [*map(len, happened)], "longest_ms": longest, "full_ms": full})

    gc.callbacks.append(watch)
    gc.collect()
    app.add_route("/collector", tell)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="with few people, and not for long")
    flags = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    people, seconds = (50, 0.3) if flags.quick else (PEOPLE, SECONDS)
    found = {name: measure(own, people, seconds) for name, own in (("tuned", False), ("Python's own", True))}
    if flags.json:
        print(json.dumps(found))
        return
    for name, figures in found.items():
        pauses = zip(("young", "middle", "full"), figures["collections"], figures["longest_ms"], strict=True)
        told = ", ".join(f"{count} {kind} up to {longest:.1f} ms" for kind, count, longest in pauses if count)
        print(
            f"{name}: while {people:,} come and one talks {told}; with all there a full one {figures['full_ms']:.1f} ms"
        )


def measure(own: bool, people: int, seconds: float) -> dict[str, Any]:  # noqa: FBT001
    """What the collector did in one server, while people came and talked, and in a full collection with all there."""
    with tempfile.TemporaryDirectory() as folder:
        limits = ", ".join(f"{key} = {value}" for key, value in NO_LIMITS.items())
        configuration = Path(folder) / "collector.conf"
        configuration.write_text(
            "app { deployment.port = ${PORT}, modules = [app.modules.chat.module, benchmarks.collector.module] }\n"
            f"chat {{ limits {{ {limits} }} }}\n"
        )
        environment = {"PYTHONPATH": str(ROOT), "CHAT_STORE": ":memory:"}
        command = [sys.executable, "-m", "app", f"-config={configuration}"]
        with serving(Contender("ours", "", command, environment=environment)) as (url, process):
            tell = url.replace("ws:", "http:").removesuffix("/chat") + "/collector?"
            asked(tell + ("own" if own else ""))
            return uvloop.run(coming(url, process, people, seconds, tell))


async def coming(url: str, process: int, people: int, seconds: float, tell: str) -> dict[str, Any]:
    crowd = Crowd(url, process=process)
    await crowd.grow(people, measure=False)
    await crowd.talk(seconds=seconds)
    figures = await asyncio.to_thread(asked, tell)
    await crowd.leave()
    return figures


def asked(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url) as answer:
        told: dict[str, Any] = json.load(answer)
    return told


if __name__ == "__main__":
    main()
