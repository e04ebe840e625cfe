"""What nodes with a common log promise together."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.backends import NameTaken, StoreError, Unavailable, applying
from app.backends.nats import backend, sending, tending
from app.backends.nats.settings import NatsSettings
from app.chat.events import Appended, User
from tests.contracts.helpers import add, draft, someone, soon, whole
from tests.nats.nodes import Node, cluster
from tests.nats.servers import DEADLINE, Servers, running

pytestmark = pytest.mark.anyio

ROOMS = ("one", "two")


async def talk(node: Node, user: User, count: int) -> list[Appended]:
    """Say so much in each room, some of it twice, as clients do who get no answer."""
    asked = []
    for number in range(count):
        for room in ROOMS:
            one = draft(user, f"{user.name} {number}", room=room, cid=f"{room} {number}")
            asked.append(node.backend.append(one))
            if number % 3 == 0:
                asked.append(node.backend.append(one))
    return await soon(asyncio.gather(*asked))


async def check(nodes: list[Node], said: list[list[Appended]]) -> None:
    """Every node has everything that was acknowledged: once, in one order, and in the order of each caller."""
    for node in nodes:
        for other in nodes:
            await soon(node.reaches(other))
    for room in ROOMS:
        logs = [await whole(node.backend, room) for node in nodes]
        assert all(events == logs[0] for events in logs)
        assert [event.seq for event in logs[0]] == list(range(1, len(logs[0]) + 1))
        for node, events in zip(nodes, logs, strict=True):
            assert [event for event in node.heard if event.room == room] == events
        for answers in said:
            own = [answer for answer in answers if answer.event.room == room]
            first = [answer.event for answer in own if not answer.duplicate]
            assert [event for event in logs[0] if event.user == first[0].user] == first
            assert {answer.event.seq for answer in own if answer.duplicate} <= {event.seq for event in first}
    last = max(nodes[0].marks)
    assert all(node.marks[last] == nodes[0].marks[last] for node in nodes)


async def test_what_is_said_on_each_node_is_on_all_once_and_in_one_order(
    settings: NatsSettings, tmp_path: Path
) -> None:
    async with cluster(tmp_path, settings, 3) as nodes:
        users = [await someone(node.backend) for node in nodes]
        said = await asyncio.gather(*(talk(node, user, 40) for node, user in zip(nodes, users, strict=True)))
        await check(nodes, said)


@pytest.mark.parametrize("seed", range(5))
async def test_nothing_is_lost_doubled_or_moved_by_a_bad_network(
    settings: NatsSettings, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "RETRY", 0.01)
    async with cluster(tmp_path, settings) as nodes:
        users = [await someone(node.backend) for node in nodes]
        for number, node in enumerate(nodes):
            node.make_unreliable(10 * seed + number)
        pairs = list(zip(nodes, users, strict=True))
        said = [list[Appended]() for _ in pairs]
        for part in range(8):  # many small batches
            answers = await asyncio.gather(*(talk(node, user, 5 * (part + 1)) for node, user in pairs))
            for own, new in zip(said, answers, strict=True):
                own += new
        await check(nodes, [unique(own) for own in said])


def unique(answers: list[Appended]) -> list[Appended]:
    """Without the retries of what an earlier part has said."""
    seen = set[tuple[str, int]]()
    found = []
    for answer in answers:
        place = answer.event.room, answer.event.seq
        if place not in seen:
            assert not answer.duplicate
            found.append(answer)
        seen.add(place)
    return found


async def test_of_a_hundred_claims_over_two_nodes_one_wins(settings: NatsSettings, tmp_path: Path) -> None:
    async with cluster(tmp_path, settings) as nodes:
        users = [await someone(nodes[number % 2].backend) for number in range(100)]
        claims = [nodes[number % 2].backend.claim(user.id, "Ann", "ann") for number, user in enumerate(users)]
        answers = await soon(asyncio.gather(*claims, return_exceptions=True))
        winners = [answer for answer in answers if isinstance(answer, User)]
        assert len(winners) == 1
        losers = [answer for answer in answers if isinstance(answer, NameTaken)]
        assert {loser.holder.user.id for loser in losers} == {winners[0].id}
        assert len(losers) == 99


async def test_a_node_that_catches_up_has_what_others_have_answered(
    settings: NatsSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with cluster(tmp_path, settings) as [one, other]:
        user = await someone(one.backend)
        log_of_other = other.backend._core.log
        monkeypatch.setattr(log_of_other, "_hear", lambda payload, position: None)  # it has to look by itself
        for number in range(3):
            said = await soon(one.backend.append(draft(user, f"{number}", room="one")))
            await soon(other.backend.catch_up())
            assert (await soon(other.backend.bounds("one"))).head == said.event.seq


async def test_a_node_that_comes_later_or_comes_back_has_everything(settings: NatsSettings, tmp_path: Path) -> None:
    async with cluster(tmp_path, settings, 1) as [first]:
        user = await someone(first.backend)
        await talk(first, user, 10)
        later = tmp_path / "later"
        later.mkdir()
        async with cluster(later, settings, 1) as [second]:
            assert await whole(second.backend, ROOMS[0]) == await whole(first.backend, ROOMS[0])
        await talk(first, user, 20)
        again = Node(second.path, settings)
        await again.open()
        try:
            assert await whole(again.backend, ROOMS[0]) == await whole(first.backend, ROOMS[0])
        finally:
            await again.close()


async def test_what_depends_on_the_copy_has_it_applied_at_once(
    settings: NatsSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message with a `cid` may repeat one that another node has just trimmed."""
    monkeypatch.setattr(applying, "DELAY", 10 * DEADLINE)
    async with cluster(tmp_path, settings) as [one, other]:
        user = await someone(one.backend)
        first, *_ = await add(one.backend, *[draft(user, "hi", room="one", cid=f"c{i}") for i in range(3)])
        assert await soon(one.backend.trim("one", keep=2, since=0, limit=9)) == 1
        again = await soon(other.backend.append(draft(user, "hi", room="one", cid="c0")))
        assert (again.event.seq, again.duplicate) == (4, False)
        assert first.event.seq == 1


async def test_a_copy_of_another_log_is_refused(
    settings: NatsSettings, servers: Servers, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    another = servers.settings(stream="another")
    async with cluster(tmp_path, settings, 1) as [node]:
        await someone(node.backend)
    other = Node(tmp_path / "node0.db", another)
    with pytest.raises(StoreError, match=r"a node's copy of a log, but the servers have no stream another: restore"):
        await other.open()
    async with cluster(tmp_path_factory.mktemp("others"), another, 1):
        pass
    other = Node(tmp_path / "node0.db", another)
    with pytest.raises(
        StoreError, match=r"node0.db: this is a copy of another log than another on the servers: move it away"
    ):
        await other.open()


async def test_without_the_servers_a_node_refuses_and_reads_and_goes_on_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "PATIENCE", 3.0)
    monkeypatch.setattr(sending, "LONG", 0.2)
    with running(tmp_path / "servers") as servers:
        async with cluster(tmp_path, servers.settings(), 1) as [node]:
            user = await someone(node.backend)
            said = await talk(node, user, 3)
            servers[0].kill()
            drafts = [draft(user, "lost?", room="one", cid=f"lost {i}") for i in range(3)]
            lost = [asyncio.ensure_future(node.backend.append(one)) for one in drafts]
            assert len(await whole(node.backend, "one")) == 3, "reads don't wait for what is under way for long"
            await soon(node.backend.check())  # the servers may be about to elect a leader
            assert not any(answer.done() for answer in lost)
            for answer in await soon(asyncio.gather(*lost, return_exceptions=True)):
                assert isinstance(answer, Unavailable)
                assert answer.after > 0, "it says when to try again"
                assert "127.0.0.1" not in str(answer), "clients have no need to know where the servers are"
            with pytest.raises(Unavailable):
                await soon(node.backend.append(draft(user, "refused", room="one")))
            assert len(await whole(node.backend, "one")) == 3
            assert node.backend.problem is not None
            assert "127.0.0.1" not in node.backend.problem
            with pytest.raises(Unavailable):
                await soon(node.backend.check())
            servers[0].start()
            await soon(node.works())
            await soon(node.backend.check())
            again = [node.backend.append(draft(user, "lost?", room="one", cid=f"lost {i}")) for i in range(3)]
            answers = await soon(asyncio.gather(*again))
            texts = [answer.event.text for answer in unique(said) if answer.event.room == "one"]
            assert [event.text for event in await whole(node.backend, "one")] == [*texts, "lost?", "lost?", "lost?"]
            assert [answer.event.seq for answer in answers] == [4, 5, 6]


async def test_a_node_whose_copy_was_spoiled_stops_and_comes_back_right(
    settings: NatsSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tending, "PERIOD", 0.1)
    async with cluster(tmp_path, settings, 3) as nodes:
        users = [await someone(node.backend) for node in nodes]
        await asyncio.gather(*(talk(node, user, 5) for node, user in zip(nodes, users, strict=True)))
        for node in nodes:
            await soon(node.reaches(nodes[0]))
        nodes[0].spoil(f"UPDATE users SET canonical = 'ann' WHERE id = {users[2].id}")  # the first to start, yet alone
        claimed = await soon(nodes[1].backend.claim(users[1].id, "Ann", "ann"))
        assert claimed.name == "Ann"
        await soon(nodes[0].stopped.wait())
        with pytest.raises(Unavailable, match="is not what the log comes to on other nodes"):
            await soon(nodes[0].backend.append(draft(users[0], "refused", room="one")))
        await nodes[0].close()
        assert len(await talk(nodes[1], users[1], 10)) > 0
        again = Node(nodes[0].path, settings)
        await again.open()
        try:
            await soon(again.reaches(nodes[1]))
            assert await soon(again.backend.account_of(users[1].id)) == await soon(
                nodes[2].backend.account_of(users[1].id)
            )
            assert await whole(again.backend, "one") == await whole(nodes[2].backend, "one")
            assert not nodes[1].stopped.is_set()
            assert not nodes[2].stopped.is_set()
        finally:
            await again.close()


async def test_a_node_that_can_not_apply_what_others_could_makes_a_new_copy(
    settings: NatsSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tending, "PERIOD", 0.1)
    async with cluster(tmp_path, settings) as [spoiled, other]:
        await someone(other.backend)
        await soon(spoiled.reaches(other))
        spoiled.spoil("INSERT INTO users (id, name, canonical) SELECT max(id) + 1, 'x', 'x' FROM users")
        guest = await soon(other.backend.create_guest())
        await soon(spoiled.stopped.wait())
        await spoiled.close()
        again = Node(spoiled.path, settings)
        await again.open()
        try:
            assert await soon(again.backend.users([guest.id])) == [guest]
            assert not other.stopped.is_set()
        finally:
            await again.close()


async def check_for_ever(node: Node) -> None:
    while True:
        await node.backend.check()


async def test_a_node_that_is_behind_the_others_is_not_ready(
    settings: NatsSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "BEHIND", 0.2)
    async with cluster(tmp_path, settings) as [one, other]:
        user = await someone(one.backend)
        await soon(other.backend.check())
        reading = asyncio.Event()
        monkeypatch.setattr(other.backend._core.log, "_process", lambda payload: reading.wait())
        await soon(one.backend.append(draft(user, "hi")))
        with pytest.raises(Unavailable, match="behind the other nodes"):
            await soon(check_for_ever(other))
        assert one.backend.problem is None
        reading.set()
        monkeypatch.undo()
