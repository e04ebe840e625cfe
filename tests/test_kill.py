"""The server is killed under traffic, again and again: nothing is lost, doubled, reordered or leaked.

Clients talk in their rooms and whisper to each other, and some of them leave for a while now and then.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from benchmarks.ports import free_port
from tests.checker import (
    WHISPERS,
    Acked,
    Disconnected,
    Heard,
    History,
    Joined,
    Record,
    Sent,
    check,
    conversation,
    followed,
)
from tests.clients import DEADLINE, Served

KILLS = 20
MOST_ACKS = 40
"""The most acks between two kills; there is at least one."""
UNACKED = 4
"""How many unacknowledged messages a client has at a time."""
WITHIN = 500
"""Seconds for all of it: a busy machine takes ten times as long as a quiet one to start a server again."""
LAST = "That was all."
ROOMS = [*[{"lobby"}] * 4, *[{"den"}] * 4, *[{"lobby", "den"}] * 2]
"""The rooms of each client."""
AWAY = 3
"""How many clients leave now and then."""
STAY = 8
"""How many messages such a client sends before it leaves."""
ABSENCE = 10
"""How many acks others get before it comes back."""


class Chat:
    """A server that is killed, and restarted on the same store and port."""

    reliable = True
    """Whether clients are cut off or refused only when that counts as a kill."""
    within: float = WITHIN
    """Seconds for all of it."""

    def __init__(self, store: Path) -> None:
        self.store = store
        self.port = self.way_in = free_port()
        """Where the server listens, and where clients connect."""
        self._begin()
        self.server = self._serve()

    def _begin(self) -> None:
        self.up = asyncio.Event()
        self.kills = 0
        self.acks = 0
        self.people: dict[int, str] = {}
        """The people to whisper to: names by ids."""
        self.begun: set[str] = set()
        """The conversations that can be written to by their names."""
        self.talkers: Sequence[Client] = ()
        self.everybody: list[Client] = []
        """Those who talk, those who read in the end, and the last speaker."""
        self._counted = asyncio.Event()
        self._due = 0
        self._enough = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """What has to run in the event loop of the clients."""
        yield

    def clients(self) -> Sequence[Client]:
        """Those who talk."""
        wanderers = range(0, 3 * AWAY, 3)
        return [Client(self, rooms, wanders=number in wanderers) for number, rooms in enumerate(ROOMS)]

    def readers(self) -> Sequence[Client]:
        """Those who read the rooms at the end, besides the last speaker."""
        return []

    def end(self) -> None:
        """Stop the server, which must have nothing to complain about."""
        try:
            assert self.server.stop() == 0
            assert "Traceback" not in "\n".join(self.server.log)
        finally:
            self.server.kill()

    def destroy(self) -> None:
        """Stop the server, whatever state it is in."""
        self.server.kill()

    def _serve(self) -> Served:
        flags = (f"-port={self.port}", "-P:chat.limits.rate=0")
        environment = {"CHAT_STORE": str(self.store)}
        server = Served(*flags, cwd=self.store.parent, environment=environment, command=self.command())
        assert server.port == self.port
        return server

    def command(self) -> str:
        """What starts the server, if it isn't the usual."""
        return ""

    def _restart(self) -> None:
        self.server.wait()
        assert "Traceback" not in "\n".join(self.server.log), self.server.log
        self.server = self._serve()

    def count_ack(self, client: Client) -> None:
        """Note that a client got an ack."""
        self.acks += 1
        self._counted.set()
        if self.acks >= self._due:
            self._enough.set()

    async def wait_for_acks(self, acks: int) -> None:
        """Wait until clients have got this many more acks."""
        until = self.acks + acks
        while self.acks < until:
            self._counted.clear()
            await self._counted.wait()

    async def disturb_again_and_again(self) -> None:
        for _ in range(KILLS):
            self._enough.clear()
            self._due = self.acks + random.randint(1, MOST_ACKS)
            self.up.set()
            await asyncio.wait_for(self._enough.wait(), DEADLINE)
            await self.disturb()
        self.up.set()

    async def disturb(self) -> None:
        """Kill the server, and start it again."""
        await self.restart(signal.SIGKILL)

    async def restart(self, number: int) -> None:
        """Send the server a signal that ends it, and start it again."""
        self.up.clear()
        self.kills += 1
        self.server.started.send_signal(number)
        await asyncio.to_thread(self._restart)


class Client:
    """Talks in its rooms and whispers until it is told to stop, and stays until all of that is acknowledged and LAST
    has come in every room. If it `wanders`, it leaves now and then."""

    def __init__(self, chat: Chat, rooms: set[str], *, wanders: bool = False) -> None:
        self.chat, self.rooms = chat, [*sorted(rooms), WHISPERS]
        self.wanders, self.absences = wanders, 0
        self.id = 0
        self.name = self.token = ""
        self.records: list[Record] = []
        self.speaking = True
        self.settled = asyncio.Event()
        self.retries = self.duplicates = 0
        """How many messages were sent again, and how many of them had been stored at the first try."""
        self.whispers = self.mail = 0
        """How many whispers it heard, and how many of them were stored while it was away."""
        self._epoch = ""
        self._unacked: dict[str, Sent] = {}
        self.retried: set[str] = set()
        self._cids = 0
        self._positions: dict[str, int] = {}
        self._heads: dict[str, int] = {}
        self._ended: set[str] = set()

    async def run(self) -> None:
        """Stay until LAST has come in every room, through as many connections as it takes."""
        while self._ended != set(self.rooms):
            kills = self.chat.kills  # the server may be killed again before this task runs
            await asyncio.wait_for(self.chat.up.wait(), DEADLINE)
            try:
                connection = await self._connect()
                try:
                    async with connection:
                        await self._take_part(connection)
                except asyncio.CancelledError:  # another client failed
                    connection.transport.abort()
                    raise
                if self._ended != set(self.rooms):
                    await self._stay_away()
            except TimeoutError:
                raise
            except (ConnectionClosed, InvalidHandshake, OSError) as error:
                if self.chat.reliable and self.chat.kills == kills:
                    raise AssertionError(f"{self.name} was cut off, and nobody killed the server") from error
                self.records.append(Disconnected())

    def _left(self) -> None:
        self.records.append(Disconnected())
        self.absences += 1

    async def _stay_away(self) -> None:
        self._left()
        if self.speaking:
            await self.chat.wait_for_acks(ABSENCE)

    def _way_in(self) -> int:
        """The port to connect to."""
        return self.chat.way_in

    async def _connect(self) -> ClientConnection:
        protocols = ["chat.v1.json", *([f"token.{self.token}"] if self.token else [])]
        connection = await connect(
            f"ws://127.0.0.1:{self._way_in()}/chat",
            subprotocols=[Subprotocol(protocol) for protocol in protocols],
            open_timeout=DEADLINE,
            compression=None,
            proxy=None,
        )
        assert connection.subprotocol == "chat.v1.json"
        return connection

    async def _receive(self, connection: ClientConnection) -> dict[str, Any]:
        async with asyncio.timeout(DEADLINE):  # wait_for of Python 3.11 may lose a cancellation
            frame = await connection.recv(decode=True)
        told: dict[str, Any] = json.loads(frame)
        if told["t"] == "error":
            self._refused(told)
        return told

    def _refused(self, told: dict[str, Any]) -> None:
        """Decide what comes of an error: nothing, another connection, or the end of the test."""
        assert not self.chat.reliable, f"{self.name} was told {told}"
        raise ConnectionResetError(told["code"])  # to try it again on another connection

    async def _take_part(self, connection: ClientConnection) -> None:
        welcome = await self._receive(connection)
        assert welcome["t"] == "welcome"
        assert self.name in ("", welcome["name"]), f"{self.name} came back as {welcome['name']}"
        self.id, self.name, self.token = welcome["id"], welcome["name"], welcome["token"]
        self._introduce()
        self._epoch = self._epoch or welcome["epoch"]
        await self._join(connection)
        for message in self._unacked.values():
            self.retries += 1
            self.retried.add(message.cid)
            await self._send(connection, message)
        while self._ended != set(self.rooms):
            while self.speaking and len(self._unacked) < UNACKED:
                if self.wanders and self._cids >= STAY * (self.absences + 1):
                    return
                await self._say(connection)
            if not self.speaking and not self._unacked:
                self.settled.set()
            self._note(await self._receive(connection))

    def _introduce(self) -> None:
        self.chat.people[self.id] = self.name

    async def _join(self, connection: ClientConnection) -> None:
        resumed = dict(self._positions)
        for rid, room in enumerate(self.rooms):
            position = {"epoch": self._epoch, "after": resumed[room]} if room in resumed else {}
            await connection.send(json.dumps({"t": "join", "rid": rid, "room": room, **position}))
        waiting = dict(enumerate(self.rooms))
        while waiting:
            told = await self._receive(connection)
            if told["t"] == "joined":
                room = waiting.pop(told["rid"])
                assert told["room"] == room
                self.records.append(Joined(room, told["head"], told["recovered"], resumed.get(room)))
                self._heads[room] = told["head"]
                self._positions.setdefault(room, told["head"])
            else:
                self._note(told)

    async def _say(self, connection: ClientConnection, text: str = "") -> None:
        self._cids += 1
        cid = f"c{self._cids}"
        room = self.rooms[self._cids % len(self.rooms)]
        if room == WHISPERS:
            room = conversation(self.id, *self._recipients())
        message = Sent(room, cid, text or f"{cid} of {self.name} — “tschüß” ☃ \U0001f600\t\n[user0]: {{}}")
        self._unacked[cid] = message
        await self._send(connection, message)

    async def _send(self, connection: ClientConnection, message: Sent) -> None:
        self.records.append(message)
        said: dict[str, Any] = {"t": "msg", "room": message.room, "cid": message.cid, "text": message.text}
        by_name = self._cids % 4 == 0 and message.room in self.chat.begun
        if followed(message.room) == WHISPERS and not by_name:
            said |= {"t": "whisper", "to": [self.chat.people[id_] for id_ in self._others(message.room)]}
        await connection.send(json.dumps(said))

    def _recipients(self) -> list[int]:
        """Choose one or more other people; oneself as long as there is nobody else."""
        others = [id_ for id_ in self.chat.people if id_ != self.id]
        return random.sample(others, min(len(others), random.choice([1, 1, 2, 4])))

    def _others(self, room: str) -> list[int]:
        ids = [int(id_) for id_ in room.removeprefix(WHISPERS).split(",")]
        return [id_ for id_ in ids if id_ != self.id] or ids

    def _note(self, told: dict[str, Any]) -> None:
        if told["t"] == "ack":
            self.records.append(Acked(told["cid"], told["id"], told["seq"]))
            message = self._unacked.pop(told["cid"], None)
            if message and followed(message.room) == WHISPERS:
                self.chat.begun.add(message.room)
            if message and told["cid"] in self.retried:
                self.duplicates += told["seq"] <= self._heads[followed(message.room)]
            self.chat.count_ack(self)
        elif told["t"] != "presence":  # presence is not stored, and so not checked
            assert told["t"] == "msg", told
            event = Heard(told["room"], told["seq"], told["id"], told["from"], told["text"])
            self.records.append(event)
            place = followed(event.room)
            self._positions[place] = event.seq
            if place == WHISPERS:
                self.whispers += 1
                self.mail += event.seq <= self._heads.get(WHISPERS, 0)
            if event.text == LAST:
                self._ended.add(place)


class LastSpeaker(Client):
    """Reads each room from its beginning, as the store has it, and sends LAST there and to everybody.

    Nobody whispers to it, so it must hear no whisper before that.
    """

    def _introduce(self) -> None:
        pass

    def _recipients(self) -> list[int]:
        return list(self.chat.people)

    async def _join(self, connection: ClientConnection) -> None:
        self._positions = dict.fromkeys(self.rooms, 0)
        await super()._join(connection)
        self.speaking = False
        for _ in self.rooms:
            await self._say(connection, LAST)


def in_order(client: Client) -> bool:
    """Whether the client's messages are stored in the order in which it sent them. A message that the server refused
    comes after what followed it at the first try."""
    refused = set() if client.chat.reliable else client.retried
    seqs = {record.cid: record.seq for record in client.records if isinstance(record, Acked)}
    sent = [record for record in client.records if isinstance(record, Sent) and record.cid in seqs.keys() - refused]
    rooms = {message.room for message in sent}
    said = [[seqs[message.cid] for message in sent if message.room == room] for room in rooms]
    # A retry has a record of its own.
    return all(list(dict.fromkeys(own)) == sorted(set(own)) for own in said)


async def live(chat: Chat) -> None:
    """Let clients use a chat that is disturbed, and others read it in the end. The last speaker is the last of all."""
    chat.talkers = clients = chat.clients()
    chat.everybody += clients
    async with chat.running(), asyncio.TaskGroup() as tasks:
        for client in clients:
            tasks.create_task(client.run())
        await chat.disturb_again_and_again()
        for client in clients:
            client.speaking = False
        for client in clients:
            await asyncio.wait_for(client.settled.wait(), DEADLINE)
        readers = chat.readers()
        chat.everybody += [*readers, LastSpeaker(chat, set().union(*ROOMS))]
        for reader in readers:
            tasks.create_task(reader.run())
        await chat.everybody[-1].run()


def use(chat: Chat) -> None:
    """Let clients use a chat that is disturbed."""
    try:
        asyncio.run(asyncio.wait_for(live(chat), chat.within))
        chat.end()
    finally:
        chat.destroy()


def violations(chat: Chat) -> list[str]:
    """Return what is wrong with what the clients saw."""
    histories = {one.name: History(frozenset(one.rooms), one.records, one.id) for one in chat.everybody}
    found = check(histories)
    if len(histories) < len(chat.everybody):
        found.append("leaked: several clients have one name")
    for client in chat.everybody:
        if not in_order(client):
            found.append(f"reordered: what {client.name} said is in another order")
    return found


def keeps_its_promises(chat: Chat) -> tuple[Sequence[Client], Client]:
    """Let clients use a chat that is disturbed, and check what they saw. Return the talkers and the last speaker."""
    use(chat)
    found = violations(chat)
    assert not found, "\n".join(found[:20])
    return chat.talkers, chat.everybody[-1]


@pytest.mark.slow("faults")
def test_a_server_that_is_killed_again_and_again_keeps_its_promises(tmp_path: Path) -> None:
    chat = Chat(tmp_path / "chat.db")
    clients, last = keeps_its_promises(chat)
    assert chat.kills == KILLS
    assert chat.acks >= 200
    assert sum(client.retries for client in clients) >= KILLS
    assert any(client.duplicates for client in clients)
    assert sum(client.absences for client in clients) >= AWAY
    assert all(client.whispers for client in clients)
    assert sum(client.mail for client in clients) >= KILLS
    assert last.whispers == 1
