"""What a release wrote means the same to every later one: nodes of both apply it during an upgrade."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import get_args

import pytest

from app.backends import StoreError, changes
from app.backends.changes import Change
from app.backends.nats.batches import LEVEL, Batch, decode, encode
from app.backends.nats.settings import NatsSettings
from app.backends.schema import MIGRATIONS
from app.backends.statements import runs
from app.backends.storefile import MEMORY
from tests.backends.test_machine import columns_of, digest, new_store
from tests.contracts.helpers import someone, soon
from tests.nats.nodes import Node
from tests.nats.plain import opened
from tests.nats.recorded import apply, read
from tests.nats.servers import DEADLINE

pytestmark = pytest.mark.anyio

RECORDED_VERSION = 4
"""The version of the schema then."""


def test_every_level_has_its_recorded_log() -> None:
    assert [len(read(level)["log"]) > 50 for level in range(1, LEVEL + 1)] == [True] * LEVEL


def test_a_recorded_log_has_every_type_of_change() -> None:
    found = {type(change) for payload in read(LEVEL)["log"] for change in decode(bytes.fromhex(payload)).changes}
    assert found == set(get_args(Change)) - {changes.Numbered}


@pytest.mark.parametrize("at_once", [1, 7, 1000])
@pytest.mark.parametrize("level", range(1, LEVEL + 1))
def test_the_log_of_a_release_comes_to_what_it_came_to(level: int, at_once: int) -> None:
    """The log stays as it is for good, and so do the digests."""
    recorded = read(level)
    payloads = [bytes.fromhex(payload) for payload in recorded["log"]]
    with closing(new_store()) as connection:
        digests = apply(connection, payloads, at_once=at_once)
        assert {str(position): mark for position, mark in digests.items()} == recorded["digests"]
        with closing(sqlite3.connect(MEMORY)) as other:
            other.executescript("".join(MIGRATIONS[:RECORDED_VERSION]))
            runs.prepare(other)
            columns = columns_of(other)
        found = digest(connection, columns)
    assert {table: found[table] for table in recorded["tables"]} == recorded["tables"]


@pytest.mark.parametrize("level", range(1, LEVEL + 1))
async def test_a_node_applies_the_log_of_a_release(level: int, settings: NatsSettings, tmp_path: Path) -> None:
    recorded = read(level)
    async with opened(settings) as engine:
        for payload in recorded["log"]:
            await engine.append(bytes.fromhex(payload), patience=DEADLINE)
    node = Node(tmp_path / "chat.db", settings)
    await node.open()
    try:
        await soon(node.reaches(node))
        marks = {str(position): mark.hex() for position, mark in node.marks.items() if position}
        assert marks == recorded["digests"]
    finally:
        await node.close()


NEWER = [
    (encode(Batch(LEVEL + 1, b"a newer run", 1, [])), "is of a newer Natter: install that one on this node"),
    (encode([LEVEL, b"a newer run", 1, [["a change to come", 1]]]), "is of a newer Natter, or not of Natter at all"),
    (b"junk", "is of a newer Natter, or not of Natter at all"),
]


@pytest.mark.parametrize(("payload", "line"), NEWER, ids=["level", "change", "junk"])
async def test_a_node_stops_at_what_it_does_not_know_and_skips_nothing(
    settings: NatsSettings, tmp_path: Path, payload: bytes, line: str
) -> None:
    node = Node(tmp_path / "chat.db", settings)
    await node.open()
    try:
        await someone(node.backend)
        async with opened(settings) as engine:
            position = await engine.append(payload, patience=DEADLINE)
            await engine.append(encode(Batch(LEVEL, b"another run", 1, [changes.CreateUser(b"x")])), patience=DEADLINE)
        with pytest.raises(Exception, match=f"position {position} of the log {line}"):
            await soon(node.backend.create_user(b"refused"))
        assert node.backend.problem is not None
        assert f"position {position} of the log" in node.backend.problem
        assert await soon(node.backend.user_by_token(b"x")) is None
    finally:
        await node.close()
    again = Node(tmp_path / "chat.db", settings)
    with pytest.raises(StoreError, match=f"position {position} of the log"):
        await again.open()
