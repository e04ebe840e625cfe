"""The engine: a search finds what a comparison of all texts finds, whatever the index has."""

from __future__ import annotations

import random
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from app.backends.search import Query
from app.backends.search.engine import MARKING, SCANNED, Engine
from app.backends.search.index import MAX_HITS, Index
from tests.backends.search.stores import FAR, QUERIES, Searched, Store, naive, sentence

ROOMS = ("room", "other", "@1,2", "@2,3", "@1")
LOGS = (("room",), ("other",), ("@1,2",), ("~1",), ("~2",), ("~2", "room"), ("room", "other", "~3"), ("nowhere",))


def check(searched: Searched) -> None:
    for words in QUERIES:
        for logs in LOGS:
            assert searched.find(words, *logs).positions == naive(searched.store, words, *logs), (words, logs)


@pytest.mark.parametrize("seed", range(6))
def test_random_changes(seed: int) -> None:
    rng, searched = random.Random(seed), Searched()
    store = searched.store
    for _ in range(12):
        for _ in range(rng.randint(1, 25)):
            texts = list(store.texts())
            match rng.choice(("say", "say", "say", "edit", "edit", "remove", "step")):
                case "say":
                    store.say(sentence(rng), rng.choice(ROOMS), rng.choice(("msg", "msg", "me", "topic", "edit")))
                case "edit" if texts:
                    store.edit(rng.choice(texts), sentence(rng) if rng.random() < 0.8 else "")
                case "remove" if texts:
                    store.remove(*rng.sample(texts, min(len(texts), rng.randint(1, 5))))
                case "step":
                    progress = searched.engine.step(rng.randint(1, 7))
                    if rng.random() < 0.5:
                        store.drop_forgotten(progress.forgotten)
        check(searched)
    searched.catch_up()
    check(searched)
    while searched.index.purge():
        pass
    check(searched)
    store.remove(*store.texts())
    searched.catch_up()
    while searched.index.purge():
        pass
    execute = searched.index.connection.execute
    assert execute("SELECT count(*) FROM vocabulary").fetchone() == (0,)
    execute("CREATE VIRTUAL TABLE temp.tokens USING fts5vocab (main, words, row)")
    assert execute("SELECT * FROM tokens").fetchall() == []


@pytest.mark.parametrize("indexed", [False, True])
def test_page_by_page(indexed: bool) -> None:
    searched = Searched()
    for number in range(57):
        searched.store.say(f"word {number}", ("room", "@1,2", "@2,3")[number % 3])
    if indexed:
        searched.catch_up()
    one = [(log,) for log in ("room", "@1,2", "~2")]
    for logs, by_pos in [*((logs, by_pos) for logs in one for by_pos in (False, True)), (("room", "~2"), True)]:
        whole, before = searched.find("word", *logs, by_pos=by_pos), FAR
        pages: list[tuple[Any, ...]] = []
        assert whole.next == 0
        while before:
            page = searched.find("word", *logs, before=before, limit=5, by_pos=by_pos)
            assert 0 < len(page.rows) <= 5
            pages[:0] = page.rows
            before = page.next
            assert before in (0, page.positions[0] if by_pos else page.rows[0][1])
        assert pages == whole.rows
    assert searched.find("word", limit=0).rows == []
    assert searched.find("word", before=0).rows == []


def test_the_logs_change_from_page_to_page() -> None:
    searched = Searched()
    for number in range(9):
        searched.store.say(f"word {number}", ("other", "room", "@1,2")[number // 3])
    page = searched.find("word", "~2", limit=2, by_pos=True)
    assert (page.positions, page.next) == ([8, 9], 8)
    page = searched.find("word", "~2", "room", limit=2, before=page.next)
    assert (page.positions, page.next) == ([6, 7], 6)
    page = searched.find("word", "room", limit=2, before=page.next, by_pos=True)
    assert (page.positions, page.next) == ([4, 5], 0)


def test_a_long_backlog_is_searched_in_part() -> None:
    searched = Searched()
    searched.store.say_all([f"word {number}" for number in range(SCANNED + 100)])
    found = searched.find("word", limit=SCANNED + 100)
    assert (len(found.rows), found.behind) == (SCANNED, 100)
    searched.engine.step(batch=60)
    found = searched.find("word", limit=SCANNED + 100)
    assert (len(found.rows), found.behind) == (SCANNED + 60, 40)


def test_a_budget_cuts_a_search_short() -> None:
    searched = Searched()
    searched.store.say_all([f"one fox{number}" for number in range(3000)])
    searched.catch_up()
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 1.0
        return now

    engine = Engine(searched.index, searched.store.connection, clock)
    seen: list[int] = []
    before, cut = FAR, 0
    while before:
        found = engine.search(Query(["room"], "one", before, 1000, budget=600.0))
        seen[:0] = found.positions
        cut += found.partial
        assert found.next < before
        before = found.next
    assert cut
    assert seen == list(range(1, 3001))
    found = engine.search(Query(["room"], "one", FAR, 10, budget=0.0))
    assert (found.rows, found.partial) == ([], True)


def test_hits_are_marked_in_the_beginning_of_long_messages() -> None:
    searched = Searched()
    searched.store.say_all(["fox " + "x" * 60_000 + " fox"])
    searched.catch_up()
    found = searched.engine.search(Query(["room"], "fox", FAR, 10))
    assert found.marks == [[(0, 3)]]


def test_marking_takes_no_longer_than_it_may() -> None:
    searched = Searched()
    searched.store.say_all(["one fox"] * 10)
    searched.catch_up()
    ticks = count()
    engine = Engine(searched.index, searched.store.connection, lambda: next(ticks) * MARKING / 3)
    found = engine.search(Query(["room"], "fox", FAR, 10, budget=600.0))
    assert len(found.rows) == 10
    assert found.marks == [*[[]] * 8, *[[(4, 7)]] * 2]


def test_a_wrong_mailbox() -> None:
    for log in ("~", "~x", "~01"):
        with pytest.raises(ValueError, match=r"mailbox|invalid literal"):
            Searched().find("word", log)


def test_a_full_disk(tmp_path: Path) -> None:
    searched = Searched(tmp_path / "index")
    searched.store.say_all(["before the disk was full"] * 10)
    searched.catch_up()
    (pages,) = searched.index.connection.execute("PRAGMA page_count").fetchone()
    searched.index.connection.execute(f"PRAGMA max_page_count = {pages}").fetchone()
    searched.store.say_all([f"full {sentence(random.Random(number))}" for number in range(1000)])
    searched.store.edit(3, "full as well")
    with pytest.raises(Exception, match="full"):
        searched.catch_up()
    assert len(searched.texts("full")) == 1001 + 9
    assert len(searched.texts("before")) == 9
    searched.index.connection.execute("PRAGMA max_page_count = 1000000").fetchone()
    searched.catch_up()
    assert len(searched.texts("full")) == 1001 + 9


def test_parts_of_very_many_words() -> None:
    searched = Searched()
    searched.store.say_all([f"prefix{number}" for number in range(MAX_HITS + 50)])
    searched.catch_up()
    assert len(searched.texts("refix")) == MAX_HITS + 50
    assert searched.texts("refix77") == ["prefix77"]


def test_an_older_store(tmp_path: Path) -> None:
    """The store was restored from a backup, and the index has messages that are not in it."""
    path = str(tmp_path / "index")
    searched = Searched(tmp_path / "index")
    searched.store.say_all(["word"] * 20)
    searched.catch_up()
    searched.index.close()
    store = Store()
    store.say("another word")
    engine = Engine(Index(path, "an epoch"), store.connection)
    engine.step()
    assert engine.search(Query(["room"], "word", FAR, 10)).positions == [1]
    assert engine.index.indexed == 1
    engine.index.close()


def test_the_contract_of_a_search() -> None:
    """The same as `tests/contracts/test_search.py`, with the emoji that is found now."""
    searched = Searched()
    said = ["The quick brown fox", "fox-hunt", "forever", "Crème brûlée", "Улица", "東京", "7 up", "", "😀"]
    searched.store.say_all(said)
    for indexed in (False, True):
        if indexed:
            searched.catch_up()
        for words, texts in (
            ("fox", ["The quick brown fox", "fox-hunt"]),
            ("fo", []),
            ("fo*", ["The quick brown fox", "fox-hunt", "forever"]),
            ("qui* bro*", ["The quick brown fox"]),
            ("hunt-fox", []),
            ("fox-hu*", ["fox-hunt"]),
            ("crème", ["Crème brûlée"]),
            ("улица", ["Улица"]),
            ("fox , !", ["The quick brown fox", "fox-hunt"]),
            ("fox\0brown", ["The quick brown fox"]),
            ("*", []),
            ("😀", ["😀"]),
        ):
            assert searched.texts(words) == texts, words


@pytest.mark.parametrize("words", ["AND", "fox OR hunt", "NEAR(fox brown)", "tokens : fox", "{fox}", "a" * 40_000])
def test_nothing_in_a_word_has_a_meaning_of_its_own(words: str) -> None:
    searched = Searched()
    searched.store.say_all(["nothing", words])
    searched.catch_up()
    assert searched.texts(words) == [words]


def test_very_many_words() -> None:
    searched = Searched()
    text = " ".join(f"w{number}" for number in range(5000))
    searched.store.say(text)
    searched.catch_up()
    assert searched.texts(text) == [text]
    assert searched.texts(f"{text} absent") == []


def test_very_many_logs() -> None:
    searched = Searched()
    rooms = [f"room{number}" for number in range(1000)]
    for room in rooms:
        searched.store.say("word", room)
    searched.catch_up()
    assert len(searched.texts("word", *rooms)) == 1000
    assert len(searched.texts("w*", *rooms)) == 1000
    assert len(searched.texts("word", *rooms[300:700])) == 400
