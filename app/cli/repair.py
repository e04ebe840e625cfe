"""`natter store check` and `natter store salvage`: find damage in the store, and save what can be read of it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from app.backends import archive
from app.cli.flags import Parser
from app.cli.store import run

DESCRIPTION = (
    "Look for damage in the store (check), or save what can still be read of a damaged store in a new file (salvage). "
    "Neither changes the store. A check works while the server runs; stop the server before you salvage."
)


def main(arguments: Sequence[str], program: str) -> int:
    """Check the store, or salvage it. The exit code of a check is 1 if something is damaged."""
    parser = Parser(program, DESCRIPTION)
    parser.add_argument("what", metavar="check|salvage", choices=("check", "salvage"), help="what to do")
    parser.add_argument("file", nargs="?", metavar="FILE", help="the file to create, for salvage")
    return run(parser, arguments, lambda store, flags: _work(parser, store, flags))


def _work(parser: argparse.ArgumentParser, store: str, flags: argparse.Namespace) -> int:
    if (flags.what == "salvage") != (flags.file is not None):
        parser.error("FILE: expected the name of a new file after salvage, and nothing after check")
    tell = _teller(store)
    if flags.what == "check":
        return 0 if archive.check(store, tell) else 1
    archive.salvage(store, Path(flags.file), tell)
    return 0


def _teller(store: str) -> Callable[[str], object]:
    return lambda line: sys.stdout and sys.stdout.write(f"{store}: {line}\n")
