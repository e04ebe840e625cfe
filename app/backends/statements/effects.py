"""The effects of an event beyond its log: it edits or deletes a message, sets a state, or goes into mailboxes."""

from __future__ import annotations

import sqlite3

from msgspec.structs import replace

from app.backends.statements import purging
from app.backends.statements.rows import decode_detail, encode_detail, trimmed
from app.chat.events import NOTES, Event, Kind
from app.chat.logs import participants
from app.chat.state import DROPPED_AT, LIFTING


def apply(connection: sqlite3.Connection, event: Event, pos: int) -> Event:
    """Apply the effects of a newly stored event at `pos`, and return the event as it is stored then."""
    if event.kind == Kind.EDIT:
        event = _edit(connection, event, pos)
    elif event.kind == Kind.DELETE:
        _delete(connection, event)
    elif event.key:
        _set_state(connection, event)
    people = participants(event.room)
    if people:
        mail = [(user, event.seq, pos) for user in people]
        connection.executemany("INSERT INTO mail VALUES (?, ?, ?)", mail)
        connection.executemany("INSERT OR IGNORE INTO talks VALUES (?, ?)", [(user, event.room) for user in people])
    return event


def _edit(connection: sqlite3.Connection, event: Event, pos: int) -> Event:
    if _rewrite(connection, event, edited=True):
        _clear_edits(connection, event)  # nobody needs a text that was replaced
        return event
    # There is no message to edit, or a deleted one: no text of it may come back.
    connection.execute("UPDATE events SET text = '' WHERE pos = ?", (pos,))
    purging.request(connection)
    return replace(event, text="")


def _delete(connection: sqlite3.Connection, event: Event) -> None:
    if event.detail.what:
        if not participants(event.room):  # an invitation that is told in a conversation has a room as its text
            _clear_note(connection, event)
    elif _rewrite(connection, replace(event, text=""), deleted=True):
        _clear_edits(connection, event)


def _clear_edits(connection: sqlite3.Connection, event: Event) -> None:
    """Clear the texts of all edits before `event` of the message that it is about."""
    connection.execute(
        "UPDATE events SET text = '' WHERE room = ? AND of = ? AND of > 0 AND kind = 'edit' AND seq < ?",
        (event.room, event.of, event.seq),
    )


def _clear_note(connection: sqlite3.Connection, event: Event) -> None:
    """Clear the topic or the reason in an event."""
    row = connection.execute(
        "SELECT pos, kind, detail FROM events WHERE room = ? AND seq = ? AND seq < ?", (event.room, event.of, event.seq)
    ).fetchone()
    if row is None or row[1] not in NOTES:
        return
    detail = encode_detail(replace(decode_detail(row[2]), deleted=True))
    connection.execute("UPDATE events SET text = '', detail = ? WHERE pos = ?", (detail, row[0]))
    purging.request(connection)


def clear_replaced(connection: sqlite3.Connection) -> None:
    """Clear the texts of edits that a later edit replaced, or whose message is gone: an older Natter kept them."""
    cleared = connection.execute(
        """
        UPDATE events SET text = '' WHERE of > 0 AND kind = 'edit' AND text != '' AND (
            EXISTS (
                SELECT 1 FROM events AS later WHERE later.room = events.room AND later.of = events.of
                AND later.of > 0 AND later.kind = 'edit' AND later.seq > events.seq
            )
            OR NOT EXISTS (SELECT 1 FROM events AS said WHERE said.room = events.room AND said.seq = events.of)
        )
        """
    ).rowcount
    if cleared:
        purging.request(connection)


def _rewrite(connection: sqlite3.Connection, event: Event, **became: bool) -> bool:
    """Put the event's text at position `of`. Return False if there is no message, or a deleted one."""
    row = connection.execute(
        "SELECT pos, text, detail FROM events WHERE room = ? AND seq = ? AND seq < ? AND kind IN ('msg', 'me')",
        (event.room, event.of, event.seq),
    ).fetchone()
    if row is None or decode_detail(row[2]).deleted:
        return False
    pos, text, detail = row
    purging.forget(connection, pos, event.room, text)
    connection.execute(
        "UPDATE events SET text = ?, detail = ? WHERE pos = ?",
        (event.text, encode_detail(replace(decode_detail(detail), **became)), pos),
    )
    purging.request(connection)
    return True


def _set_state(connection: sqlite3.Connection, event: Event) -> None:
    where = (event.room, event.key)
    row = connection.execute("SELECT seq FROM state WHERE room = ? AND key = ?", where).fetchone()
    if event.kind in LIFTING and not _ends_an_invitation(connection, event):
        connection.execute("DELETE FROM state WHERE room = ? AND key = ?", where)
    else:
        connection.execute("INSERT OR REPLACE INTO state VALUES (?, ?, ?)", (*where, event.seq))
    if event.detail.until and event.seq % DROPPED_AT == 0:
        _drop_ended(connection, event)
    if row and row[0] <= trimmed(connection, event.room):  # only its being the state kept it
        connection.execute("DELETE FROM events WHERE room = ? AND seq = ?", (event.room, row[0]))
        purging.request(connection)


def _ends_an_invitation(connection: sqlite3.Connection, event: Event) -> bool:
    """Whether an event ends what the one that closed or opened the room gave to someone."""
    if event.kind != Kind.UNINVITE or event.detail.whom is None:
        return False
    sql = "SELECT detail FROM state JOIN events USING (room, seq) WHERE room = ? AND state.key = 'access'"
    row = connection.execute(sql, (event.room,)).fetchone()
    return row is not None and event.detail.whom.id in decode_detail(row[0]).invited


def _drop_ended(connection: sqlite3.Connection, event: Event) -> None:
    """Drop the bans or mutes of a room that have ended by the time of another one."""
    sql = """
        SELECT state.key, seq, detail FROM state JOIN events USING (room, seq)
        WHERE room = ? AND state.key >= ? AND state.key < ?
    """
    trimmed_to = trimmed(connection, event.room)
    keys = (f"{event.kind}:", f"{event.kind};")
    for key, seq, detail in connection.execute(sql, (event.room, *keys)).fetchall():
        if not 0 < decode_detail(detail).until <= event.at:
            continue
        connection.execute("DELETE FROM state WHERE room = ? AND key = ?", (event.room, key))
        if seq <= trimmed_to:  # only its being the state kept it
            connection.execute("DELETE FROM events WHERE room = ? AND seq = ?", (event.room, seq))
            purging.request(connection)
