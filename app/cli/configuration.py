"""`natter config`: print the settings as the server would use them, and where each one came from."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout

from app.cli.flags import (
    Parser,
    add_settings,
    add_shortcuts,
    fail,
    load_settings,
    overrides,
    parse,
    write,
)
from app.cli.subcommands import PROGRAM
from config import ConfigurationError
from config.describing import Group, described
from config.errors import closest, shown
from config.hocon import split
from config.printing import document
from config.settings import FORMER_NAMES

DESCRIPTION = (
    "Print the settings as the server would use them, with those that have their default, as a configuration file. "
    "Passwords and other secrets are shown as ***. Give it the flags and the environment that the server gets. It "
    "starts nothing, and opens no store."
)


def main(arguments: Sequence[str], program: str) -> int:
    """Print the settings, and return the exit code."""
    logging.basicConfig(format=f"{PROGRAM}: %(message)s")  # the warnings that the server would log
    try:
        flags = _flags(arguments, program)
        text = _text(flags)
    except ConfigurationError as error:
        return fail(error, 2)
    return write(text)


def _flags(arguments: Sequence[str], program: str) -> argparse.Namespace:
    parser = Parser(program, DESCRIPTION)
    parser.add_argument("setting", nargs="?", metavar="PATH", help="only this group or setting, such as app.deployment")
    parser.add_argument(
        "--origin",
        action="store_true",
        help="say of each value where it came from: file and line, environment variable, flag, or default",
    )
    add_settings(parser)
    add_shortcuts(parser)
    return parse(parser, arguments)


def _text(flags: argparse.Namespace) -> str:
    from app.application import create_app

    settings = load_settings(flags.config, overrides(flags))
    with redirect_stdout(sys.stderr):  # what modules print isn't a part of the settings
        app = create_app(settings)
    root = described(settings, app.groups, os.environ)
    if flags.setting is None:
        return document(root, origins=flags.origin)
    path = split(flags.setting)
    found = root.find(path) if path else None
    if found is None:
        raise ConfigurationError(f"there is no such setting{_meant(path, root)}", key=flags.setting or shown(""))
    return document(found, path, origins=flags.origin)


def _meant(path: tuple[str, ...], root: Group) -> str:
    """What someone who asked for `path` may have meant, as the end of a sentence."""
    if path in FORMER_NAMES:
        return f": it is called {'.'.join(FORMER_NAMES[path])} now"
    if path[:1] == ("ktor",):
        from config.ktor_hints import counterpart

        return f": {counterpart(path)}"
    known = {".".join(one): one[-1] for one in root.paths()}
    near = closest(".".join(path), known)
    if not near and (key := closest(path[-1] if path else "", known.values())):
        near = next(one for one in known if known[one] == key)
    return f"; did you mean {near}?" if near else f"; {PROGRAM} config prints them all"
