"""Answers: those who wait for a change learn what has become of it, and followers what is new."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from threading import Lock
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from msgspec import Struct

from app.backends import Follower, Unavailable
from app.backends.followers import Followers
from app.backends.outage import Outage
from app.backends.sequencing import Entry, Sequencer
from app.chat.events import Appended, Draft, Event, Kind

log = logging.getLogger("store")

ANSWERS = 8
"""Answers to changes in one turn of an event loop. After each of them, someone is let in or renamed, for example."""


class Batch(Struct, gc=False):
    """The entries of one commit."""

    turn: int
    """Counts commits, also those that failed."""
    number: int
    """The number of its record in the journal, or its position in the log."""
    entries: list[Entry]
    """What is to be applied; nothing if the commit failed."""
    drafts: list[Entry]
    """The drafts to answer."""
    waits: bool
    """Whether the answers depend on what gets stored: the edit of a deleted message has no text."""
    size: int = 0
    """How many bytes its record has in the journal."""


def first_of(batches: Iterable[Batch], most_entries: int, most_size: int) -> list[Batch]:
    """Return the first batches, as many as have at most so many entries and bytes together; one of them in any case."""
    chosen: list[Batch] = []
    count = size = 0
    for batch in batches:
        count += len(batch.entries)
        size += batch.size
        if chosen and (count > most_entries or size > most_size):
            break
        chosen.append(batch)
    return chosen


class Store(Protocol):
    """What the front of a store needs of the thread that applies changes."""

    outage: Outage
    """What can't be written at the moment, and why."""

    backlog: int
    """How many entries are to be applied."""

    @property
    def failing(self) -> bool:
        """Whether changes could not be applied when that was last tried."""

    def try_again(self) -> None:
        """Try again to apply what could not be applied, and wait for that. Not for an event loop."""

    def refusal(self) -> str | None:
        """Return why nothing may be written now, or None."""

    def add(self, batch: Batch) -> None:
        """Have a batch applied, in order."""

    def hurry(self) -> None:
        """Have everything that was added applied now."""

    def unapplied(self) -> Iterable[Entry]:
        """Return the entries that are not in the store yet, in order."""

    def commit_soon(self, *, guests: bool = False) -> None:
        """Have `Answers.commit` called in the store's thread: at once, or a little later if only for guests."""


class Answers(ABC):
    """What is committed, in order: followers hear of it, and those who wait get their answers in their event loop.

    This is the front of a store. `Committer` makes things durable in a journal, `LogCommitter` in a log of many nodes.
    """

    def __init__(self, store: Store) -> None:
        self._followers: Followers[Follower] = Followers()
        self._applied_followers: Followers[Callable[[Sequence[Entry]], None]] = Followers()
        """Those who are called with what is applied, apart from drafts."""
        self.turn = 0
        """How many commits have begun."""
        self._store = store
        self._sequencer: Sequencer
        self._lock = Lock()
        self._closed = False
        self._committing = Lock()
        """Held during a commit and while answers are given, which keeps both in order."""
        self._unfinished: deque[Batch] = deque()
        """Batches whose answers wait for the store, or for other answers to arrive, and those after them."""
        self._answered_in: object = None
        """Where answers were given last: an event loop, or this object for a thread."""

    @abstractmethod
    def submit(self, entry: Entry) -> bool:
        """Have `entry` committed, after all before. Return False if the store is closed."""

    @abstractmethod
    def commit(self) -> None:
        """Commit what is pending."""

    @abstractmethod
    def probe(self) -> None:
        """Commit what is pending, or else something that changes nothing, to find out whether that works again."""

    @abstractmethod
    def turn_of_pending(self) -> int:
        """Return the turn after whose commit everything that was submitted so far is written."""

    @abstractmethod
    def close(self) -> None:
        """Accept nothing more. What was submitted is still pending, or committed."""

    def follow(self, follower: Follower) -> Callable[[], None]:
        """Call `follower` with what is committed from now on, until the returned function is called."""
        return self._followers.add(follower)

    def follow_applied(self, follower: Callable[[Sequence[Entry]], None]) -> Callable[[], None]:
        """Call `follower` with what is applied from now on, until the returned function is called: all but drafts,
        before they are answered."""
        return self._applied_followers.add(follower)

    def applied(self, entries: Sequence[Entry]) -> None:
        """Note that these entries are in the store, and answer those that waited for that."""
        with self._committing:
            self._sequencer.stored(entries)
            if not any(self._store.unapplied()):
                self._sequencer.forget_heads()
        others = [entry for entry in entries if type(entry.change) is not Draft]
        for follower in self._applied_followers if others else ():
            try:
                follower(others)
            except Exception:
                log.exception("A follower failed at %d changes", len(others))
        settle(others, answer_in_turns)

    def give_up(self, entries: Iterable[Entry], problem: str) -> None:
        """Answer those who wait for the store, which fails, that it is unavailable. What they asked for is committed,
        and is stored once the store works again."""
        with self._committing:
            drafts = [entry for batch in self._unfinished for entry in batch.drafts]
            waiting = [entry for entry in entries if type(entry.change) is not Draft] + drafts
            refused = [Entry(entry.change, entry.waiter, entry.loop, answer=Unavailable(problem)) for entry in waiting]
            for entry in waiting:
                entry.waiter = None
        settle(refused)  # in loops that may get to it later

    def finish(self, turn: int) -> None:
        """Answer the drafts of all batches up to a turn, which have been applied."""
        with self._committing:
            while self._unfinished and (self._unfinished[0].turn <= turn or not self._unfinished[0].waits):
                self._answer(self._unfinished[0])
                self._unfinished.popleft()

    def _place(self, entries: Sequence[Entry], number: int = 0) -> Batch:
        """Give entries their places, and return what is to be applied and answered."""
        self._sequencer.place(entries)
        placed, drafts, waits = [], [], False
        for entry in entries:
            change = entry.change
            if type(change) is Draft:
                drafts.append(entry)
                if not entry.pos:
                    continue
                waits = waits or change.kind == Kind.EDIT
            placed.append(entry)
        return Batch(self.turn, number, placed, drafts, waits)

    def _deliver(self, batch: Batch) -> None:
        """Have what is committed applied, and answer it as soon as the order allows. With `_committing` held."""
        if batch.waits or self._unfinished or not self._in_step():
            self._unfinished.append(batch)
        else:
            self._answer(batch)  # before it is applied: followers know all that can be read
        self._store.add(batch)

    def _in_step(self) -> bool:
        """Whether all answers before have arrived in the running loop. If others were given elsewhere since, they may
        still be on their way to it. In that case, have what is unfinished answered right after they arrive."""
        running = running_loop()
        if running is None or self._answered_in in (None, running):
            return True
        self._answered_in = running
        running.call_soon(self._answer_in_step)
        return False

    def _answer_in_step(self) -> None:
        with self._committing:
            while self._unfinished and not self._unfinished[0].waits and self._in_step():
                self._answer(self._unfinished[0])
                self._unfinished.popleft()

    def _answer(self, batch: Batch) -> None:
        """Answer the drafts of a batch: first their origins, then the followers, then those who await a future."""
        running = running_loop()
        self._answered_in = running or self
        events: list[Event] = []
        futures: list[Entry] = []
        elsewhere: list[Entry] = []
        for entry in batch.drafts:
            if entry.event is not None and not entry.duplicate:
                events.append(entry.event)
            if entry.waiter is None:  # given up
                continue
            if isinstance(entry.waiter, asyncio.Future) or entry.answer is not None:
                futures.append(entry)
            elif entry.loop is running:
                tell(entry)
            else:
                elsewhere.append(entry)
        settle(elsewhere)
        if events:
            for follower in self._followers:
                try:
                    follower(events)
                except Exception:
                    log.exception("A follower failed at %d events", len(events))
        settle(futures)


def settle(entries: Iterable[Entry], answer: Callable[[Sequence[Entry]], None] | None = None) -> None:
    """Give those who wait for these entries their answers, each in its event loop: all at once, or with `answer`."""
    answer = answer or _settle_all
    by_loop: dict[Any, list[Entry]] = {}
    for entry in entries:
        if entry.waiter is not None:
            by_loop.setdefault(entry.loop, []).append(entry)
    running = running_loop()
    for loop, own in by_loop.items():
        if loop is running:
            answer(own)
        else:
            _call(loop, answer, own)


_waiting: WeakKeyDictionary[asyncio.AbstractEventLoop, deque[Entry]] = WeakKeyDictionary()
"""The answers to changes that wait for a turn of an event loop."""


def answer_in_turns(entries: Sequence[Entry]) -> None:
    """Answer some now, and the rest in later turns of this event loop, in order. Hundreds of changes are applied
    together, and what their answers lead to would hold up everyone else."""
    waiting = _waiting.setdefault(asyncio.get_running_loop(), deque())
    idle = not waiting
    waiting += entries
    if idle:
        _answer_some(waiting)


def _answer_some(waiting: deque[Entry]) -> None:
    try:
        _settle_all([waiting.popleft() for _ in range(min(len(waiting), ANSWERS))])
    finally:
        if waiting:
            asyncio.get_running_loop().call_soon(_answer_some, waiting)


def _settle_all(entries: Sequence[Entry]) -> None:
    for entry in entries:
        waiter, answer = entry.waiter, entry.answer
        is_draft = type(entry.change) is Draft
        if isinstance(waiter, asyncio.Future):
            if waiter.done():
                continue
            if isinstance(answer, Exception):
                waiter.set_exception(answer)
            else:
                waiter.set_result(Appended(entry.stored_event, duplicate=entry.duplicate) if is_draft else answer)
        else:
            tell(entry)


def tell(entry: Entry) -> None:
    """Tell an Origin what has become of its draft. If that fails, it concerns nobody else."""
    try:
        if isinstance(entry.answer, Exception):
            entry.waiter.failed(entry.answer, entry.change)
        else:
            entry.waiter.stored(entry.stored_event, duplicate=entry.duplicate)
    except Exception:
        log.exception("The sender of a message could not be told what became of it")


def _call(loop: asyncio.AbstractEventLoop, act: Callable[[Sequence[Entry]], None], entries: Sequence[Entry]) -> None:
    with suppress(RuntimeError):  # the loop is closed, so nobody waits in it
        loop.call_soon_threadsafe(act, entries)


def running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
