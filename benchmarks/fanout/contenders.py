"""The servers that are compared, and how to install those that others wrote.

Unavailable     a server is not available on this machine; the message says why
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from app.load import Envelope
from benchmarks.servers import NO_LIMITS, ROOT, Program, natter

BENCHMARKS = Path(__file__).parent.parent
PEERS = BENCHMARKS / "peers"
INSTALL = 600.0
KTOR = {"ktor": "3.5.2", "ktor2": "2.3.7"}
"""The latest release, and the one that the tutorial used for years."""
FROM_PYPI = {
    "picows": ("picows", "picows {}, uvloop", "picows_listener.py"),
    "uwebsockets": ("socketify", "uWebSockets (socketify {})", "uwebsockets.py"),
}
"""Of each server, its package, its name with the version, and its file."""


class Unavailable(Exception):
    """A server is not available on this machine."""


@dataclass(frozen=True)
class Contender:
    """A server to measure."""

    key: str
    name: str
    program: Program
    envelope: Envelope = field(default_factory=Envelope)
    rooms: bool = False
    """It has rooms: `?room=` chooses one."""
    stopped: bool = False
    """Measure what one client that stops reading does to the others. It takes long, so not for all servers."""
    practice: float = 0
    """Seconds of talk before it is measured, for a machine that compiles what it does often."""


def find(folder: Path, temporary: Path, only: Sequence[str] | None) -> tuple[list[Contender], dict[str, str]]:
    """The servers that this machine can run, and why it can't run others. Installs what isn't in `folder` yet."""
    makers: dict[str, Callable[[], Contender]] = {
        "floor": lambda: floor(temporary, "floor", "the kernel's floor: C, one `send()` per client"),
        "floor-commit": lambda: floor(
            temporary, "floor-commit", "the floor with a durable commit", FLOOR_LOG="floor.log"
        ),
        "ours": ours,
        "uvicorn": lambda: ours_under_uvicorn(temporary),
        "naive": naive,
        "websockets": broadcasting,
        "picows": lambda: from_pypi(folder, "picows"),
        "uwebsockets": lambda: from_pypi(folder, "uwebsockets"),
        "ws": lambda: node_ws(folder),
        "socketio": lambda: socket_io(folder),
        "ktor": lambda: ktor(folder, "ktor"),
        "ktor2": lambda: ktor(folder, "ktor2"),
    }
    if only is not None:
        if unknown := set(only) - set(makers):
            raise SystemExit(f"--only: expected some of {', '.join(makers)}, got {', '.join(unknown)}")
        makers = {key: make for key, make in makers.items() if key in only}
    folder.mkdir(parents=True, exist_ok=True)
    left_out = install(folder, makers)
    contenders = []
    for key, make in makers.items():
        try:
            contenders.append(make())
        except Unavailable as error:
            left_out.setdefault(key, str(error))
    return contenders, left_out


def install(folder: Path, keys: Collection[str]) -> dict[str, str]:
    """Install the servers with these keys, all kinds at once, before anything is measured. Return why some can't be."""
    kinds = {install_python: set(FROM_PYPI), install_node: {"ws", "socketio"}, install_ktor: set(KTOR)}
    problems: dict[str, str] = {}
    with ThreadPoolExecutor() as pool:
        jobs = {pool.submit(job, folder): kind & set(keys) for job, kind in kinds.items() if kind & set(keys)}
        for job, names in jobs.items():
            try:
                job.result()
            except Unavailable as error:
                problems |= dict.fromkeys(names, str(error))
    return problems


def install_python(folder: Path) -> None:
    python = folder / "python/bin/python"
    if not python.exists():
        run(sys.executable, "-m", "venv", folder / "python")
    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    for line in pinned_python().values():  # one by one: a package without a build for this machine stops no other
        with contextlib.suppress(Unavailable):
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
        source, built = PEERS / "ktor/Chat.kt", place / version / "built-from"
        if not built.exists() or built.read_bytes() != source.read_bytes():
            repository = f"-Dmaven.repo.local={folder / 'maven'}"
            run("mvn", "-q", "-B", repository, f"-Dktor.version={version}", "compile", cwd=place)
            shutil.copy(source, built)


def pinned_python() -> dict[str, str]:
    """The lines of requirements.txt, by package."""
    return {line.partition("==")[0]: line for line in (PEERS / "requirements.txt").read_text().split()}


def pinned_node() -> dict[str, str]:
    """The versions in package.json, by package."""
    versions: dict[str, str] = json.loads((PEERS / "package.json").read_text())["dependencies"]
    return versions


def floor(temporary: Path, key: str, name: str, **environment: str) -> Contender:
    need("cc")
    run("cc", "-O2", "-o", temporary / key, BENCHMARKS / "floor.c")
    return Contender(key, name, Program([str(temporary / key)], environment), rooms=True)


def ours() -> Contender:
    return Contender("ours", "**Natter**", natter(), rooms=True, stopped=True)


def ours_under_uvicorn(temporary: Path) -> Contender:
    limits = "\n".join(f"  {key} = {value}" for key, value in NO_LIMITS.items())
    (temporary / "uvicorn.conf").write_text(f"chat.limits {{\n{limits}\n}}\n")
    environment = {
        "APP_CONFIG": str(temporary / "uvicorn.conf"),
        "CHAT_STORE": "chat.db",
        "PYTHONPATH": str(ROOT),
    }
    command = ["sh", "-c", f'exec "{sys.executable}" -m uvicorn app:create_app --factory --port "$PORT"']
    return Contender("uvicorn", "Natter under stock uvicorn", Program(command, environment), stopped=True)


def naive() -> Contender:
    name = f"Starlette {importlib.metadata.version('starlette')}, naive"
    program = Program([sys.executable, str(PEERS / "naive_starlette.py")])
    return Contender("naive", name, program, rooms=True, stopped=True)


def broadcasting() -> Contender:
    name = f"`websockets` {importlib.metadata.version('websockets')}, `broadcast()`, uvloop"
    return Contender("websockets", name, Program([sys.executable, str(PEERS / "websockets_broadcast.py")]))


def from_pypi(folder: Path, key: str) -> Contender:
    package, name, file = FROM_PYPI[key]
    python = folder / "python/bin/python"
    run(python, "-c", f"import {package}")
    version = pinned_python()[package].partition("==")[2]
    program = Program([str(python), str(PEERS / file)])
    return Contender(key, name.format(version), program, rooms=key == "uwebsockets")


def node_ws(folder: Path) -> Contender:
    program = Program(node(folder, "ws", "node_ws.mjs"))
    return Contender("ws", f"Node `ws` {pinned_node()['ws']}", program, rooms=True)


def socket_io(folder: Path) -> Contender:
    # Socket.IO's own protocol: `40` joins, and a text is an argument of an event.
    envelope = Envelope(hello=b"40", greeting=b"42", before=b'42["chat","', after=b'"]')
    program = Program(node(folder, "socket.io", "socket_io.mjs"), path="/chat/?EIO=4&transport=websocket")
    return Contender("socketio", f"Socket.IO {pinned_node()['socket.io']}", program, envelope)


def node(folder: Path, package: str, file: str) -> list[str]:
    """The command that runs a server on Node."""
    need("node")
    if not (folder / "node/node_modules" / package).exists():
        raise Unavailable(f"npm did not install {package}")
    return ["node", str(folder / "node" / file)]


def ktor(folder: Path, key: str) -> Contender:
    need("java")
    version = KTOR[key]
    target = folder / "ktor" / version
    if not (target / "classes").exists():
        raise Unavailable("Maven did not build it")
    command = ["java", "-Xmx2g", "-cp", f"{target / 'classes'}:{target / 'dependency'}/*", "ChatKt"]
    return Contender(key, f"the original, Ktor {version}", Program(command), rooms=True, practice=3)


def need(*programs: str) -> None:
    """Unavailable unless all these programs are installed."""
    for program in programs:
        if shutil.which(program) is None:
            raise Unavailable(f"{program} is not installed")


def run(*command: str | Path, cwd: Path | None = None) -> None:
    """Run a command to its end. Unavailable, with the last line that it wrote, if it fails."""
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
        raise Unavailable(str(error)) from None
    if done.returncode:
        raise Unavailable((done.stdout.strip().splitlines() or [f"{command[0]} failed"])[-1])
