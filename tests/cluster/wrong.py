"""A node with faults built in: `python -m tests.cluster.wrong NAME,NAME …`, with the flags of `python -m app`."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable, Sequence

import anyio
from msgspec.structs import replace

from app.backends.nats.batches import Batch
from app.backends.nats.committing import LogCommitter, Outgoing
from app.backends.nats.engine import Engine
from app.backends.nats.tending import Tending
from app.backends.sequencing import Entry
from app.chat.events import Draft

OFTEN = 10
"""One of so many batches with messages is treated wrong."""
LATE = 0.05
"""Seconds that a batch waits that was acknowledged too early."""

receive, take, append = LogCommitter.receive, LogCommitter.take, Engine.append


class Chosen:
    """Chooses batches with messages, the same number of right ones between them."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, batch: Batch) -> bool:
        self._count += any(type(change) is Draft for change in batch.changes)
        return self._count % OFTEN == OFTEN - 1


def skip() -> None:
    """Leave out a batch of another node."""
    chosen = Chosen()

    def wrong(self: LogCommitter, position: int, batch: Batch, own: Sequence[Entry] | None) -> bool:
        if own or not chosen(batch):
            return receive(self, position, batch, own)
        return self._runs.count(batch, position) is not None

    LogCommitter.receive = wrong  # type: ignore[method-assign]


def twice(*, again: Callable[[Batch], Batch] = lambda batch: batch) -> None:
    """Apply a batch again, right after it was applied."""
    chosen = Chosen()

    def wrong(self: LogCommitter, position: int, batch: Batch, own: Sequence[Entry] | None) -> bool:
        counts = receive(self, position, batch, own)
        if counts and chosen(batch):
            self._runs.take_back(batch)
            receive(self, position, again(batch), ())
        return counts

    LogCommitter.receive = wrong  # type: ignore[method-assign]


def twice_as_new() -> None:
    """Apply a batch again, without recognizing what is in it."""

    def again(batch: Batch) -> Batch:
        changes = [replace(change, cid="") if type(change) is Draft else change for change in batch.changes]
        return replace(batch, changes=changes)

    twice(again=again)


def early() -> None:
    """Acknowledge messages that are on their way to the log."""
    known, acknowledged = [0], set[int]()

    def wrong_take(self: LogCommitter) -> Outgoing | None:
        outgoing = take(self)
        if outgoing is not None and all(type(entry.change) is Draft for entry in outgoing.entries):
            acknowledged.update(map(id, outgoing.entries))
            with self._committing:
                self.turn += 1
                self._deliver(self._place(outgoing.entries, known[0]))
        return outgoing

    def wrong_receive(self: LogCommitter, position: int, batch: Batch, own: Sequence[Entry] | None) -> bool:
        known[0] = position
        if not own or id(own[0]) not in acknowledged:
            return receive(self, position, batch, own)
        self._runs.count(batch, position)
        self._return(len(own))
        return True

    async def wrong_append(self: Engine, batch: bytes, *, patience: float) -> int:
        await anyio.sleep(LATE)
        return await append(self, batch, patience=patience)

    LogCommitter.take, LogCommitter.receive = wrong_take, wrong_receive  # type: ignore[method-assign]
    Engine.append = wrong_append  # type: ignore[method-assign]


def blind() -> None:
    """Don't notice that a copy is another than that of other nodes."""
    Tending._is_wrong = lambda self: False  # type: ignore[method-assign]


FAULTS: dict[str, Callable[[], None]] = {
    "skip": skip,
    "twice": twice,
    "twice-as-new": twice_as_new,
    "early": early,
    "blind": blind,
}

if __name__ == "__main__":
    for name in sys.argv.pop(1).split(","):
        FAULTS[name]()
    runpy.run_module("app", run_name="__main__", alter_sys=True)
