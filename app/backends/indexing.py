"""The search index, as the rest of the store sees it: in a process of its own, or in memory with the store.

In memory, the index is kept and searched in the store's thread. It is made when something is searched for the first
time: until then it would only cost time.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, Protocol

from app.backends import Results, Unavailable, search
from app.backends.readers import Read
from app.backends.reasons import reason
from app.backends.search.client import SearchClient
from app.backends.search.page_numbers import PageNumbers
from app.backends.statements import purging
from app.backends.statements.rows import counter, event_of

_page_numbers = PageNumbers()


class SearchIndex(Protocol):
    """The index of a store. `read` may be called in any thread, and the rest in the store's."""

    @property
    def forgotten(self) -> int:
        """The id up to which the index has dropped the texts in the table `forgotten`."""

    def keep_up(self) -> bool:
        """Index some of what is in the store, or have that done. Return whether to call this again at once."""

    def finish(self) -> None:
        """End the index. Drop what is left in `forgotten`, as far as that works."""

    def read(self, query: search.Query, future: asyncio.Future[Any]) -> Read:
        """Return the read that answers a query, with Results."""


class FileIndex:
    """The index of the store at `path`, kept by a process of its own. `connection` is the store's."""

    def __init__(self, path: str, connection: sqlite3.Connection) -> None:
        self._path, self._connection = path, connection
        self._client = SearchClient(path, self._dropped)
        self.forgotten = 0

    def keep_up(self) -> bool:
        self._client.wake(counter(self._connection, "pos"))
        return False

    def finish(self) -> None:
        self._client.close()
        if purging.last_forgotten(self._connection):
            from app.backends.search.finish import finish  # rarely needed, and takes as long to load as the rest

            self.forgotten = finish(self._path, self._connection)

    def read(self, query: search.Query, future: asyncio.Future[Any]) -> Read:
        def start(read: Read) -> None:
            try:
                found = self._client.search(query)
            except OSError as error:
                read.settle(Unavailable(f"the search can't be started: {reason(error)}"))
            else:
                found.add_done_callback(lambda found: read.settle(_outcome(found, query)))

        return Read(_nothing, future, start)

    def _dropped(self, last: int) -> None:
        self.forgotten = last


class MemoryIndex:
    """The index of a store in memory, on the store's own connection."""

    def __init__(self, connection: sqlite3.Connection, epoch: str) -> None:
        self._connection, self._epoch = connection, epoch
        self._engine: Any = None

    @property
    def forgotten(self) -> int:
        return self._engine.index.forgotten if self._engine else purging.last_forgotten(self._connection)

    def keep_up(self) -> bool:
        return self._engine is not None and not self._engine.step().done

    def finish(self) -> None:
        if self._engine is not None:
            self._engine.index.close()
            self._engine = None

    def read(self, query: search.Query, future: asyncio.Future[Any]) -> Read:
        return Read(lambda _: self._search(query), future)

    def _search(self, query: search.Query) -> Results:
        if self._engine is None:
            from app.backends.search.engine import Engine
            from app.backends.search.index import Index

            self._engine = Engine(Index(None, self._epoch), self._connection)
        while not self._engine.step().done:
            pass
        return _results(self._engine.search(query), query)


def query(log: str | Sequence[str], words: str, before: int, limit: int, size: int) -> search.Query:
    """Return the query of `Backend.search`."""
    if isinstance(log, str):
        return search.Query([log], words, before, limit, size=size)
    return search.Query(list(log), words, _page_numbers.open(before), limit, by_pos=True, size=size)


def _outcome(future: Future[search.Found], query: search.Query) -> Results | BaseException:
    error = future.exception()
    return error if error is not None else _results(future.result(), query)


def _results(found: search.Found, query: search.Query) -> Results:
    results = Results(map(event_of, found.rows))
    results.partial, results.behind, results.marks, results.took = found.partial, found.behind, found.marks, found.took
    results.next = _page_numbers.seal(found.next) if query.by_pos else found.next
    return results


def _nothing(connection: sqlite3.Connection) -> None:
    """Read nothing: the read runs elsewhere."""
