"""`natter serve`, or just `natter`: load the settings and start the server."""

from __future__ import annotations

import argparse
import configparser
import functools
import gc
import logging.config
import os
import socket
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from app.cli.flags import Parser, add_settings, add_shortcuts, fail, load_settings, overrides, parse
from app.cli.subcommands import PROGRAM, SUBCOMMANDS
from config import ConfigurationError, Settings, shipped


def main(arguments: Sequence[str], program: str, sockets: list[socket.socket] | None = None) -> int:
    """Serve until a signal stops the process. `sockets` are those to listen on, if they are open already."""
    from app.errors import StartupError

    try:
        settings = _settings(_flags(arguments, program))
        _configure_logging(settings)
        if settings.app.deployment.reload and sockets is None:
            _reload(settings, arguments, program)
        else:
            _serve(settings, sockets)
    except ConfigurationError as error:
        return _end(2, error)
    except StartupError as error:
        return _end(1, error)
    return _end(0)


def _end(code: int, problem: Exception | None = None) -> int:
    """Write what is left of the log, then the problem. Return the exit code."""
    from app.serving.log_queue import drain

    written = drain()
    if problem is not None and written:
        fail(problem, code)
    if not written:  # the log is a pipe that nobody reads: flushing it would take forever
        os._exit(code)
    return code


def _flags(arguments: Sequence[str], program: str) -> argparse.Namespace:
    from app import __version__

    parser = Parser(
        program,
        "Start the chat server. The settings come from application.conf in the working directory; without that file, "
        "from the one that comes with Natter, which explains every setting.",
        _overview() if program == PROGRAM else "",
    )
    add_settings(parser)
    add_shortcuts(parser)
    parser.add_argument("--workers", help=argparse.SUPPRESS)
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    return parse(parser, arguments)


def _overview() -> str:
    """The subcommands, a line each."""
    usages = {f"{PROGRAM} {name} {row.arguments}".rstrip(): row.summary for name, row in SUBCOMMANDS.items()}
    width = max(map(len, usages))
    lines = [f"  {usage:{width}}  {summary}" for usage, summary in usages.items()]
    return "\n".join(["subcommands (each has its own --help):", *lines])


def _settings(flags: argparse.Namespace) -> Settings:
    from app.serving.workers import refuse_workers

    refuse_workers(os.environ)
    if flags.workers not in (None, "1"):
        problem = "expected 1: the chat lives in one process, and several would be separate chats"
        raise ConfigurationError(problem, key="--workers", value=flags.workers)
    return load_settings(flags.config, overrides(flags))


def _configure_logging(settings: Settings) -> None:
    from app.serving.log_queue import install

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
    install()


def _serve(settings: Settings, sockets: list[socket.socket] | None) -> None:
    from app.application import create_app
    from app.serving.binding import bind
    from app.serving.server import run

    app = create_app(settings)
    with ExitStack() as listening:
        for one in (sockets := sockets or bind(settings)):
            listening.enter_context(one)
        run(app, sockets)


def _reload(settings: Settings, arguments: Sequence[str], program: str) -> None:
    """Serve in a child process, and start it again whenever a watched file changes."""
    from app.serving.binding import bind
    from app.serving.reloading import Reload

    gc.enable()  # this process stays, and never gets as far as a server
    folders = {Path.cwd(), *(file.resolve().parent for file in settings.files)}
    serve = functools.partial(_serve_child, arguments, program)
    Reload(serve, bind(settings), sorted(folders), settings.tree.files).run()


def _serve_child(arguments: Sequence[str], program: str, sockets: list[socket.socket]) -> None:
    """Run in the reloader's child process: the same command line, on the sockets that are open already."""
    sys.exit(main(arguments, program, sockets))
