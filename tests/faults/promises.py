"""What a chat promised its clients, held against a store."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from app.backends.embedded import Embedded
from app.chat.events import Event, Kind, User

PAGE = 200
"""Events that are read at once."""
END = 2**62
"""A position after all others."""
IN_ALL = "tschüß"
"""A word in every text."""
MARK = "mark"
"""The word that only one text has starts with this, and ends with 16 hexadecimal digits."""
_MARKS = re.compile(rb"%b[0-9a-f]{16}" % MARK.encode())


@dataclass(frozen=True, slots=True)
class Said:
    """A message that a client sent."""

    client: str
    cid: str
    room: str
    text: str


@dataclass(frozen=True, slots=True)
class Asked:
    """Something that a client asked for under a `rid`: `what` is `edit`, `delete`, `nick`, `read` or `ignore`.

    `cid` is the message that is edited or deleted. `value` is the new text or name, the room that was read, or the
    user that is ignored; `seq` is how far a room was read.
    """

    client: str
    rid: str
    what: str
    cid: str = ""
    value: str = ""
    seq: int = 0


@dataclass(slots=True)
class Plans:
    """All that clients sent, in order per client, whether it arrived or not. `tokens` has the client of each token."""

    said: dict[str, Said] = field(default_factory=dict)
    asked: dict[str, Asked] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Contents:
    """What a store has: the log of each room and conversation, and what it says of the clients that it is asked for."""

    epoch: str = ""
    logs: dict[str, list[Event]] = field(default_factory=dict)
    users: dict[str, int] = field(default_factory=dict)
    """Users by their tokens."""
    names: dict[int, str] = field(default_factory=dict)
    marks: dict[tuple[int, str], int] = field(default_factory=dict)
    ignored: dict[int, frozenset[int]] = field(default_factory=dict)


async def read(store: Embedded, plans: Plans) -> Contents:
    """Read what an open store has."""
    found = Contents(store.epoch)
    for room in await store.rooms():
        log = found.logs[room] = []
        while page := await store.read(room, after=log[-1].seq if log else 0, limit=PAGE):
            log += page
    for token in plans.tokens:
        if user := await store.user_by_token(sha256(token.encode()).digest()):
            found.users[token] = user.id
            found.names[user.id] = user.name
            found.ignored[user.id] = await store.ignored(user.id)
            reads = {
                one.value for one in plans.asked.values() if (one.client, one.what) == (plans.tokens[token], "read")
            }
            for room in reads:
                found.marks[user.id, room] = await store.mark_read(user.id, room, 0)
    return found


async def missing_in_search(store: Embedded, found: Contents) -> list[str]:
    """Search for everything, once the index is there, and return what is wrong with that."""
    violations = []
    for room, log in found.logs.items():
        expected = {event.seq for event in log if event.kind in (Kind.MSG, Kind.ME) and event.text}
        while (seqs := await _search(store, room)) is None:
            pass
        if seqs != expected:
            violations.append(f"search: {room} misses {sorted(expected - seqs)}, has {sorted(seqs - expected)}")
    return violations


async def _search(store: Embedded, room: str) -> set[int] | None:
    """Return the positions of all messages that a search finds; None if the index is not there yet."""
    seqs: set[int] = set()
    before = END
    while before:
        results = await store.search(room, IN_ALL, before=before, limit=PAGE)
        if results.behind or results.partial:
            return None
        seqs |= {event.seq for event in results}
        before = results.next
    return seqs


def traces(plans: Plans, found: Contents, files: Iterable[bytes]) -> list[str]:
    """Return what is left in the store's files of texts that were deleted or edited."""
    kept = {mark for log in found.logs.values() for event in log for mark in _MARKS.findall(event.text.encode())}
    stored = {event.cid for log in found.logs.values() for event in log}
    asked = [one.value for one in plans.asked.values() if one.what == "edit" and one.cid in stored]
    texts = [*(said.text for said in plans.said.values() if said.cid in stored), *asked]
    gone = {mark for text in texts for mark in _MARKS.findall(text.encode())} - kept
    left = {mark for content in files for mark in _MARKS.findall(content)} & gone
    return [f"left: the text with {mark.decode()} is in a file" for mark in sorted(left)]


def check(plans: Plans, told: Sequence[tuple[str, Mapping[str, Any]]], found: Contents) -> list[str]:
    """Return what is wrong with a store, given all that clients sent and the frames that they were told, each with the
    client. Each violation is one line; its first word is the kind."""
    return [
        *_people(plans, told, found),
        *_logs(plans, found),
        *_acknowledged(plans, told, found),
        *_heard(told, found),
        *_changed(plans, told, found),
        *_asked(plans, told, found),
    ]


def _people(plans: Plans, told: Sequence[tuple[str, Mapping[str, Any]]], found: Contents) -> Iterator[str]:
    called: defaultdict[str, set[str]] = defaultdict(set)
    for one in plans.asked.values():
        if one.what == "nick":
            called[one.client].add(one.value)
    for client, frame in told:
        if frame["t"] in ("welcome", "named"):
            called[client].add(frame["name"])
        if frame["t"] == "welcome":
            if frame["epoch"] != found.epoch:
                yield f"lost: the epoch was {frame['epoch']}, and is {found.epoch}"
            if found.users.get(frame["token"]) != frame["id"]:
                yield f"lost: the token of {client} was that of {frame['id']}"
    for token, user in found.users.items():
        if found.names[user] not in called[plans.tokens[token]] | {User.newcomer(user).name}:
            yield f"altered: {plans.tokens[token]} is called {found.names[user]}"


def _logs(plans: Plans, found: Contents) -> Iterator[str]:
    """Check the logs by themselves: in order, with nothing twice and nothing that nobody sent."""
    every = [event for log in found.logs.values() for event in log]
    for what, counts in (("id", Counter(e.id for e in every)), ("cid", Counter(e.cid for e in every if e.cid))):
        for value, times in counts.items():
            if times > 1:
                yield f"doubled: the {what} {value} is there {times} times"
    sent: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for message in plans.said.values():
        sent[message.client, message.room].append(message.cid)
    for room, log in found.logs.items():
        seqs = [event.seq for event in log]
        if seqs != sorted(set(seqs)):
            yield f"reordered: {room} has the positions {seqs}"
        stored: defaultdict[str, list[str]] = defaultdict(list)
        for event in log:
            if event.kind in (Kind.MSG, Kind.ME):
                known = plans.said.get(event.cid)
                if known is None or known.room != room:
                    yield f"altered: {_place(event)} is {event.text[:40]!r}, which nobody sent there"
                else:
                    stored[known.client].append(event.cid)
        for client, cids in stored.items():
            expected = sent[client, room][: len(cids)]
            if len(set(cids)) == len(cids) and cids != expected:
                kind = "reordered" if sorted(cids) == sorted(expected) else "lost"
                yield f"{kind}: {room} has {cids} of {client}, who sent {expected} first"


def _acknowledged(plans: Plans, told: Sequence[tuple[str, Mapping[str, Any]]], found: Contents) -> Iterator[str]:
    places = {(room, event.seq): event for room, log in found.logs.items() for event in log}
    for client, frame in told:
        if frame["t"] == "ack":
            room = plans.said[frame["cid"]].room
            event = places.get((room, frame["seq"]))
            if event is None:
                yield f"lost: {room}/{frame['seq']}, acknowledged to {client} as {frame['cid']}"
            elif (event.cid, event.id) != (frame["cid"], frame["id"]):
                yield f"reordered: {frame['cid']} of {client} was acknowledged at {_place(event)}, where {event.cid} is"


def _heard(told: Sequence[tuple[str, Mapping[str, Any]]], found: Contents) -> Iterator[str]:
    places = {(room, event.seq): event for room, log in found.logs.items() for event in log}
    for client, frame in told:
        if "id" in frame and "seq" in frame and "room" in frame:
            event = places.get((frame["room"], frame["seq"]))
            if event is None:
                yield f"lost: {frame['room']}/{frame['seq']}, which {client} heard"
            elif (event.id, event.kind) != (frame["id"], _kind(frame)):
                yield f"reordered: {client} heard {frame['id']} at {_place(event)}, where {event.id} is"


def _kind(frame: Mapping[str, Any]) -> str:
    return Kind.ME if frame.get("me") else str(frame["t"])


def _changed(plans: Plans, told: Sequence[tuple[str, Mapping[str, Any]]], found: Contents) -> Iterator[str]:
    """Check the texts: as sent, or as an edit or deletion changed them. One that was answered must have its effect."""
    answered = {frame["rid"]: frame for _, frame in told if "rid" in frame}
    changes: defaultdict[str, list[Asked]] = defaultdict(list)
    for one in plans.asked.values():
        if one.what in ("edit", "delete"):
            changes[one.cid].append(one)
    places = {(room, event.seq): event for room, log in found.logs.items() for event in log}
    by_cid = {event.cid: event for log in found.logs.values() for event in log if event.cid}
    for cid, event in by_cid.items():
        texts = [plans.said[cid].text if cid in plans.said else ""]
        for one in changes[cid]:
            texts = [one.value] if one.rid in answered else [*texts, one.value]
        if event.text not in texts or event.detail.deleted != (not event.text):
            yield f"altered: {_place(event)} is {event.text[:40]!r}, expected one of {[text[:40] for text in texts]}"
    for rid, frame in answered.items():
        asked = plans.asked.get(rid)
        if asked and asked.what in ("edit", "delete"):
            change = places.get((plans.said[asked.cid].room, frame["seq"]))
            if change is None or change.kind != asked.what:
                yield f"lost: the event of {asked.what} {rid} of {asked.cid}, answered with {frame['seq']}"


def _asked(plans: Plans, told: Sequence[tuple[str, Mapping[str, Any]]], found: Contents) -> Iterator[str]:
    """Check names, read markers and ignored users: the last that was answered, or a later one."""
    nobody: frozenset[int] = frozenset()
    answered = {frame["rid"] for _, frame in told if "rid" in frame}
    ids = {client: frame["id"] for client, frame in told if frame["t"] == "welcome"}
    possible: defaultdict[tuple[str, str], list[Asked]] = defaultdict(list)
    for one in plans.asked.values():
        if one.what in ("edit", "delete"):
            continue
        if one.what == "nick":
            before = possible[one.client, "nick"]
            possible[one.client, "nick"] = [one] if one.rid in answered else [*before, one]
        elif one.rid in answered and one.what == "read":
            if found.marks.get((ids[one.client], one.value), 0) < one.seq:
                yield f"lost: the read marker of {one.client} in {one.value} was at {one.seq}"
        elif one.rid in answered and int(one.value) not in found.ignored.get(ids[one.client], nobody):
            yield f"lost: {one.client} ignored the user {one.value}"
    for (client, _), nicks in possible.items():
        if nicks[0].rid in answered and found.names.get(ids[client]) not in {one.value for one in nicks}:
            yield f"lost: {client} was renamed to {nicks[0].value}, and is called {found.names.get(ids[client])}"


def _place(event: Event) -> str:
    return f"{event.room}/{event.seq}"
