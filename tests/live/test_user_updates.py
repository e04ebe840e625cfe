"""What is changed about a user on one node holds for its connections on the others."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from app.chat.closing import CloseCode
from app.live.tokens import digest
from app.testing import JsonClient, Refusal
from tests.live.test_nodes import until_present
from tests.nodes import Cluster, cluster

PASSWORD = "correct horse"


@pytest.fixture
def two() -> Iterator[Cluster]:
    """Two nodes that tell each other nothing: what has to hold, holds by the changes that both apply."""
    with cluster() as nodes:
        nodes.bus.loses = lambda payload: True
        yield nodes


def also(nodes: Cluster, client: JsonClient, *, on: int = 1) -> JsonClient:
    """Another connection of a client, on another node."""
    return nodes.hosts[on].join(token=client.token)


def test_a_new_name_holds_on_all_nodes(two: Cluster) -> None:
    ann = two.hosts[0].join("ann")
    other = also(two, ann)
    ann.nick("anna")
    assert other.receive() == {"t": "named", "id": ann.id, "name": "anna"}
    assert other.say("hi").name == "anna"


def test_who_registers_ends_the_other_connections_of_the_guest(two: Cluster) -> None:
    ann = two.hosts[0].join("ann")
    other = also(two, ann)
    ann.register(PASSWORD)
    assert other.closed() == CloseCode.SIGNED_OUT  # its token was the guest's


def test_a_logout_ends_the_connections_of_its_token_on_all_nodes(two: Cluster) -> None:
    ann = two.hosts[0].join("ann")
    ann.register(PASSWORD)
    other = also(two, ann)
    phone = two.hosts[1].connect()
    phone.login("ann", PASSWORD)
    ann.ask("logout")
    assert other.closed() == CloseCode.SIGNED_OUT
    assert phone.answer("conversations")
    with_token = two.hosts[1].connect(token=ann.token)
    assert with_token.id != ann.id


def test_a_new_password_ends_all_other_connections_on_all_nodes(two: Cluster) -> None:
    ann = two.hosts[0].join("ann")
    ann.register(PASSWORD)
    other, phone = also(two, ann), two.hosts[1].connect()
    phone.login("ann", PASSWORD)
    ann.answer("password", old=PASSWORD, new="another horse")
    assert other.closed() == CloseCode.SIGNED_OUT
    assert phone.closed() == CloseCode.SIGNED_OUT
    assert ann.say("hi")


def test_a_login_ends_the_other_connections_of_the_guest(two: Cluster) -> None:
    ann = two.hosts[0].join("ann")
    ann.register(PASSWORD)
    guest = two.hosts[0].connect("bob")
    other = also(two, guest)
    guest.login("ann", PASSWORD)
    assert other.closed() == CloseCode.SIGNED_OUT


def test_who_is_ignored_is_ignored_on_all_nodes(two: Cluster) -> None:
    ann, bob = two.hosts[0].join("ann"), two.hosts[0].join("bob")
    other = also(two, ann)
    ann.answer("ignore", name="bob")
    assert [one["name"] for one in _ignored_by(other, 1)] == ["bob"]
    bob.say("hidden")
    ann.answer("unignore", name="bob")
    assert _ignored_by(other, 0) == []
    bob.say("seen")
    assert other.hears().text == "seen"


def _ignored_by(client: JsonClient, count: int) -> list[dict[str, object]]:
    while len(people := client.answer("ignored")["people"]) != count:
        pass
    return list(people)


def test_who_loses_a_name_is_told_on_its_node(two: Cluster) -> None:
    a, b = two.hosts
    ann = a.join("ann")
    ann.say("hi")
    ann.leave()
    two.clock.advance(1000)  # type: ignore[attr-defined]
    bob = b.join("ann")
    assert bob.name == "ann"
    again = a.connect(token=ann.token)
    assert again.welcome["name"] == "user0"


def test_an_eviction_reaches_the_node_where_the_user_is(two: Cluster) -> None:
    """The nodes know nothing of each other here, so one takes the other's guest for gone."""
    a, b = two.hosts
    ann = a.join("ann")
    two.clock.advance(1000)  # type: ignore[attr-defined]
    b.join("ann")
    assert ann.receive()["name"] == "user0"


def test_bans_and_kicks_hold_on_all_nodes(two: Cluster) -> None:
    a, b = two.hosts
    owner = a.join("ann")
    owner.register(PASSWORD)
    bob = b.join("bob")
    other = also(two, bob, on=0)
    owner.answer("ban", room="lobby", name="bob")
    for client in (bob, other):
        assert client.sees("ban").name == "ann"
        assert client.receive()["t"] == "parted"
        assert client.refused("join", room="lobby").code == "banned"


def test_a_server_operator_is_one_on_all_nodes() -> None:
    with cluster(overrides={"chat.operators": ["boss"]}) as nodes:
        nodes.bus.loses = lambda payload: True
        a, b = nodes.hosts
        owner = b.join("owner", room="den")
        owner.register(PASSWORD)
        boss = a.join("boss")
        boss.register(PASSWORD)
        other = b.connect(token=boss.token)
        other.join("den")
        while True:
            try:
                other.answer("topic", room="den", text="all mine")
                break
            except Refusal as refusal:
                assert refusal.code == "not_operator"  # noqa: PT017  (until the other node has read it)
        assert owner.sees("topic").text == "all mine"


def test_one_of_many_gets_a_name_that_all_claim_at_once(two: Cluster) -> None:
    people = [host.connect() for host in two.hosts for _ in range(50)]
    for rid, person in enumerate(people):
        person.ask("nick", name="ann", rid=rid)
    answers = [person.receive() for person in people]
    assert sorted(answer["t"] for answer in answers) == ["error"] * 99 + ["named"]


def test_why_someone_is_away_is_hidden_once_it_is_muted_on_any_node() -> None:
    with cluster() as nodes:
        a, b = nodes.hosts
        owner, bob = a.join("ann"), b.join("bob")
        owner.register(PASSWORD)
        cy = b.join("cy")
        until_present(owner, ann=None, bob=None, cy=None)
        bob.answer("away", why="spam")
        until_present(cy, ann=None, bob="spam", cy=None)
        owner.answer("mute", room="lobby", name="bob")
        until_present(cy, ann=None, bob="", cy=None)
        until_present(owner, ann=None, bob="", cy=None)


def test_who_is_muted_on_a_connection_to_one_node_takes_no_name_on_another() -> None:
    with cluster() as nodes:
        a, b = nodes.hosts
        owner, bob = a.join("ann"), a.join("bob")
        owner.register(PASSWORD)
        owner.answer("mute", room="lobby", name="bob")
        other = b.connect(token=bob.token)
        nodes.settle()
        assert other.refused("nick", name="bert").code == "muted"


def test_a_token_that_ends_during_a_handshake_on_another_node_ends_the_connection(two: Cluster) -> None:
    ann = two.hosts[0].join("ann")
    ann.register(PASSWORD)
    token = ann.token
    service, a = two.chat(two.hosts[1]), two.hosts[0]
    ignored = service.backend.ignored

    async def log_out_meanwhile(user: int) -> frozenset[int]:
        await asyncio.to_thread(a.call, _sign_out, two, token, user)
        return await ignored(user)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service.backend, "ignored", log_out_meanwhile, raising=False)
        client = two.hosts[1].websocket("/chat", subprotocols=["chat.v1.json", f"token.{token}"])
    assert client.closed() == CloseCode.SIGNED_OUT


async def _sign_out(nodes: Cluster, token: str, user: int) -> None:
    await nodes.chat(nodes.hosts[0]).backend.sign_out(digest(token), at=1, user=user)
