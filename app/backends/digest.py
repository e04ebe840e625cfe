"""The digest of a node's copy: whether two nodes that applied the same changes hold the same.

The digest after position n of the log is that of the digest before it, of n, and of what the changes there came to:
their places, and their answers. So it doesn't depend on how changes were grouped into transactions. It is written in
the transaction that applies the changes, and nodes tell each other theirs. A store on its own has none.

It finds a copy in which something differs that a later change has to do with: a name, a token, a read marker, a
position, a message that is there or not. It can't see the text of a message that was altered in the file: no change
looks at that. A file that is damaged is noticed by reads (`app.backends.damage`).

What a change adds never alters: nodes of two versions compare their digests during an upgrade.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from hashlib import blake2b
from typing import Any

from msgspec import Struct, msgpack

from app.backends import NameTaken
from app.backends.sequencing import Entry
from app.chat.events import Draft, User

KEY = "digest"
"""Where it is in `meta`, in hexadecimal."""
SIZE = 16
START = bytes(SIZE)
"""The digest of a copy to which no position of this log was applied."""
KEPT = 1000
"""How many of the last positions can be compared."""
CHECKPOINT = 64
"""Every so many positions, the digest is one that all nodes tell. So it can be seen whether others agree among each
other."""
CHECKPOINTS = 4
"""How many of these a node tells, the last ones."""

Mark = tuple[int, bytes]
"""A position, and the digest there."""

_encode = msgpack.Encoder().encode


class Told(Struct, frozen=True, array_like=True):
    """What a node says about its copy."""

    node: str
    started: int
    """When the node began, in milliseconds since 1970."""
    marks: tuple[Mark, ...]
    """Some of the last positions that it applied, with the digests there."""


class Chain:
    """The digests of the copy behind `connection`, as far as they are known since the start. Another thread may call
    `told` and `marks`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        row = connection.execute("SELECT value FROM meta WHERE key = ?", (KEY,)).fetchone()
        (applied,) = connection.execute("SELECT value FROM counters WHERE name = 'applied'").fetchone()
        self._last: bytes = bytes.fromhex(row[0]) if row else START
        self._marks: deque[Mark] = deque([(applied, self._last)], KEPT)

    @property
    def marks(self) -> Sequence[Mark]:
        """All that can be compared, oldest first."""
        return tuple(self._marks.copy())

    def write(self, connection: sqlite3.Connection, batches: Iterable[tuple[int, Sequence[Entry]]]) -> list[Mark]:
        """Add what was applied at these positions, and write the digest, in the caller's transaction. Call `note` with
        what this returns once that is committed."""
        digest, marks = self._last, list[Mark]()
        for position, entries in batches:
            digest = after(digest, position, entries)
            marks.append((position, digest))
        if marks:
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (KEY, digest.hex()))
        return marks

    def note(self, marks: Sequence[Mark]) -> None:
        """Take up what is in the store now."""
        if marks:
            self._last = marks[-1][1]
            self._marks.extend(marks)

    def told(self, node: str, started: int) -> Told:
        """Return what this node tells the others: the digest at its last position, and at some that others tell too.
        What it compares that with is `Told(node, started, chain.marks)`."""
        marks = self.marks
        checkpoints = [mark for mark in marks[:-1] if mark[0] % CHECKPOINT == 0][-CHECKPOINTS:]
        return Told(node, started, (*checkpoints, marks[-1]))


def after(digest: bytes, position: int, entries: Sequence[Entry]) -> bytes:
    """Return the digest after the changes at a position, which have been applied, or after none if they were ignored.
    `digest` is the one before."""
    outcomes = _encode([_outcome(entry) for entry in entries if entry.pos or type(entry.change) is not Draft])
    return blake2b(digest + position.to_bytes(8, "big") + outcomes, digest_size=SIZE).digest()


def _outcome(entry: Entry) -> Any:
    """What a change came to that was applied. A retry, or a draft that can't be stored, is not."""
    answer = entry.answer
    if isinstance(answer, Exception):
        if isinstance(answer, NameTaken):
            return type(answer).__name__, answer.holder.user.id, answer.reason
        return (type(answer).__name__,)
    if type(entry.change) is not Draft:
        return (answer.id, answer.name, answer.registered) if isinstance(answer, User) else answer
    event = entry.stored_event
    return entry.pos, event.seq, event.text != entry.change.text


def must_stop(own: Told, others: Iterable[Told]) -> bool:
    """Whether a node has to stop, because more of the others agree on something else than with it. `own` has all its
    marks. If as many agree with it, those go on among whom is the node that began first.

    Nothing is decided as long as a node that seems to agree has not told what it has where others differ: what it told
    before that says nothing.
    """
    same, differing, since = [own], list[Told](), float("inf")
    for other in others:
        marks = dict(other.marks)
        differences = [position for position, digest in own.marks if marks.get(position, digest) != digest]
        if differences:
            differing.append(other)
            since = min(since, *differences)
        else:
            same.append(other)
    own_positions = {position for position, _ in own.marks}
    if not differing or any(not _has_told(other, own_positions, since) for other in same):
        return False
    groups: list[list[Told]] = []
    for other in differing:
        fitting = (group for group in groups if all(agree(other, one) is not False for one in group))
        if (group := next(fitting, None)) is None:
            groups.append(group := [])
        group.append(other)
    return any(_rank(group) > _rank(same) for group in groups)


def _has_told(node: Told, positions: Collection[int], since: float) -> bool:
    """Whether a node has told what it has at one of these positions, at `since` or later."""
    return any(position >= since and position in positions for position, _ in node.marks)


def _rank(group: Sequence[Told]) -> tuple[int, int]:
    return len(group), -min(node.started for node in group)


def agree(one: Told, other: Told) -> bool | None:
    """Whether two nodes have the same digest at the last position that both tell; None if there is none."""
    marks = dict(other.marks)
    common = [(position, digest) for position, digest in one.marks if position in marks]
    if not common:
        return None
    position, digest = max(common)
    return digest == marks[position]
