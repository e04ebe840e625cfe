"""How much work a page of a log is: steps of SQLite, after each of which a thread waits for the interpreter's lock."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from app.backends.embedded import Embedded
from app.backends.statements import logs
from app.backends.statements.paging import LONG, Page
from app.backends.statements.rows import connect_read_only
from app.chat.fitting import PAGE_BYTES
from app.chat.logs import END
from tests.backends.test_embedded import opened, say

COUNT = 1000


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed store with many short messages, and long ones after them."""
    path = tmp_path_factory.mktemp("paging") / "store.db"

    async def fill(backend: Embedded) -> None:
        await backend.create_user(b"secret")
        await say(backend, *(f"message {number}" for number in range(COUNT)))
        await say(backend, *["x" * 60_000] * 20)

    with opened(path) as backend:
        anyio.run(fill, backend)
    return path


def steps_to_read(path: Path, before: int, page: Page, *, first: int = 0) -> Counter[str]:
    """Read a page, and return how many rows Python gets and how many statements run. A page before position `first` is
    read before it, if there is one, and doesn't count."""
    counted: Counter[str] = Counter()
    with closing(connect_read_only(str(path))) as connection:
        if first:
            logs.read_backwards(connection, "room", first, page)
        connection.set_trace_callback(lambda _: counted.update(["statements"]))

        def count(_: object, row: tuple[object, ...]) -> tuple[object, ...]:
            counted["rows"] += 1
            return row

        connection.row_factory = count
        found = logs.read_backwards(connection, "room", before, page)
        counted["events"] = len(found)
    return counted


@pytest.mark.parametrize("fold", [False, True])
def test_a_page_of_short_texts_is_read_in_few_steps(path: Path, fold: bool) -> None:
    counted = steps_to_read(path, COUNT, Page(200, PAGE_BYTES, fold=fold))
    assert counted["events"] == 200
    assert counted["rows"] <= 8
    assert counted["statements"] <= 8


def test_a_page_of_long_texts_ends_early(path: Path) -> None:
    counted = steps_to_read(path, END, Page(200, PAGE_BYTES))
    assert counted["events"] == PAGE_BYTES // 60_000 + 1
    assert counted["statements"] <= 4 * (counted["events"] + 2)
    assert LONG < 60_000


def test_what_the_last_page_was_like_tells_how_much_is_read_at_once(path: Path) -> None:
    page = Page(50, PAGE_BYTES)
    after_short = steps_to_read(path, COUNT, page, first=COUNT // 2)
    assert after_short["rows"] == 2  # where the log ends, and the page
    after_long = steps_to_read(path, COUNT, page, first=END)
    assert after_short["rows"] < after_long["rows"] <= 6
    assert after_short["events"] == after_long["events"] == 50
