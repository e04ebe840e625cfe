"""Reading a page of a log: many events in one step of SQLite.

After each step, a thread waits for the interpreter's lock, which the event loop holds most of the time. So SQLite puts
the events together, as JSON, and msgspec turns them into objects, all at once. It finds wrong types at no cost.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from functools import cache
from itertools import accumulate
from operator import attrgetter
from typing import NamedTuple, cast

from msgspec import MsgspecError, json

from app.backends import Events
from app.backends.damage import StoreConnection, is_corrupt, note
from app.backends.statements.rows import COLUMNS, DAMAGED, KINDS, damaged_event, event_of
from app.chat.events import Event, Kind
from app.chat.logs import CONVERSATION, END, MAILBOX, mailbox

SCANNED = 5_000
"""How many events a page of messages is looked for in, at most."""
FEW, MANY, MOST, GROWTH = 2, 64, 512, 8
"""How many events the first step reads at least and at most, how many a later one does at most, and how many times more
than the one before. Long texts end a page early, and what is read beyond that is for nothing. So the first step reads
few after a page with long texts."""
LONG = 4096
"""Characters up to which a text is read together with others."""
_FOLDED = "('edit', 'delete')"
"""The kinds of events that are left out where they are folded: the messages show what they did."""
_FIELDS = ", ".join(f"events.{column}" for column in COLUMNS.split(", ")[:-1])
_JSON = f"""
    CASE
        WHEN length(events.text) > {LONG} THEN events.seq
        WHEN events.detail = '' THEN json_array({_FIELDS})
        ELSE json_array({_FIELDS}, json(events.detail))
    END
"""
"""An event as JSON, as Event is decoded from it, or the position of one with a long text."""
_decoder = json.Decoder(list[Event | int])
_kind = attrgetter("kind")
_UNREADABLE = (MsgspecError, UnicodeDecodeError)
"""What decoding raises if something in an event isn't right."""


class Page(NamedTuple):
    """How much to read of a log: at most `limit` events, up to the one at which their texts have `size` bytes; 0 is no
    such bound. `fold` leaves out edits and deletions."""

    limit: int
    size: int = 0
    fold: bool = False


class Log(NamedTuple):
    """A log in SQL: the table that has its positions, how to get from there to the events, and which rows are its."""

    table: str
    joined: str
    where: str
    whose: str | int


def in_sql(log: str) -> Log:
    """Return where a log is. ValueError if there can't be one of that name."""
    if not log.startswith(MAILBOX):
        return Log("events", "events", "events.room = ?", log)
    user = int(log[1:])
    if log != mailbox(user):
        raise ValueError(f"{log!r} is not a mailbox: expected ~ and the id of a user")
    return Log("mail", "mail CROSS JOIN events USING (pos)", "mail.user = ?", user)


def counts_by_one(log: str) -> bool:
    """Whether the positions of a log have no gaps. All conversations share one count."""
    return not log.startswith((MAILBOX, CONVERSATION))


def read_page(connection: sqlite3.Connection, log: str, between: tuple[int, int], order: str, page: Page) -> Events:
    """Read a log between two positions, in an order. An event that is damaged says so."""
    try:
        return _read(connection, log, between, order, page)
    except _UNREADABLE:
        pass
    except sqlite3.DatabaseError as error:
        # Besides damage: a value that has no place in JSON, or a detail that is none.
        if not is_corrupt(error) and getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_ERROR:
            raise
    return _row_by_row(connection, log, between, order, page)


def told(connection: sqlite3.Connection, event: Event) -> Event:
    """Have the operator told if an event can't be read. Return the event."""
    if event.text is DAMAGED:
        where = f"room {event.room!r}" if counts_by_one(event.room) else "a conversation"
        note(connection, f"message {event.seq} of {where} can't be read")
    return event


def _read(connection: sqlite3.Connection, log: str, between: tuple[int, int], order: str, page: Page) -> Events:
    """Read a log, unless something in it isn't right."""
    found, more, (low, high) = Events(), False, between
    *where, whose = in_sql(log)
    to_edge, to_read = _statements(*where, order, fold=page.fold)
    edge: tuple[int, ...] = ()
    if page.fold:
        last = connection.execute(to_edge, (whose, low, high, SCANNED - 1)).fetchall()
        more = len(last) == 2
        edge = last[0] if more else (0,)
        low, high = _up_to(edge[0], between, order)
    count, size, end, longs = StoreConnection.at_once, 0, page.limit, False
    if isinstance(connection, StoreConnection):
        count = connection.at_once
    while len(found) <= end:  # one more, to see whether there is more
        count = min(count, end + 1 - len(found))
        (data,) = connection.execute(to_read, (whose, low, high, *edge, count)).fetchone()
        read = _decoder.decode(data) if data else []
        ended, count = len(read) < count, min(GROWTH * count, MOST)
        if int in set(map(type, read)):  # the first long text is read by itself, and what follows it anew
            events, position = _up_to_long(read)
            ended, count, longs = False, 1, True
            events += _row_by_row(connection, log, (position - 1, position + 1), order, Page(1))
            size += len(events[-1].text)
        else:
            events = cast(list[Event], read)
            position = events[-1].seq if events else 0
        if not KINDS.issuperset(map(_kind, events)) or not (ended or low < position < high):
            return _row_by_row(connection, log, between, order, page)
        found += events
        size += len(data or b"")
        if page.size and size >= page.size:  # all of it, while only texts count
            end = min(end, _reaching(found, page.size))
        if ended:
            break
        low, high = (position, high) if order == "ASC" else (low, position)
    if isinstance(connection, StoreConnection):
        connection.at_once = FEW if longs else min(GROWTH * connection.at_once, MANY)
    if len(found) > end:
        del found[end:]
        more = True
    found.more = more
    return found


@cache
def _statements(table: str, joined: str, where: str, order: str, *, fold: bool) -> tuple[str, str]:
    """Return the SQL that finds where a page ends at the latest, if it is folded, and the SQL that reads events."""
    where += f" AND {table}.seq > ? AND {table}.seq < ?"
    to_edge = f"SELECT seq FROM {table} WHERE {where} ORDER BY seq {order} LIMIT 2 OFFSET ?"  # noqa: S608
    if fold:
        where += f" AND (events.kind NOT IN {_FOLDED} OR {table}.seq = ?)"
    events = f"SELECT {_JSON} AS event FROM {joined} WHERE {where} ORDER BY {table}.seq {order} LIMIT ?"  # noqa: S608
    return to_edge, f"SELECT CAST('[' || group_concat(event) || ']' AS BLOB) FROM ({events})"  # noqa: S608


def _up_to_long(read: list[Event | int]) -> tuple[list[Event], int]:
    """Return the events before the first one with a long text, and the position of that."""
    events: list[Event] = []
    for event in read:
        if isinstance(event, int):
            return events, event
        events.append(event)
    raise AssertionError("there is one")


def _reaching(events: Iterable[Event], size: int) -> int:
    """Return how many of these events have texts of `size` bytes together, or END if all of them have fewer."""
    sizes = accumulate(map(_text_size, events))
    return next((number for number, total in enumerate(sizes, 1) if total >= size), END)


def _text_size(event: Event) -> int:
    return len(event.text.encode("utf-8", "surrogatepass"))


def _row_by_row(connection: sqlite3.Connection, log: str, between: tuple[int, int], order: str, page: Page) -> Events:
    """Read a log as `_read` does, each event by itself, since some can't be read."""
    table, _, where, whose = in_sql(log)
    sql = f"SELECT seq, pos FROM {table} WHERE {where} AND seq > ? AND seq < ? ORDER BY seq {order}"  # noqa: S608
    found, size, count = Events(), 0, 0
    with closing(connection.execute(sql, (whose, *between))) as rows:
        for seq, pos in rows:
            if len(found) == page.limit or (page.size and size >= page.size) or count == SCANNED:
                found.more = True
                break
            count += 1
            event = _event_at(connection, log, seq, pos)
            if not page.fold or event.kind not in (Kind.EDIT, Kind.DELETE) or count == SCANNED:
                found.append(event)
                size += _text_size(event)
    return found


def _event_at(connection: sqlite3.Connection, log: str, seq: int, pos: int) -> Event:
    try:
        row = connection.execute(f"SELECT {COLUMNS} FROM events WHERE pos = ?", (pos,)).fetchone()  # noqa: S608
    except sqlite3.DatabaseError as error:
        if not is_corrupt(error):
            raise
        row = None
    return told(connection, event_of(row) if row is not None else damaged_event(log, seq))


def _up_to(edge: int, between: tuple[int, int], order: str) -> tuple[int, int]:
    """Return two positions, of which the further one in this order is right behind `edge` if there is one."""
    low, high = between
    if not edge:
        return between
    return (low, edge + 1) if order == "ASC" else (edge - 1, high)
