"""What one busy reader does to everyone else: a bystander's acknowledgements, with it and without it.

    python -m benchmarks.readers [--messages 1000000] [--seconds 300] [--store FILE] [--commands NAME …] [--page N]
                                 [--json] [--quick]

A new store gets `--messages` messages of made-up words in 1,000 rooms; with `--store` it is kept in that file, and used
again. The server runs on it with its default limits, on the first core. A bystander says something 50 times a second,
from as many connections as its rate limit takes, each alone in its room. In every second slice of 1.5 s a client with
another address also sends as many commands as its rate limit allows: it searches for prefixes, in a room and, if the
server can, in all its rooms; it pages through history, lists rooms and people, joins, catches up, and leaves. Prints
the delays of both kinds of slices, and the ratio of their 99th percentiles.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import re
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from benchmarks import report
from benchmarks.clients import Client, Sender, connect, wait_for_index
from benchmarks.past import write
from benchmarks.report import say, table
from benchmarks.servers import StartError, natter, serve, warnings

ROOMS = 1000
SLICE = 1.5
"""Seconds."""
RATE = 10
"""Commands per second that a connection may send: `chat.limits.rate`."""
PER_SECOND, BYSTANDERS = 50, 6
"""What the bystander says in a second, and its connections: none sends more than RATE."""
FOLLOWED = 40
"""Rooms that the reader is in."""
ADDRESS = "127.0.0.2"
"""Where the reader comes from: limits of an address are its own."""
DEADLINE = 60.0
PAUSE = 0.1
"""Seconds between two slices."""
COMMANDS = "search", "history", "rooms", "who", "join"
SEQ = re.compile(rb'"seq":(\d+)')
ROOM = re.compile(rb'"room":"([^"]+)"')
RID = re.compile(rb'"rid":(\d+)')
CODE = re.compile(rb'"code":"(\w+)"')


class Language:
    """Made-up words, a few of them frequent and most of them rare, as in any language. Always the same."""

    def __init__(self, size: int = 20_000) -> None:
        self._chance = random.Random(15)
        syllables = [first + second for first in "bdfghklmnprstvwz" for second in ("a", "e", "i", "o", "u", "ai", "en")]
        self.words = [
            "".join(self._chance.choices(syllables, k=self._chance.choice((1, 2, 2, 3, 3, 4)))) for _ in range(size)
        ]
        self._weights = list(itertools.accumulate(1 / (rank + 3) for rank in range(size)))

    def message(self, number: int) -> tuple[str, str]:
        """The room and the text of a message."""
        words = self._chance.choices(self.words, cum_weights=self._weights, k=self._chance.randint(4, 16))
        return f"room{number % ROOMS}", " ".join(words)

    def prefix(self) -> str:
        """A search for words that begin alike."""
        return self._chance.choice(self.words)[: self._chance.randint(1, 4)] + "*"

    def room(self) -> str:
        """Any room."""
        return f"room{self._chance.randrange(ROOMS)}"


class Bystander:
    """Says something on time, and notes the milliseconds until each acknowledgement in `delays`, a list that others
    replace: the one that was there when the message was sent counts."""

    def __init__(self) -> None:
        self.delays: list[float] = []
        self._senders = [Sender(ROOMS + number) for number in range(BYSTANDERS)]
        self._sent = [deque[tuple[float, list[float]]]() for _ in self._senders]

    async def connect(self, url: str) -> None:
        for sender, sent in zip(self._senders, self._sent, strict=True):
            await sender.connect(url)
            sender.on_acks = partial(self._note, sent)

    async def talk(self) -> None:
        """Go on until cancelled."""
        start = time.perf_counter()
        for number in itertools.count():
            await asyncio.sleep(start + number / PER_SECOND - time.perf_counter())
            place = number % BYSTANDERS
            self._sent[place].append((time.perf_counter(), self.delays))
            self._senders[place].send(1)

    async def leave(self) -> None:
        """Wait for the last acknowledgements."""
        await asyncio.wait_for(asyncio.gather(*(sender.finish() for sender in self._senders)), DEADLINE)
        for sender in self._senders:
            sender.client.transport.abort()

    @staticmethod
    def _note(sent: deque[tuple[float, list[float]]], acks: int) -> None:
        now = time.perf_counter()
        for _ in range(acks):
            began, delays = sent.popleft()
            delays.append(1000 * (now - began))


class Reader:
    """A client that sends commands at its rate limit. It decodes next to nothing, so as not to delay the bystander, who
    is in the same process."""

    def __init__(self, language: Language, commands: Sequence[str], page: int | None) -> None:
        self.answers: dict[str, list[float]] = {command: [] for command in commands}
        """Milliseconds until each answer, by command."""
        self.refused: Counter[str] = Counter()
        """How many commands were refused, by the error's code."""
        self._language, self._limit = language, {"limit": page} if page else {}
        self._rooms: list[str] = []
        self._commands = self._forever(itertools.cycle(commands))
        self._asked: dict[int, tuple[str, float]] = {}
        self._all_answered = asyncio.Event()
        self._rid = 1_000_000
        self._page: dict[str, Any] = {}
        self._epoch = ""
        self._scopes = True
        self._client: Client

    async def connect(self, url: str) -> None:
        """Connect, join rooms, and wait until the server has indexed all messages."""
        self._client = await connect(url, ADDRESS)
        self._rooms = [f"room{number}" for number in range(FOLLOWED)]
        for room in self._rooms:
            joined = await self._ask("join", room=room)
            self._epoch = joined["epoch"]
        found = await self._ask("search", words="a*")
        self._scopes = found["t"] == "found"
        await wait_for_index(self._client, self._rooms[0])
        self._client.on_texts = self._take

    async def read(self, seconds: float) -> None:
        """Send commands for some seconds."""
        start = time.perf_counter()
        for number in range(int(seconds * RATE)):
            await asyncio.sleep(start + number / RATE - time.perf_counter())
            self._rid += 1
            command, frame = next(self._commands)
            self._asked[self._rid] = command, time.perf_counter()
            self._client.send(json.dumps({**frame, "rid": self._rid}).encode())
        await asyncio.sleep(start + seconds - time.perf_counter())

    async def finish(self) -> None:
        """Wait for the last answers."""
        self._all_answered.clear()
        if self._asked:
            await asyncio.wait_for(self._all_answered.wait(), DEADLINE)

    def leave(self) -> None:
        self._client.transport.abort()

    async def _ask(self, type_: str, **fields: str) -> dict[str, Any]:
        """Ask, and pause as the rate limit wants."""
        answer = await self._client.ask(type_, **fields)
        await asyncio.sleep(1 / RATE)
        return answer

    def _forever(self, commands: Iterator[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        """The frames to send, with the commands that they count as."""
        visits = self._visits()
        for number, command in enumerate(commands):
            room = self._rooms[number % FOLLOWED]
            if command == "search":
                scope = {} if self._scopes and number % 2 else {"room": room}
                yield command, {"t": command, "words": self._language.prefix(), **scope, **self._limit}
            elif command == "history":
                yield command, {"t": command, **(self._page or {"room": room}), **self._limit}
            elif command == "join":
                yield command, next(visits)
            else:
                yield command, {"t": command} if command == "rooms" else {"t": command, "room": room}

    def _visits(self) -> Iterator[dict[str, Any]]:
        """Join one room after another, catch up with its whole past, and leave it."""
        for number in itertools.count():
            room = f"room{FOLLOWED + number % (ROOMS - FOLLOWED)}"
            yield {"t": "join", "room": room}
            yield {"t": "join", "room": room, "epoch": self._epoch, "after": 0}
            yield {"t": "part", "room": room}

    def _take(self, texts: list[bytes]) -> None:
        for text in texts:
            if (at := text.rfind(b'"rid":')) < 0 or not (asked := self._asked.pop(int(first(RID, text, at)), None)):
                continue
            command, began = asked
            self.answers[command].append(1000 * (time.perf_counter() - began))
            if text.startswith(b'{"t":"error"'):
                self.refused[first(CODE, text)] += 1
            elif command == "history":
                self._turn_page(text)
        if not self._asked:
            self._all_answered.set()

    def _turn_page(self, page: bytes) -> None:
        """Go on with the page before this one, or with another room."""
        older = b'"more":true' in page[-100:]
        self._page = {"room": first(ROOM, page), "before": int(first(SEQ, page))} if older else {}


def first(pattern: re.Pattern[bytes], frame: bytes, at: int = 0) -> str:
    """What a pattern's group finds first, from `at` on. It must be there."""
    found = pattern.search(frame, at)
    assert found
    return found[1].decode()


async def measure(url: str, flags: argparse.Namespace, language: Language) -> dict[str, Any]:
    """Let the bystander talk, and the reader read in every second slice."""
    bystander, reader = Bystander(), Reader(language, flags.commands, flags.page)
    await bystander.connect(url)
    await reader.connect(url)
    slices: dict[bool, list[list[float]]] = {False: [], True: []}
    talking = asyncio.create_task(bystander.talk())
    end = time.perf_counter() + flags.seconds
    while time.perf_counter() < end or not slices[True]:
        for busy in (False, True):
            bystander.delays = []
            slices[busy].append(bystander.delays)
            await (reader.read(flags.slice) if busy else asyncio.sleep(flags.slice))
            bystander.delays = []  # of a pause that doesn't count
            await reader.finish()
            await asyncio.sleep(PAUSE)
        if talking.done():
            await talking  # it never ends but with an error
    talking.cancel()
    await asyncio.gather(talking, return_exceptions=True)
    await bystander.leave()
    reader.leave()
    alone, beside = (list(itertools.chain(*(slices[busy][1:] or slices[busy]))) for busy in (False, True))
    return {
        "slices": len(slices[True]),
        "alone": figures(alone),
        "beside_a_reader": figures(beside),
        "ratio_of_p99": figures(beside)["p99_ms"] / figures(alone)["p99_ms"],
        "answers": {command: figures(delays) for command, delays in reader.answers.items()},
        "refused": dict(reader.refused),
    }


def figures(delays: Sequence[float]) -> dict[str, float]:
    """The number of delays, and what half of them, most and nearly all of them are below."""
    ordered = sorted(delays)
    parts = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}
    return {"count": len(ordered)} | {
        name: ordered[int(len(ordered) * part)] for name, part in parts.items() if ordered
    }


def words(measured: dict[str, Any]) -> str:
    """The figures as tables in Markdown."""

    def row(name: str, some: dict[str, float]) -> list[str]:
        return [name, f"{some['count']:,}", *(f"{value:,.2f}" for key, value in some.items() if key != "count")]

    head = ["count", "p50", "p95", "p99"]
    acks = [row("nobody else", measured["alone"]), row("beside a reader", measured["beside_a_reader"])]
    answers = [row(command, some) for command, some in measured["answers"].items() if some["count"]]
    parts = [
        table(["ms to the bystander's acknowledgement", *head], acks),
        f"p99 beside a reader ÷ p99 alone: {measured['ratio_of_p99']:.2f} ({measured['slices']} slices of each kind)",
        table(["ms to the reader's answer", *head], answers),
    ]
    if measured["refused"]:
        parts.append("Refused: " + ", ".join(f"{code} {count}" for code, count in measured["refused"].items()))
    return "\n\n".join(parts)


def main() -> int:
    flags = parse()
    language = Language()
    for warning in warnings():
        say(f"readers: {warning}")
    with ExitStack() as stack:
        store = flags.store or Path(stack.enter_context(tempfile.TemporaryDirectory())) / "past.db"
        try:
            if not store.exists():
                say(f"writing {flags.messages:,} messages")
                say(f"{uvloop.run(write(store, flags.messages, language.message)):,.0f} messages per second")
            server = stack.enter_context(serve(natter(store=store.absolute(), limits=True)))
            measured = uvloop.run(measure(server.ws, flags, language))
        except (StartError, ConnectionError, TimeoutError) as error:
            say(f"readers: {str(error) or 'the server did not answer in time'}")
            return 1
    report.show(measured, flags, words(measured))
    return 0


def parse() -> argparse.Namespace:
    parser = report.parser(__doc__)
    parser.add_argument("--messages", type=int, help="messages in the store (1,000,000)")
    parser.add_argument("--seconds", type=float, help="how long to measure (300)")
    parser.add_argument("--store", type=Path, metavar="FILE", help="keep the store in this file, or use the one there")
    parser.add_argument("--commands", nargs="+", default=COMMANDS, choices=COMMANDS, help="what the reader does")
    parser.add_argument("--page", type=int, metavar="N", help="results that it wants of a search or page of history")
    parser.add_argument("--quick", action="store_true", help="a little of everything: the figures mean nothing then")
    flags = parser.parse_args()
    flags.messages = flags.messages or (2000 if flags.quick else 1_000_000)
    flags.seconds = flags.seconds or (2 if flags.quick else 300)
    flags.slice = 0.5 if flags.quick else SLICE
    return flags


if __name__ == "__main__":
    sys.exit(main())
