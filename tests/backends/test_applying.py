"""How much the store's thread does at once: what it shares, the core and the interpreter's lock, others wait for."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from app.backends import machine
from app.backends.applying import MAX_SIZE
from app.backends.sequencing import Entry
from app.backends.statements import appending
from tests.backends.test_embedded import log_of, opened, say

pytestmark = pytest.mark.anyio
LONG = "x" * 60_000


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def transactions(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many events each transaction stores."""
    sizes: list[int] = []
    apply = machine.apply

    def counted(connection: sqlite3.Connection, entries: Sequence[Entry], number: int) -> None:
        sizes.append(len(entries))
        apply(connection, entries, number)

    monkeypatch.setattr(machine, "apply", counted)
    return sizes


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many events each statement stores."""
    sizes: list[int] = []
    insert = appending._insert

    def counted(connection: sqlite3.Connection, rows: int, values: Sequence[str | int]) -> None:
        sizes.append(rows)
        insert(connection, rows, values)

    monkeypatch.setattr(appending, "_insert", counted)
    return sizes


async def test_long_texts_are_stored_a_few_at_a_time(
    tmp_path: Path, transactions: list[int], statements: list[int]
) -> None:
    with opened(tmp_path / "store.db") as backend:
        for _ in range(20):
            await say(backend, LONG)  # a commit each
        assert [event.text for event in await log_of(backend)] == [LONG] * 20
    assert max(transactions) <= MAX_SIZE // len(LONG)
    assert set(statements) == {1}


async def test_short_texts_are_stored_many_at_a_time(
    tmp_path: Path, transactions: list[int], statements: list[int]
) -> None:
    texts = [str(number) for number in range(3 * appending.ROWS + 1)]
    with opened(tmp_path / "store.db") as backend:
        await say(backend, *texts, LONG, *texts[:5])
        assert [event.text for event in await log_of(backend)] == [*texts, LONG, *texts[:5]]
    assert transactions == [len(texts) + 6]
    assert statements == [*[appending.ROWS] * 3, 7]


async def test_a_statement_ends_before_the_text_that_would_make_it_long(tmp_path: Path, statements: list[int]) -> None:
    with opened(tmp_path / "store.db") as backend:
        await say(backend, "one", "two", LONG, LONG, "three", 2 * LONG, "four")
    assert statements == [3, 2, 1, 1]
