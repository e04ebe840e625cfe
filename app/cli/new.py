"""`natter new`: make a small project, with a module of its own, its configuration and its test."""

from __future__ import annotations

import argparse
import os
import select
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from app.cli.flags import Parser, fail
from app.new_project import source
from app.new_project.errors import ProjectError
from app.new_project.naming import package_name
from app.new_project.parts import ALL, PARTS, chosen, listed
from app.new_project.writing import Project, create
from config.errors import shown

T = TypeVar("T")

DESCRIPTION = (
    "Make a small project: a module of your own, its configuration in HOCON (application.conf), its test, a Makefile "
    "and a Dockerfile. In a terminal you are asked for what the flags don't say. docs/tutorial.md begins with it."
)


class Question(NamedTuple):
    """What to choose: its text in a terminal, and its default."""

    text: str
    default: str


NAME = Question("Name", "my-chat")
LOCATION = Question("Location", ".")
MODULES = Question(f"Modules ({listed(PARTS)})", ALL)
SAMPLE = Question("Sample code (yes, no)", "yes")


def main(arguments: Sequence[str], program: str) -> int:
    """Make a project, and say how to go on."""
    flags = _flags(arguments, program)
    try:
        project = _project(flags)
    except ProjectError as error:
        return fail(error, 2)
    try:
        create(project)
    except ProjectError as error:
        return fail(error, 1)
    _show(
        f"Created {project.name} with {listed(project.parts)}. Next:\n"
        f"  cd {shlex.quote(str(project.folder))}\n"
        "  make run    # serves http://127.0.0.1:8080\n"
        "  make test\n"
    )
    return 0


def _flags(arguments: Sequence[str], program: str) -> argparse.Namespace:
    parser = Parser(program, DESCRIPTION, "\n".join(["modules:", *(f"  {name:8} {PARTS[name]}" for name in PARTS)]))
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help=f"name of the project and of its folder ({NAME.default})"
    )
    parser.add_argument("--location", metavar="FOLDER", help="where to make its folder (the working directory)")
    parser.add_argument(
        "--modules", metavar="NAMES", help=f"what to include, with commas between the names below ({MODULES.default})"
    )
    parser.add_argument(
        "--sample",
        action=argparse.BooleanOptionalAction,
        help=f"include sample code, such as an echo ({SAMPLE.default})",
    )
    parser.add_argument(
        source.FLAG,
        metavar="PATH-OR-URL",
        help="where the project gets Natter from: a checkout, a wheel, an sdist or a URL such as git+https://… "
        "(where this one came from)",
    )
    parser.add_argument("-y", "--yes", action="store_true", help="take the defaults, and ask nothing")
    return parser.parse_intermixed_args(list(arguments))


def _project(flags: argparse.Namespace) -> Project:
    """What the flags say, with the answers to questions and defaults for the rest."""
    ask = _in_terminal() and not flags.yes
    natter = source.running() if flags.natter is None else source.named(flags.natter)
    name = _choose(flags.name, NAME, _name, ask=ask)
    location = _choose(flags.location, LOCATION, _location(name), ask=ask)
    parts = _choose(flags.modules, MODULES, chosen, ask=ask)
    sample = _choose(None, SAMPLE, _yes, ask=ask) if flags.sample is None else flags.sample
    return Project(name, location, parts, sample, natter)


def _choose(flag: str | None, question: Question, read: Callable[[str], T], *, ask: bool) -> T:
    """What the flag says, or else the answer, or else the default, as `read` takes it."""
    if flag is not None:
        return read(flag)
    return _ask(question, read) if ask else read(question.default)


def _ask(question: Question, read: Callable[[str], T]) -> T:
    """Ask until the answer can be used. Enter takes the default. ProjectError if the input ends."""
    while True:
        try:
            return read(_line(f"{question.text} [{question.default}]: ") or question.default)
        except ProjectError as error:
            _show(f"{error}\n")


def _line(prompt: str) -> str:
    """Show `prompt`, and read a line from the terminal."""
    try:
        _show(prompt)
        _wait_for(sys.stdin.fileno())
    except SystemExit:  # a signal: end the line of the question
        _show("\n")
        raise
    typed = os.read(sys.stdin.fileno(), 4096)  # a terminal gives one line at a time
    if not typed:
        _show("\n")
        raise SystemExit(fail("nothing was created, since the input ended", 1))
    return typed.decode(errors="replace").strip()


def _wait_for(descriptor: int) -> None:
    """Wait until there is something to read. A signal ends the wait, even if it comes just before the wait begins, when
    it wouldn't interrupt `input`."""
    woken, waker = os.pipe()
    os.set_blocking(waker, False)
    before = signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    try:
        while descriptor not in select.select([descriptor, woken], [], [])[0]:
            os.read(woken, 1)
    finally:
        signal.set_wakeup_fd(before)
        os.close(woken)
        os.close(waker)


def _in_terminal() -> bool:
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))


def _name(text: str) -> str:
    package_name(text)
    return text


def _location(name: str) -> Callable[[str], Path]:
    """Reads where to make the folder of the project called `name`, and checks that it can be there."""

    def read(text: str) -> Path:
        location = Path(text).expanduser()
        Project(name, location, frozenset(), sample=False, natter="").check()
        return location

    return read


def _yes(text: str) -> bool:
    if text.lower() in ("y", "yes", "n", "no"):
        return text.lower().startswith("y")
    raise ProjectError(f"{shown(text)} is neither yes nor no")


def _show(text: str) -> None:
    """Print, whatever characters a path consists of and whether or not someone reads it."""
    if sys.stdout is not None:
        encoding = sys.stdout.encoding
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
        sys.stdout.flush()
