"""`natter load`: put load on a server, and report how it performs."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable, Sequence

from app.cli.flags import Parser, fail, write
from app.load import Bar, LoadError, Plan, run

DEFAULT = "ws://localhost:8080/chat"
DESCRIPTION = (
    "Connect many clients to a server, let them talk, and report how the server performs. They join a room of their "
    "own, `load`, and their messages are stored like any others. The server's limits get in the way: start it with "
    "-P:chat.limits.rate=0 -P:app.websockets.connections=0 -P:app.websockets.connections-per-address=0."
)


def main(arguments: Sequence[str], program: str) -> int:
    """Put load on a server, and print the report. The exit code is 1 if a message did not reach everyone."""
    try:
        flags = _flags(arguments, program)
        with Bar(sys.stderr) as bar:
            report = run(_plan(flags), bar)
    except LoadError as error:
        return fail(error, 1)
    lines = [json.dumps(report.figures())] if flags.json else report.lines()
    written = write("".join(f"{line}\n" for line in lines))
    for problem, count in report.problems.items():
        fail(f"{count:,} times: {problem}", 1)
    missing = report.talk.expected - report.talk.received if report.talk else 0
    return fail(f"{missing:,} copies did not arrive", 1) if missing else written


def _flags(arguments: Sequence[str], program: str) -> argparse.Namespace:
    parser = Parser(program, DESCRIPTION)
    parser.add_argument("url", nargs="?", metavar="URL", default=DEFAULT, help=f"address of the chat ({DEFAULT})")
    whole, some = _number(int, 0), _number(int, 1)
    parser.add_argument("--clients", type=some, default=1000, help="number of clients that connect (%(default)s)")
    parser.add_argument("--publishers", type=some, default=1, help="number of clients that talk, in turn (%(default)s)")
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument(
        "--outstanding",
        type=some,
        default=1,
        metavar="MESSAGES",
        help="send as fast as possible, with this many messages on their way at a time (%(default)s)",
    )
    pace.add_argument(
        "--rate",
        type=_number(float, 0.001),
        default=0.0,
        metavar="MESSAGES",
        help="send at a steady pace: this many messages a second",
    )
    parser.add_argument("--size", type=_number(int, 17), default=100, metavar="BYTES", help="text size (%(default)s)")
    parser.add_argument("--seconds", type=_number(float, 0.1), default=5.0, help="how long to talk (%(default)g)")
    parser.add_argument("--rooms", type=some, default=1, help="number of rooms to spread them over (%(default)s)")
    parser.add_argument("--idle", action="store_true", help="stay connected without talking")
    parser.add_argument(
        "--stopped", type=whole, default=0, metavar="CLIENTS", help="number of clients that never read (%(default)s)"
    )
    parser.add_argument(
        "--cpu-of", type=some, metavar="PID", help="the server's process, to report its CPU time and memory (Linux)"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    flags = parser.parse_intermixed_args(list(arguments))
    if flags.rooms > flags.clients or max(flags.publishers, flags.rooms) + flags.stopped > flags.clients:
        parser.error("--clients: expected at least as many as --rooms, and as --publishers and --stopped together")
    return flags


def _plan(flags: argparse.Namespace) -> Plan:
    names = [field.name for field in dataclasses.fields(Plan)]
    return Plan(**{name: getattr(flags, name) for name in names if name != "process"}, process=flags.cpu_of)


def _number(kind: type[int | float], least: float) -> Callable[[str], float]:
    """Return an argument type: a number that is at least `least`."""

    def number(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = kind(-1)
        if not least <= value < float("inf"):
            raise argparse.ArgumentTypeError(f"expected a number from {least:g}, got {text!r}")
        return value

    return number
