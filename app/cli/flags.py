"""What the subcommands share: how flags are parsed and a failure is reported."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from app.cli.subcommands import PROGRAM

if TYPE_CHECKING:
    from config import Settings


def fail(problem: object, code: int) -> int:
    """Print `problem` on standard error, and return `code`."""
    sys.stderr.write(f"{PROGRAM}: {problem}\n")
    return code


class Parser(argparse.ArgumentParser):
    """Exits with code 2 and one line if an argument is wrong. A flag must be spelled out in full."""

    def __init__(self, program: str, description: str, table: str = "") -> None:
        super().__init__(prog=program, description=description, allow_abbrev=False)
        self._table = table
        """Goes below the help as it is, without line breaks added."""

    def format_help(self) -> str:
        text = super().format_help().replace("-P :", "-P:")
        return f"{text}\n{self._table}\n" if self._table else text

    def error(self, message: str) -> NoReturn:
        sys.exit(fail(f"{message}; see {self.prog} --help", 2))


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


def parse(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """Parse `arguments` with a parser that has the flags of `add_settings`."""
    # Before Python 3.13, only the intermixed way finds an optional ROOM that comes after a flag.
    flags = parser.parse_intermixed_args([_with_equals(argument) for argument in arguments])
    flags.property = [text.removeprefix(":") for text in flags.property]
    return flags


def load_settings(files: Sequence[str], overrides: Sequence[str]) -> Settings:
    """Load the settings from `files`, or from the default file if there are none. Raise ConfigurationError."""
    from config import find, load

    return load([Path(file) for file in files] or [find(os.environ, Path.cwd())], overrides)


def _with_equals(argument: str) -> str:
    """Turn Ktor's `-P:key=value` into the form that argparse understands, `-P=:key=value`."""
    for prefix in ("-P:", "--P:"):
        if argument.startswith(prefix):
            return f"{prefix[:-1]}=:{argument.removeprefix(prefix)}"
    return argument
