"""A store to search: the tables that the engine reads, and what the store does to them."""

from __future__ import annotations

import random
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

from app.backends.schema import MIGRATIONS
from app.backends.search import Found, Query
from app.backends.search.engine import Engine
from app.backends.search.index import Index
from app.backends.search.query import Matcher, parse
from app.backends.statements.rows import transaction
from app.chat.logs import participants

FAR = 2**62
"""A position after all others."""


closing = ExitStack()
"""Closes the stores and indexes of a test."""


class Store:
    """A store in memory, or at `path`."""

    def __init__(self, path: Path | None = None) -> None:
        self.connection = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
        closing.callback(self.connection.close)
        self.connection.execute("PRAGMA journal_mode = WAL").fetchone()
        for migration in MIGRATIONS:
            self.connection.executescript(migration)
        self.connection.execute("INSERT INTO meta VALUES ('epoch', 'an epoch')")
        self.pos = count(1)
        self.seqs: defaultdict[str, Iterator[int]] = defaultdict(lambda: count(1))

    def say(self, text: str, room: str = "room", kind: str = "msg") -> int:
        """Store a message and return its `pos`."""
        return self.say_all([text], room, kind)

    def say_all(self, texts: list[str], room: str = "room", kind: str = "msg") -> int:
        """Store messages and return the last `pos`."""
        pos = 0
        with transaction(self.connection):
            for text in texts:
                pos, seq = next(self.pos), next(self.seqs["@" if participants(room) else room])
                row = (pos, room, seq, f"id{pos}", 1, 1, "ann", text, "", kind, 0, "")
                self.connection.execute(f"INSERT INTO events VALUES ({', '.join('?' * len(row))})", row)
                for user in participants(room):
                    self.connection.execute("INSERT INTO mail VALUES (?, ?, ?)", (user, seq, pos))
            self.connection.execute("UPDATE counters SET value = ? WHERE name = 'pos'", (pos,))
        return pos

    def edit(self, pos: int, text: str) -> None:
        """Give a message another text."""
        with transaction(self.connection):
            self._forget(pos)
            self.connection.execute("UPDATE events SET text = ? WHERE pos = ?", (text, pos))

    def remove(self, *positions: int) -> None:
        """Remove messages."""
        with transaction(self.connection):
            for pos in positions:
                self._forget(pos)
                self.connection.execute("DELETE FROM events WHERE pos = ?", (pos,))
                self.connection.execute("DELETE FROM mail WHERE pos = ?", (pos,))

    def _forget(self, pos: int) -> None:
        self.connection.execute(
            "INSERT INTO forgotten (pos, room, text) SELECT pos, room, text FROM events WHERE pos = ?",
            (pos,),
        )

    def drop_forgotten(self, through: int) -> None:
        """Delete the old texts that the index has dropped."""
        self.connection.execute("DELETE FROM forgotten WHERE id <= ?", (through,))

    def texts(self) -> dict[int, tuple[str, str]]:
        """The room and text of each message, by `pos`."""
        sql = "SELECT pos, room, text FROM events WHERE kind IN ('msg', 'me') ORDER BY pos"
        return {pos: (room, text) for pos, room, text in self.connection.execute(sql)}


class Searched:
    """A store with an engine."""

    def __init__(self, index: Path | None = None) -> None:
        self.store = Store()
        self.index = Index(str(index) if index else None, "an epoch")
        closing.callback(self.index.close)
        self.engine = Engine(self.index, self.store.connection)

    def catch_up(self) -> None:
        """Index all there is."""
        while not self.engine.step().done:
            pass

    def find(self, words: str, *logs: str, before: int = FAR, limit: int = 10_000, by_pos: bool | None = None) -> Found:
        """Search, by default by `pos` if there are several logs."""
        by_pos = len(logs) > 1 if by_pos is None else by_pos
        return self.engine.search(Query(list(logs or ("room",)), words, before, limit, 60.0, by_pos))

    def texts(self, words: str, *logs: str) -> list[str]:
        """The texts that a search finds."""
        found = self.find(words, *logs)
        assert not found.partial
        assert not found.behind
        return [row[6] for row in found.rows]


def naive(store: Store, words: str, *logs: str) -> list[int]:
    """The positions that a search must find: each text is compared."""
    terms = parse(words)
    matcher = Matcher(terms)
    people = {int(log[1:]) for log in logs if log.startswith("~")}
    return [
        pos
        for pos, (room, text) in store.texts().items()
        if terms and (room in logs or people & set(participants(room))) and matcher.matches(text)
    ]


WORDS = (
    *("fox", "foxes", "forever", "Spülmaschine", "Maschine", "getUserName", "user", "XMLHttpRequest", "a", "7", "2024"),
    *(
        "東京",
        "東京都",
        "京",
        "日本語",
        "สวัสดี",
        "ครับ",
        "한국어를",
        "Улица",
        "😀",
        "👍🏽",
        "fox-hunt",
        "İstanbul",
        "x" * 150,
    ),
)
QUERIES = (
    *("fox", "fo*", "f*", "fox-hu*", "schine", "maschine", "user", "username", "use*", "us*", "http", "request", "a"),
    *("東", "京", "東京", "京都", "東京都", "本語", "วัส", "สวัสดี", "국", "한국", "улиц", "ули", "😀", "👍", "istanbul"),
    *(
        '"fox forever"',
        '"user 東京"',
        "東京 fox",
        "x" * 70,
        "xxxx",
        "2024",
        "7 a",
        '"get user"',
        "getuser",
        '"maschine"',
    ),
)


def sentence(rng: random.Random) -> str:
    return rng.choice((" ", " ", "", ", ")).join(rng.choices(WORDS, k=rng.randint(0, 6)))
