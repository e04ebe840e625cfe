"""Lines of standard input."""

from __future__ import annotations

import asyncio
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.client.stdin import MAX_LINE, read_lines, split
from tests.clients import DEADLINE


@given(st.lists(st.binary(max_size=20).map(lambda text: text.replace(b"x", b"\n"))))
def test_however_it_comes_the_lines_are_the_same(blocks: list[bytes]) -> None:
    found = [line for chunk in split(iter(blocks)) for line in chunk]
    expected = b"".join(blocks).split(b"\n")
    if not expected[-1]:
        del expected[-1]
    assert found == [line.removesuffix(b"\r") for line in expected]


def test_of_a_line_without_an_end_only_so_much_is_kept() -> None:
    found = [line for chunk in split(iter([b"x" * 400_000] * 5 + [b"\nnext\n"])) for line in chunk]
    assert [len(line) for line in found] == [MAX_LINE + 1, 4]


def test_they_are_read_as_they_come() -> None:
    async def work() -> None:
        reading, writing = os.pipe()
        found = read_lines(reading)
        os.write(writing, b"one\ntw")
        assert await anext(found) == b"one"
        os.write(writing, b"o\n")
        assert await anext(found) == b"two"
        os.write(writing, b"three")
        os.close(writing)
        assert await anext(found) == b"three"
        with pytest.raises(StopAsyncIteration):
            await anext(found)
        os.close(reading)

    asyncio.run(asyncio.wait_for(work(), DEADLINE))
