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
_FOLDED = ("edit", "delete")


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
    sql = f"SELECT seq, pos FROM mail WHERE user = ? AND seq >= ? AND seq <= ? ORDER BY seq {order} LIMIT ?"  # noqa: S608
    written = connection.execute(sql, (user, first, last, MAX_LOOKED_AT)).fetchall()
    known = {event.seq for event in found}
    return [seq for seq, pos in written if seq not in known and _belongs(connection, log, seq, pos, fold=fold)]


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


def _belongs(connection: sqlite3.Connection, log: str, seq: int, pos: int, *, fold: bool) -> bool:
    """Whether what is written down in a mailbox has to be met by a read of `log`."""
    row = connection.execute("SELECT room, kind FROM events WHERE pos = ?", (pos,)).fetchone()
    if row is not None:
        return (log.startswith(MAILBOX) or row[0] == log) and not (fold and row[1] in _FOLDED)
    return log.startswith(MAILBOX) or _all_have(connection, participants(log), seq)


def _all_have(connection: sqlite3.Connection, people: Iterable[int], seq: int) -> bool:
    sql = "SELECT 1 FROM mail WHERE user = ? AND seq = ?"
    return all(connection.execute(sql, (user, seq)).fetchone() for user in people)
