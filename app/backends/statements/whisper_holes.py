"""Holes in conversations and mailboxes: whispers that a read does not meet, because the file is damaged.

All conversations share one count, so their positions tell nothing. But each whisper is written down more than once: in
the log of its conversation, and in the mailbox of each of its people. What one has, the other has to have.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from app.backends import Events
from app.backends.damage import Damaged, note
from app.chat.logs import MAILBOX, participants

MAX_LOOKED_AT = 200
"""Whispers of a mailbox between two positions that are compared, at most."""
FOLDED = "('edit', 'delete')"
"""The kinds of events that a read leaves out where they are folded."""


def find(
    connection: sqlite3.Connection, log: str, between: tuple[int, int], found: Events, *, backwards: bool, fold: bool
) -> list[int]:
    """Return the positions, in the order of reading, that should have been read and were not. `found` is what was read
    between two positions, in that order."""
    low, high = between
    edge = found[-1].seq if found.more and found else low if backwards else high
    first, last = (edge + (not found.more), high - 1) if backwards else (low + 1, edge - (not found.more))
    user = int(log[1:]) if log.startswith(MAILBOX) else min(participants(log))
    order = "DESC" if backwards else "ASC"
    is_mailbox = log.startswith(MAILBOX)
    sql = f"""
        SELECT written.seq, events.pos IS NULL FROM (
            SELECT seq, pos FROM mail WHERE user = ? AND seq >= ? AND seq <= ? ORDER BY seq {order} LIMIT ?
        ) AS written LEFT JOIN events USING (pos)
        WHERE events.pos IS NULL OR (events.room = ? AND NOT (? AND events.kind IN {FOLDED}))
    """  # noqa: S608
    values = (user, first, last, MAX_LOOKED_AT, log, fold)
    known = {event.seq for event in found}
    missing = [(seq, is_gone) for seq, is_gone in connection.execute(sql, values) if seq not in known]
    others = () if is_mailbox else participants(log)
    kept = [seq for seq, is_gone in missing if not is_gone or _all_have(connection, others, seq)]
    return sorted(kept, reverse=backwards)


def cut(connection: sqlite3.Connection, found: Events, missing: list[int], *, backwards: bool) -> Events:
    """Return what was read before the first position that is missing. Damaged if that is nothing."""
    note(connection, "whispers of a conversation are missing")
    first = missing[0]
    sound = Events(event for event in found if (event.seq > first if backwards else event.seq < first))
    if not sound:
        following = found[0].seq if found and not backwards else 0
        raise Damaged(max(seq for seq in missing if not following or seq < following))
    sound.more = True
    return sound


def _all_have(connection: sqlite3.Connection, people: Iterable[int], seq: int) -> bool:
    sql = "SELECT 1 FROM mail WHERE user = ? AND seq = ?"
    return all(connection.execute(sql, (user, seq)).fetchone() for user in people)
