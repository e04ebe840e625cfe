"""The search process from inside: when it indexes, purges, rests and tries again."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.backends.search import Progress, process
from app.backends.search.engine import BATCH, SCANNED
from app.backends.search.messages import Dropped, Note, Report, Wake
from app.backends.search.process import INTERVAL, NEVER, RETRY_DELAY, ProgressLog, Service
from tests.backends.search.stores import Store


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """A service of which a test makes each step, on a clock that stands still."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock, self.said, self.rest = Clock(), list[Report](), 0.0
        monkeypatch.setattr(process, "monotonic", self.clock)
        self.store = Store(path)
        self.service = Service(str(path), self.said.append)
        monkeypatch.setattr(self.service.pacer, "stop", lambda: self.rest)

    def settle(self) -> None:
        """Do all that is due."""
        while not self.service.delay():
            self.service.work()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    one = Bench(tmp_path / "chat.db", monkeypatch)
    yield one
    one.service.close()
    one.store.connection.close()


def test_few_messages_wait_for_each_other(bench: Bench) -> None:
    bench.settle()
    assert bench.service.delay() == NEVER
    bench.service.handle(Wake(bench.store.say("word")))
    assert bench.service.delay() == INTERVAL
    bench.service.handle(Wake(bench.store.say_all(["word"] * BATCH)))
    assert bench.service.delay() == 0
    bench.settle()
    assert bench.service.engine.index.indexed == BATCH + 1


def test_work_rests_even_if_there_is_more(bench: Bench) -> None:
    bench.store.say_all(["word"] * 2 * BATCH)
    bench.rest = 7.0
    bench.service.work()
    assert bench.service.delay() == 7.0
    bench.service.handle(Wake(bench.store.say_all(["word"] * BATCH)))
    assert bench.service.delay() == 7.0


def test_what_is_forgotten_is_told_once_it_is_purged(bench: Bench) -> None:
    bench.store.say_all(["one", "two"])
    bench.settle()
    bench.store.remove(1)
    bench.service.handle(Wake(2))
    bench.clock.now += INTERVAL
    bench.service.work()
    assert bench.said == []
    bench.settle()
    assert bench.said == [Dropped(1)]
    bench.store.remove(2)
    bench.service.handle(Wake(2))
    bench.clock.now += INTERVAL
    bench.settle()
    assert bench.said == [Dropped(1)]
    assert 0 < bench.service.delay() <= process.LONGEST_REST
    bench.clock.now += process.LONGEST_REST
    bench.settle()
    assert bench.said == [Dropped(1), Dropped(2)]


def test_a_purge_is_not_interrupted_unless_the_index_falls_behind(bench: Bench) -> None:
    for _ in range(6):
        bench.store.say_all(["some words"] * 10)
        bench.service.handle(Wake(60))
        bench.clock.now += INTERVAL
        bench.settle()
    bench.store.remove(1)
    bench.service.handle(Wake(60))
    bench.clock.now += INTERVAL
    bench.service.work()
    bench.service.work()
    assert bench.service.engine.index.purging
    last = bench.store.say_all(["more"] * BATCH)
    bench.service.handle(Wake(last))
    bench.service.work()
    assert bench.service.engine.index.indexed == 60
    last = bench.store.say_all(["more"] * SCANNED)
    bench.service.handle(Wake(last))
    bench.service.work()
    assert bench.service.engine.index.indexed == 60 + BATCH
    bench.clock.now += process.LONGEST_REST
    bench.settle()
    assert bench.said == [Dropped(1)]


def test_a_failure_is_logged_once_and_tried_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Progress:
        raise sqlite3.OperationalError("database or disk is full")

    bench.store.say("word")
    with monkeypatch.context() as patch:
        patch.setattr(bench.service.engine, "step", fail)
        for _ in range(3):
            bench.service.work()
            assert bench.service.delay() == RETRY_DELAY
            bench.clock.now += RETRY_DELAY
    [note] = bench.said
    assert isinstance(note, Note)
    assert note.text.endswith("indexing failed and will be tried again: the disk is full (ENOSPC)")
    bench.settle()
    assert bench.service.engine.index.indexed == 1


def test_a_long_backlog_is_logged_as_it_shrinks() -> None:
    notes: list[str] = []
    log = ProgressLog(lambda level, text: notes.append(f"{level // logging.INFO} {text}"))
    for indexed in (*range(0, 100_000, 1000), 100_000, 100_001, 100_002):
        log.show(Progress(indexed, max(indexed, 100_000), 0, indexed >= 100_000))
    assert notes[0] == "1 indexing 100,000 messages for the search"
    assert notes[1:-1] == [f"1 indexed {tenth}0,000 of 100,000 messages for the search" for tenth in range(1, 10)]
    assert notes[-1] == "1 all messages are indexed for the search"
