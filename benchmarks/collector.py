"""How long the garbage collector stops the server with many connections: as the server tunes it, and as Python does.

    python -m benchmarks.collector [--json] [--quick]

The server runs on the first core with the `module` below among its modules. Clients connect from the second core, and
one of them talks. At the end a full collection is asked for, since the tuned collector hardly starts one itself.
"""

from __future__ import annotations

import asyncio
import gc
import json
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
from benchmarks import report
from benchmarks.servers import Server, allow_all_files, natter, serve

CLIENTS, SECONDS = 4000, 5.0
THRESHOLDS = 700, 10, 10
"""Python's own."""


def module(app: Application) -> None:
    """Register `/collector`, which answers with the collections since it was last asked. `/collector?own` gives the
    collector the settings that Python has by itself."""
    pauses: list[tuple[int, float]] = []
    began = 0.0

    def watch(phase: str, details: dict[str, int]) -> None:
        nonlocal began
        if phase == "start":
            began = time.perf_counter()
        else:
            pauses.append((details["generation"], 1000 * (time.perf_counter() - began)))

    async def collector(request: Request) -> JSONResponse:
        if "own" in request.query_params:
            gc.unfreeze()
            gc.set_threshold(*THRESHOLDS)
        happened = [[pause for generation, pause in pauses if generation == number] for number in range(3)]
        gc.collect()
        full = pauses[-1][1]
        pauses.clear()
        longest = [max(times, default=0.0) for times in happened]
        return JSONResponse({"collections": [*map(len, happened)], "longest_ms": longest, "full_ms": full})

    gc.callbacks.append(watch)
    gc.collect()
    app.add_route("/collector", collector)


def main() -> None:
    parser = report.parser(__doc__)
    parser.add_argument("--quick", action="store_true", help="few clients, and not for long")
    flags = parser.parse_args()
    allow_all_files()
    clients, seconds = (400, 0.3) if flags.quick else (CLIENTS, SECONDS)
    figures = {name: measure(query, clients, seconds) for name, query in (("tuned", ""), ("Python's own", "own"))}
    report.show(figures, flags, "\n".join(words(name, figure, clients) for name, figure in figures.items()))


def words(name: str, figures: dict[str, Any], clients: int) -> str:
    pauses = zip(("young", "middle", "full"), figures["collections"], figures["longest_ms"], strict=True)
    collections = ", ".join(f"{count} {kind} up to {longest:.1f} ms" for kind, count, longest in pauses if count)
    return (
        f"{name}: while {clients:,} clients connect and one talks {collections or 'none'}; "
        f"a full one with all connected {figures['full_ms']:.1f} ms"
    )


def measure(query: str, clients: int, seconds: float) -> dict[str, Any]:
    """What the collector of one server did while clients connected and talked, and in a full collection after that."""
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder) / "collector.conf"
        configuration.write_text(
            "app { deployment.port = ${PORT}, modules = [app.modules.chat.module, benchmarks.collector.module] }\n"
        )
        with serve(natter(f"-config={configuration}", store=":memory:")) as server:
            ask(server, query)
            return uvloop.run(connect_and_talk(server, clients, seconds))


async def connect_and_talk(server: Server, clients: int, seconds: float) -> dict[str, Any]:
    crowd = Crowd(server.ws)
    await crowd.grow(clients)
    await crowd.talk(seconds=seconds)
    figures = await asyncio.to_thread(ask, server, "")
    await crowd.leave()
    return figures


def ask(server: Server, query: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{server.http}/collector?{query}") as response:
        figures: dict[str, Any] = json.load(response)
    return figures


if __name__ == "__main__":
    main()
