"""Full-text search: an index in a file of its own, beside the store, kept by a process of its own.

The index is `chat.db-search`. It can be rebuilt from the store at any time, so it is never part of a backup. Its only
writer is a child process, which reads the store and never writes to it.

How the store uses it
- **A store in a file**: a `client.SearchClient`. `search` may be called in any thread and returns a Future. After
  changes are applied, call `wake(pos)`. The client starts the child when it is first needed, and calls
  `dropped(forgotten)` in its own thread whenever what the rows of `forgotten` up to that id say has left the index and
  its files for good: they can be deleted then. When the store closes, call `close()`. If rows of `forgotten` are left,
  call `finish.finish(path, connection)`, which removes them from the index in this process, and returns the id up to
  which they can be deleted.
- **A store in memory**: an `engine.Engine` on `index.Index(None, epoch)` and the store's own connection, in the store's
  thread and outside of transactions. Call `catch_up()` when the store is idle, until it is `done`, and delete the rows
  of `forgotten` up to its `forgotten`.

What it needs of the store
- `events` has all messages by `pos`; `counters` has the last `pos` that was given out, `meta` has the `epoch`.
- When a message (an event of kind `msg` or `me`) changes its text, loses it or is removed, a row with its `pos`, `room`
  and old text goes into `forgotten`, in the same transaction, also if an edited message had no text. The ids count up
  and are never reused.
- Nothing else than `dropped` and `finish` lets rows of `forgotten` be deleted.

What a search finds
- A message in one of `logs` that has all terms of `words`. Everything that the store had applied before the call is
  searched, by its present text, except for `Found.behind` messages if the index is that far behind.
- Case, accents (U+0300 to U+036F) and widths are ignored.
- A term is a word. From four letters on, it may also be a part of a longer word. `getUserName` is one word and three.
- In scripts that put no blanks between words, and in Hangul, a term may be any part of the text, from one sign on.
- `word*` matches words that start with it. Parts joined by other signs (`fox-hunt`) and `"quoted phrases"` match whole
  words next to each other. An emoji is a word. Other signs are ignored.
"""

from __future__ import annotations

import os
from typing import Any

from msgspec import Struct

DEFAULT_BUDGET = 0.25
"""Seconds of processor time that a search may take before it answers with what it has."""


def index_path(store: str) -> str:
    """Where the index of the store at a path is."""
    return f"{os.path.realpath(store)}-search"


class Query(Struct, array_like=True):
    """What to search for: `words` in any of `logs` (rooms, conversations and mailboxes).

    At most `limit` messages are wanted, the last ones before position `before`. That is a `pos` if `by_pos`, or else a
    `seq` of the only log. The search may take `budget` seconds of processor time. With a `size`, no more
    are wanted than have so many bytes in JSON, but at least one.
    """

    logs: list[str]
    words: str
    before: int
    limit: int
    budget: float = DEFAULT_BUDGET
    by_pos: bool = False
    size: int = 0


class Found(Struct, array_like=True):
    """What was found, oldest first.

    `rows` has the columns of `events` (room, seq, id, at, user, name, text, cid, kind, of, detail). `positions` has the
    `pos` of each, and `marks` the start and end of each hit in its text, in code points. `partial` says that the search
    was cut short: more messages may match. `behind` is the number of messages that are not in the index yet and were
    not searched. `next` is the `before` of the next page, a `pos` or a `seq` like that of the query, and 0 if there is
    none. `took` is what the search took, in milliseconds of processor time.
    """

    rows: list[tuple[Any, ...]]
    positions: list[int]
    marks: list[list[tuple[int, int]]]
    partial: bool = False
    behind: int = 0
    next: int = 0
    took: float = 0.0


class Progress(Struct, array_like=True):
    """How far the index is: it has the messages up to position `indexed`, of `last`. What the rows of `forgotten` up to
    id `forgotten` say is dropped. `done` is whether nothing is left to do."""

    indexed: int
    last: int
    forgotten: int
    done: bool
