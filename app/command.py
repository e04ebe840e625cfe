"""The command `natter`: reads the settings and serves the application where they say.

Exit codes: 0 after SIGTERM or Ctrl-C, 2 for a wrong configuration or flag, 1 for anything else.
"""

from __future__ import annotations

import argparse
import configparser
import functools
import logging.config
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from config import ConfigurationError, Settings, find, load, shipped

PROGRAM = "natter"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line `arguments`, without the program's name; the answer is the exit code."""
    return _run(tuple(sys.argv[1:] if arguments is None else arguments))


def _run(arguments: Sequence[str], sockets: list[socket.socket] | None = None) -> int:
    """Serve as `arguments` say, on `sockets` where there are some already. What can't be is told in one line."""
    from app.application import StartupError

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


def _serve(settings: Settings, sockets: list[socket.socket] | None) -> None:
    from app.application import create_app
    from app.server import bind, run

    app = create_app(settings)
    run(app, sockets or bind(settings))


def _reload(settings: Settings, arguments: Sequence[str]) -> None:
    import uvicorn

    from app.server import Reload, bind

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
    return load([Path(file) for file in flags.config] or [find(os.environ, Path.cwd())], overrides)


class _Parser(argparse.ArgumentParser):
    def format_help(self) -> str:
        return super().format_help().replace("-P :", "-P:")

    def error(self, message: str) -> NoReturn:
        sys.exit(_fail(f"{message}; see {PROGRAM} --help", 2))


def _flags(arguments: Sequence[str]) -> argparse.Namespace:
    from app import __version__

    parser = _Parser(
        prog=PROGRAM,
        allow_abbrev=False,
        description="A chat over WebSockets. Reads application.conf, in the working directory or its own.",
        epilog="Every setting is explained in application.conf.",
    )
    parser.add_argument(
        "-config",
        "--config",
        action="append",
        default=[],
        metavar="FILE",
        help="a configuration file; of several, the right one wins",
    )
    parser.add_argument("-host", "--host", help="the address to listen on: app.deployment.host")
    parser.add_argument("-port", "--port", help="the TCP port, 0 for any free one: app.deployment.port")
    parser.add_argument("-path", "--path", help="a prefix of every route: app.deployment.root-path")
    parser.add_argument(
        "-P",
        "--P",
        dest="property",
        action="append",
        default=[],
        metavar=":KEY=VALUE",
        help="any setting, as in -P:app.deployment.port=9090",
    )
    parser.add_argument("--workers", help=argparse.SUPPRESS)
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    flags = parser.parse_args([_with_equals(argument) for argument in arguments])
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
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    sys.exit(main())
