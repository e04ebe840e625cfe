"""The machine: what a store holds depends on the changes and their order alone."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import get_args

import pytest
from msgspec import json

from app.backends import NameTaken, changes, machine
from app.backends.changes import Change
from app.backends.schema import MIGRATIONS
from app.backends.sequencing import ENDS_TOKENS, Entry, Sequencer, together
from app.backends.statements import runs
from app.backends.statements.rows import transaction
from app.backends.storefile import MEMORY, StoreFile
from app.chat.events import Detail, Draft, Kind, User
from app.chat.logs import conversation

UPKEEP = ("meta", "forgotten", "sqlite_sequence")
"""Tables that may differ between stores with the same content."""


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(new_store()) as made:
        yield made


def new_store() -> sqlite3.Connection:
    connection = StoreFile(MEMORY).open()
    runs.prepare(connection)
    return connection


def columns_of(connection: sqlite3.Connection) -> dict[str, str]:
    """The columns of each table."""
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    return {
        table: ", ".join(row[1] for row in connection.execute(f"PRAGMA table_info({table})"))
        for table in sorted(set(tables) - set(UPKEEP))
    }


def digest(connection: sqlite3.Connection, columns: dict[str, str] | None = None) -> dict[str, str]:
    """A digest of each table, or of these columns."""
    found = {}
    for table, names in (columns or columns_of(connection)).items():
        rows = connection.execute(f"SELECT {names} FROM {table} ORDER BY 1, 2").fetchall()
        found[table] = sha256(repr([row for row in rows if row[0] != "applied"]).encode()).hexdigest()
    return found


def apply(connection: sqlite3.Connection, groups: Sequence[Sequence[Change]]) -> list[str]:
    """Apply changes, one transaction for each group. Return all answers, as text. Of a retry, that is where the message
    is: it gets the message's text as it was at the time."""
    sequencer = Sequencer(connection)
    answers: list[str] = []
    for number, group in enumerate(groups, 1):
        entries = [Entry(change) for change in group]
        with transaction(connection):
            machine.run(connection, sequencer, entries, number)
        answers += map(answer_of, entries)
    return answers


def answer_of(entry: Entry) -> str:
    answer = entry.answer
    if isinstance(entry.change, Draft) and answer is None:
        event = entry.stored_event
        answer = (event.room, event.seq) if entry.duplicate else event
    return f"{type(answer).__name__} {answer}"


class Ahead:
    """Applies batches as a node of a cluster does: each gets its places when it comes, and is applied a while later,
    with others. After a restart, those that were not applied come again. It happens by `chance`."""

    def __init__(self, connection: sqlite3.Connection, batches: Sequence[Sequence[Change]], chance: random.Random):
        self.connection, self.batches, self.chance = connection, batches, chance
        self.answers: list[str] = []
        self.waiting: list[tuple[int, list[Entry]]] = []
        """Batches that have their places, with their numbers from 1."""
        self.sequencer = Sequencer(connection)
        self.waits = 0
        """How often everything before had to be applied first."""

    def run(self) -> list[str]:
        while (number := self.number()) <= len(self.batches) or self.waiting:
            act = self.chance.random()
            if act < 0.05:
                self.waiting.clear()
                self.sequencer = Sequencer(self.connection)
            elif act < 0.3 or number > len(self.batches):
                self.apply(self.chance.randint(0, len(self.waiting)))
            else:
                self.receive(number)
        return self.answers

    def number(self) -> int:
        """The number of the batch that comes next."""
        return machine.last_applied(self.connection) + len(self.waiting) + 1

    def receive(self, number: int) -> None:
        sequence = self.batches[number - 1]
        entries = [Entry(change) for change in sequence]
        if self.sequencer.placeable(sequence) < len(sequence):
            self.waits += 1
            self.apply(len(self.waiting))
        assert self.sequencer.placeable(sequence) == len(sequence)
        self.sequencer.place(entries)
        self.waiting.append((number, entries))

    def apply(self, count: int) -> None:
        """Apply the first so many of the waiting batches in one transaction."""
        if not count:
            return
        chosen, self.waiting = self.waiting[:count], self.waiting[count:]
        entries = [entry for _, batch in chosen for entry in batch]
        with transaction(self.connection):
            machine.apply(self.connection, entries, chosen[-1][0])
        self.sequencer.stored(entries)
        self.answers += map(answer_of, entries)


PEOPLE = 6
ROOMS = ("lobby", "tea", "@1,2", "@1,2,3", "@4")
KINDS = (*[Kind.MSG] * 8, Kind.ME, Kind.EDIT, Kind.EDIT, Kind.DELETE, Kind.TOPIC, Kind.OP, Kind.DEOP, Kind.BAN)


def draft(chance: random.Random, number: int) -> Draft:
    kind, user = chance.choice(KINDS), chance.randint(1, PEOPLE)
    whom = User(chance.randint(1, PEOPLE), "whom") if kind in (Kind.OP, Kind.DEOP, Kind.BAN) else None
    return Draft(
        room=chance.choice(ROOMS),
        user=User(user, f"user{user - 1}"),
        text=f"text {number}",
        id=f"id{number}",
        at=number,
        cid=chance.choice(["", f"c{chance.randint(0, 40)}"]),
        kind=kind,
        of=chance.randint(0, 40) if kind in (Kind.EDIT, Kind.DELETE) else 0,
        detail=Detail(whom=whom, until=chance.choice([0, 5])) if whom else Detail(),
    )


def someone(chance: random.Random) -> int:
    return chance.randint(1, PEOPLE + 2)


def token(chance: random.Random) -> bytes:
    """A token that may end. None of them is a new user's: those are random."""
    return b"%d" % chance.randint(10, 19)


MAKERS: dict[type, Callable[[random.Random, int], Change]] = {
    Draft: draft,
    changes.Trim: lambda chance, number: changes.Trim(
        chance.choice(ROOMS), chance.randint(0, 20), chance.randint(0, number), chance.randint(1, 9)
    ),
    changes.CreateUser: lambda chance, number: changes.CreateUser(
        chance.choice([b"", b"%d" % chance.randint(0, 9)]), offered=chance.choice([b"", token(chance)])
    ),
    changes.SignIn: lambda chance, number: changes.SignIn(
        someone(chance), chance.choice(["", "hash"]), token(chance), token(chance), number
    ),
    changes.UseToken: lambda chance, number: changes.UseToken(token(chance), number),
    changes.SignOut: lambda chance, number: changes.SignOut(token(chance), number),
    changes.Register: lambda chance, number: changes.Register(
        someone(chance),
        "hash",
        token(chance),
        token(chance),
        number,
        chance.choice(["", "s1", "s2"]),
        chance.random() < 0.5,
    ),
    changes.ChangePassword: lambda chance, number: changes.ChangePassword(
        someone(chance), "hash", "hash", token(chance), number
    ),
    changes.MakeOperator: lambda chance, number: changes.MakeOperator(chance.choice(["ann", "bob", "user3"])),
    changes.SetSkeletons: lambda chance, number: changes.SetSkeletons((("ann", "s1"), (f"user{number}", "s3"))),
    changes.BindToken: lambda chance, number: changes.BindToken(token(chance), someone(chance)),
    changes.RevokeToken: lambda chance, number: changes.RevokeToken(token(chance)),
    changes.Claim: lambda chance, number: changes.Claim(
        someone(chance),
        name := chance.choice(["Ann", "Bob", "user0", "user3"]),
        name.lower(),
        someone(chance),
        chance.choice(["", "s1", "s2"]),
        chance.choice([0, number]),
        chance.randint(0, number),
        chance.randint(0, 3),
        chance.random() < 0.5,
    ),
    changes.SetPassword: lambda chance, number: changes.SetPassword(someone(chance), f"hash {number}"),
    changes.Depart: lambda chance, number: changes.Depart(
        someone(chance), chance.randint(0, number), chance.random() < 0.5
    ),
    changes.Forget: lambda chance, number: changes.Forget(
        tuple(chance.randint(1, PEOPLE) for _ in range(chance.randint(0, 2))), tuple(token(chance) for _ in range(2))
    ),
    changes.RecordSeen: lambda chance, number: changes.RecordSeen(someone(chance), chance.randint(0, number)),
    changes.MarkRead: lambda chance, number: changes.MarkRead(
        someone(chance), chance.choice(ROOMS), chance.randint(0, 50)
    ),
    changes.Ignore: lambda chance, number: changes.Ignore(someone(chance), someone(chance), chance.random() < 0.5),
    changes.Probe: lambda chance, number: changes.Probe(),
    changes.Numbered: lambda chance, number: changes.Numbered(token(chance), number, number),
}


def test_every_type_of_change_is_made_here() -> None:
    assert set(MAKERS) == set(get_args(Change))
    assert set(MAKERS) == {Draft, *machine.STATEMENTS}


def sequence(seed: int, length: int = 400) -> list[Change]:
    """Random changes after some users are there. Half of them are drafts."""
    chance = random.Random(seed)
    makers = [*MAKERS.values(), *[draft] * (len(MAKERS) - 1)]
    first: list[Change] = [changes.CreateUser(b"first %d" % number) for number in range(PEOPLE)]
    return first + [chance.choice(makers)(chance, number) for number in range(1, length)]


def grouped(sequence: Sequence[Change], seed: int) -> list[Sequence[Change]]:
    chance, groups, first = random.Random(seed), [], 0
    while first < len(sequence):
        size = chance.choice([1, 2, 5, 30, 200])
        groups.append(sequence[first : first + size])
        first += size
    return groups


@pytest.mark.parametrize("seed", range(60))
def test_the_grouping_of_changes_makes_no_difference(seed: int) -> None:
    said = sequence(seed)
    answers, digests = [], []
    for groups in ([said], [[change] for change in said], grouped(said, seed)):
        with closing(new_store()) as connection:
            answers.append(apply(connection, groups))
            digests.append(digest(connection))
    assert answers[0] == answers[1] == answers[2]
    assert digests[0] == digests[1] == digests[2]


def batched(said: Sequence[Change], chance: random.Random) -> list[Sequence[Change]]:
    """Batches as a node sends them: each can be placed as a whole."""
    batches: list[Sequence[Change]] = []
    while said:
        size = together(said[: chance.choice([1, 2, 5, 30])])
        batches.append(said[:size])
        said = said[size:]
    return batches


@pytest.mark.parametrize("seed", range(60))
def test_places_given_before_anything_is_applied_are_the_same(seed: int, connection: sqlite3.Connection) -> None:
    """Nodes are behind by different amounts, and start again at any time."""
    said = sequence(seed)
    with closing(new_store()) as other:
        answers = apply(other, [said])
        expected = digest(other)
    node = Ahead(connection, batched(said, random.Random(seed)), random.Random(-seed))
    assert node.run() == answers
    assert digest(connection) == expected
    assert node.waits


def lobby(text: str, cid: str, kind: Kind = Kind.MSG) -> Draft:
    return Draft("lobby", User(1, "user0"), text, f"id of {text}", 1, cid, kind)


@pytest.mark.parametrize(
    "said",
    [
        [lobby("a", "c1"), lobby("b", ""), changes.Trim("lobby", 1, 0, 9), lobby("again", "c1")],
        [
            lobby("a", "c1", Kind.TOPIC),
            lobby("b", ""),
            changes.Trim("lobby", 1, 0, 9),
            lobby("c", "", Kind.TOPIC),
            lobby("again", "c1"),
        ],
        [changes.CreateUser(b"a"), changes.SignIn(1, "", b"b", b"a", 1), changes.CreateUser(b"a")],
        [changes.CreateUser(b"a"), changes.Forget((1,), (b"a",)), changes.CreateUser(b"a")],
    ],
    ids=["trimmed", "replaced setting", "signed in", "forgotten"],
)
def test_a_retry_of_what_is_gone_is_new_in_any_grouping(said: list[Change]) -> None:
    expected = None
    for groups in ([said], [[change] for change in said]):
        with closing(new_store()) as connection:
            found = apply(connection, groups), digest(connection)
        expected = expected or found
        assert found == expected


def test_a_token_that_ends_meanwhile_gets_no_id_of_another_user(connection: sqlite3.Connection) -> None:
    """A Committer places what it gets before the store has any of it."""
    again = changes.CreateUser(b"a")
    entries = [Entry(again), Entry(changes.SignIn(1, "", b"b", b"a", 1)), Entry(again), Entry(changes.CreateUser(b"c"))]
    Sequencer(connection).place(entries)
    with transaction(connection):
        machine.apply(connection, entries, 1)
    assert [answer_of(entry) for entry in entries] == [f"User {User.newcomer(number)}" for number in (1, 1, 2, 3)]


@pytest.mark.parametrize("seed", range(20))
def test_a_sequence_survives_the_journals_format(seed: int, connection: sqlite3.Connection) -> None:
    said = sequence(seed)
    again = changes.decode(changes.encode(said))
    assert again == said
    with closing(new_store()) as other:
        apply(connection, [said])
        apply(other, [again])
        assert digest(connection) == digest(other)


@pytest.mark.parametrize("seed", range(20))
def test_replaying_records_makes_the_same_store(seed: int, connection: sqlite3.Connection) -> None:
    """Records hold what a Committer writes: changes that got a place, and users with their ids."""
    groups = grouped(sequence(seed), seed)
    records = []
    sequencer = Sequencer(connection)
    for number, group in enumerate(groups, 1):
        entries = [Entry(change) for change in group]
        with transaction(connection):
            sequencer.place(entries)
            written = [entry for entry in entries if entry.pos or not isinstance(entry.change, Draft)]
            records.append(changes.encode([entry.change for entry in written]))
            machine.apply(connection, written, number)
        sequencer.stored(entries)
    with closing(new_store()) as other:
        again = Sequencer(other)
        for number, record in enumerate(records, 1):
            with transaction(other):
                machine.replay(other, again, record, number)
        assert digest(other) == digest(connection)
        assert machine.last_applied(other) == len(records)


@pytest.mark.parametrize("seed", range(20))
def test_places_are_taken_back_whole(seed: int, connection: sqlite3.Connection) -> None:
    said = [change for change in sequence(seed) if not isinstance(change, (changes.Trim, *ENDS_TOKENS))]
    with closing(new_store()) as other:
        apply(other, [said])
        expected = digest(other)
    sequencer, half = Sequencer(connection), len(said) // 2
    first = [Entry(change) for change in said[:half]]
    sequencer.place(first)
    failed = [Entry(change) for change in reversed(said[half:]) if not isinstance(change, changes.CreateUser)]
    sequencer.place(failed)
    sequencer.take_back(failed, first)
    assert all((entry.event, entry.pos, entry.original) == (None, 0, None) for entry in failed)
    second = [Entry(change) for change in said[half:]]
    sequencer.place(second)
    entries = first + second
    with transaction(connection):
        machine.apply(connection, entries, 1)
    assert digest(connection) == expected


def test_a_change_that_fails_changes_nothing(connection: sqlite3.Connection) -> None:
    apply(connection, [[changes.CreateUser(b"a"), changes.CreateUser(b"b"), changes.Claim(1, "Ann", "ann")]])
    before = digest(connection)
    entries = [Entry(changes.Claim(2, "ann", "ann")), Entry(changes.BindToken(b"c", 99))]
    with transaction(connection):
        machine.apply(connection, entries, 2)
    assert [type(entry.answer) for entry in entries] == [NameTaken, ValueError]
    assert digest(connection) == before


def test_each_room_counts_its_own_positions_and_whispers_share_one_count(connection: sqlite3.Connection) -> None:
    rooms = ["lobby", "tea", "lobby", conversation({1, 2}), "tea", conversation({2, 3}), "lobby", conversation({1, 2})]
    drafts = [Draft(room, User(1, "user0"), "hi", f"id{number}", number) for number, room in enumerate(rooms)]
    entries = [Entry(each) for each in drafts]
    Sequencer(connection).place(entries)
    assert [entry.stored_event.seq for entry in entries] == [1, 1, 2, 1, 2, 2, 3, 3]
    assert [entry.pos for entry in entries] == list(range(1, 9))


RECORDED = Path(__file__).parent / "samples" / "changes-1.json"
RECORDED_VERSION = 3
"""The version of the schema then."""


def test_the_changes_of_a_release_mean_what_they_meant(connection: sqlite3.Connection) -> None:
    """A recorded journal and the digest of the store that it makes, with the columns of the schema then. The journal
    stays as it is for good, and so does the digest, unless less is kept of what was replaced, lifted or deleted."""
    recorded = json.decode(RECORDED.read_bytes())
    with closing(sqlite3.connect(MEMORY)) as other:
        other.executescript("".join(MIGRATIONS[:RECORDED_VERSION]))
        columns = columns_of(other)
    sequencer = Sequencer(connection)
    for number, record in enumerate(recorded["records"], 1):
        with transaction(connection):
            machine.replay(connection, sequencer, bytes.fromhex(record), number)
    found = digest(connection, columns)
    assert {table: found[table] for table in recorded["digest"]} == recorded["digest"]
