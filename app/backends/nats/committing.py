"""The front of a node's store: what is asked for goes into the common log, and is answered when it comes back from
there, in its place among what other nodes have written.

What is in the log is on the disks of a quorum. So answers wait for the log, and not for this node's copy, unless they
are about what the copy has.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from threading import Lock

from msgspec import Raw, Struct

from app.backends import Unavailable
from app.backends.answering import Answers, Store, settle
from app.backends.changes import Probe
from app.backends.changes import encode as encode_change
from app.backends.nats.batches import MAX_BYTES, MAX_CHANGES, Batch, Runs
from app.backends.outage import Source
from app.backends.readers import Read
from app.backends.sequencing import Entry, Sequencer, together
from app.backends.statements.rows import CALL_ERRORS

AFTER = 2000
"""Milliseconds after which to try again what the log doesn't take."""
UNREACHABLE = "the store can't be written: the servers that all nodes write to don't answer"
"""What clients are told while the log takes nothing."""
BACKLOG = 50_000
"""With more entries than this to be applied, the log is read no further for the moment."""


class Outgoing(Struct):
    """Entries that go into the log in one batch, and their changes as they are encoded."""

    entries: list[Entry]
    changes: list[Raw]


class LogCommitter(Answers):
    """Gathers entries until the log takes them, and answers them once they are in the log.

    `submit` and `read` may be called in any thread, and the rest in the log's.
    """

    def __init__(self, store: Store, wake: Callable[[], None], read: Callable[[Read], bool]) -> None:
        """`wake` is called in any thread when there is something to take. `read` reads what is applied."""
        super().__init__(store)
        self._wake, self._read = wake, read
        self._runs: Runs
        self._make_sequencer: Callable[[], Sequencer]
        self._pending: deque[Entry] = deque()
        self._submitted = self._returned = 0
        """How many entries were submitted, and how many of them are back from the log or given up."""
        self._reads: deque[tuple[int, Read]] = deque()
        """Reads, each with how many entries have to be back before it."""
        self._refusing = ""
        """Why nothing is taken, or an empty string."""
        self._finished = 0
        """The turn up to which everything is applied."""
        self._finishing: Callable[[], None] = lambda: None
        self._failed = False
        self.late = False
        """Whether what was sent is not back for so long that reads don't wait for it."""
        self._reading = Lock()
        """Held while reads are released, which keeps them in order."""

    def start(self, make_sequencer: Callable[[], Sequencer], runs: Runs, finishing: Callable[[], None]) -> None:
        """Begin. `finishing` is called in the store's thread when something has been applied."""
        self._make_sequencer, self._runs, self._finishing = make_sequencer, runs, finishing
        self._sequencer = make_sequencer()

    def submit(self, entry: Entry) -> bool:
        with self._lock:
            if self._closed:
                return False
            self._submitted += 1
            self._pending.append(entry)
            first = len(self._pending) == 1
        if first:
            self._wake()
        return True

    def commit(self) -> None:
        self._wake()

    def probe(self) -> None:
        with self._lock:
            idle = not self._closed and not self._pending
        if idle:
            self.submit(Entry(Probe()))

    def turn_of_pending(self) -> int:
        return self.turn

    def read(self, read: Read) -> bool:
        """Run `read` once everything that was submitted before is back from the log and applied. False if the store is
        closed."""
        with self._reading:
            with self._lock:
                if self._closed:
                    return False
                if self._returned < self._submitted and not self._hurries:
                    self._reads.append((self._submitted, read))
                    return True
            return self._read(read)

    def close(self) -> None:
        with self._lock:
            self._closed = True
        self._wake()

    @property
    def idle(self) -> bool:
        """Whether everything that was submitted is back from the log, or given up."""
        return self._returned >= self._submitted

    def set_late(self, *, late: bool) -> None:
        """Note whether what was sent is not back for long. Then reads don't wait for it."""
        self.late = late
        if late:
            self._release_reads()

    @property
    def _hurries(self) -> bool:
        return self.late or bool(self._refusing)

    @property
    def is_full(self) -> bool:
        """Whether enough waits to be applied."""
        return self._store.backlog > BACKLOG

    def take(self) -> Outgoing | None:
        """Return the entries of the next batch, or None if there are none. Those that can't be encoded, or that the
        store can't take now, are answered."""
        refusal = self._refusing or self._store.refusal()
        taken: list[Entry] = []
        changes: list[Raw] = []
        failed: list[Entry] = []
        size = 0
        with self._lock:
            while self._pending and len(taken) < MAX_CHANGES:
                entry = self._pending[0]
                if refusal and not (isinstance(entry.change, Probe) and entry.waiter is None):
                    entry.answer = Unavailable(refusal, after=AFTER)
                    failed.append(self._pending.popleft())
                    continue
                try:
                    encoded = encode_change(entry.change)
                except CALL_ERRORS as error:
                    entry.answer = error
                    failed.append(self._pending.popleft())
                    continue
                if taken and size + len(encoded) > MAX_BYTES:
                    break
                size += len(encoded)
                taken.append(self._pending.popleft())
                changes.append(Raw(encoded))
            count = together([entry.change for entry in taken])
            self._pending.extendleft(reversed(taken[count:]))
            del taken[count:], changes[count:]
        self._fail(failed)
        return Outgoing(taken, changes) if taken else None

    def holds(self, batch: Batch) -> bool:
        """Whether a batch can't be placed yet, because something before it has to be applied first."""
        if self._finished >= self.turn:
            return False
        if not self._failed and self._sequencer.placeable(batch.changes) == len(batch.changes):
            return False
        self._store.hurry()
        return True

    def receive(self, position: int, batch: Batch, own: Sequence[Entry] | None) -> bool:
        """Place, answer and apply a batch that comes from the log at a position. `own` are the entries of it that this
        node still waits for, or None if it is no batch of this run. Return False if it doesn't count, since its number
        isn't the next.

        An exception says that the copy can't be read. Then nothing has happened: call this again.
        """
        with self._committing:
            if self._failed:  # places may have been given out that other nodes didn't give
                self._sequencer, self._failed = self._make_sequencer(), False
            numbered = self._runs.count(batch, position)
            if numbered is None:
                return False
            entries = list(own or ()) or [Entry(change) for change in batch.changes]
            self.turn += 1
            try:
                placed = self._place(entries, position)
            except BaseException:
                self._failed = True
                self._runs.take_back(batch)
                self.turn -= 1
                for entry, change in zip(entries, batch.changes, strict=True):
                    entry.change, entry.event, entry.pos, entry.original, entry.answer = change, None, 0, None, None
                raise
            placed.entries.append(Entry(numbered))
            self._deliver(placed)
        if own is not None:
            self._refusing = ""
            if self._store.outage.causes:
                self._store.outage.recover(Source.JOURNAL)
            self._return(len(own))
        return True

    def give_up_sent(self, entries: Sequence[Entry], cause: str, *, told: str = "") -> None:
        """Answer entries that the log has not taken for long, and refuse everything until it takes something. Clients
        are `told` that instead of the cause, which may name servers that are none of their business."""
        problem = self._store.outage.fail(Source.JOURNAL, cause)
        self._refusing = told or problem
        for entry in entries:
            entry.answer = Unavailable(self._refusing, after=AFTER)
        self._fail(list(entries))
        self._release_reads()
        self.take()

    def finish(self, turn: int) -> None:
        super().finish(turn)
        self._finished = max(self._finished, turn)
        self._finishing()

    def _fail(self, entries: list[Entry]) -> None:
        """Give entries the answer that they have, which is an exception."""
        if entries:
            self._store.outage.count(sum(isinstance(entry.answer, Unavailable) for entry in entries))
            settle(entries)
            self._return(len(entries))

    def _return(self, count: int) -> None:
        with self._lock:
            self._returned += count
        if self._reads:
            self._release_reads()

    def _release_reads(self) -> None:
        """Start the reads that have what they wait for; all of them while the log takes long."""
        with self._reading:
            while self._reads and (self._hurries or self._reads[0][0] <= self._returned):
                self._read(self._reads.popleft()[1])
