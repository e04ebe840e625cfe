"""Storing drafts, many at once. Every message goes through here."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Sequence

from app.backends.statements import changes
from app.backends.statements.rows import CALL_ERRORS, COLUMNS, encode_detail, events, savepoint
from app.chat.events import PLAIN, Appended, Draft, Event, Kind
from app.chat.logs import CONVERSATION, MAILBOX, conversation, participants

ROW = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
ROWS = 64
"""How many drafts one statement stores, at most."""
SPOKEN = frozenset((Kind.MSG, Kind.ME))
"""The kinds of messages; all others change a message or the room."""
NOT_A_ROOM = (CONVERSATION, MAILBOX)


def append(connection: sqlite3.Connection, drafts: Sequence[Draft]) -> list[Appended | Exception]:
    """Store drafts in order, and return an outcome for each: the stored event, which is the earlier one if the `cid` is
    stored already, or the error if the draft can't be stored."""
    outcomes: list[Appended | Exception] = []
    for first in range(0, len(drafts), ROWS):
        outcomes += _append(connection, drafts[first : first + ROWS])
    return outcomes


def _append(connection: sqlite3.Connection, drafts: Sequence[Draft]) -> Sequence[Appended | Exception]:
    """Store up to ROWS drafts with one statement, since each statement releases and retakes the interpreter lock."""
    try:
        if not any(map(_has_effects, drafts)):
            return _store(connection, drafts)
        with savepoint(connection):
            for draft in drafts:
                _check(draft)
            return [_apply(connection, appended) for appended in _store(connection, drafts)]
    except CALL_ERRORS as error:
        if len(drafts) == 1:
            return [error]
        return [outcome for draft in drafts for outcome in _append(connection, [draft])]


def _has_effects(draft: Draft) -> bool:
    """Whether a draft does more than add a message to a room."""
    return draft.kind not in SPOKEN or draft.room.startswith(NOT_A_ROOM)


def _check(draft: Draft) -> None:
    if draft.room.startswith(MAILBOX):
        raise ValueError(f"{draft.room!r} is a mailbox: expected a room or a conversation")
    if draft.room.startswith(CONVERSATION) and draft.room != conversation(set(participants(draft.room))):
        raise ValueError(f"{draft.room!r} is not a conversation: expected @ and user ids in ascending order")


def _apply(connection: sqlite3.Connection, appended: Appended) -> Appended:
    event = appended.event
    if appended.duplicate or not (event.kind not in SPOKEN or event.room.startswith(CONVERSATION)):
        return appended
    return Appended(changes.apply(connection, event), duplicate=False)


def _store(connection: sqlite3.Connection, drafts: Sequence[Draft]) -> list[Appended]:
    stored = _insert(connection, drafts)
    outcomes: list[Appended] = []
    for draft in drafts:
        positions = stored.get(draft.id)
        if positions:
            outcomes.append(Appended(_event(draft, positions.popleft()), duplicate=False))
        else:
            sql = f"SELECT {COLUMNS} FROM events WHERE user = ? AND cid = ? AND cid != ''"  # noqa: S608
            (event,) = events(connection.execute(sql, (draft.user.id, draft.cid)))
            outcomes.append(Appended(event, duplicate=True))
    return outcomes


def _insert(connection: sqlite3.Connection, drafts: Sequence[Draft]) -> dict[str, deque[int]]:
    """Insert drafts in order, except those whose `cid` is stored already. Return the positions of the inserted ones by
    event id, in order."""
    values: list[str | int] = []
    for draft in drafts:
        user, detail = draft.user, draft.detail
        values += draft.room, draft.id, draft.at, user.id, user.name, draft.text, draft.cid
        values += str(draft.kind), draft.of, "" if detail is PLAIN else encode_detail(detail)
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
        detail = PLAIN  # callers compare by identity
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
