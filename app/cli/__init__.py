"""The command `natter`: reads the settings and serves the application where they say, keeps what its store holds, or
puts load on a server.

Exit codes: 0 when done, and for the server after SIGTERM or Ctrl-C; 2 for a wrong configuration or flag; 1 for anything
else.
"""

from __future__ import annotations

import argparse
import configparser
import dataclasses
import functools
import json
import logging.config
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from config import ConfigurationError, Settings, find, load, shipped
from config.errors import suggestion
from config.schema import build

if TYPE_CHECKING:
    from app.load import Plan

PROGRAM = "natter"
COMMANDS = {
    "export": "Write what the store holds to standard output, in lines of JSON: all, secrets included, or one room.",
    "import": "Put what `export` wrote into the store: all of it, or nothing. No server may have the store open.",
    "backup": "Copy the store to a new file, while a server runs or not.",
    "chat": "Chat in the terminal, or in a pipe.",
    "load": "Let many clients join a server's chat and talk, and tell what it does. They are in a room of their own, "
    "`load`, and what they say is stored like anything else. A server lets few in from one address, and nobody talk "
    "fast: start it with -P:chat.limits.rate=0 -P:chat.limits.connections=0 -P:chat.limits.connections-per-address=0.",
}
"""What else can be done than to serve, by its first argument."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line `arguments`, without the program's name; the answer is the exit code."""
    given = tuple(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] == "chat":
        from app.client.main import main as chat

        return chat(given[1:])
    if given and given[0] == "load":
        return _put_load(given[1:])
    if given and given[0] in COMMANDS:
        return _keep(given[0], given[1:])
    return _run(given)


def _run(arguments: Sequence[str], sockets: list[socket.socket] | None = None) -> int:
    """Serve as `arguments` say, on `sockets` where there are some already. What can't be is told in one line."""
    from app.errors import StartupError

    try:
        settings = _settings(_flags(arguments))
        _configure_logging(settings)
        if settings.app.deployment.reload and sockets is None:
            _reload(settings, arguments)
        else:
            _serve(settings, sockets)
    except ConfigurationError as error:
        return _fail(error, 2)
    except StartupError as error:
        return _fail(error, 1)
    return 0


def _keep(command: str, arguments: Sequence[str]) -> int:
    """Do one of COMMANDS. What can't be is told in one line."""
    from app.backends import StoreError
    from app.backends.archive import ArchiveError

    try:
        flags = _keeping_flags(command, arguments)
        _kept(command, _store(_load(flags.config, flags.property)), flags)
        sys.stdout.flush()
    except ConfigurationError as error:
        return _fail(error, 2)
    except (StoreError, ArchiveError) as error:
        return _fail(error, 1)
    except BrokenPipeError:
        # Who read it has read enough. What is left in the buffer must not be tried again when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{(error.strerror or str(error)).lower()}", 1)
    return 0


def _kept(command: str, store: str, flags: argparse.Namespace) -> None:
    from app.backends import archive

    if command == "export":
        archive.export(store, sys.stdout.buffer.write, flags.room or "")
    elif command == "backup":
        archive.back_up(store, Path(flags.file))
    elif flags.file == "-":
        archive.take_in(store, sys.stdin.buffer, "stdin")
    else:
        with Path(flags.file).open("rb") as file:
            archive.take_in(store, file, flags.file)


def _store(settings: Settings) -> str:
    """The path of the store, which the module of the chat reads with the rest of its group."""
    path = ("chat", "store")
    group = settings.tree.values.get("chat")
    for key in group if isinstance(group, dict) else ():
        if key not in path and (near := suggestion(key, ("store",))):
            origin = settings.tree.origin(("chat", key))
            raise ConfigurationError(f"unknown key{near}", origin=origin, key=f"chat.{key}")
    store = "chat.db" if settings.property_or_none("chat.store") is None else build(str, settings.tree, path)
    if store == ":memory:":
        problem = "expected a file: what is in memory ends with its server"
        raise ConfigurationError(problem, origin=settings.tree.origin(path), key="chat.store", value=store)
    return store


def _serve(settings: Settings, sockets: list[socket.socket] | None) -> None:
    from app.application import create_app
    from app.serving.server import bind, run

    app = create_app(settings)
    run(app, sockets or bind(settings))


def _reload(settings: Settings, arguments: Sequence[str]) -> None:
    import uvicorn

    from app.serving.server import Reload, bind

    directories = {str(Path.cwd()), *(str(file.resolve().parent) for file in settings.files)}
    config = uvicorn.Config(
        "app:create_app", factory=True, reload=True, reload_dirs=sorted(directories), log_config=None
    )
    reloader = Reload(config, functools.partial(_run_again, arguments), bind(settings))
    reloader.files = settings.files
    reloader.run()


def _run_again(arguments: Sequence[str], sockets: list[socket.socket]) -> None:
    """What the reloader runs in a process of its own: the same command line, on the sockets that are there already."""
    sys.exit(_run(arguments, sockets))


def _settings(flags: argparse.Namespace) -> Settings:
    from app.application import refuse_workers

    refuse_workers(os.environ)
    if flags.workers not in (None, "1"):
        problem = "expected 1: the chat lives in one process, and several would each be a chat of their own"
        raise ConfigurationError(problem, key="--workers", value=flags.workers)
    overrides = list(flags.property)
    for key, value in (("host", flags.host), ("port", flags.port), ("root-path", flags.path)):
        if value is not None:
            overrides.append(f"app.deployment.{key}={value}")
    return _load(flags.config, overrides)


def _load(files: Sequence[str], overrides: Sequence[str]) -> Settings:
    return load([Path(file) for file in files] or [find(os.environ, Path.cwd())], overrides)


class _Parser(argparse.ArgumentParser):
    def format_help(self) -> str:
        return super().format_help().replace("-P :", "-P:")

    def error(self, message: str) -> NoReturn:
        sys.exit(_fail(f"{message}; see {self.prog} --help", 2))


def _flags(arguments: Sequence[str]) -> argparse.Namespace:
    from app import __version__

    parser = _Parser(
        prog=PROGRAM,
        allow_abbrev=False,
        description="A chat over WebSockets. Reads application.conf, in the working directory or its own.",
        epilog="Every setting is explained in application.conf. "
        f"What the store holds is kept by {PROGRAM} export [ROOM], "
        f"{PROGRAM} import FILE and {PROGRAM} backup FILE; {PROGRAM} load puts load on it, "
        f"{PROGRAM} chat is a client in the terminal; each has a --help.",
    )
    _add_settings(parser)
    parser.add_argument("-host", "--host", help="the address to listen on: app.deployment.host")
    parser.add_argument("-port", "--port", help="the TCP port, 0 for any free one: app.deployment.port")
    parser.add_argument("-path", "--path", help="a prefix of every route: app.deployment.root-path")
    parser.add_argument("--workers", help=argparse.SUPPRESS)
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    return _parsed(parser, arguments)


def _keeping_flags(command: str, arguments: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(prog=f"{PROGRAM} {command}", allow_abbrev=False, description=COMMANDS[command])
    if command == "export":
        parser.add_argument("room", nargs="?", metavar="ROOM", type=_room, help="the room; without it: all")
    else:
        told = "a new file for the copy" if command == "backup" else "what `export` wrote, or - for standard input"
        parser.add_argument("file", metavar="FILE", help=told)
    _add_settings(parser)
    return _parsed(parser, arguments)


def _put_load(arguments: Sequence[str]) -> int:
    """Put load on a server, and tell what it did. 1 where a copy of a message is missing."""
    from app.load import Bar, LoadError, run

    try:
        flags = _load_flags(arguments)
        with Bar(sys.stderr) as bar:
            report = run(_plan(flags), bar)
    except LoadError as error:
        return _fail(error, 1)
    print(json.dumps(report.figures()) if flags.json else "\n".join(report.lines()))
    for problem, count in report.problems.items():
        _fail(f"{count:,} times: {problem}", 1)
    missing = report.talk.expected - report.talk.received if report.talk else 0
    return _fail(f"{missing:,} copies did not arrive", 1) if missing else 0


def _load_flags(arguments: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(prog=f"{PROGRAM} load", allow_abbrev=False, description=COMMANDS["load"])
    told = "where the chat is (ws://localhost:8080/chat)"
    parser.add_argument("url", nargs="?", metavar="URL", default="ws://localhost:8080/chat", help=told)
    whole, some = _number(int, 0), _number(int, 1)
    parser.add_argument("--clients", type=some, default=1000, help="how many join (%(default)s)")
    parser.add_argument("--publishers", type=some, default=1, help="how many of them speak, in turn (%(default)s)")
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument(
        "--outstanding",
        type=some,
        default=1,
        metavar="MESSAGES",
        help="as fast as can be: the next message is sent when of so many one has reached all (%(default)s)",
    )
    pace.add_argument(
        "--rate", type=_number(float, 0.001), default=0.0, metavar="MESSAGES", help="on time: so many a second"
    )
    parser.add_argument("--size", type=_number(int, 17), default=100, metavar="BYTES", help="of a text (%(default)s)")
    parser.add_argument("--seconds", type=_number(float, 0.1), default=5.0, help="how long (%(default)g)")
    parser.add_argument("--rooms", type=some, default=1, help="how many rooms they are spread over (%(default)s)")
    parser.add_argument("--idle", action="store_true", help="say nothing, only stay")
    parser.add_argument(
        "--stopped", type=whole, default=0, metavar="CLIENTS", help="how many read nothing (%(default)s)"
    )
    parser.add_argument(
        "--cpu-of", type=some, metavar="PID", help="the server's process, to tell its processor time and memory (Linux)"
    )
    parser.add_argument("--json", action="store_true", help="tell it in JSON")
    flags = parser.parse_intermixed_args(list(arguments))
    if flags.rooms > flags.clients or max(flags.publishers, flags.rooms) + flags.stopped > flags.clients:
        parser.error("--clients: expected at least as many as --rooms, and as --publishers and --stopped together")
    return flags


def _plan(flags: argparse.Namespace) -> Plan:
    from app.load import Plan

    names = [field.name for field in dataclasses.fields(Plan)]
    return Plan(**{name: getattr(flags, name) for name in names if name != "process"}, process=flags.cpu_of)


def _number(kind: type[int | float], least: float) -> Callable[[str], float]:
    """A type of argument: a number from `least` on."""

    def number(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = kind(-1)
        if not least <= value < float("inf"):
            raise argparse.ArgumentTypeError(f"expected a number from {least:g}, got {text!r}")
        return value

    return number


def _room(name: str) -> str:
    from app.chat.errors import Refused
    from app.chat.frames import room_name

    try:
        return room_name(name)
    except Refused as refused:
        raise argparse.ArgumentTypeError(refused.message) from None


def _add_settings(parser: argparse.ArgumentParser) -> None:
    """The flags that say what is configured."""
    parser.add_argument(
        "-config",
        "--config",
        action="append",
        default=[],
        metavar="FILE",
        help="a configuration file; of several, the right one wins",
    )
    parser.add_argument(
        "-P",
        "--P",
        dest="property",
        action="append",
        default=[],
        metavar=":KEY=VALUE",
        help="any setting, as in -P:app.deployment.port=9090",
    )


def _parsed(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    # Intermixed, since a ROOM that may be left out is otherwise not looked for behind a flag (before Python 3.13).
    flags = parser.parse_intermixed_args([_with_equals(argument) for argument in arguments])
    flags.property = [text.removeprefix(":") for text in flags.property]
    return flags


def _with_equals(argument: str) -> str:
    """Ktor's `-P:key=value` in the form that argparse takes, `-P=:key=value`."""
    for prefix in ("-P:", "--P:"):
        if argument.startswith(prefix):
            return f"{prefix[:-1]}=:{argument.removeprefix(prefix)}"
    return argument


def _configure_logging(settings: Settings) -> None:
    own = shipped("application.conf")
    beside = [file.resolve().parent for file in reversed(settings.files) if file != own]
    candidates = [directory / "logging.ini" for directory in (*beside, Path.cwd())]
    path = next((candidate for candidate in candidates if candidate.is_file()), shipped("logging.ini"))
    try:
        logging.config.fileConfig(path, disable_existing_loggers=False, encoding="utf-8")
    except (
        configparser.Error,
        KeyError,
        ValueError,
        RuntimeError,
        ImportError,
        AttributeError,
        TypeError,
        NameError,
        OSError,
    ) as error:
        raise ConfigurationError(f"{path}: expected a file for logging.config.fileConfig: {error}") from None


def _fail(problem: object, code: int) -> int:
    print(f"{PROGRAM}: {problem}", file=sys.stderr)
    return code


def entry() -> NoReturn:
    """The console script: `main`, with the signals that ask a process to stop meaning a stop in good order."""
    stopped = int(sys.argv[1:2] != [] and sys.argv[1] in COMMANDS)  # half an export is none, an ended server is well
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(stopped))
    sys.exit(main())
