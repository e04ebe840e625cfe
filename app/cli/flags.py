"""What the subcommands share: how flags are parsed and a failure is reported."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from app.cli.subcommands import PROGRAM

if TYPE_CHECKING:
    from config import Settings


def fail(problem: object, code: int) -> int:
    """Print each line of `problem` on standard error, and return `code`."""
    sys.stderr.writelines(f"{PROGRAM}: {line}\n" for line in str(problem).split("\n"))
    return code


class Parser(argparse.ArgumentParser):
    """Exits with code 2 and one line if an argument is wrong, or a line for each flag of Ktor. A flag must be spelled
    out in full."""

    def __init__(self, program: str, description: str, table: str = "") -> None:
        super().__init__(prog=program, description=description, allow_abbrev=False)
        self._table = table
        """Goes below the help as it is, without line breaks added."""
        self.given: Sequence[str] = ()
        """What is parsed, to explain what is wrong with it."""

    def format_help(self) -> str:
        text = super().format_help().replace("-P :", "-P:")
        return f"{text}\n{self._table}\n" if self._table else text

    def error(self, message: str) -> NoReturn:
        from app.cli.ktor_flags import problems

        lines = list(problems(self.given)) or [f"{message}; see {self.prog} --help"]
        sys.exit(fail("\n".join(lines), 2))


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add the flags that choose and override the configuration."""
    parser.add_argument(
        "-config",
        "--config",
        action="append",
        default=[],
        metavar="FILE",
        help="read this configuration file; repeat the flag to add files, later ones override earlier ones",
    )
    parser.add_argument(
        "-P",
        "--P",
        dest="property",
        action="append",
        default=[],
        metavar=":KEY=VALUE",
        help="override a setting, as in -P:app.deployment.port=9090",
    )


def add_shortcuts(parser: argparse.ArgumentParser) -> None:
    """Add the flags for the settings that are overridden most."""
    parser.add_argument("-host", "--host", help="address to listen on, or several with commas (app.deployment.host)")
    parser.add_argument("-port", "--port", help="TCP port to listen on, 0 for any free one (app.deployment.port)")
    parser.add_argument("-path", "--path", help="path prefix of all routes (app.deployment.root-path)")


def overrides(flags: argparse.Namespace) -> list[str]:
    """Return what the flags of `add_settings` and `add_shortcuts` override, as `load` takes it."""
    shortcuts = {"-host": flags.host, "-port": flags.port, "-path": flags.path}
    return [*flags.property, *(f"{flag}={value}" for flag, value in shortcuts.items() if value is not None)]


def parse(parser: Parser, arguments: Sequence[str]) -> argparse.Namespace:
    """Parse `arguments` with a parser that has the flags of `add_settings`."""
    parser.given = arguments
    # Before Python 3.13, only the intermixed way finds an optional ROOM that comes after a flag.
    flags = parser.parse_intermixed_args([_with_equals(argument) for argument in arguments])
    if "" in flags.config:
        parser.error("-config: expected the name of a file")
    flags.property = [text.removeprefix(":") for text in flags.property]
    return flags


def load_settings(files: Sequence[str], overriding: Sequence[str]) -> Settings:
    """Load the settings from `files`, or from the default file if there are none. Raise ConfigurationError."""
    from config import find, load

    return load([Path(file) for file in files] or [find(os.environ, Path.cwd())], overriding)


def write(text: str) -> int:
    """Write `text` to standard output, in UTF-8, and return the exit code."""
    if sys.stdout is None:  # the program was started without one
        return fail("standard output is closed: redirect it to a file", 1)
    try:
        sys.stdout.buffer.write(text.encode())
        sys.stdout.flush()
    except OSError as error:
        return output_failed(error)
    return 0


def output_failed(error: OSError) -> int:
    """Drop what is left to print, since standard output can't be written, and return the exit code."""
    if sys.stdout is not None:
        with suppress(OSError):  # Python would try to write the rest of its buffer at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1 if isinstance(error, BrokenPipeError) else fail((error.strerror or str(error)).lower(), 1)


def _with_equals(argument: str) -> str:
    """Turn Ktor's `-P:key=value` into the form that argparse understands, `-P=:key=value`."""
    for prefix in ("-P:", "--P:"):
        if argument.startswith(prefix):
            return f"{prefix[:-1]}=:{argument.removeprefix(prefix)}"
    return argument
