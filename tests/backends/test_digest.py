"""The digest of a node's copy, and who has to stop when copies differ."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import Self

import pytest

from app.backends import changes, machine
from app.backends.changes import Change
from app.backends.digest import KEPT, START, Chain, Told, agree, must_stop
from app.backends.sequencing import Entry, Sequencer, together
from app.backends.statements.rows import transaction
from app.chat.events import Draft, Kind, User
from tests.backends.test_machine import lobby, new_store, sequence


class Node:
    """A copy, and its digests."""

    def __init__(self) -> None:
        self.connection = new_store()
        self.restart()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def restart(self) -> None:
        self.sequencer, self.chain = Sequencer(self.connection), Chain(self.connection)

    def apply(self, batches: Sequence[Sequence[Change]], *, fail: bool = False) -> None:
        """Apply batches in one transaction, at the positions that follow."""
        first = machine.last_applied(self.connection) + 1
        applied = []
        with transaction(self.connection):
            for position, batch in enumerate(batches, first):
                entries = [Entry(change) for change in batch]
                machine.run(self.connection, self.sequencer, entries, position)
                applied.append((position, entries))
            marks = self.chain.write(self.connection, applied)
            if fail:
                raise sqlite3.OperationalError("the disk is full")
        self.chain.note(marks)


def batched(said: Sequence[Change], seed: int) -> list[Sequence[Change]]:
    chance, batches = random.Random(seed), []
    while said:
        size = together(said[: chance.randint(1, 9)])
        batches.append(said[:size])
        said = said[size:]
    return batches


@pytest.mark.parametrize("seed", range(20))
def test_the_digest_is_that_of_the_positions_however_they_are_grouped(seed: int) -> None:
    batches, chance = batched(sequence(seed), seed), random.Random(seed)
    with Node() as one, Node() as other:
        for batch in batches:
            one.apply([batch])
        while (done := machine.last_applied(other.connection)) < len(batches):
            other.apply(batches[done : done + chance.randint(1, 60)])
            if chance.random() < 0.3:
                other.restart()
        assert dict(other.chain.marks).items() <= dict(one.chain.marks).items()
        assert one.chain.marks[-1] == other.chain.marks[-1]
        assert len(set(dict(one.chain.marks).values())) == len(batches) + 1
        assert one.chain.marks[0] == (0, START)


def test_what_is_rolled_back_is_in_no_digest() -> None:
    batches = batched(sequence(1), 1)
    with Node() as one, Node() as other:
        one.apply(batches)
        other.apply(batches[:5])
        before = other.chain.marks
        with pytest.raises(sqlite3.OperationalError):
            other.apply(batches[5:9], fail=True)
        assert other.chain.marks == before
        other.restart()
        assert other.chain.marks == before[-1:]
        other.apply(batches[5:])
        assert other.chain.marks[-1] == one.chain.marks[-1]


USERS: list[Change] = [changes.CreateUser(b"a"), changes.CreateUser(b"b"), changes.Claim(1, "Ann", "ann")]
SAID: list[Change] = [*USERS, lobby("hi", "c1"), changes.MarkRead(1, "lobby", 1)]


@pytest.mark.parametrize(
    ("sql", "then"),
    [
        ("UPDATE users SET name = 'x', canonical = 'x' WHERE id = 1", changes.Claim(2, "Ann", "ann")),
        ("UPDATE users SET password = 'x' WHERE id = 1", changes.Register(1, "hash", b"", b"", 1, "", False)),
        ("DELETE FROM users WHERE id = 2", changes.Depart(2, 5)),
        ("UPDATE tokens SET user = 2 WHERE secret = X'61'", changes.CreateUser(b"a")),
        ("DELETE FROM tokens", changes.CreateUser(b"a")),
        ("UPDATE marks SET seq = 9", changes.MarkRead(1, "lobby", 2)),
        ("UPDATE counters SET value = 7 WHERE name = 'pos'", lobby("ho", "")),
        ("DELETE FROM events", lobby("hi", "c1")),
        ("DELETE FROM events", Draft("lobby", User(1, "Ann"), "ho", "id2", 2, kind=Kind.EDIT, of=1)),
        ("UPDATE events SET seq = 5", lobby("ho", "")),
    ],
)
def test_a_copy_that_was_spoiled_is_found_by_a_change_that_has_to_do_with_it(sql: str, then: Change) -> None:
    with Node() as one, Node() as other:
        one.apply([SAID])
        other.apply([SAID])
        other.connection.execute(sql)
        other.restart()  # what a sequencer remembers covers up for a while what the store says
        one.apply([[then], [then]])
        other.apply([[then], [then]])
        assert agree(one.chain.told("one", 1), other.chain.told("other", 2)) is False


def test_an_altered_text_is_in_no_digest() -> None:
    with Node() as one, Node() as other:
        one.apply([SAID])
        other.apply([SAID])
        other.connection.execute("UPDATE events SET text = 'altered'")
        for node in (one, other):
            node.apply([[lobby("hi", "c1")], [changes.Trim("lobby", 1, 0, 9)]])
        assert agree(one.chain.told("one", 1), other.chain.told("other", 2)) is True


@pytest.mark.parametrize("how", ["twice", "skipped", "swapped"])
def test_a_batch_that_is_not_applied_once_and_in_order_is_found(how: str) -> None:
    first, second = [lobby("a", "")], [lobby("b", "")]
    wrong = {"twice": [first + first, second], "skipped": [[], second], "swapped": [first, []]}[how]
    with Node() as one, Node() as other:
        one.apply([SAID, first, second])
        other.apply([SAID, *wrong])
        assert agree(one.chain.told("one", 1), other.chain.told("other", 2)) is False


def test_a_node_tells_its_last_position_and_some_that_others_tell_too() -> None:
    with Node() as node:
        node.apply([[changes.Probe()]] * 200)
        said = node.chain.told("one", 5)
        assert (said.node, said.started) == ("one", 5)
        assert [position for position, _ in said.marks] == [0, 64, 128, 192, 200]
        node.apply([[changes.Probe()]] * KEPT)
        assert len(node.chain.marks) == KEPT
        assert [position for position, _ in node.chain.told("one", 5).marks] == [960, 1024, 1088, 1152, 1200]


def told(node: str, started: int, *marks: str) -> Told:
    """What a node tells: digests at the positions 1, 2 and so on; a dot for one that it doesn't tell."""
    return Told(node, started, tuple((at, one.encode()) for at, one in enumerate(marks, 1) if one != "."))


@pytest.mark.parametrize(
    ("nodes", "stop"),
    [
        ([], ""),
        ([told("a", 1, "x")], ""),
        ([told("a", 1, "x"), told("b", 2, "x")], ""),
        ([told("a", 1, "x"), told("b", 2, "y")], "b"),
        ([told("a", 3, "x"), told("b", 2, "y")], "a"),
        ([told("a", 1, "x"), told("b", 2, "y"), told("c", 3, "y")], "a"),
        ([told("a", 1, "x"), told("b", 2, "x"), told("c", 3, "y")], "c"),
        ([told("a", 1, "x"), told("b", 2, "y"), told("c", 3, "z")], "bc"),
        ([told("a", 1, "x"), told("b", 2, "y"), told("c", 3, "y"), told("d", 4, "x")], "bc"),
        ([told("a", 1, "x", "y"), told("b", 2, "x")], ""),  # one is behind
        ([told("a", 1, "x", "y"), told("b", 2, "x", "z")], "b"),  # they differ only lately
        ([told("a", 1, "x"), told("b", 2, ".", "y")], ""),  # nothing to compare
        ([told("a", 1, "x"), told("b", 2, "x", "y"), told("c", 3, "x", "z")], ""),  # nobody knows what a has there
        ([told("a", 1, "x", "y"), told("b", 2, "x", "y"), told("c", 3, "x", "z")], "c"),
        ([told("a", 1, "x", "z"), told("b", 2, "x", "y"), told("c", 3, "x", "y")], "a"),
        ([told("a", 1, "w", "z"), told("b", 2, "x"), told("c", 3, "x", "y")], "a"),
    ],
)
def test_those_stop_who_are_fewer_or_began_later(nodes: list[Told], stop: str) -> None:
    for order in (nodes, nodes[::-1]):
        stopping = {own.node for own in nodes if must_stop(own, [other for other in order if other is not own])}
        assert stopping == set(stop)


def test_a_copy_begins_with_the_digest_that_it_has() -> None:
    with closing(new_store()) as connection:
        assert Chain(connection).marks == ((0, START),)
        connection.execute("INSERT INTO meta VALUES ('digest', ?)", (bytes(range(16)).hex(),))
        connection.execute("UPDATE counters SET value = 40 WHERE name = 'applied'")
        assert Chain(connection).marks == ((40, bytes(range(16))),)
