"""Ranks and names: rights belong to accounts by id, and everyone reads one place that says who is who."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.chat.dialects import JSON_SUBPROTOCOL
from app.testing import Host, JsonClient, Refusal, test_application
from tests.live.handlers.test_people import PASSWORD
from tests.live.held import handshake

MONTH = 30 * 86_400
OPERATORS = {"chat.operators": ["root"]}


def account(chat: Host, name: str) -> JsonClient:
    """A registered user's client, in the lobby."""
    client = chat.join(name)
    client.register(PASSWORD)
    return client


def is_operator(client: JsonClient) -> bool:
    """Whether the user is a server operator: in a room of someone else's that only shows in the rank."""
    return bool(client.answer("room", room="lobby").get("rank") == "server operator")


def test_an_operator_who_changes_the_name_stays_one(chat: Host) -> None:
    root = account(chat, "root")
    root.nick("ann")
    assert is_operator(root)


def test_who_takes_the_name_that_an_operator_gave_up_is_none(chat: Host) -> None:
    root = account(chat, "root")
    root.nick("ann")
    chat.clock.advance(MONTH)
    with pytest.raises(Refusal, match="name_taken"):
        chat.join("root")
    assert not is_operator(account(chat, "bob"))
    assert is_operator(root)
    root.nick("root")
    assert root.name == "root"


def test_the_rank_of_a_name_is_taken_by_the_first_who_registers_it(chat: Host) -> None:
    guest = chat.join("root")
    assert not is_operator(guest)
    guest.register(PASSWORD)
    assert is_operator(guest)


def test_a_registered_user_who_takes_a_free_name_of_an_operator_is_one(chat: Host) -> None:
    ann = account(chat, "ann")
    ann.nick("root")
    ann.nick("ann")
    assert is_operator(ann)


def test_operators_are_known_after_a_restart_whatever_they_are_called(tmp_path: Path) -> None:
    def run(operators: list[str], token: str = "", name: str = "") -> tuple[JsonClient, bool]:
        overrides = {"chat.operators": operators}
        with test_application(store=tmp_path / "chat.db", overrides=overrides) as chat:
            client = chat.join(token=token) if token else account(chat, name)
            if name:
                client.nick(f"{name}-renamed")
            return client, is_operator(client)

    root, _ = run(["root"], name="root")
    assert run(["root"], root.token)[1]
    assert not run([], root.token)[1]
    bob, known = run(["root"], name="bob")
    assert not known
    assert not run(["root", "bob"], bob.token)[1]
    assert run(["bob-renamed"], bob.token)[1]


def test_a_user_who_was_registered_before_is_an_operator_once_listed(tmp_path: Path) -> None:
    for lifespan in (True, False):
        store = tmp_path / f"{lifespan}.db"
        with test_application(store=store) as chat:
            token = account(chat, "root").token
        with test_application(store=store, overrides=OPERATORS, lifespan=lifespan) as chat:
            assert is_operator(chat.join(token=token))


def test_a_name_that_was_given_up_is_kept_for_30_days(chat: Host) -> None:
    ann, bob = account(chat, "alice"), chat.join("bob")
    ann.nick("ann")
    for name in ("alice", "Alice", "a1ice"):
        refusal = bob.refused("nick", name=name)
        assert (refusal.code, refusal.frame["reason"]) == ("name_taken", "given_up")
    with pytest.raises(Refusal, match="kept for someone who had it before"):
        chat.join("alice")
    ann.nick("alice")
    ann.nick("ann")
    chat.clock.advance(MONTH - 1)
    assert bob.refused("nick", name="alice").code == "name_taken"
    chat.clock.advance(1)
    bob.nick("alice")


def test_a_handshake_under_way_gets_the_name_that_its_user_has_by_then(chat: Host) -> None:
    ann = chat.join("ann")
    with handshake(chat, ann.token, "/chat", JSON_SUBPROTOCOL) as opening:
        ann.nick("anna")
        other = chat.join("ann")
    late = JsonClient(opening.result(), chat.settle)
    assert (late.id, late.name) == (ann.id, "anna")
    late.join()
    assert late.say("hi").name == "anna"
    assert other.say("hi").name == "ann"


def test_a_handshake_under_way_gets_no_name_that_was_taken_from_its_user(tmp_path: Path) -> None:
    with test_application(overrides={"chat.names.hold": 0}) as chat:
        ann = chat.join("ann")
        ann.leave()
        with handshake(chat, ann.token, "/chat", JSON_SUBPROTOCOL) as opening:
            chat.join("ann")
        late = JsonClient(opening.result(), chat.settle)
        assert (late.id, late.name) == (ann.id, "user0")


def test_a_handshake_under_way_gets_no_name_that_is_free_since_its_user_left(chat: Host) -> None:
    ann = chat.join("ann")
    with handshake(chat, ann.token, "/chat", JSON_SUBPROTOCOL) as opening:
        ann.leave()  # who never said anything keeps no name
        chat.join("ann")
    late = JsonClient(opening.result(), chat.settle)
    assert (late.id, late.name) == (ann.id, "user0")


def test_a_handshake_under_way_gets_no_rank_that_its_user_does_not_have(chat: Host) -> None:
    guest = chat.join("root")
    with handshake(chat, guest.token, "/chat", JSON_SUBPROTOCOL) as opening:
        guest.nick("ann")
        account(chat, "root")
    late = JsonClient(opening.result(), chat.settle)
    late.join()
    assert (late.name, is_operator(late)) == ("ann", False)


def test_the_owner_and_operators_of_a_room_are_told_by_id(chat: Host) -> None:
    ann, bob, cy = account(chat, "ann"), account(chat, "bob"), chat.join("cy")
    ann.answer("op", room="lobby", name="bob")
    assert cy.sees("op").frame["about"] == bob.id
    settings = cy.answer("room", room="lobby")
    assert (settings["owner"], settings["owner_user"]) == ("ann", ann.id)
    assert (settings["operators"], settings["operator_users"]) == (["bob"], [bob.id])
