"""Storing drafts, many at once: the way that every message takes."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Sequence

from app.backends.statements import changes
from app.backends.statements.rows import COLUMNS, WRONG, encoded, events, savepoint
from app.chat.events import PLAIN, Appended, Draft, Event, Kind
from app.chat.logs import CONVERSATION, MAILBOX, conversation, participants

ROW = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
ROWS = 64
"""Drafts that one statement stores."""
SAID = frozenset((Kind.MSG, Kind.ME))
NO_ROOM = (CONVERSATION, MAILBOX)


def append(connection: sqlite3.Connection, drafts: Sequence[Draft]) -> list[Appended | Exception]:
    """Store drafts in order, or find what their `cid` stored before."""
    answers: list[Appended | Exception] = []
    for first in range(0, len(drafts), ROWS):
        answers += _append(connection, drafts[first : first + ROWS])
    return answers


def _append(connection: sqlite3.Connection, drafts: Sequence[Draft]) -> Sequence[Appended | Exception]:
    """One statement for all: a thread that runs SQL gives up and gets back the interpreter once for each."""
    try:
        if not any(map(_does_more, drafts)):
            return _stored(connection, drafts)
        with savepoint(connection):
            for draft in drafts:
                _check(draft)
            return [_done(connection, answer) for answer in _stored(connection, drafts)]
    except WRONG as error:
        if len(drafts) == 1:
            return [error]
        return [answer for draft in drafts for answer in _append(connection, [draft])]


def _does_more(draft: Draft) -> bool:
    """Whether a draft does more than to stand in the log of a room."""
    return draft.kind not in SAID or draft.room.startswith(NO_ROOM)


def _check(draft: Draft) -> None:
    if draft.room.startswith(MAILBOX):
        raise ValueError(f"{draft.room!r} is a mailbox: expected a room or a conversation")
    if draft.room.startswith(CONVERSATION) and draft.room != conversation(set(participants(draft.room))):
        raise ValueError(f"{draft.room!r} is no conversation: expected the ids of users in order")


def _done(connection: sqlite3.Connection, answer: Appended) -> Appended:
    if answer.duplicate or not (answer.event.kind not in SAID or answer.event.room.startswith(CONVERSATION)):
        return answer
    return Appended(changes.take_effect(connection, answer.event), duplicate=False)


def _stored(connection: sqlite3.Connection, drafts: Sequence[Draft]) -> list[Appended]:
    stored = _insert(connection, drafts)
    answers: list[Appended] = []
    for draft in drafts:
        positions = stored.get(draft.id)
        if positions:
            answers.append(Appended(_event(draft, positions.popleft()), duplicate=False))
        else:
            sql = f"SELECT {COLUMNS} FROM events WHERE user = ? AND cid = ? AND cid != ''"  # noqa: S608
            (event,) = events(connection.execute(sql, (draft.user.id, draft.cid)))
            answers.append(Appended(event, duplicate=True))
    return answers


def _insert(connection: sqlite3.Connection, drafts: Sequence[Draft]) -> dict[str, deque[int]]:
    """Store drafts in order, but for those whose `cid` is there; the positions of the stored, in order, by id."""
    values: list[str | int] = []
    for draft in drafts:
        user, detail = draft.user, draft.detail
        values += draft.room, draft.id, draft.at, user.id, user.name, draft.text, draft.cid
        values += str(draft.kind), draft.of, "" if detail is PLAIN else encoded(detail)
    rows = connection.execute(
        "INSERT INTO events (room, id, at, user, name, text, cid, kind, of, detail) "  # noqa: S608
        f"VALUES {', '.join([ROW] * len(drafts))} "
        "ON CONFLICT (user, cid) WHERE cid != '' DO NOTHING RETURNING id, seq",
        values,
    )
    stored: dict[str, deque[int]] = {}
    for id_, seq in rows:
        stored.setdefault(id_, deque()).append(seq)
    return stored


def _event(draft: Draft, seq: int) -> Event:
    user, detail = draft.user, draft.detail
    if detail is not PLAIN and detail == PLAIN:
        detail = PLAIN  # callers tell by identity whether there is any
    return Event(
        draft.room,
        seq,
        draft.id,
        draft.at,
        user.id,
        user.name,
        draft.text,
        draft.cid,
        draft.kind,
        draft.of,
        detail,
    )
