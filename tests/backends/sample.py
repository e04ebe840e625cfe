"""A store with something of everything in it, and all that can be read from it.

`tests/backends/samples` keeps such a store for each version of the schema that was released, as `vN.db`, beside what
that version read from it, as `vN.json`, and its export by that version, as `vN.jsonl`. Every later version must open or
import it and read the same. When you add a migration, run `python -m tests.backends.sample` to add the sample of the
new version; never make an old one again.

v2 was written by commit 3f5716d.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from msgspec import json as wire
from msgspec.structs import asdict

from app.backends import Backend, Results
from app.backends.archive import export
from app.backends.changes import BindToken, RecordSeen, RevokeToken, SetPassword
from app.backends.embedded import Embedded
from app.backends.schema import MIGRATIONS
from app.chat.events import Detail, Draft, Event, Kind, User

SAMPLES = Path(__file__).parent / "samples"
FAR = 2**62
PAGE = 100_000
NOW = 1_790_000_000_000
PASSWORD = "correct horse"
HASH = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdCBvZiBhIHNhbXBsZQ$1gkuXPy2U1r/YGYt0w1zOLXvHqO3u/Uj3eCa+c8LtzM"
"""Of PASSWORD."""
ANN, BOB, CAT, DAN, EVE = USERS = (
    User(1, "Ann", registered=True),
    User(2, "Bob"),
    User(3, "Çağla"),
    User(4, "user3"),
    User(5, "user4"),
)
TOKENS = tuple(f"digest of token {number}".encode() for number in range(8))
SIGN_INS = b"digest of a sign-in", b"digest of one that ended"
NAMES = ("ann", "bob", "çağla", "user0", "user1", "user2", "user3", "user4", "nobody")
LOGS = ("lobby", "red", "gone", "empty", "@1", "@1,2", "@1,2,3", "@2,3", *(f"~{user.id}" for user in USERS))
WORDS = (
    "word7",
    "word13*",
    "vermilion",
    "crimson",
    "psst",
    "scarlet",
    "new* paint",
    "mistake",
    "deleted",
    "café",
    "late",
)


class Writer:
    """Appends events whose ids and times count up."""

    def __init__(self, backend: Embedded) -> None:
        self.backend, self.number = backend, 0

    async def write(self, user: User, text: str, room: str = "lobby", **fields: Any) -> Event:
        self.number += 1
        draft = Draft(room, user, text, id=f"event-{self.number}", at=NOW + self.number, **fields)
        return (await self.backend.append(draft)).event

    async def edit(self, event: Event, text: str) -> None:
        await self.write(USERS[event.user - 1], text, event.room, kind=Kind.EDIT, of=event.seq)

    async def delete(self, event: Event) -> None:
        await self.write(USERS[event.user - 1], "", event.room, kind=Kind.DELETE, of=event.seq)


async def fill(backend: Embedded) -> None:
    """Fill a new store."""
    write = Writer(backend)
    await _add_users(backend)
    await _add_room(write)
    await _add_whispers(write)
    await _add_trimmed_rooms(write)
    for user, room, seq in ((1, "lobby", 120), (2, "lobby", 3), (1, "~1", 200), (3, "@1,2,3", 190)):
        await backend.mark_read(user, room, seq)
    await backend.ignore(2, 3, on=True)
    await backend.ignore(2, 4, on=True)
    await backend.ignore(2, 4, on=False)
    await search(backend, "lobby", "word7")  # all so far is in the index
    late = [await write.write(BOB, f"late paint {number}", cid=f"late-{number}") for number in range(3)]
    await write.edit(late[1], "late crimson")


async def _add_users(backend: Embedded) -> None:
    for number in range(3):
        await backend.create_user(TOKENS[number])
    await backend.create_guest()
    await backend.create_user(TOKENS[3])
    await backend.submit(BindToken(TOKENS[4], ANN.id))
    await backend.submit(BindToken(TOKENS[5], ANN.id))
    await backend.submit(RevokeToken(TOKENS[5]))
    await backend.submit(BindToken(TOKENS[6], CAT.id))
    await backend.submit(BindToken(TOKENS[6], BOB.id))
    for user, canonical in ((ANN, "ann"), (BOB, "bob"), (CAT, "çağla")):
        await backend.claim(user.id, user.name, canonical)
    await backend.submit(SetPassword(ANN.id, HASH))
    await backend.sign_in(ANN.id, HASH, SIGN_INS[1], ends=b"", at=NOW)
    await backend.sign_out(SIGN_INS[1], at=NOW + 1)
    await backend.sign_in(ANN.id, HASH, SIGN_INS[0], ends=b"", at=NOW + 2)
    await backend.make_operator("ann")
    await backend.claim(ANN.id, "Anna", "anna", skeleton="anna", at=NOW, most=9)
    await backend.claim(ANN.id, "Ann", "ann", skeleton="ann", at=NOW, most=9)
    await backend.submit(RecordSeen(ANN.id, NOW + 123))
    await backend.submit(RecordSeen(BOB.id, NOW - 5))


async def _add_room(write: Writer) -> None:
    await write.write(ANN, "", kind=Kind.OWNER, detail=Detail(whom=ANN))
    for number in range(150):
        text = f"word{number} {'lorem ipsum dolor ' * (number % 7)}"
        await write.write(
            USERS[number % 5], text, cid=f"c{number}" if number % 2 else "", kind=("msg", "me")[number % 9 == 8]
        )
    for text in ("\0", "😀 café", "  \t\n", "x" * 5000, "*** not a notice", "новый paint"):
        await write.write(CAT, text)
    await write.write(ANN, "old topic", kind=Kind.TOPIC)
    await write.write(ANN, "new topic", kind=Kind.TOPIC)
    await write.write(ANN, "", kind=Kind.OP, detail=Detail(whom=BOB))
    await write.write(BOB, "spam", kind=Kind.KICK, detail=Detail(whom=DAN))
    await write.write(BOB, "more spam", kind=Kind.BAN, detail=Detail(whom=DAN, until=NOW + 10**9))
    await write.write(BOB, "", kind=Kind.MUTE, detail=Detail(whom=EVE))
    await write.write(ANN, "", kind=Kind.UNMUTE, detail=Detail(whom=EVE))
    await write.write(ANN, "", kind=Kind.SLOW, detail=Detail(seconds=30))
    await write.write(ANN, "", kind=Kind.PRIVATE)
    await write.write(ANN, "", kind=Kind.INVITE, detail=Detail(whom=CAT))
    edited = await write.write(ANN, "vermilion paint", cid="edited")
    deleted = await write.write(BOB, "mistake", cid="deleted")
    both = await write.write(BOB, "new mistake")
    await write.edit(edited, "crimson paint")
    await write.edit(both, "newer mistake")
    await write.delete(deleted)
    await write.delete(both)


async def _add_whispers(write: Writer) -> None:
    for number in range(12):
        await write.write(ANN, f"psst scarlet {number}", "@1,2", cid=f"w{number}", detail=Detail(to=("Bob",)))
        await write.write(CAT, f"psst {number}", "@1,2,3", detail=Detail(to=("Ann", "Bob")))
    await write.write(ANN, "note to self", "@1", detail=Detail(to=("Ann",)))
    edited = await write.write(BOB, "psst vermilion", "@1,2")
    deleted = await write.write(BOB, "psst deleted", "@1,2")
    await write.edit(edited, "psst crimson")
    await write.delete(deleted)
    for number in range(10):
        await write.write(BOB, f"forgotten {number}", "@2,3")
    await write.backend.trim("@2,3", keep=4, since=0, limit=100)


async def _add_trimmed_rooms(write: Writer) -> None:
    await write.write(BOB, "", "red", kind=Kind.OWNER, detail=Detail(whom=BOB))
    await write.write(BOB, "all about vermilion", "red", kind=Kind.TOPIC)
    for number in range(40):
        await write.write(USERS[number % 2], f"word{number} in red", "red", cid=f"red-{number}")
    await write.backend.trim("red", keep=20, since=0, limit=1000)
    for number in range(5):
        await write.write(DAN, f"gone {number}", "gone")
    await write.backend.trim("gone", keep=0, since=FAR, limit=1000)


async def everything(backend: Backend) -> Any:
    """All that can be read, in the types of JSON."""
    logs = {log: await _log(backend, log) for log in LOGS}
    found = {
        "epoch": backend.epoch,
        "rooms": sorted(await backend.rooms()),
        "logs": logs,
        "cids": await _cids(backend),
        "users": await backend.users([user.id for user in USERS]),
        "tokens": [await backend.user_by_token(token) for token in TOKENS],
        "signed in": [await backend.user_by_token(token) for token in SIGN_INS],
        "device": await backend.device_of(SIGN_INS[0]),
        "operators": await backend.operators(),
        "accounts": {name: await backend.account(name) for name in NAMES},
        "read": {log: [await backend.mark_read(user.id, log, 0) for user in USERS] for log in LOGS},
        "ignored": [sorted(await backend.ignored(user.id)) for user in USERS],
        "conversations": [await backend.conversations(user.id) for user in USERS],
    }
    return wire.decode(wire.encode(found))


async def _log(backend: Backend, log: str) -> dict[str, Any]:
    bounds = await backend.bounds(log)
    events = await backend.read(log, after=bounds.trimmed, limit=PAGE)
    assert await backend.read_backwards(log, before=FAR, limit=PAGE) == events
    assert [await backend.get(log, event.seq) for event in events[::10]] == events[::10]
    found = {words: await search(backend, log, words) for words in WORDS}
    return {
        "bounds": bounds,
        "events": [asdict(event) for event in events],
        "state": [asdict(event) for event in await backend.state(log)],
        "found": {words: [event.seq for event in events] for words, events in found.items()},
    }


async def search(backend: Backend, log: str, words: str) -> Results:
    """Return all that matches, once the index has all messages and the search had the time for them."""
    while True:
        found = await backend.search(log, words, before=FAR, limit=PAGE)
        if not found.behind and not found.partial:
            return found


async def _cids(backend: Backend) -> dict[str, int]:
    """The positions of the events that are found by the `cid` of a user."""
    cids = [*(f"c{n}" for n in range(150)), *(f"w{n}" for n in range(12)), *(f"red-{n}" for n in range(40))]
    cids += [*(f"late-{n}" for n in range(3)), "edited", "deleted"]
    keys = [(user.id, cid) for user in USERS for cid in cids]
    stored = await asyncio.gather(*(backend.find_by_cid(user, cid) for user, cid in keys))
    return {f"{user} {cid}": event.seq for (user, cid), event in zip(keys, stored, strict=True) if event}


def lost(before: Any, now: Any, where: str = "") -> list[str]:
    """Where `now` lacks or changes something of `before`. A later version may add to it, and its search may find more
    where something was found."""
    if isinstance(before, dict) and isinstance(now, dict):
        return [line for key in before for line in lost(before[key], now.get(key), f"{where}/{key}")]
    if before and "/found/" in where:
        return [f"{where}: {seq} is not found" for seq in sorted({*before} - {*now})]
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        pairs = enumerate(zip(before, now, strict=True))
        return [line for number, pair in pairs for line in lost(*pair, f"{where}/{number}")]
    return [] if before == now else [f"{where}: {before!r} became {now!r}"]


async def make(path: Path) -> None:
    """Write a sample to `path`, and beside it what can be read from it, and its export."""
    with _opened(path) as backend:
        await fill(backend)
    with TemporaryDirectory() as folder:  # the sample stays as it was written
        copy = shutil.copy2(path, folder)
        with _opened(Path(copy)) as backend:
            text = json.dumps(await everything(backend), ensure_ascii=False, indent=0, sort_keys=True)
        with path.with_suffix(".jsonl").open("wb") as out:
            export(str(copy), out.write)
    path.with_suffix(".json").write_text(f"{text}\n")


@contextmanager
def _opened(path: Path) -> Iterator[Embedded]:
    backend = Embedded(str(path))
    backend.open()
    try:
        yield backend
    finally:
        backend.close()


if __name__ == "__main__":
    made = SAMPLES / f"v{len(MIGRATIONS)}.db"
    if made.exists():
        sys.exit(f"{made} exists already, and a released version's sample stays as it is")
    asyncio.run(make(made))
    for ending in ("-lock", "-search"):
        Path(f"{made}{ending}").unlink(missing_ok=True)
