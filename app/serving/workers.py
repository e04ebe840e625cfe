"""Keeps the chat in one process, whichever server runs it: several would be separate chats."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from app.errors import StartupError
from config import ConfigurationError

VARIABLE = "WEB_CONCURRENCY"
PROGRAMS = frozenset({"uvicorn", "hypercorn", "granian", "gunicorn", "daphne"})
"""The commands of ASGI servers."""
PROBLEM = "the chat lives in one process, and several would be separate chats"
_OPTION = re.compile(r"(?:--workers(?:=|$)|-w)(\d*)")
_first: list[socket.socket] = []
"""What shows other processes that this is the first worker of its server. Open as long as the process lives."""


def program(arguments: Sequence[str]) -> str:
    """The ASGI server whose command line `arguments` are, such as `uvicorn`, or "" for anything else."""
    path = Path(arguments[0] if arguments else "")
    name = path.parent.name if path.name == "__main__.py" else path.stem
    return name if name in PROGRAMS else ""


def refuse_workers(environment: Mapping[str, str]) -> None:
    """Raise ConfigurationError if `$WEB_CONCURRENCY` asks for several processes."""
    value = environment.get(VARIABLE, "")
    if value not in ("", "1"):
        raise ConfigurationError(f"expected 1 or nothing: {PROBLEM}", key=VARIABLE, value=value)


def refuse_second_worker(arguments: Sequence[str]) -> None:
    """Raise StartupError in the second process of a server whose command line, `arguments`, asks for several. It stops
    the others then. While they are still importing the application, some would miss the signal for that: ask at the
    start of the lifespan."""
    count = _workers(arguments) if program(arguments) else 1
    if count > 1 and not _is_first():
        raise StartupError(str(ConfigurationError(f"expected 1: {PROBLEM}", key="--workers", value=str(count))))


def exit_under_command(error: ConfigurationError) -> None:
    """Under the command of another server, exit with one line and no traceback."""
    server, click = program(sys.argv), sys.modules.get("click")
    if server == "uvicorn" and click and click.get_current_context(silent=True):
        failure = click.ClickException(str(error))  # which it prints in one line
        failure.exit_code = 2
        raise failure from None
    if server:
        exit_worker(str(error))


def exit_worker(problem: str, *, now: bool = False) -> None:
    """Exit, and print each line of `problem`. `now` leaves the server no chance to add to it.

    Gunicorn starts a new worker for one that ends with any other code than 3.
    """
    lines = "\n".join(f"natter: {line}" for line in problem.split("\n"))
    print(lines, file=sys.stderr, flush=True)  # noqa: T201
    if now:
        os._exit(3)
    raise SystemExit(3)


def _workers(arguments: Sequence[str]) -> int:
    for index, argument in enumerate(arguments):
        if match := _OPTION.fullmatch(argument):
            value = match[1] or next(iter(arguments[index + 1 : index + 2]), "")
            return int(value) if value.isdecimal() else 1
    return 1


def _is_first() -> bool:
    """Whether no other worker of the same server has asked before. Linux alone can tell; elsewhere none is the
    first."""
    if _first:
        return True
    one = socket.socket(socket.AF_UNIX)
    try:
        one.bind(f"\0natter-first-worker-of-{os.getppid()}")
    except OSError:
        one.close()
        return False
    _first.append(one)
    return True
