"""The engine: brings an index up to date with a store, and searches both.

Whatever the index finds is checked on the present text in the store. Messages that are not in the index yet, or have
another text there, are compared with the query one by one. So a search is right whatever the state of the index, and
never writes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from heapq import merge
from itertools import islice
from time import monotonic, thread_time
from typing import Any

from msgspec import json

from app.backends.damage import is_corrupt
from app.backends.search import Found, Progress, Query
from app.backends.search.index import Index, Message, quote
from app.backends.search.query import RUN, WORD, Matcher, Term, parse
from app.backends.search.tokens import CHUNK, START, pairs, person_token, room_token
from app.backends.statements.rows import COLUMNS, snapshot
from app.chat.fitting import text_size
from app.chat.logs import MAILBOX, mailbox, participants

BATCH = 1000
"""How many messages are indexed, or dropped from the index, in one step."""
SCANNED = 10_000
"""How many messages that are not in the index a search compares one by one, the newest ones."""
MARKING = 0.1
"""How many seconds the hits of a search may take to mark, the newest first."""
SLOW = 4
"""How many times its budget a search may take if it has to wait for the processor or the disk."""
MAX_CONDITIONS = 24
"""How many tokens of a query the index is asked for, the longest ones."""
MAX_SCOPES = 256
"""With more logs than this, a search with other conditions leaves them to the check on the message."""
STEPS = 100
"""SQLite's virtual machine steps between two looks at the clock. FTS5 takes few long ones."""
_SEARCHABLE = "kind IN ('msg', 'me') AND text != ''"
_LAST = "SELECT coalesce(max(value), 0) FROM counters WHERE name = 'pos'"

_REST = 200
"""Bytes of JSON that a message has at most beside its texts."""

Row = tuple[Any, ...]
"""A `pos`, and the columns of an event."""


class StoreDamaged(sqlite3.Error):
    """It is the store that is damaged, so a new index would not help."""


class Engine:
    """An engine on an index, and on a connection to the store that is in no transaction between two calls.

    `clock` measures budgets, by default in processor time: so what is found doesn't depend on how busy the machine is.
    """

    def __init__(self, index: Index, store: sqlite3.Connection, clock: Callable[[], float] = thread_time) -> None:
        self.index, self.store, self.clock = index, store, clock

    @property
    def behind(self) -> int:
        """How many positions the store has given out beyond those that are indexed."""
        return self._value(_LAST) - self.index.indexed

    def catch_up(self, budget: float = 0.0) -> Progress:
        """Do steps until the budget in seconds of processor time is spent, at least one."""
        deadline = self.clock() + budget
        progress = self.step()
        while not progress.done and self.clock() < deadline:
            progress = self.step()
        return progress

    def step(self, batch: int = BATCH, *, adding: bool = True) -> Progress:
        """Do one step: drop what is forgotten, then, if `adding`, index the next `batch` messages.

        A step reads one state of the store, and commits its work together with how far the index is.
        """
        if self.index.indexed > self._value(_LAST):
            self.index.reset()  # the store was replaced by an older one
        indexed, forgotten = self.index.indexed, self.index.forgotten
        with snapshot(self.store):
            last = self._value(_LAST)
            old, present, dropped, complete = self._forgotten(indexed, forgotten, batch)
            through, added = self._next(indexed, last, batch) if complete and adding else (indexed, [])
        if dropped != forgotten or through != indexed:
            with self.index.change(indexed=through, forgotten=dropped):
                if old or present:
                    self.index.replace(old, present)
                self.index.add(added)
        return Progress(through, last, dropped, complete and (through == last or not adding))

    def _forgotten(self, indexed: int, after: int, limit: int) -> tuple[list[Message], list[Message], int, bool]:
        """Read the next rows of `forgotten`. Return the messages that go from the index, those that go in instead, the
        id of the last row read, and whether it is the last of all.

        The index has the first of a message's old texts. It gets the text that the message had after the last row
        read, or else a later row of the same message would not say what the index has.
        """
        sql = "SELECT id, pos, room, text FROM forgotten WHERE id > ? ORDER BY id LIMIT ?"
        rows = self._readable(sql, after, limit)
        if not rows:
            return [], [], after, True
        last: int = rows[-1][0]
        old: dict[int, Message] = {}
        for _, pos, room, text in rows:
            if pos <= indexed:
                old.setdefault(pos, (pos, room, text))
        complete, present = len(rows) < limit, {}
        with suppress(StoreDamaged):
            for pos, room, text in self._rows(_selecting("pos, room, text"), _array(old)):
                present[pos] = (pos, room, text)
        if not complete:
            sql = """
                SELECT pos, room, text FROM forgotten WHERE id > ? AND pos IN (SELECT value FROM json_each(?))
                ORDER BY id DESC
            """
            for pos, room, text in self._readable(sql, last, _array(old)):
                present[pos] = (pos, room, text)
        return _with_text(old.values()), _with_text(present.values()), last, complete

    def _next(self, indexed: int, last: int, batch: int) -> tuple[int, list[Message]]:
        """Read the next messages to index. Return the position up to which these are all, and them."""
        sql = f"SELECT pos, room, text, {_SEARCHABLE} FROM events WHERE pos > ? ORDER BY pos LIMIT ?"  # noqa: S608
        try:
            rows = self._rows(sql, indexed, batch)
        except StoreDamaged:
            return min(indexed + batch, last), []  # nobody finds what is in a damaged page of the store
        through = rows[-1][0] if len(rows) == batch else last
        return through, _with_text((pos, room, text) for pos, room, text, searchable in rows if searchable)

    def _value(self, sql: str, *values: str | int) -> int:
        """The first value of the first row, 0 if there is none."""
        rows = self._rows(sql, *values)
        return rows[0][0] if rows else 0

    def _readable(self, sql: str, *values: str | int) -> list[Any]:
        """Read rows of the store; none if a page of it is damaged."""
        try:
            return self._rows(sql, *values)
        except StoreDamaged:
            return []

    def _rows(self, sql: str, *values: str | int) -> list[Any]:
        """Read rows of the store. StoreDamaged if that isn't possible."""
        try:
            return self.store.execute(sql, values).fetchall()
        except sqlite3.DatabaseError as error:
            if is_corrupt(error):
                raise StoreDamaged("the store is damaged: run `natter store check`") from None
            raise

    def search(self, query: Query) -> Found:
        """Search. ValueError if a log's name is wrong. If the budget is spent, return what was found until then."""
        began = self.clock()
        scope, terms = Scope(query.logs), parse(query.words)
        search = _Search(self, scope, terms, query)
        if terms and query.limit > 0 and query.logs:
            for connection in (self.store, self.index.connection):
                connection.set_progress_handler(search.exceeded, STEPS)
            try:
                search.run()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                    raise
                search.partial = True
            finally:
                for connection in (self.store, self.index.connection):
                    connection.set_progress_handler(None, 0)
        found = search.result()
        found.took = 1000 * (self.clock() - began)
        return found


class Scope:
    """The logs that are searched."""

    def __init__(self, logs: Sequence[str]) -> None:
        self.people = {user_of(log) for log in logs if log.startswith(MAILBOX)}
        self.rooms = {log for log in logs if not log.startswith(MAILBOX)}
        self.tokens = [*map(room_token, sorted(self.rooms)), *map(person_token, sorted(self.people))]

    def __contains__(self, room: str) -> bool:
        return room in self.rooms or not self.people.isdisjoint(participants(room))


def user_of(log: str) -> int:
    """The user of a mailbox. ValueError if it isn't one."""
    user = int(log[1:])
    if log != mailbox(user):
        raise ValueError(f"{log!r} is not a mailbox: expected ~ and the id of a user")
    return user


class _Search:
    """One search under way."""

    def __init__(self, engine: Engine, scope: Scope, terms: list[Term], query: Query) -> None:
        self.engine, self.scope, self.terms, self.query = engine, scope, terms, query
        self.matcher = Matcher(terms)
        self.deadline, self.last_moment = engine.clock() + query.budget, monotonic() + SLOW * query.budget
        self.found: list[Row] = []
        self.size = 0
        """Bytes of JSON that they have."""
        self.partial, self.behind = False, 0
        self.walked = 0
        """The `pos` or `seq`, as in `before`, of the last message that was compared; 0 once there are no more."""

    def exceeded(self) -> bool:
        """Whether the budget is spent."""
        return self.engine.clock() > self.deadline or monotonic() > self.last_moment

    def run(self) -> None:
        """Compare candidates, newest first, until there is one more than is wanted."""
        before, index = self._before(), self.engine.index
        indexed, last = index.indexed, self.engine._value(_LAST)
        floor = max(indexed, last - SCANNED)
        changed = self._changed(before)
        skipped = frozenset(changed)
        self.behind += floor - indexed
        with closing(self._unindexed(floor, before)) as rows:
            if not self._walk(rows):
                return
        cursor = None
        expression = self._expression()
        try:
            cursor = index.positions(expression, min(before, indexed + 1))
            known = (pos for (pos,) in cursor if pos not in skipped)
            positions = merge(known, changed, key=lambda pos: -pos)
            size = self.query.limit + 1
            while chunk := list(islice(positions, min(size, BATCH))):
                with closing(self.engine.store.execute(_selecting(f"pos, {COLUMNS}"), (_array(chunk),))) as rows:
                    if not self._walk(rows):
                        return
                size *= 2
        finally:
            if cursor is not None:
                cursor.close()
        self.walked = 0

    def _walk(self, rows: Iterable[Row]) -> bool:
        """Compare rows. Return False if no more are needed, or can be read."""
        try:
            return self._compare(rows)
        except sqlite3.DatabaseError as error:
            if not is_corrupt(error):
                raise
            self.partial = True
            return False

    def _compare(self, rows: Iterable[Row]) -> bool:
        by_pos = self.query.by_pos
        for row in rows:
            if self.exceeded():
                self.partial = True
                return False
            _, room, seq, *_ = row
            if room in self.scope:
                if isinstance(row[7], str) and self.matcher.matches(row[7]):
                    size = _size(row)
                    if self._is_full(size):
                        self.walked = self.found[-1][0 if by_pos else 2]
                        return False
                    self.found.append(row)
                    self.size += size
                self.walked = row[0] if by_pos else seq
        return True

    def _is_full(self, size: int) -> bool:
        """Whether a message of this size is one too many."""
        wanted = self.query.size
        return len(self.found) == self.query.limit or bool(wanted and self.found and self.size + size > wanted)

    def _before(self) -> int:
        """The `pos` before which the messages are."""
        before = self.query.before
        if self.query.by_pos:
            return before
        (log,) = self.query.logs
        if log.startswith(MAILBOX):
            return 1 + self.engine._value(
                "SELECT pos FROM mail WHERE user = ? AND seq < ? ORDER BY seq DESC LIMIT 1", user_of(log), before
            )
        return 1 + self.engine._value(
            "SELECT pos FROM events WHERE room = ? AND seq < ? ORDER BY seq DESC LIMIT 1", log, before
        )

    def _unindexed(self, floor: int, before: int) -> sqlite3.Cursor:
        """The messages after position `floor`, newest first."""
        sql = f"""
            SELECT pos, {COLUMNS} FROM events WHERE pos > ? AND pos < ? AND {_SEARCHABLE}
                AND (room IN (SELECT value FROM json_each(?)) OR (? AND substr(room, 1, 1) = '@'))
            ORDER BY pos DESC
        """  # noqa: S608
        rooms, people = _array(self.scope.rooms), bool(self.scope.people)
        return self.engine.store.execute(sql, (floor, before, rooms, people))

    def _changed(self, before: int) -> list[int]:
        """The positions of the messages whose text in the index is an old one, newest first."""
        sql = "SELECT pos FROM forgotten WHERE id > ? AND pos <= ? ORDER BY id DESC LIMIT ?"
        index = self.engine.index
        rows = self.engine._readable(sql, index.forgotten, index.indexed, SCANNED)
        if len(rows) == SCANNED:
            sql = "SELECT count(*) FROM forgotten WHERE id > ? AND pos <= ?"
            self.behind += self.engine._value(sql, index.forgotten, index.indexed) - SCANNED
        return sorted({pos for (pos,) in rows if pos < before}, reverse=True)

    def _expression(self) -> str:
        """What the index is asked for."""
        tokens = sorted({token for term in self.terms for token in self._tokens(term)}, key=_length, reverse=True)
        groups = [group for token in tokens[:MAX_CONDITIONS] if (group := self._group(*token))]
        if len(self.scope.tokens) <= MAX_SCOPES or not groups:
            groups.append(" OR ".join(map(quote, self.scope.tokens)))
        return " AND ".join(f"({group})" for group in groups)

    def _group(self, token: str, prefix: bool, part: bool) -> str:  # noqa: FBT001
        """What the index is asked for a token; nothing if it is in very many words."""
        words = [token[:CHUNK]]
        if part:
            longer = self.engine.index.containing(token)
            if longer is None:
                return ""
            words += longer
        return " OR ".join(quote(word, prefix=prefix) for word in dict.fromkeys(words))

    def _tokens(self, term: Term) -> Iterator[tuple[str, bool, bool]]:
        """The tokens that all messages with a term have: each is a token, whether only the start of one, and whether it
        may be a part of a word."""
        for number, (kind, text) in enumerate(term.units, 1):
            if kind == RUN:
                if len(text) == 1:
                    yield text, True, False
                else:
                    for pair in pairs(text):
                        yield pair, False, False
            elif kind != WORD or not (term.prefix and number == len(term.units)):
                yield text, False, kind == WORD and term.loose
            elif len(text) > 2:
                yield text, True, False
            elif len(text) == 2:
                yield START + text, False, False

    def result(self) -> Found:
        """What was found."""
        end = self.engine.clock() + MARKING
        marks = [self.matcher.marks(row[7]) if self.engine.clock() < end else [] for row in self.found][::-1]
        rows = self.found[::-1]
        positions = [row[0] for row in rows]
        return Found([row[1:] for row in rows], positions, marks, self.partial, self.behind, self.walked)


def _size(row: Row) -> int:
    """Bytes of JSON that a message has: its text, and a little more than everything else."""
    _, room, _, _, _, _, name, text, *_, detail = row
    return _REST + text_size(text) + text_size(name) + text_size(detail) + len(room)


def _selecting(columns: str) -> str:
    """The statement that reads columns of the messages at some positions, newest first."""
    return f"""
        SELECT {columns} FROM events WHERE pos IN (SELECT value FROM json_each(?)) AND {_SEARCHABLE}
        ORDER BY pos DESC
    """  # noqa: S608


def _with_text(messages: Iterable[Message]) -> list[Message]:
    """Those of the messages that are in the index."""
    return [message for message in messages if message[2] and isinstance(message[2], str)]


def _length(token: tuple[str, bool, bool]) -> int:
    return len(token[0])


def _array(values: Iterable[int | str]) -> str:
    """Values as SQLite's json_each takes them."""
    return json.encode(list(values)).decode()
