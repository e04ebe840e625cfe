"""What the chat does with its store: acknowledged messages per second, the time until one, and a room with a long past.

    python -m benchmarks.store [--messages 1000000] [--json] [--quick]
    python -m benchmarks.store --against COMMIT [--rounds 5] [--cache FOLDER] [--json] [--quick]

Acknowledgements: 100 clients of `chat.v1.json`, each in a room of its own, over a file with an fsync at every commit;
the server on the first core, the clients on the second. First one of them alone, with one message at a time; then all
at a fixed rate of 1,000 messages per second in all, with delays that count from when a message was due; then each keeps
16 messages outstanding. The room: `--messages` messages are written into a new store. The server starts on it, and a
client joins, loads the last 50, searches for a word in most messages, for one in a few and for one in none, and resumes
after 10,000 missed messages.

`--against` compares the acknowledgements of the working tree with those of an older build, as the guard does: both run,
and take turns in short slices; a ratio is the median of some rounds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import uvloop

from app.load import LoadError
from benchmarks import report
from benchmarks.acks import acks, compare
from benchmarks.clients import PADDING, Client, connect, wait_for_index
from benchmarks.guard import scenes
from benchmarks.guard.builds import FOLDER, BuildError
from benchmarks.guard.rows import report as table
from benchmarks.past import write
from benchmarks.report import say
from benchmarks.servers import StartError, natter, serve, warnings

SECONDS, QUICK_SECONDS = 5.0, 0.3
MISSED = 10_000
SELDOM = 100_000


def message(number: int) -> tuple[str, str]:
    """The room and the text of a message of the past."""
    return "lobby", f"{'often' if number % SELDOM else 'seldom'} {PADDING[8:]}"


async def past(url: str, missed: int) -> dict[str, float]:
    client = await connect(url)
    answer = await client.ask("join", room="lobby")
    await wait_for_index(client, "lobby")
    figures = {"join_with_50_ms": await milliseconds(20, partial(join_with_50, client))}
    for figure, words in (("search_common_ms", "often"), ("search_rare_ms", "seldom"), ("search_none_ms", "never")):
        figures[figure] = await milliseconds(11, partial(client.ask, "search", room="lobby", words=words))
    began = time.perf_counter()
    await client.ask("join", room="lobby", after=answer["head"] - missed)
    for _ in range(missed):
        await client.next()
    figures["resume_10000_seconds"] = time.perf_counter() - began
    await client.close()
    return figures


async def join_with_50(client: Client) -> None:
    await client.ask("join", room="lobby")
    answer = await client.ask("history", room="lobby", limit=50)
    assert len(answer["events"]) == 50


async def milliseconds(times: int, action: Callable[[], Awaitable[object]]) -> float:
    """How long an action takes, the median of some times."""
    measured = []
    for _ in range(times):
        began = time.perf_counter()
        await action()
        measured.append(1000 * (time.perf_counter() - began))
    return statistics.median(measured)


def main() -> int:
    flags = parse()
    for warning in warnings():
        say(f"store: {warning}")
    if flags.against:
        return against(flags)
    seconds = QUICK_SECONDS if flags.quick else SECONDS
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "past.db"
        with serve(natter()) as server:
            figures = uvloop.run(acks(server.ws, server.process.cpu_seconds, seconds))
        figures["appends_per_second"] = uvloop.run(write(store, flags.messages, message))
        with serve(natter(store=store)) as server:
            measured = uvloop.run(past(server.ws, min(MISSED, flags.messages // 2)))
            figures |= {"start_seconds": server.seconds_to_start, **measured}
    report.show({figure: round(value, 3) for figure, value in figures.items()}, flags)
    return 0


def parse() -> argparse.Namespace:
    parser = report.parser(__doc__)
    parser.add_argument("--messages", type=int, help="messages in the room (1,000,000)")
    parser.add_argument("--against", metavar="COMMIT", help="compare the acknowledgements with those of an older build")
    parser.add_argument("--rounds", type=int, help="how often they are compared (5)")
    parser.add_argument("--cache", type=Path, default=FOLDER, metavar="FOLDER", help="where builds stay (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="a little of everything: the figures mean nothing then")
    flags = parser.parse_args()
    flags.messages = flags.messages or (2000 if flags.quick else 1_000_000)
    flags.rounds = flags.rounds or (1 if flags.quick else 5)
    return flags


def against(flags: argparse.Namespace) -> int:
    """Print the comparison with an older build. Return the exit code: 2 if it can't be made."""
    scale = scenes.QUICK if flags.quick else scenes.Scale()
    try:
        verdicts = compare(flags.against, flags.rounds, scale, flags.cache)
    except (BuildError, StartError, LoadError, ConnectionError, TimeoutError) as error:
        say(f"store: {str(error) or 'the server did not answer in time'}")
        return 2
    figures = {one.row.name: {"ratio": one.ratio, "old": one.old, "new": one.new} for one in verdicts}
    report.show(figures, flags, table(flags.against, "working tree", verdicts, []))
    return 0


if __name__ == "__main__":
    sys.exit(main())
