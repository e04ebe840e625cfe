"""What a message to many costs: ours, other chats, and the kernel's floor, measured in turn by the same load.

    python -m benchmarks.fanout [--json] [--write] [--quick] [--only NAME …] [--folder FOLDER]

Each server runs alone, on the first core; the load (app.load) on the second. A server that others wrote is installed
into a temporary folder, or into `--folder`, where the next run finds it; one that can't be is named and left out.
`--write` puts the tables into the README. Figures of other runs and machines can't be compared, only those of one run.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import importlib.metadata
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from app.load import Crowd, Envelope, LoadError, TalkFigures

ROOT = Path(__file__).parent.parent
PEERS = Path(__file__).parent / "peers"
START, INSTALL = 30.0, 600.0
MARKERS = "<!-- fan-out: from here on by `python -m benchmarks.fanout --write` -->", "<!-- fan-out: up to here -->"
KTOR = {"ktor": "3.5.2", "ktor2": "2.3.7"}
"""The latest, and that of the tutorial as it was for years."""
NO_LIMITS = {"rate": 0, "connections": 0, "connections-per-address": 0}
STOPPED_TEXT, STOPPED_MESSAGES = 50_000, 110
"""What fills the buffers on the way to a client that reads nothing: the kernel takes some 4 MB."""


@dataclass(frozen=True)
class Scale:
    """How much is measured."""

    few: tuple[int, ...] = (10, 100)
    many: int = 1000
    idle: int = 5000
    most: int = 10_000
    outstanding: tuple[int, ...] = (1, 8, 64)
    rate: float = 30
    rooms: int = 1000
    stopped: bool = True
    seconds: float = 1.0
    warm: float = 0.3


QUICK = Scale(few=(5,), many=40, idle=50, most=60, outstanding=(1, 8), rooms=5, stopped=False, seconds=0.3, warm=0.1)


@dataclass(frozen=True)
class Contender:
    """A server to measure: it listens where PORT says."""

    key: str
    name: str
    command: Sequence[str]
    path: str = "/chat"
    envelope: Envelope = field(default_factory=Envelope)
    rooms: bool = False
    """It has rooms."""
    stopped: bool = False
    """It is measured what one client that reads nothing does to the others: not for all, since it takes long."""
    environment: dict[str, str] = field(default_factory=dict)
    practice: float = 0
    """Seconds of talk before it is measured, for a machine that compiles what it does often."""


class Absent(Exception):
    """Why a contender can't be had."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", action="store_true", help="put the tables into README.md")
    parser.add_argument(
        "--quick", action="store_true", help="little of everything, and no server that is to be installed"
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="floor, ours, uvicorn, naive, websockets, picows, …")
    parser.add_argument("--folder", type=Path, help="where servers of others are, or are installed")
    flags = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as name:
        temporary = Path(name)
        only = flags.only or (["ours", "naive"] if flags.quick else None)
        scale = QUICK if flags.quick else Scale()
        contenders, absent = found(flags.folder or temporary, temporary, only)
        results: dict[str, Any] = {}
        for contender in contenders:
            began = time.perf_counter()
            try:
                results[contender.key] = {
                    "name": contender.name,
                    **measure(contender, scale),
                }
            except (LoadError, Absent) as error:
                absent[contender.name] = str(error)
            say(f"{contender.name}: {time.perf_counter() - began:.0f} s")
    for contender_name, why in absent.items():
        say(f"left out: {contender_name}: {why}")
    if flags.json:
        print(json.dumps({"servers": results, "left_out": absent}))
    else:
        print(tables(results, absent, scale))
    if flags.write:
        write(tables(results, absent, scale))


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


# The servers.


def found(folder: Path, temporary: Path, only: Sequence[str] | None) -> tuple[list[Contender], dict[str, str]]:
    """The contenders that can be had, and why others can't."""
    folder.mkdir(parents=True, exist_ok=True)
    makers: dict[str, Callable[[], Contender]] = {
        "floor": lambda: the_floor(temporary),
        "ours": lambda: ours(temporary),
        "uvicorn": lambda: ours_under_uvicorn(temporary),
        "naive": naive,
        "websockets": broadcasting,
        "picows": lambda: from_pypi(folder, "picows", "picows", "picows_listener.py"),
        "uwebsockets": lambda: from_pypi(folder, "uwebsockets", "socketify", "uwebsockets.py"),
        "ws": lambda: from_npm(folder, "ws", "ws", "node_ws.mjs"),
        "socketio": lambda: from_npm(folder, "socketio", "socket.io", "socket_io.mjs"),
        "ktor": lambda: ktor(folder, "ktor"),
        "ktor2": lambda: ktor(folder, "ktor2"),
    }
    if only is not None:
        if unknown := set(only) - set(makers):
            raise SystemExit(f"--only: expected some of {', '.join(makers)}, got {', '.join(unknown)}")
        makers = {key: make for key, make in makers.items() if key in only}
    absent: dict[str, str] = {}
    install(folder, makers, absent)
    contenders = []
    for key, make in makers.items():
        try:
            contenders.append(make())
        except Absent as error:
            absent.setdefault(key, str(error))
    return contenders, absent


def install(folder: Path, keys: Sequence[str] | dict[str, Any], absent: dict[str, str]) -> None:
    """Install what others wrote, all kinds at once; nothing is measured meanwhile."""
    wanted = {
        install_python: {"picows", "uwebsockets"},
        install_node: {"ws", "socketio"},
        install_ktor: set(KTOR),
    }
    jobs = {job: names & set(keys) for job, names in wanted.items() if names & set(keys)}
    with ThreadPoolExecutor() as pool:
        futures = {pool.submit(job, folder): names for job, names in jobs.items()}
        for future, names in futures.items():
            try:
                future.result()
            except Absent as error:
                absent.update(dict.fromkeys(names, str(error)))


def run(*command: str | Path, cwd: Path | None = None) -> None:
    """Run a command to its end. Absent, with the last line that it wrote, where it fails."""
    try:
        done = subprocess.run(
            list(map(str, command)),
            cwd=cwd,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=INSTALL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Absent(str(error)) from None
    if done.returncode:
        raise Absent((done.stdout.strip().splitlines() or [f"{command[0]} failed"])[-1])


def need(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            raise Absent(f"{program} is not installed")


def install_python(folder: Path) -> None:
    python = folder / "python/bin/python"
    if not python.exists():
        run(sys.executable, "-m", "venv", folder / "python")
    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    for line in pinned_python().values():  # one by one: a package that has no build for this machine stops no other
        with contextlib.suppress(Absent):
            run(*pip, line)


def install_node(folder: Path) -> None:
    need("node", "npm")
    place = folder / "node"
    place.mkdir(exist_ok=True)
    for file in (PEERS / "package.json", *PEERS.glob("*.mjs")):
        shutil.copy(file, place)
    if not (place / "node_modules").exists():
        run("npm", "install", "--silent", "--no-audit", "--no-fund", cwd=place)


def install_ktor(folder: Path) -> None:
    need("java", "mvn")
    place = folder / "ktor"
    place.mkdir(exist_ok=True)
    for file in (PEERS / "ktor").iterdir():
        shutil.copy(file, place)
    for version in KTOR.values():
        if not (place / version / "classes").exists():
            repository = f"-Dmaven.repo.local={folder / 'maven'}"
            run("mvn", "-q", "-B", repository, f"-Dktor.version={version}", "compile", cwd=place)


def pinned_python() -> dict[str, str]:
    """The lines of requirements.txt, by package."""
    return {line.partition("==")[0]: line for line in (PEERS / "requirements.txt").read_text().split()}


def the_floor(temporary: Path) -> Contender:
    need("cc")
    run("cc", "-O2", "-o", temporary / "floor", Path(__file__).parent / "floor.c")
    return Contender("floor", "the kernel's floor: C, a `send()` a client", [str(temporary / "floor")], rooms=True)


def ours(temporary: Path) -> Contender:
    flags = [f"-P:chat.limits.{key}={value}" for key, value in NO_LIMITS.items()]
    environment = {"CHAT_STORE": str(temporary / "ours.db"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "app", *flags]
    return Contender("ours", "**Natter**", command, rooms=True, stopped=True, environment=environment)


def ours_under_uvicorn(temporary: Path) -> Contender:
    limits = "\n".join(f"  {key} = {value}" for key, value in NO_LIMITS.items())
    (temporary / "uvicorn.conf").write_text(f"chat.limits {{\n{limits}\n}}\n")
    environment = {
        "APP_CONFIG": str(temporary / "uvicorn.conf"),
        "CHAT_STORE": str(temporary / "uvicorn.db"),
        "PYTHONPATH": str(ROOT),
    }
    command = ["sh", "-c", f'exec "{sys.executable}" -m uvicorn app:create_app --factory --port "$PORT"']
    name = "Natter under stock uvicorn"
    return Contender("uvicorn", name, command, stopped=True, environment=environment)


def naive() -> Contender:
    name = f"Starlette {importlib.metadata.version('starlette')}, naive"
    return Contender("naive", name, [sys.executable, str(PEERS / "naive_starlette.py")], rooms=True, stopped=True)


def broadcasting() -> Contender:
    name = f"`websockets` {importlib.metadata.version('websockets')}, `broadcast()`, uvloop"
    return Contender("websockets", name, [sys.executable, str(PEERS / "websockets_broadcast.py")])


def from_pypi(folder: Path, key: str, package: str, file: str) -> Contender:
    python = folder / "python/bin/python"
    run(python, "-c", f"import {package}")
    names = {"picows": "picows {}, uvloop", "socketify": "uWebSockets (socketify {})"}
    version = pinned_python()[package].partition("==")[2]
    return Contender(key, names[package].format(version), [str(python), str(PEERS / file)])


def from_npm(folder: Path, key: str, package: str, file: str) -> Contender:
    need("node")
    place = folder / "node"
    if not (place / "node_modules" / package).exists():
        raise Absent(f"npm did not install {package}")
    version = json.loads((PEERS / "package.json").read_text())["dependencies"][package]
    command = ["node", str(place / file)]
    if key == "ws":
        return Contender(key, f"Node `ws` {version}", command)
    # Socket.IO's own protocol: `40` joins, and a text is an argument of an event.
    envelope = Envelope(hello=b"40", greeting=b"42", before=b'42["chat","', after=b'"]')
    return Contender(key, f"Socket.IO {version}", command, "/chat/?EIO=4&transport=websocket", envelope)


def ktor(folder: Path, key: str) -> Contender:
    need("java")
    version = KTOR[key]
    target = folder / "ktor" / version
    if not (target / "classes").exists():
        raise Absent("Maven did not build it")
    command = ["java", "-Xmx2g", "-cp", f"{target / 'classes'}:{target / 'dependency'}/*", "ChatKt"]
    return Contender(key, f"the original, Ktor {version}", command, practice=3)


# The measurements.


def measure(contender: Contender, scale: Scale) -> dict[str, Any]:
    """All figures of one server. Absent or LoadError where it does not work."""
    result: dict[str, Any] = {"clients": {}}
    with serving(contender) as (url, process):
        uvloop.run(large(contender, scale, url, process, result))
    with serving(contender) as (url, process):
        uvloop.run(usual(contender, scale, url, process, result))
    if contender.rooms:
        with serving(contender) as (url, process):
            uvloop.run(in_rooms(contender, scale, url, process, result))
    grown = [talk for talks in result["clients"].values() for talk in talks.values()]
    counted = [*grown, result["fixed"], result.get("rooms", {})]
    result["missing"] = sum(talk.get("expected", 0) - talk.get("received", 0) for talk in counted)
    return result


async def large(contender: Contender, scale: Scale, url: str, process: int, result: dict[str, Any]) -> None:
    """Many who say nothing, on a server that has done nothing yet; then with talk, and more of them."""
    crowd = Crowd(url, envelope=contender.envelope, process=process)
    entry = await crowd.grow(scale.idle)
    result["kib_per_connection"] = entry.kib_per_connection
    result["handshakes_per_cpu_second"] = entry.handshakes_per_cpu_second
    await practise(crowd, contender)
    for clients in (scale.idle, scale.most):
        await crowd.grow(clients, measure=False)
        result["clients"][str(clients)] = await with_many_under_way(crowd, scale)
    await crowd.leave()


async def usual(contender: Contender, scale: Scale, url: str, process: int, result: dict[str, Any]) -> None:
    """From few to many; with many under way; on time; and, for some, with one who reads nothing."""
    crowd = Crowd(url, envelope=contender.envelope, process=process)
    await crowd.grow(scale.few[0], measure=False)
    await practise(crowd, contender)
    for clients in (*scale.few, scale.many):
        await crowd.grow(clients, measure=False)
        result["clients"][str(clients)] = await with_many_under_way(crowd, scale)
    result["fixed"] = figures(await crowd.talk(rate=scale.rate, seconds=2 * scale.seconds, warm=scale.warm))
    if contender.stopped and scale.stopped:
        result["stopped"] = await with_one_stopped(crowd, scale)
    await crowd.leave()


async def with_many_under_way(crowd: Crowd, scale: Scale) -> dict[str, Any]:
    """The figures by how many messages are under way."""
    talks = {}
    for outstanding in scale.outstanding:
        talk = await crowd.talk(outstanding=outstanding, seconds=scale.seconds, warm=scale.warm)
        talks[str(outstanding)] = figures(talk)
    return talks


async def practise(crowd: Crowd, contender: Contender) -> None:
    if contender.practice:
        await crowd.talk(outstanding=8, seconds=contender.practice, warm=0)


async def with_one_stopped(crowd: Crowd, scale: Scale) -> dict[str, Any]:
    """The figures at a fixed rate once the buffers on the way to one who reads nothing are full; none where it stops
    everybody."""
    crowd.stop(1)
    try:
        await crowd.talk(size=STOPPED_TEXT, outstanding=2, seconds=8 * scale.seconds, warm=0, most=STOPPED_MESSAGES)
        return figures(await crowd.talk(rate=scale.rate, seconds=2 * scale.seconds, warm=scale.warm))
    except LoadError:
        return {}


async def in_rooms(contender: Contender, scale: Scale, url: str, process: int, result: dict[str, Any]) -> None:
    """Many small rooms, one message under way, each room in turn."""
    crowd = Crowd(url, rooms=scale.rooms, envelope=contender.envelope, process=process)
    await crowd.grow(10 * scale.rooms, measure=False)
    talk = await crowd.talk(publishers=scale.rooms, seconds=scale.seconds, warm=scale.warm)
    result["rooms"] = figures(talk)
    await crowd.leave()


def figures(talk: TalkFigures) -> dict[str, Any]:
    return {name: value and round(value, 3) for name, value in dataclasses.asdict(talk).items()}


@contextlib.contextmanager
def serving(contender: Contender) -> Iterator[tuple[str, int]]:
    """Start a server on the first core, and go to the second oneself: its URL and its process."""
    cores = sorted(os.sched_getaffinity(0))
    with socket.create_server(("127.0.0.1", 0)) as any_port:
        port = any_port.getsockname()[1]
    environment = {**os.environ, "PORT": str(port), **contender.environment}
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w+") as log:
        os.sched_setaffinity(0, cores[:1])  # what is started inherits it, with every thread that it will have
        try:
            process = subprocess.Popen(contender.command, cwd=folder, env=environment, stdout=log, stderr=log)
        finally:
            os.sched_setaffinity(0, cores[1:2] or cores)
        try:
            listening(process, port, log.name)
            yield f"ws://127.0.0.1:{port}{contender.path}", process.pid
        finally:
            process.kill()
            process.wait()
            os.sched_setaffinity(0, cores)


def listening(process: subprocess.Popen[bytes], port: int, log: str) -> None:
    """Wait until the server listens. Absent where it does not."""
    end = time.monotonic() + START
    while process.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    lines = Path(log).read_text(errors="replace").strip().splitlines()
    raise Absent(lines[-1] if lines else "it does not listen")


# The tables.


USUAL = """\
Thousands of deliveries per processor second of the server and, behind the stroke, per second, to {many:,} clients, \
with so many messages under way; milliseconds until a copy is there, at {rate:.0f} messages a second; KiB of memory \
that an idle connection takes; handshakes per processor second:"""
GROWTH = "Thousands of deliveries per processor second to so many clients, with {outstanding} messages under way:"
ROOMS = """\
{rooms:,} rooms of ten, one message under way, each room in turn; and the 99th percentile when all {many:,} read, \
and when one of them reads nothing, after what is on the way to it has filled every buffer:"""


def tables(results: dict[str, Any], absent: dict[str, str], scale: Scale) -> str:
    """What was measured, in Markdown."""
    servers = list(results.values())
    counts = sorted({*scale.few, scale.many, scale.idle, scale.most})
    parts = [USUAL.format(many=scale.many, rate=scale.rate)]
    head = [
        "",
        *(f"{number} under way" for number in scale.outstanding),
        "ms: median, p99, longest",
        "KiB",
        "handshakes",
    ]
    rows = []
    for server in servers:
        idle = [f"{server['kib_per_connection']:.1f}", f"{server['handshakes_per_cpu_second']:,.0f}"]
        cells = [fast(server["clients"][str(scale.many)][str(number)]) for number in scale.outstanding]
        rows.append([server["name"], *cells, slow(server["fixed"]), *idle])
    parts += [table(head, rows), GROWTH.format(outstanding=listed(scale.outstanding))]
    rows = [[server["name"], *(growth(server["clients"][str(count)]) for count in counts)] for server in servers]
    parts += [table(["", *(f"{count:,}" for count in counts)], rows)]
    rows = [
        [server["name"], fast(server.get("rooms")), *stopping(server)]
        for server in servers
        if "rooms" in server or "stopped" in server
    ]
    if rows:
        head = ["", "deliveries, in rooms", "p99 ms, all read", "p99 ms, one does not"]
        parts += [ROOMS.format(rooms=scale.rooms, many=scale.many), table(head, rows)]
    if "floor" in results:
        sends = results["floor"]["clients"][str(scale.many)][str(scale.outstanding[0])]["deliveries_per_cpu_second"]
        parts.append(f"On the floor one `send()` took {1e6 / sends:.1f} µs of the processor.")
    if absent:
        parts.append("Left out: " + "; ".join(f"{name} ({why})" for name, why in absent.items()) + ".")
    return "\n\n".join(parts)


def table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows))


def listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:-1])) + f" and {numbers[-1]}"


def growth(talks: dict[str, Any]) -> str:
    return " · ".join(thousands(talk["deliveries_per_cpu_second"]) for talk in talks.values())


def thousands(number: float) -> str:
    return f"{number / 1000:,.0f}" if number >= 10_000 else f"{number / 1000:.1f}"


def fast(talk: dict[str, Any] | None) -> str:
    if not talk:
        return ""
    return " / ".join(thousands(talk[name]) for name in ("deliveries_per_cpu_second", "deliveries_per_second"))


def slow(talk: dict[str, Any]) -> str:
    if talk["p50_ms"] is None:
        return "—"
    return ", ".join(f"{talk[name]:.0f}" if talk[name] >= 10 else f"{talk[name]:.1f}" for name in TIMES)


TIMES = ("p50_ms", "p99_ms", "max_ms")


def stopping(server: dict[str, Any]) -> list[str]:
    """The two cells about one who reads nothing."""
    if "stopped" not in server:
        return ["", ""]
    return [
        f"{talk['p99_ms']:.0f}" if talk.get("p99_ms") and talk["received"] == talk["expected"] else "stands still"
        for talk in (server["fixed"], server["stopped"])
    ]


def write(text: str) -> None:
    """Put the tables between their markers in the README."""
    readme = ROOT / "README.md"
    before, first, rest = readme.read_text().partition(MARKERS[0])
    _, last, after = rest.partition(MARKERS[1])
    if not first or not last:
        raise SystemExit(f"{readme}: expected the markers {MARKERS[0]} and {MARKERS[1]}")
    readme.write_text(f"{before}{first}\n\n{text}\n\n{last}{after}")


if __name__ == "__main__":
    main()
