"""`natter export`, `import` and `backup`: move the store's content in and out."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from app.backends import StoreError, archive
from app.backends.archive import ArchiveError
from app.chat.errors import Refused
from app.chat.logs import room_name
from app.cli.flags import Parser, add_settings, fail, load_settings, output_failed, parse
from app.cli.subcommands import PROGRAM
from config import ConfigurationError, Settings
from config.errors import reason, suggestion
from config.schema import build


def export(arguments: Sequence[str], program: str) -> int:
    """Write the store, or one room of it, to standard output."""
    parser = Parser(
        program,
        "Write the store to standard output as lines of JSON: everything, secrets included, or one room without "
        "secrets and whispers. The server may keep running.",
    )
    parser.add_argument("room", nargs="?", metavar="ROOM", type=_room, help="the room to export (default: everything)")
    return run(parser, arguments, _export)


def import_(arguments: Sequence[str], program: str) -> int:
    """Load an export into the store."""
    parser = Parser(
        program,
        "Load an export into the store. All of it is loaded, or nothing if something is wrong with it. Stop the server "
        "first.",
    )
    parser.add_argument("file", metavar="FILE", help="the export, or - for standard input")
    return run(parser, arguments, _import)


def backup(arguments: Sequence[str], program: str) -> int:
    """Copy the store to a new file."""
    parser = Parser(program, "Copy the store to a new file. The server may keep running.")
    parser.add_argument("file", metavar="FILE", help="the file to create")
    return run(parser, arguments, _backup)


def _export(store: str, flags: argparse.Namespace) -> None:
    if sys.stdout is None:
        raise ArchiveError("standard output is closed: redirect it to a file")
    archive.export(store, sys.stdout.buffer.write, flags.room or "")


def _import(store: str, flags: argparse.Namespace) -> None:
    if flags.file == "-" and sys.stdin is None:
        raise ArchiveError("standard input is closed: redirect it from a file")
    if flags.file == "-":
        archive.import_(store, sys.stdin.buffer, "stdin")
    else:
        with Path(flags.file).open("rb") as file:
            archive.import_(store, file, flags.file)


def _backup(store: str, flags: argparse.Namespace) -> None:
    archive.back_up(store, Path(flags.file))


def run(parser: Parser, arguments: Sequence[str], work: Callable[[str, argparse.Namespace], int | None]) -> int:
    """Do `work` on the store that the settings name, and return the exit code. Report a failure in one line."""
    logging.basicConfig(format=f"{PROGRAM}: %(message)s")  # the store may be upgraded, which is worth a line
    try:
        add_settings(parser)
        flags = parse(parser, arguments)
        code = work(_store_path(load_settings(flags.config, flags.property)), flags)
        if sys.stdout is not None:  # it is None if the program was started without one
            sys.stdout.flush()
        return code or 0
    except ConfigurationError as error:
        return fail(error, 2)
    except (StoreError, ArchiveError) as error:
        return fail(error, 1)
    except OSError as error:
        return fail(f"{error.filename}: {reason(error)}", 1) if error.filename else output_failed(error)


def _store_path(settings: Settings) -> str:
    """Return the path of the store. The chat module, which reads the other keys of its group, is not loaded here."""
    path = ("chat", "store")
    group = settings.tree.values.get("chat")
    for key in group if isinstance(group, dict) else ():
        if key not in path and (near := suggestion(key, ("store",))):
            origin = settings.tree.origin(("chat", key))
            raise ConfigurationError(f"unknown key{near}", origin=origin, key=f"chat.{key}")
    store = "chat.db" if settings.property_or_none("chat.store") is None else build(str, settings.tree, path)
    if store == ":memory:":
        problem = "expected a file: a store in memory is gone when its server stops"
        raise ConfigurationError(problem, origin=settings.tree.origin(path), key="chat.store", value=store)
    return store


def _room(name: str) -> str:
    try:
        return room_name(name)
    except Refused as refused:
        raise argparse.ArgumentTypeError(refused.message) from None
