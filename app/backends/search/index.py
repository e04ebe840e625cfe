"""The index: which tokens are in which message, and which longer words there are.

`words` is an FTS5 table without content of its own. A row has the `pos` of a message and its tokens, those of its room
and participants among them. A search intersects lists of positions, newest first. The lists say only that a token is
there: the rest is checked on the text. `vocabulary` has the words of more than PART letters, for searches in words.

Whatever the tokens depend on is in `meta`: an index that was made otherwise is rebuilt. `purge` there says that words
of deleted messages, or pages in the WAL with them, may still be in the files. They leave when all of `words` is merged.
FTS5's `secure-delete` doesn't replace that: a term that begins a page stays (3.51: three of 2,000).
"""

from __future__ import annotations

import os
import sqlite3
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from app.backends.pages import zero_gaps
from app.backends.search.tokens import FORMAT, OVERLAP, PART, scope, tokenize
from app.backends.statements.rows import transaction

MAX_HITS = 256
"""The most words with a part in them that the index is asked for. A part of more words is in so many messages that to
compare the newest ones finds it soon."""
MAX_KNOWN = 12_000
"""How many words are kept in memory as known to be in the vocabulary, in each of two generations."""
MIN_TEXT = 1 << 20
"""How many bytes the vocabulary in memory may grow by at least before it is read anew."""
PAGES = 64
"""How many pages are merged in one step."""
_SCHEMA = """
    CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
    CREATE TABLE vocabulary (word TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE VIRTUAL TABLE words USING fts5 (
        tokens, content = '', columnsize = 0, detail = none, tokenize = 'ascii'
    );
"""
_scope = lru_cache(4096)(scope)

Message = tuple[int, str, str]
"""The `pos`, room and text of a message."""


class Index:
    """An index of the store with this epoch, in the file at `path`, or in memory if it is None.

    A file that isn't an index of this store, or is damaged, is replaced by an empty one. sqlite3.Error or OSError if
    the file can't be used.
    """

    def __init__(self, path: str | None, epoch: str) -> None:
        self.path, self.epoch = path, epoch
        self._file: int | None = None
        self._known, self._known_before = set[str](), set[str]()
        self._text: bytearray | None = None
        """The vocabulary, each word after a line end. To go through the table takes ten times as long. Words that are
        no longer in the table stay until the next purge."""
        self._text_limit = 0
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            self.reset()

    @property
    def indexed(self) -> int:
        """The position up to which messages are in the index."""
        return self._number("indexed")

    @property
    def forgotten(self) -> int:
        """The id up to which the rows of `forgotten` have been dropped."""
        return self._number("forgotten")

    @property
    def purging(self) -> bool:
        """Whether the files may hold deleted words."""
        return bool(self._number("purge"))

    def _open(self) -> None:
        if self.path:
            Path(self.path).touch(mode=0o600)
            # Closed after the connection: closing any descriptor of a file drops all locks that the process has on it.
            self._file = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        try:
            self.connection = sqlite3.connect(
                self.path or ":memory:", check_same_thread=False, isolation_level=None, timeout=1
            )
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        execute = self.connection.execute
        execute("PRAGMA locking_mode = EXCLUSIVE").fetchone()  # one process only, and no file of shared memory
        execute("PRAGMA journal_mode = WAL").fetchone()
        execute("PRAGMA secure_delete = ON").fetchone()
        made = {"format": FORMAT, "unicode": unicodedata.unidata_version, "epoch": self.epoch}
        if execute("SELECT 1 FROM sqlite_schema WHERE name = 'meta'").fetchone():
            if dict(execute("SELECT key, value FROM meta WHERE key IN ('format', 'unicode', 'epoch')")) != made:
                raise sqlite3.DatabaseError("the index is of another store or version")
            try:
                self._has("word")
            except sqlite3.OperationalError as error:  # such as a format of a later SQLite
                raise sqlite3.DatabaseError(str(error)) from None
            return
        with transaction(self.connection):
            for statement in filter(str.strip, _SCHEMA.split(";")):
                execute(statement)
            self.connection.executemany("INSERT INTO meta VALUES (?, ?)", made.items())

    def reset(self) -> None:
        """Start again with an empty index."""
        self.close()
        self._forget_known()
        self._text = None
        if self.path:
            remove_files(self.path)
        self._open()

    def close(self) -> None:
        """Close the files. Further calls do nothing."""
        if hasattr(self, "connection"):
            self.connection.close()
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @contextmanager
    def change(self, *, indexed: int, forgotten: int) -> Iterator[None]:
        """Commit what the block does together with how far the index is then. What is dropped is durable on return."""
        dropping = forgotten != self.forgotten
        self.connection.execute(f"PRAGMA synchronous = {'FULL' if dropping else 'NORMAL'}")
        try:
            with transaction(self.connection):
                yield
                self._set(indexed=indexed, forgotten=forgotten)
        except BaseException:
            self._forget_known()
            raise

    def add(self, messages: Iterable[Message]) -> None:
        """Add messages that are not in the index."""
        entries, longer = _entries(messages)
        self.connection.executemany("INSERT INTO words (rowid, tokens) VALUES (?, ?)", entries)
        added = longer - self._known - self._known_before
        self.connection.executemany("INSERT OR IGNORE INTO vocabulary VALUES (?)", [(word,) for word in sorted(added)])
        self._known |= added
        if len(self._known) > MAX_KNOWN:
            self._known, self._known_before = set(), self._known
        if self._text is not None:  # which may get words that it has
            self._text += "".join([f"{word}\n" for word in added]).encode()
            if len(self._text) > self._text_limit:
                self._text = None

    def replace(self, old: list[Message], new: list[Message]) -> None:
        """Replace messages. `old` are those that go, with the texts that the index has of them."""
        entries, longer = _entries(old)
        self.connection.executemany("INSERT INTO words (words, rowid, tokens) VALUES ('delete', ?, ?)", entries)
        self.add(new)
        gone = [(word,) for word in longer if not self._has(word)]
        if gone:
            self._forget_known()
        self.connection.executemany("DELETE FROM vocabulary WHERE word = ?", gone)
        if old:
            self._set(purge=1)

    def _forget_known(self) -> None:
        self._known, self._known_before = set(), set()

    def positions(self, expression: str, before: int) -> sqlite3.Cursor:
        """The positions before `before` of the messages that an FTS5 expression matches, newest first. The caller
        closes the cursor."""
        sql = "SELECT rowid FROM words WHERE words MATCH ? AND rowid < ? ORDER BY rowid DESC"
        return self.connection.execute(sql, (expression, before))

    def containing(self, part: str) -> list[str] | None:
        """Return the words that have a part in them, or None if there are more than MAX_HITS."""
        if self._text is None:
            (text,) = self.connection.execute("SELECT group_concat(word, char(10)) FROM vocabulary").fetchone()
            self._text = bytearray(f"\n{text or ''}\n".encode())
            self._text_limit = 2 * len(self._text) + MIN_TEXT
        text, needle, words = self._text, part[:OVERLAP].encode(), set[str]()
        found = text.find(needle)
        while found >= 0:
            start, end = text.rfind(b"\n", 0, found) + 1, text.find(b"\n", found)
            words.add(text[start:end].decode())
            if len(words) > MAX_HITS:
                return None
            found = text.find(needle, end)
        return sorted(words)

    def purge(self) -> bool:
        """Do a step of what removes the words of deleted messages from the files. Return False when it is done."""
        if self._merge():
            return True
        (busy, *_) = self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise sqlite3.OperationalError("database is locked")
        if self._file is not None:
            zero_gaps(self._file)
            self.connection.execute("PRAGMA shrink_memory").fetchone()  # drops cached pages from before
        self._set(purge=0)
        self._text = None
        return False

    def _merge(self) -> bool:
        before = self.connection.total_changes
        self.connection.execute("INSERT INTO words (words, rank) VALUES ('merge', ?)", (-PAGES,))
        return self.connection.total_changes - before >= 2  # the statement itself counts as one

    def _has(self, word: str) -> bool:
        return self.connection.execute("SELECT 1 FROM words WHERE words MATCH ?", (quote(word),)).fetchone() is not None

    def _number(self, key: str) -> int:
        row = self.connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return int(row[0]) if row else 0

    def _set(self, **values: int) -> None:
        self.connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values.items())


def quote(token: str, *, prefix: bool = False) -> str:
    """A token as an FTS5 expression."""
    return f'"{token}"*' if prefix else f'"{token}"'


def is_damage(error: sqlite3.Error) -> bool:
    """Whether an index that raised this has to be rebuilt."""
    return not isinstance(error, sqlite3.OperationalError | sqlite3.IntegrityError | sqlite3.ProgrammingError)


def remove_files(path: str) -> None:
    """Remove the index at `path`."""
    for end in ("", "-wal", "-shm", "-journal"):
        Path(path + end).unlink(missing_ok=True)


def _entries(messages: Iterable[Message]) -> tuple[list[tuple[int, str]], set[str]]:
    """The rows of messages, and the words in them of which a part can be searched for. Other tokens are shorter."""
    entries, found = [], set[str]()
    for pos, room, text in messages:
        tokens = tokenize(text)
        entries.append((pos, f"{_scope(room)} {' '.join(tokens)}"))
        found.update(tokens)
    return entries, {token for token in found if len(token) > PART}
