"""Batches: what nodes write to their common log, one message each.

A start of a node is a run, which has a name by chance. Its batches are numbered from 1. A batch counts if its number is
the next of its run, and otherwise for nothing, on every node. So loss, doubling and overtaking on the way to the log
need no other cure: the sender sees its own batches come by, and sends again, in order, what did not count.
"""

from __future__ import annotations

import sqlite3

from msgspec import Struct, msgpack

from app.backends.changes import Change, Numbered, Trim
from app.backends.statements import runs
from app.chat.events import Draft

LEVEL = 1
"""What this release writes: changes and meanings that every node has to know."""
MAX_CHANGES = 500
MAX_BYTES = 700_000
"""Most bytes of changes in a batch. A server takes messages of 1 MB."""


class Batch(Struct, frozen=True, array_like=True):
    """A batch of changes, in their order. With none, it takes a number that nothing else will use."""

    level: int
    run: bytes
    number: int
    changes: list[Change]


encode = msgpack.Encoder().encode
"""Encode a Batch."""
decode = msgpack.Decoder(Batch).decode
"""Decode what `encode` made. msgspec.MsgspecError for anything else, as from a newer Natter."""


def clears(change: Change) -> bool:
    """Whether a change may clear a text that was in the log before."""
    return type(change) is Trim or (type(change) is Draft and change.of > 0)


class Runs:
    """How far each run has come. The numbers are in the store, too: in the same transaction as the batch."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._numbers: dict[bytes, int] = runs.numbers(connection)

    def count(self, batch: Batch, position: int) -> Numbered | None:
        """Return what is to be applied with a batch so that the store knows its number, or None if it doesn't count."""
        if batch.number != self._numbers.get(batch.run, 0) + 1:
            return None
        self._numbers[batch.run] = batch.number
        return Numbered(batch.run, batch.number, position)

    def take_back(self, batch: Batch) -> None:
        """Undo the `count` of the batch that was counted last."""
        self._numbers[batch.run] = batch.number - 1
