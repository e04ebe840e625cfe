"""What each request costs at its worst, in a store with a long past.

    python -m benchmarks.requests [--messages 1000000] [--store FILE] [--only NAME …] [--json] [--quick]

A new store gets `--messages` messages of made-up words: half of them in one room, the rest in 1,000 others. With
`--store` it is kept in that file, and used again. The server runs on it without limits, on the first core. A crowd of
200 is in the large room and, together, in 1,000 rooms; the one who asks is in the large room, has 200 conversations and
has banned 200 people. Then each request is sent, one after the other, as it costs most. Prints the server's CPU time
for one and the time until its answer. docs/requests.md says what each grows with.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from benchmarks import report
from benchmarks.clients import Client, connect
from benchmarks.past import write
from benchmarks.readers import Language
from benchmarks.report import say, table
from benchmarks.servers import Server, StartError, allow_all_files, natter, serve

LARGE = "lobby"
PEOPLE = 200
"""In the crowd, in conversations, and banned: most that `who` and `conversations` list."""
ROOMS_EACH = 5
PAGE = 200
LONG = "here " + "x" * 64_000
"""Nearly as long as a message may be."""
SECONDS = 2.0
"""How long a request is repeated."""
LEAST = 5
"""How often it is repeated at least."""
LIMITS = {"connections": 0, "connections-per-address": 0, "rooms": 0, "recipients": 0}
PASSWORD = "a long password"

Action = Callable[[], Awaitable[object]]


class Scene:
    """A server with a crowd, and one who asks."""

    def __init__(self, server: Server, messages: int, people: int) -> None:
        self.server, self.messages, self.people = server, messages, people
        self.client: Client
        self.other: Client
        self._language = Language()
        self._numbers = itertools.count()
        self._seq = self._first = 0

    async def prepare(self) -> None:
        """Bring all of them in."""
        crowd = []
        for number in range(self.people):
            client = await connect(self.server.ws)
            crowd.append(client)
            for room in (LARGE, *(f"crowd{ROOMS_EACH * number + place}" for place in range(ROOMS_EACH))):
                await client.ask("join", room=room)
            await client.ask("nick", name=f"crowd{number}")
            client.ignore_texts()
        self.client, self.other = await connect(self.server.ws), await connect(self.server.ws)
        await self.client.ask("nick", name="asker")
        await self.client.ask("register", password=PASSWORD)
        await self.other.ask("nick", name="other")
        for room in (LARGE, "own", "@"):
            await self.client.ask("join", room=room)
        await self.other.ask("join", room="own")
        for number in range(self.people):
            await self.said({"t": "whisper", "to": [f"crowd{number}"], "text": "hi"})
            await self.client.ask("ban", room="own", name=f"crowd{number}", why="to have many bans")
        self._first = self._seq = (await self.client.ask("join", room="own"))["head"]
        for _ in range(min(PAGE, 10 * self.people)):
            await self.said({"t": "msg", "room": "own", "text": LONG})
        while behind := await self._behind():
            say(f"waiting for the index of {behind:,} messages")

    async def _behind(self) -> int:
        await asyncio.sleep(0.5)
        found = await self.client.ask("search", room=LARGE, words="a*")
        return int(found.get("behind", 0))

    async def said(self, frame: dict[str, Any]) -> dict[str, Any]:
        """Send a message and wait for its ack."""
        cid = f"c{next(self._numbers)}"
        self._tell(**frame, cid=cid)
        while (told := await self._told()).get("cid") != cid:
            pass
        self._seq = told["seq"]
        return told

    def actions(self) -> dict[str, Action]:
        """The requests, each as it costs most."""
        ask, end = self._ask, self.messages
        few, names = min(20, self.people), [f"crowd{number}" for number in range(self.people)]
        turns = itertools.count()
        first = self._first

        def prefix() -> str:
            return self._language.prefix()

        async def resume() -> None:
            await ask("join", room=LARGE, after=end - end // 100)
            while (await self._told()).get("seq", 0) < end:
                pass

        async def edit(text: str) -> None:
            await self.said({"t": "msg", "room": "own", "text": LONG})
            await ask("edit", room="own", seq=self._seq, text=text)

        async def delete() -> None:
            await self.said({"t": "msg", "room": "own", "text": LONG})
            await ask("delete", room="own", seq=self._seq)

        return {
            "join": lambda: ask("join", room=f"room{next(turns) % 1000}"),
            "join, after": resume,
            "part": lambda: self._in_and_out(),
            "history": lambda: ask("history", room=LARGE, before=end // 2, limit=PAGE),
            "history, after": lambda: ask("history", room=LARGE, after=end // 4, limit=PAGE),
            "history, 64 KiB each": lambda: ask("history", room="own", after=first, limit=PAGE),
            "history, @": lambda: ask("history", room="@", limit=PAGE),
            "search, room": lambda: ask("search", room=LARGE, words=prefix(), limit=PAGE),
            "search, all": lambda: ask("search", words=prefix(), limit=PAGE),
            "search, 64 KiB each": lambda: ask("search", room="own", words="here", limit=PAGE),
            "search, none": lambda: ask("search", words="a* zzzzzz", limit=PAGE),
            "typing": lambda: self._unanswered("typing", room="own"),
            "pong": lambda: self._unanswered("pong"),
            "rooms": lambda: ask("rooms"),
            "who": lambda: ask("who", room=f"crowd{next(turns) % 1000}"),
            "who, large": lambda: ask("who", room=LARGE),
            "room": lambda: ask("room", room="own"),
            "moderation": lambda: ask("moderation", room="own"),
            "conversations": lambda: ask("conversations"),
            "away": lambda: ask("away", why="tea"),
            "back": lambda: ask("back"),
            "help": lambda: ask("help"),
            "command": lambda: ask("command", room="own", line="/rooms"),
            "GET /": lambda: self._get("/"),
            "GET /readyz": lambda: self._get("/readyz"),
            "handshake": self._handshake,
            "read": lambda: ask("read", room=LARGE, seq=next(turns) + 1),
            "ignore": lambda: ask("ignore", name=names[next(turns) % self.people]),
            "ignored": lambda: ask("ignored"),
            "unignore": lambda: ask("unignore", name=names[next(turns) % self.people]),
            "login": lambda: self._login(),
            "register": lambda: ask("register", password=PASSWORD),
            "topic": lambda: ask("topic", room="own", text=f"{next(turns)}"),
            "private": lambda: ask("private", room="own"),
            "public": lambda: ask("public", room="own"),
            "slow": lambda: ask("slow", room="own", seconds=1),
            "ban": lambda: ask("ban", room="own", name=names[next(turns) % self.people], why="x"),
            "msg": lambda: self.said({"t": "msg", "room": "own", "text": "hello"}),
            "msg, to 200 people": lambda: self.said({"t": "msg", "room": LARGE, "text": "hello"}),
            "msg, 64 KiB": lambda: self.said({"t": "msg", "room": "own", "text": LONG}),
            "whisper": lambda: self.said({"t": "whisper", "to": names[:few], "text": LONG}),
            "reply": lambda: self.said({"t": "reply", "text": LONG}),
            "edit": lambda: edit(LONG),
            "delete": delete,
            "nick": lambda: ask("nick", name=f"asker{next(turns)}"),
        }

    async def _ask(self, type_: str, **fields: Any) -> dict[str, Any]:
        return done(await self.client.ask(type_, **fields))

    def _tell(self, **frame: Any) -> None:
        self.client.send(json.dumps(frame).encode())

    async def _told(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(await self.client.next())
        return told

    async def _in_and_out(self) -> None:
        await self.client.ask("join", room="part")
        await self.client.ask("part", room="part")

    async def _unanswered(self, type_: str, **fields: Any) -> None:
        self._tell(t=type_, **fields)
        await self.client.ask("help", command="help")

    async def _login(self) -> None:
        client = await connect(self.server.ws)
        done(await client.ask("login", name="asker", password=PASSWORD))
        await client.close()

    async def _handshake(self) -> None:
        await (await connect(self.server.ws)).close()

    async def _get(self, path: str) -> None:
        host, port = self.server.http.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n".encode()
        )
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 200"), answer[:100]
        writer.close()


def done(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer. ConnectionError if the server refused the request, which then cost nothing."""
    if answer["t"] == "error":
        raise ConnectionError(f"refused: {answer['message']}")
    return answer


async def measure(server: Server, flags: argparse.Namespace) -> dict[str, dict[str, float]]:
    scene = Scene(server, flags.messages // 2, flags.people)
    await scene.prepare()
    measured = {}
    for name, action in scene.actions().items():
        if not flags.only or name in flags.only or name.partition(",")[0] in flags.only:
            say(name)
            measured[name] = await repeat(action, server, flags.seconds)
    return measured


async def repeat(action: Action, server: Server, seconds: float) -> dict[str, float]:
    """Milliseconds of one of many: CPU time of the server, and time until the answer."""
    await action()
    times: list[float] = []
    cpu, end = server.process.cpu_seconds(), time.perf_counter() + seconds
    while len(times) < LEAST or time.perf_counter() < end:
        began = time.perf_counter()
        await action()
        times.append(1000 * (time.perf_counter() - began))
    cpu = server.process.cpu_seconds() - cpu
    return {"cpu_ms": 1000 * cpu / len(times), "p50_ms": statistics.median(times), "max_ms": max(times)}


def message_of(language: Language, number: int) -> tuple[str, str]:
    """The room and the text of a message."""
    room, text = language.message(number // 2)
    return (LARGE if number % 2 else room), text


def main() -> int:
    parser = report.parser(__doc__)
    parser.add_argument("--messages", type=int, help="messages in the store (1,000,000)")
    parser.add_argument("--store", type=Path, metavar="FILE", help="keep the store in this file, or use the one there")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="measure only these, such as: search join")
    parser.add_argument("--quick", action="store_true", help="a little of everything: the figures mean nothing then")
    flags = parser.parse_args()
    flags.messages = flags.messages or (2000 if flags.quick else 1_000_000)
    flags.people, flags.seconds = (3, 0.0) if flags.quick else (PEOPLE, SECONDS)
    allow_all_files()
    with ExitStack() as stack:
        store = flags.store or Path(stack.enter_context(tempfile.TemporaryDirectory())) / "past.db"
        try:
            if not store.exists():
                say(f"writing {flags.messages:,} messages")
                rate = uvloop.run(write(store, flags.messages, partial(message_of, Language())))
                say(f"{rate:,.0f} a second")
            settings = (f"-P:chat.limits.{name}={value}" for name, value in LIMITS.items())
            server = stack.enter_context(serve(natter(*settings, store=store.absolute())))
            measured = uvloop.run(measure(server, flags))
        except (StartError, ConnectionError, TimeoutError) as error:
            say(f"requests: {str(error) or 'the server did not answer in time'}")
            return 1
    rows = [[name, *(f"{value:,.2f}" for value in figures.values())] for name, figures in measured.items()]
    report.show(measured, flags, table(["request", "CPU ms", "p50 ms", "max ms"], rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
