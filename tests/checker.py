"""Checks what clients saw of a chat against what it promises.

The clients record, and `check` is a pure function of their records. The promises:

- A message that anybody got an ack for, or heard, is in the log of its room: everybody who follows the room hears it.
- An id identifies one message for good, with the same room, position and text for everybody.
- A client hears a room only after it has joined it in the current connection, and positions only grow from there.
- A message that is sent several times with the same cid is stored once.
- A whisper is in the log of its conversation, `@3,5` for the users 3 and 5. They hear it if they follow `@`, which
  combines all conversations of a user, and nobody else hears it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations


@dataclass(frozen=True, slots=True)
class Joined:
    """The client joined `room`, and hears what comes after `after`, where it resumed, or else after `head`."""

    room: str
    head: int
    recovered: bool = True
    after: int | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """The client sent `text`. A retry is another record with the same `cid`."""

    room: str
    cid: str
    text: str


@dataclass(frozen=True, slots=True)
class Acked:
    """The client got an ack: its `cid` is the message `id` at position `seq`."""

    cid: str
    id: str
    seq: int


@dataclass(frozen=True, slots=True)
class Heard:
    """The client got an event."""

    room: str
    seq: int
    id: str
    sender: str
    text: str


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection ended, and so the client left every room. When it comes back, it joins again."""


Record = Joined | Sent | Acked | Heard | Disconnected

WHISPERS = "@"
"""The room that a client joins to hear its whispers."""


def conversation(*users: int) -> str:
    """Return the log of the whispers between these users."""
    return WHISPERS + ",".join(map(str, sorted(set(users))))


def followed(room: str) -> str:
    """Return the room that a client joins to hear the log `room`."""
    return WHISPERS if room.startswith(WHISPERS) else room


@dataclass(frozen=True, slots=True)
class History:
    """The records of one client in order, the rooms that it may join, and its user id."""

    rooms: frozenset[str]
    records: Sequence[Record]
    user: int = 0

    def may_hear(self, room: str) -> bool:
        """Whether this client may hear a room or a conversation."""
        if followed(room) not in self.rooms:
            return False
        return followed(room) != WHISPERS or str(self.user) in room.removeprefix(WHISPERS).split(",")


@dataclass(slots=True)
class _Stay:
    """A client's stay in a room. It must hear everything after `after`: up to `last` if the stay has ended, or else to
    the end of the log."""

    room: str
    after: int
    last: int
    heard: set[str] = field(default_factory=set)
    ended: bool = False


def check(histories: Mapping[str, History]) -> list[str]:
    """Return the violations in `histories`, which has the clients by name. Each is one line.

    The first word is the kind: `lost`, `doubled`, `reordered`, `mismatched` (an ack with an event or another ack),
    `leaked`, `altered`, `unrecovered`. A client whose records don't end with Disconnected is taken to have followed its
    rooms to the end, so let all clients receive everything before you check them.
    """
    violations: list[str] = []
    stays = {name: list(_stays(name, history, violations)) for name, history in histories.items()}
    violations += _mismatched(histories)
    violations += _misplaced(histories)
    violations += _altered(histories)
    violations += _stored_twice(histories)
    violations += _disordered(histories)
    violations += _lost(histories, stays)
    return violations


def _stays(name: str, history: History, violations: list[str]) -> Iterator[_Stay]:
    """Yield the stays of one client, and add to `violations` what this client's records alone show to be wrong."""
    here: dict[str, _Stay] = {}
    positions: dict[str, int] = {}
    known: set[str] = set()
    for record in history.records:
        match record:
            case Joined(room, head, recovered, after):
                if after is not None and not recovered:
                    violations.append(f"unrecovered: {name} could not resume {room} after {after}")
                start = head if after is None or not recovered else min(after, positions.get(room, after))
                if room in here:
                    here[room].ended = True
                here[room] = _Stay(room, start, start)
                positions[room] = start
                yield here[room]
            case Disconnected():
                for stay in here.values():
                    stay.ended = True
                here = {}
            case Heard(log, seq, identity):
                room = followed(log)
                if not history.may_hear(log) or room not in here:
                    violations.append(f"leaked: {name} heard {_place(record)}, and was not in {log}")
                elif seq > here[room].last:
                    here[room].last = positions[room] = seq
                elif identity in known:
                    violations.append(f"doubled: {name} heard {_place(record)} again, after {here[room].last}")
                else:
                    violations.append(f"reordered: {name} heard {_place(record)} after {here[room].last}")
                known.add(identity)
                if room in here:
                    here[room].heard.add(identity)


def _sent(histories: Mapping[str, History]) -> dict[tuple[str, str], Sent]:
    """Return what was sent first, by client and cid."""
    sent: dict[tuple[str, str], Sent] = {}
    for name, history in histories.items():
        for record in history.records:
            if isinstance(record, Sent):
                sent.setdefault((name, record.cid), record)
    return sent


def _acked(histories: Mapping[str, History]) -> Iterator[tuple[str, Acked]]:
    for name, history in histories.items():
        yield from ((name, record) for record in history.records if isinstance(record, Acked))


def _heard(histories: Mapping[str, History]) -> Iterator[tuple[str, Heard]]:
    for name, history in histories.items():
        yield from ((name, record) for record in history.records if isinstance(record, Heard))


def _mismatched(histories: Mapping[str, History]) -> Iterator[str]:
    sent = _sent(histories)
    acks: dict[tuple[str, str], Acked] = {}
    owners: dict[str, tuple[str, str]] = {}
    for name, ack in _acked(histories):
        first = acks.setdefault((name, ack.cid), ack)
        owner = owners.setdefault(ack.id, (name, ack.cid))
        if (name, ack.cid) not in sent:
            yield f"mismatched: {name} got an ack of {ack.cid}, which it had not sent"
        elif first != ack:
            yield f"mismatched: {name}'s {ack.cid} was acked as {first.id} at {first.seq} and {ack.id} at {ack.seq}"
        elif owner != (name, ack.cid):
            yield f"mismatched: {name}'s {ack.cid} was acked as {ack.id}, as was {owner[0]}'s {owner[1]}"
    by_id, by_place = _events(histories)
    for (name, cid), ack in acks.items():
        if (name, cid) not in sent:
            continue
        room = sent[name, cid].room
        if (event := by_id.get(ack.id)) and (event.room, event.seq) != (room, ack.seq):
            yield f"mismatched: {name}'s {cid} was acked as {ack.id} at {room}/{ack.seq}, and heard at {_place(event)}"
        if (event := by_place.get((room, ack.seq))) and event.id != ack.id:
            yield f"mismatched: {name}'s {cid} was acked as {ack.id} at {room}/{ack.seq}, where {event.id} was heard"


def _events(histories: Mapping[str, History]) -> tuple[dict[str, Heard], dict[tuple[str, int], Heard]]:
    """Return events as they were heard first: by id, and by room and position."""
    by_id: dict[str, Heard] = {}
    by_place: dict[tuple[str, int], Heard] = {}
    for _, event in _heard(histories):
        by_id.setdefault(event.id, event)
        by_place.setdefault((event.room, event.seq), event)
    return by_id, by_place


def _misplaced(histories: Mapping[str, History]) -> Iterator[str]:
    by_id, by_place = _events(histories)
    for name, event in _heard(histories):
        if (first := by_id[event.id]) and (first.room, first.seq) != (event.room, event.seq):
            yield f"doubled: {name} heard {_place(event)}, and it was heard at {first.room}/{first.seq} too"
        if (first := by_place[event.room, event.seq]) and first.id != event.id:
            yield f"doubled: {name} heard {_place(event)} where {first.id} was heard too"


def _altered(histories: Mapping[str, History]) -> Iterator[str]:
    sent = _sent(histories)
    owners = {ack.id: (name, ack.cid) for name, ack in _acked(histories) if (name, ack.cid) in sent}
    by_id, _ = _events(histories)
    said = {(name, message.room, message.text) for (name, _), message in sent.items()}
    for name, event in _heard(histories):
        as_heard = (event.sender, event.text)
        first = by_id[event.id]
        if owner := owners.get(event.id):
            if as_heard != (owner[0], sent[owner].text):
                yield f"altered: {name} heard {_place(event)} as {as_heard}, sent was {(owner[0], sent[owner].text)}"
        elif as_heard != (first.sender, first.text):
            yield f"altered: {name} heard {_place(event)} as {as_heard}, others as {(first.sender, first.text)}"
        elif (event.sender, event.room, event.text) not in said:
            yield f"altered: {name} heard {_place(event)} as {as_heard}, which {event.sender} never sent there"


def _stored_twice(histories: Mapping[str, History]) -> Iterator[str]:
    """An event doesn't have its cid, so compare how often a text was stored with how many cids it was sent under."""
    by_id, _ = _events(histories)
    stored = Counter((event.sender, event.room, event.text) for event in by_id.values())
    sent = Counter((name, message.room, message.text) for (name, _), message in _sent(histories).items())
    for (sender, room, text), times in stored.items():
        if times > sent[sender, room, text] > 0:
            yield f"doubled: {room} has {text!r} of {sender} {times} times, sent {sent[sender, room, text]} times"


def _disordered(histories: Mapping[str, History]) -> Iterator[str]:
    orders: defaultdict[str, dict[str, dict[str, Heard]]] = defaultdict(dict)
    for name, event in _heard(histories):
        orders[event.room].setdefault(name, {}).setdefault(event.id, event)
    for order in orders.values():
        for (one, heard), (other, heard_there) in combinations(order.items(), 2):
            ours = (event for identity, event in heard.items() if identity in heard_there)
            theirs = (event for identity, event in heard_there.items() if identity in heard)
            for mine, its in zip(ours, theirs, strict=True):
                if mine.id != its.id:
                    yield f"reordered: {one} heard {_place(mine)} where {other} heard {_place(its)}"
                    break


def _lost(histories: Mapping[str, History], stays: Mapping[str, Sequence[_Stay]]) -> Iterator[str]:
    log: defaultdict[str, dict[str, tuple[int, str]]] = defaultdict(dict)
    sent = _sent(histories)
    for name, ack in _acked(histories):
        if (name, ack.cid) in sent:
            log[sent[name, ack.cid].room].setdefault(ack.id, (ack.seq, f"{name} has an ack of"))
    for name, event in _heard(histories):
        log[event.room].setdefault(event.id, (event.seq, f"{name} heard"))
    ordered = {room: sorted((seq, id_, known) for id_, (seq, known) in events.items()) for room, events in log.items()}
    seqs = {room: [seq for seq, _, _ in events] for room, events in ordered.items()}
    for name, room in ((name, room) for name in stays for room in log if histories[name].may_hear(room)):
        for stay in (stay for stay in stays[name] if stay.room == followed(room)):
            first = bisect_right(seqs[room], stay.after)
            end = bisect_right(seqs[room], stay.last) if stay.ended else len(seqs[room])
            for seq, identity, known in ordered[room][first:end]:
                if identity not in stay.heard:
                    yield f"lost: {name} never heard {identity} at {room}/{seq}, which {known}"


def _place(event: Heard) -> str:
    return f"{event.id} at {event.room}/{event.seq}"
