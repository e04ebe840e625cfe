"""Clients that use everything a store has to keep."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.checker import WHISPERS, conversation
from tests.clients import DEADLINE
from tests.faults.promises import IN_ALL, MARK, Asked, Plans, Said

ROOMS = ["red", "blue"]
CLIENTS = 5
STEPS = 120
"""What each client does, one after another."""
PARTNERS = (1, 1, 3)
"""How many others are in each conversation that a client begins."""
UNANSWERED = 6
"""How much of one client is under way at a time."""
LONG = 6000
"""Characters of the longest messages."""


class Client:
    """Says, whispers, edits, deletes, renames itself, reads and ignores at random, until that is answered."""

    def __init__(self, name: str, plans: Plans, chance: random.Random) -> None:
        self.name, self.plans, self._chance = name, plans, chance
        self.id = 0
        self.first_name = ""
        self.bystander: Client | None = None
        """Someone to ignore, who does nothing."""
        self._waiting: set[str] = set()
        self._own: list[Said] = []
        """Its messages that are acknowledged and that it has not asked to delete."""
        self._seqs: dict[str, int] = {}
        self._heads: dict[str, int] = {}
        self._conversations: list[str] = []
        """Those that it has begun."""
        self._count = 0

    async def come(self, port: int) -> ClientConnection:
        """Connect and join all rooms."""
        connection = await connect(
            f"ws://127.0.0.1:{port}/chat",
            subprotocols=[Subprotocol("chat.v1.json")],
            open_timeout=DEADLINE,
            compression=None,
            proxy=None,
            max_queue=None,  # one that is done reads no more, and must not keep the server waiting
        )
        welcome = await self._receive(connection)
        self.id, self.first_name = welcome["id"], welcome["name"]
        self.plans.tokens[welcome["token"]] = self.name
        for room in (*ROOMS, WHISPERS):
            await self._ask(connection, {"t": "join", "room": room})
        await self._settle(connection, 0)
        return connection

    async def begin(self, connection: ClientConnection, others: Sequence[Client]) -> None:
        """Begin a conversation. Later messages name it, and not the people, who rename themselves."""
        self._count += 1
        room, cid = conversation(self.id, *[other.id for other in others]), f"{self.name}-{self._count}"
        said = Said(self.name, cid, room, self._text())
        self.plans.said[cid] = said
        self._waiting.add(cid)
        frame = {"t": "whisper", "to": [other.first_name for other in others], "cid": cid, "text": said.text}
        await connection.send(json.dumps(frame))
        await self._settle(connection, 0)
        self._conversations.append(room)

    async def talk(self, connection: ClientConnection) -> None:
        """Do everything, and wait until it is answered."""
        for _ in range(STEPS):
            await self._step(connection)
            await self._settle(connection, self._chance.randrange(UNANSWERED))
        await self._settle(connection, 0)

    async def _receive(self, connection: ClientConnection) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(await asyncio.wait_for(connection.recv(decode=True), DEADLINE))
        assert told["t"] != "error", f"{self.name} was told {told}"
        if told["t"] == "ack":
            self._waiting.discard(told["cid"])
            if told["cid"] not in self._seqs:
                self._seqs[told["cid"]] = told["seq"]
                self._own.append(self.plans.said[told["cid"]])
        elif told["t"] == "msg":
            self._heads[told["room"]] = told["seq"]
        self._waiting.discard(told.get("rid", ""))
        return told

    async def _settle(self, connection: ClientConnection, most: int) -> None:
        """Wait until at most so much is unanswered."""
        while len(self._waiting) > most:
            await self._receive(connection)

    async def _ask(self, connection: ClientConnection, frame: dict[str, Any], **asked: Any) -> None:
        self._count += 1
        rid = f"{self.name}-{self._count}"
        if asked:
            self.plans.asked[rid] = Asked(self.name, rid, frame["t"], **asked)
        self._waiting.add(rid)
        await connection.send(json.dumps(frame | {"rid": rid}))

    async def _say(self, connection: ClientConnection, message: Said) -> None:
        self.plans.said.setdefault(message.cid, message)
        self._waiting.add(message.cid)
        frame = {"t": "msg", "room": message.room, "cid": message.cid, "text": message.text}
        await connection.send(json.dumps(frame))

    def _text(self) -> str:
        """A text with the word IN_ALL, and a word that is in no other."""
        length = self._chance.choice([0, 0, 0, 100, self._chance.randrange(LONG)])
        return f"{MARK}{self._chance.getrandbits(64):016x} {IN_ALL} {self.name} — ☃" + "x" * length

    async def _step(self, connection: ClientConnection) -> None:
        what = self._chance.choices(
            ["msg", "whisper", "edit", "delete", "nick", "read", "ignore", "again"], [50, 15, 9, 9, 4, 5, 2, 6]
        )[0]
        self._count += 1
        own = self._chance.choice(self._own) if self._own else None
        if what in ("msg", "whisper") or own is None:
            room = self._chance.choice(ROOMS)
            if what == "whisper":
                room = self._chance.choice(self._conversations)
            cid = f"{self.name}-{self._count}"
            await self._say(connection, Said(self.name, cid, room, self._text()))
        elif what == "again":
            await self._say(connection, own)
        elif what == "edit":
            text = self._text()
            frame = {"t": "edit", "room": own.room, "seq": self._seqs[own.cid], "text": text}
            await self._ask(connection, frame, cid=own.cid, value=text)
        elif what == "delete":
            self._own.remove(own)
            await self._ask(connection, {"t": "delete", "room": own.room, "seq": self._seqs[own.cid]}, cid=own.cid)
        elif what == "nick":
            name = f"{self.name}n{self._count}"
            await self._ask(connection, {"t": "nick", "name": name}, value=name)
        elif what == "read":
            head = self._heads.get(own.room, self._seqs[own.cid])
            await self._ask(connection, {"t": "read", "room": own.room, "seq": head}, value=own.room, seq=head)
        elif self.bystander is not None:
            frame = {"t": "ignore", "name": self.bystander.first_name}
            await self._ask(connection, frame, value=str(self.bystander.id))


async def talk(port: int, plans: Plans, chance: random.Random, name: str) -> None:
    """Let clients whose names start with `name` use the server at `port`, and add what they send to `plans`."""
    bystander, *clients = [Client(f"{name}{number}", plans, chance) for number in range(1 + CLIENTS)]
    connections = [await client.come(port) for client in (bystander, *clients)]
    for client, connection in zip(clients, connections[1:], strict=True):
        for size in PARTNERS:
            await client.begin(connection, chance.sample([one for one in clients if one is not client], size))
    async with asyncio.TaskGroup() as tasks:
        for client, connection in zip(clients, connections[1:], strict=True):
            client.bystander = bystander
            tasks.create_task(client.talk(connection))
    for connection in connections:
        await connection.close()
