"""The search index: its size, what a message costs, and how long a search takes, in a store of many messages.

    python -m benchmarks.search [--messages 1000000] [--quick] [--json]

The messages are made up, always the same ones: English 50 %, German 15, Chinese 10, Japanese 8, Thai 4, Korean 3,
identifiers and addresses 10, in 1,000 rooms of uneven size. The words are random, with frequencies as in a language.
Beside our index, the table that FTS5 makes by itself: `unicode61`, with positions. All runs in this process; the CPU
times are its own. `milliseconds` has p50, p95 and the longest for the newest 20 messages with their rows and marks, p50
of the CPU time, and how many of the searches found something, and were cut short.
"""

from __future__ import annotations

import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from app.backends.schema import MIGRATIONS
from app.backends.search import Query
from app.backends.search.engine import Engine
from app.backends.search.index import Index
from benchmarks import report

ROOMS = 1000
BATCH = 1000
SEARCHES = 60
"""Searches of each kind."""
FAR = 2**62


class Language:
    """Random words with the frequencies of a language: the n-th most frequent one is said 1/n as often."""

    def __init__(self, rng: random.Random, words: Sequence[str], blank: str, length: tuple[int, int]) -> None:
        self.rng, self.words, self.blank, self.length = rng, list(dict.fromkeys(words)), blank, length
        self.weights = list(accumulate(1 / (number + 3) for number in range(len(self.words))))

    def text(self) -> str:
        return self.blank.join(self.some(self.rng.randint(*self.length)))

    def some(self, count: int) -> list[str]:
        return self.rng.choices(self.words, cum_weights=self.weights, k=count)

    def word(self, first: int, last: int) -> str:
        """A word by the rank of its frequency."""
        return self.words[self.rng.randrange(first, min(last, len(self.words)))]


class Talk:
    """What is said, in several scripts."""

    def __init__(self) -> None:
        rng = self.rng = random.Random(15)

        def words(count: int, parts: Sequence[str], shortest: int, longest: int) -> list[str]:
            return ["".join(rng.choices(parts, k=rng.randint(shortest, longest))) for _ in range(count)]

        def signs(first: int, count: int) -> list[str]:
            return [chr(first + number) for number in range(count)]

        latin = [start + vowel for start in "bcdfghjklmnprstvw" for vowel in "aeiou"] + [
            "s",
            "n",
            "r",
            "st",
            "ck",
            "th",
        ]
        german = words(20_000, [*latin, "ä", "ö", "ü", "sch", "ei"], 2, 5)
        compounds = [rng.choice(german) + rng.choice(german) for _ in range(40_000)]
        kana, kanji, han = signs(0x3042, 80), signs(0x4E00, 1500), signs(0x4E00, 4000)
        thai = [one + vowel for one in signs(0x0E01, 40) for vowel in ("า", "ิ", "ี", "ุ", "่", "")]
        self.english = Language(rng, words(40_000, latin, 1, 4), " ", (3, 18))
        self.german = Language(rng, [word.capitalize() for word in german + compounds], " ", (3, 14))
        self.chinese = Language(rng, words(30_000, han, 1, 3), "", (4, 16))
        self.japanese = Language(rng, words(15_000, kana, 1, 4) + words(15_000, kanji, 1, 3), "", (4, 16))
        self.thai = Language(rng, words(20_000, thai, 1, 4), "", (4, 14))
        self.korean = Language(rng, words(30_000, signs(0xAC00, 1200), 1, 4), " ", (3, 12))

    def code(self) -> str:
        """An identifier or an address between words."""
        one, two, three = self.english.some(3)
        kind = self.rng.randrange(3)
        if kind == 0:
            name = one + two.capitalize() + three.capitalize()
        elif kind == 1:
            name = f"{one}_{two}"
        else:
            name = f"https://{one}.example/{two}/{self.rng.getrandbits(32):08x}"
        return f"{self.english.text()} {name}"

    def texts(self) -> Iterator[str]:
        kinds: list[Callable[[], str]] = [
            *(self.english.text, self.german.text, self.chinese.text, self.japanese.text),
            *(self.thai.text, self.korean.text, self.code),
        ]
        while True:
            for make in self.rng.choices(kinds, weights=(50, 15, 10, 8, 4, 3, 10), k=BATCH):
                yield make()


def fill(store: sqlite3.Connection, talk: Talk, count: int) -> int:
    """Store messages. Return the bytes of their texts."""
    for migration in MIGRATIONS:
        store.executescript(migration)
    rooms, bytes_, texts = [0] * ROOMS, 0, talk.texts()
    store.execute("BEGIN")
    for pos in range(1, count + 1):
        number = int(ROOMS * talk.rng.random() ** 3)  # the first tenth has half of the messages
        rooms[number] += 1
        text = next(texts)
        bytes_ += len(text.encode())
        row = (pos, f"room{number}", rooms[number], f"{pos:016x}", pos, 1, "someone", text, "", "msg", 0, "")
        store.execute(f"INSERT INTO events VALUES ({', '.join('?' * len(row))})", row)
    store.execute("INSERT INTO meta VALUES ('epoch', 'e')")
    store.execute("UPDATE counters SET value = ? WHERE name = 'pos'", (count,))
    store.execute("COMMIT")
    return bytes_


def cpu(work: Callable[[], object]) -> float:
    """The CPU seconds that a piece of work takes."""
    before = time.process_time()
    work()
    return time.process_time() - before


def unicode61(store: sqlite3.Connection, path: Path, count: int) -> dict[str, float]:
    """The index that FTS5 makes of the texts by itself."""
    store.execute("ATTACH ? AS other", (str(path),))
    store.execute("PRAGMA other.journal_mode = WAL").fetchone()
    store.execute("""
        CREATE VIRTUAL TABLE other.words USING fts5 (
            scope, text, content = '', columnsize = 0, tokenize = 'unicode61 remove_diacritics 2'
        )
    """)
    sql = "INSERT INTO other.words (rowid, scope, text) SELECT pos, 'r' || hex(room), text FROM events WHERE pos > ?"

    def index() -> None:
        for first in range(0, count, BATCH):
            store.execute(f"{sql} AND pos <= ?", (first, first + BATCH))

    seconds = cpu(index)
    store.execute("PRAGMA other.wal_checkpoint(TRUNCATE)").fetchone()
    store.execute("DETACH other")
    return {"bytes": path.stat().st_size, "microseconds_a_message": 1e6 * seconds / count}


def kinds(talk: Talk) -> dict[str, Callable[[], tuple[str, list[str]]]]:
    """What is searched for, and in which rooms."""
    rng, every = talk.rng, [f"room{number}" for number in range(0, ROOMS, 20)]

    def piece(language: Language, length: int) -> str:
        while True:
            text = language.text()
            if len(text) >= length:
                start = rng.randrange(len(text) - length + 1)
                return text[start : start + length]

    def part(language: Language) -> str:
        while len(word := language.word(1000, 30_000)) < 8:
            pass
        return word[2:8].lower()

    return {
        "a common word": lambda: (talk.english.word(0, 10), every),
        "a common word in the largest room": lambda: (talk.english.word(0, 10), ["room0"]),
        "a common word in a small room": lambda: (talk.english.word(0, 10), ["room999"]),
        "a rare word": lambda: (talk.english.word(20_000, 40_000), every),
        "two words": lambda: (" ".join(talk.english.some(2)), every),
        "a prefix of 2": lambda: (talk.english.word(0, 3000)[:2] + "*", every),
        "a prefix of 3": lambda: (talk.english.word(0, 3000)[:3] + "*", every),
        "a phrase": lambda: (f'"{" ".join(talk.english.some(2))}"', every),
        "3 signs of Chinese": lambda: (piece(talk.chinese, 3), every),
        "2 signs of Chinese": lambda: (piece(talk.chinese, 2), every),
        "1 sign of Chinese": lambda: (piece(talk.chinese, 1), every),
        "3 signs of Japanese": lambda: (piece(talk.japanese, 3), every),
        "a Thai word": lambda: (piece(talk.thai, 6), every),
        "a Korean word": lambda: (talk.korean.word(0, 3000), every),
        "a part of a word": lambda: (part(talk.german), every),
        "a part of an identifier": lambda: ("".join(talk.english.some(2)).lower(), every),
    }


def searches(engine: Engine, talk: Talk) -> dict[str, dict[str, float]]:
    """Search for each kind of thing."""
    figures = {}
    for kind, make in kinds(talk).items():
        times, cpu_times, found, partial = [], [], 0, 0
        for _ in range(SEARCHES):
            words, rooms = make()
            began, cpu_began = time.perf_counter(), time.process_time()
            answer = engine.search(Query(rooms, words, FAR, 20, by_pos=True))
            times.append(1000 * (time.perf_counter() - began))
            cpu_times.append(1000 * (time.process_time() - cpu_began))
            found += bool(answer.rows)
            partial += answer.partial
        times.sort()
        figures[kind] = {
            "p50": round(statistics.median(times), 2),
            "p95": round(times[int(0.95 * len(times))], 2),
            "max": round(times[-1], 2),
            "cpu_p50": round(statistics.median(cpu_times), 2),
            "found": round(found / SEARCHES, 2),
            "cut_short": round(partial / SEARCHES, 2),
        }
    return figures


def measure(count: int, folder: Path) -> dict[str, Any]:
    store = sqlite3.connect(folder / "store", isolation_level=None)
    store.execute("PRAGMA journal_mode = WAL").fetchone()
    talk = Talk()
    report.say(f"making {count:,} messages")
    texts = fill(store, talk, count)
    report.say("indexing them")
    index = Index(str(folder / "index"), "e")
    engine = Engine(index, store)
    seconds = cpu(lambda: engine.catch_up(budget=1e9))
    index.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    size = (folder / "index").stat().st_size
    (vocabulary,) = index.connection.execute("SELECT count(*) FROM vocabulary").fetchone()
    report.say("indexing them with unicode61")
    other = unicode61(store, folder / "other", count)
    report.say("searching")
    figures = searches(engine, talk)
    report.say("removing one in 100")
    removed = range(1, count, 100)
    store.execute("BEGIN")
    for pos in removed:
        store.execute(
            "INSERT INTO forgotten (pos, room, text) SELECT pos, room, text FROM events WHERE pos = ?", (pos,)
        )
        store.execute("DELETE FROM events WHERE pos = ?", (pos,))
    store.execute("COMMIT")
    dropping = cpu(lambda: engine.catch_up(budget=1e9))

    def purge() -> None:
        while index.purge():
            pass

    purging = cpu(purge)
    index.close()
    store.close()
    return {
        "messages": count,
        "text_megabytes": round(texts / 1e6, 1),
        "index_to_text": round(size / texts, 2),
        "unicode61_to_text": round(other["bytes"] / texts, 2),
        "cpu_microseconds_a_message": round(1e6 * seconds / count, 1),
        "unicode61_cpu_microseconds_a_message": round(other["microseconds_a_message"], 1),
        "words_in_the_vocabulary": vocabulary,
        "cpu_microseconds_a_removed_message": round(1e6 * dropping / len(removed), 1),
        "cpu_seconds_of_a_purge": round(purging, 2),
        "milliseconds": figures,
    }


def main() -> None:
    parser = report.parser(__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--quick", action="store_true", help="measure 2,000 messages, to see that it works")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(2000 if flags.quick else flags.messages, Path(folder))
    rows = [[kind, *(f"{value:g}" for value in row.values())] for kind, row in figures["milliseconds"].items()]
    lines = [f"{name.replace('_', ' '):40} {value:,}" for name, value in figures.items() if name != "milliseconds"]
    table = report.table(("search, milliseconds", "p50", "p95", "max", "CPU p50", "found", "cut short"), rows)
    report.show(figures, flags, "\n".join([*lines, "", table]))


if __name__ == "__main__":
    main()
