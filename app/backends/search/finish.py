"""What is left to do with the index when the store is closed."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

from app.backends.reasons import reason
from app.backends.search import index_path
from app.backends.search.engine import Engine
from app.backends.search.index import Index

log = logging.getLogger("store")


def finish(path: str, store: sqlite3.Connection) -> int:
    """Remove what is forgotten from the index of the store at `path`, and from its files. Return the id up to which the
    rows of `forgotten` can be deleted, 0 if none.

    The search process has to be closed by then. `store` is a connection that is in no transaction. An error is logged.
    """
    if not Path(index_path(path)).exists():
        last: int
        (last,) = store.execute("SELECT coalesce(max(id), 0) FROM forgotten").fetchone()
        return last
    (epoch,) = store.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
    try:
        with closing(Index(index_path(path), epoch)) as index:
            engine = Engine(index, store)
            while not engine.step(adding=False).done:
                pass
            while index.purging and index.purge():
                pass
            return index.forgotten
    except (sqlite3.Error, OSError) as error:
        log.error("%s: deleted words may be left in the index: %s", index_path(path), reason(error))
        return 0
