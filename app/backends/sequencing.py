"""Giving changes their place: positions for what is appended, ids for new users, and retries found.

This is the first half of the machine (`app.backends.machine` is the other). It looks at what the store holds and at
what is on its way there, and decides nothing by chance or time. So a change gets the same place when it is replayed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from app.backends import changes
from app.backends.changes import Change, CreateUser
from app.backends.statements import logs, sign_ins
from app.backends.statements.rows import COLUMNS, event_of
from app.chat.events import PLAIN, SETTINGS, Draft, Event, Kind
from app.chat.logs import CONVERSATION, MAILBOX, conversation, participants

MAX_INTEGER = 2**63 - 1
"""The largest number that SQLite stores."""
MAX_HEADS = 100_000
"""How many heads of logs are remembered, at most."""
LOOKUP = 64
"""How many retries are looked for in one statement."""
NOT_A_ROOM = (CONVERSATION, MAILBOX)
MESSAGE = Kind.MSG
"""The kind of nearly all drafts."""
ENDS_TOKENS = (
    changes.BindToken,
    changes.RevokeToken,
    changes.SignIn,
    changes.SignOut,
    changes.Register,
    changes.ChangePassword,
    changes.Forget,
)
"""Changes that make a difference to whose a token is."""


class Entry(Struct, gc=False):
    """A change on its way into the store, and what has become of it so far."""

    change: Change
    waiter: Any = None
    """Who waits for the answer; None for nobody."""
    loop: Any = None
    """The event loop of the waiter."""
    event: Event | None = None
    """For a draft, the event that it becomes or repeats."""
    pos: int = 0
    """The event's place over all logs; 0 if nothing is appended."""
    original: Entry | None = None
    """The entry that this one repeats, if that isn't in the store yet."""
    answer: Any = None
    """For other changes than drafts, what the caller gets. For any change, the exception that it failed with."""

    @property
    def duplicate(self) -> bool:
        """For a draft, whether it repeats an earlier one."""
        return not self.pos

    @property
    def stored_event(self) -> Event:
        """For a draft, the event as it is in the store."""
        event = self.event if self.original is None else self.original.event
        assert event is not None, "a draft without an answer has an event"
        return event


class Sequencer:
    """Gives places to entries in their order. One thread at a time may use it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._heads: dict[str, int] = {}
        self._under_way: dict[tuple[int, str], Entry] = {}
        """By user and `cid`, the entries that have a place but are not in the store yet."""
        self._new_tokens: set[bytes] = set()
        """The tokens of new users who are not in the store yet."""
        self._removing: set[int] = set()
        self._ending: set[int] = set()
        """What is not in the store yet of the changes after which it may lack an event, and after which a token may be
        someone else's: the ids of the objects."""
        counters = dict(connection.execute("SELECT name, value FROM counters"))
        self._last_pos: int = counters["pos"]
        self._last_whisper: int = counters["whisper"]
        self._last_user: int = counters["user"]

    def next_user(self) -> int:
        """Return the id of the next user."""
        self._last_user += 1
        return self._last_user

    def placeable(self, sequence: Sequence[Change]) -> int:
        """Return how many of these changes, from the first, get the same place whether what has a place by now is in
        the store yet or not. For the next one, everything before it has to be there."""
        return together(sequence, removing=bool(self._removing), ending=bool(self._ending))

    def place(self, entries: Sequence[Entry]) -> None:
        """Give each entry its place. One that can't have any gets an exception as its answer.

        The places depend on the order alone if no more is placed at once than `placeable` says. That matters where
        retries are part of what is replayed or sent to other nodes; a journal has only what got a place.
        """
        known = self._repeated([entry.change for entry in entries if type(entry.change) is Draft and entry.change.cid])
        for entry in entries:
            change = entry.change
            if type(change) is Draft:
                if not change.cid:
                    self._append(entry, change)
                    continue
                key = change.user.id, change.cid
                original = self._under_way.get(key)
                if original is not None:
                    entry.original = original
                elif key in known:
                    entry.event = known[key]
                else:
                    self._append(entry, change)
                    if entry.pos:
                        self._under_way[key] = entry
            elif type(change) is CreateUser:
                if not change.user:
                    self._create_user(entry, change)
            elif type(change) is changes.Trim:
                self._removing.add(id(entry))
            elif isinstance(change, ENDS_TOKENS):
                self._ending.add(id(entry))

    def stored(self, entries: Iterable[Entry]) -> None:
        """Forget entries that are in the store now."""
        for entry in entries:
            change = entry.change
            if self._removing:
                self._removing.discard(id(entry))
            if type(change) is Draft:
                if change.cid and entry.pos:
                    self._under_way.pop((change.user.id, change.cid), None)
            elif type(change) is CreateUser:
                self._new_tokens.discard(change.token)
            else:
                self._ending.discard(id(entry))

    def forget_heads(self) -> None:
        """Save memory, if many heads are remembered. Call it only while everything placed is in the store."""
        if len(self._heads) > MAX_HEADS:
            self._heads.clear()

    def take_back(self, entries: Sequence[Entry], before: Iterable[Entry]) -> None:
        """Take back the places of the entries placed last. `before` are those before them that aren't stored yet."""
        self.stored(entries)
        self._heads.clear()
        for entry in before:
            if entry.pos and entry.event is not None and not entry.event.room.startswith(CONVERSATION):
                self._heads[entry.event.room] = entry.event.seq
        for entry in reversed(entries):
            if entry.pos and entry.event is not None:
                self._last_pos = entry.pos - 1
                if entry.event.room.startswith(CONVERSATION):
                    self._last_whisper = entry.event.seq - 1
            entry.event, entry.pos, entry.original = None, 0, None

    def _append(self, entry: Entry, draft: Draft) -> None:
        room = draft.room
        if draft.at > MAX_INTEGER or draft.of > MAX_INTEGER or draft.user.id > MAX_INTEGER:
            entry.answer = OverflowError("a number in the draft is too large for the store")
            return
        head = self._heads.get(room)
        if head is not None:
            seq = self._heads[room] = head + 1
        elif room.startswith(NOT_A_ROOM):
            if problem := _check_conversation(room):
                entry.answer = problem
                return
            seq = self._last_whisper = self._last_whisper + 1
        else:
            seq = self._heads[room] = logs.bounds(self._connection, room).head + 1
        self._last_pos = entry.pos = self._last_pos + 1
        if draft.kind != MESSAGE and draft.kind in SETTINGS:
            self._removing.add(id(entry))  # nothing else may keep the event that it replaces
        user, detail = draft.user, draft.detail
        if detail is not PLAIN and detail == PLAIN:
            detail = PLAIN  # callers compare by identity
        entry.event = Event(
            room, seq, draft.id, draft.at, user.id, user.name, draft.text, draft.cid, draft.kind, draft.of, detail
        )

    def _create_user(self, entry: Entry, change: CreateUser) -> None:
        known = change.token in self._new_tokens
        known = known or (bool(change.token) and sign_ins.user_by_token(self._connection, change.token) is not None)
        if known and not self._ending:
            return  # the caller asks again, because the first answer got lost
        entry.change = CreateUser(change.token, self.next_user(), change.offered)
        if change.token:
            self._new_tokens.add(change.token)

    def _repeated(self, drafts: Sequence[Draft]) -> dict[tuple[int, str], Event]:
        """Return the events in the store that have the `cid` of one of these drafts."""
        known: dict[tuple[int, str], Event] = {}
        for first in range(0, len(drafts), LOOKUP):
            values: list[int | str] = []
            for draft in drafts[first : first + LOOKUP]:
                values += draft.user.id, draft.cid
            sql = (
                f"WITH asked (whose, what) AS (VALUES {', '.join(['(?, ?)'] * (len(values) // 2))}) "  # noqa: S608
                f"SELECT {COLUMNS} FROM asked CROSS JOIN events WHERE user = whose AND cid = what AND cid != ''"
            )
            for row in self._connection.execute(sql, values):
                event = event_of(row)
                known[event.user, event.cid] = event
        return known


def together(sequence: Sequence[Change], *, removing: bool = False, ending: bool = False) -> int:
    """Return how many of these changes, from the first, can be placed before any of them is in the store. The next one
    looks up what one before it may alter. `removing` and `ending` are whether changes before these may have removed
    events, and made tokens someone else's."""
    for number, change in enumerate(sequence):
        if type(change) is Draft:
            if removing and change.cid:
                return number
            removing = removing or (change.kind != MESSAGE and change.kind in SETTINGS)
        elif type(change) is CreateUser:
            if ending and change.token and not change.user:
                return number
        else:
            removing = removing or type(change) is changes.Trim
            ending = ending or isinstance(change, ENDS_TOKENS)
    return len(sequence)


def _check_conversation(room: str) -> ValueError | None:
    """Return what is wrong with the name of a conversation, if anything."""
    if room.startswith(MAILBOX):
        return ValueError(f"{room!r} is a mailbox: expected a room or a conversation")
    try:
        if room == conversation(set(participants(room))):
            return None
    except ValueError:
        pass
    return ValueError(f"{room!r} is not a conversation: expected @ and user ids in ascending order")
