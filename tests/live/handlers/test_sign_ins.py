"""Sign-ins: every change of rights makes a new token, and ends what somebody else may have."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from app import chat_of
from app.chat.closing import CloseCode
from app.chat.dialects import JSON_SUBPROTOCOL
from app.testing import Host, JsonClient, Refusal
from app.testing.client import Client
from tests.live.handlers.test_people import PASSWORD
from tests.live.held import handshake

OTHER = "battery staple"
DAY = 86_400


def account(chat: Host, name: str = "ann") -> JsonClient:
    """A registered user's client."""
    client = chat.connect(name)
    client.register(PASSWORD)
    return client


def is_signed_out(client: Client) -> bool:
    """Whether the server closed the connection because its token ended."""
    return client.socket.closed() == CloseCode.SIGNED_OUT


def owner(chat: Host, token: str) -> str:
    """The name of the user whose token this is; that of a new guest for a token that has ended."""
    with chat.connect(token=token) as client:
        return client.name


def test_a_login_ends_the_token_of_the_guest_and_everybody_on_it(chat: Host) -> None:
    account(chat).leave()
    victim = chat.connect()
    noted = victim.token
    thief = chat.connect(token=noted)
    victim.login("ann", PASSWORD)
    assert is_signed_out(thief)
    assert victim.token != noted
    assert owner(chat, victim.token) == "ann"
    assert owner(chat, noted) not in ("ann", thief.name)


def test_a_registration_ends_the_token_of_the_guest_and_everybody_on_it(chat: Host) -> None:
    victim = chat.connect("ann")
    noted = victim.token
    thief = chat.connect(token=noted)
    victim.register(PASSWORD)
    assert is_signed_out(thief)
    assert owner(chat, victim.token) == "ann"
    assert owner(chat, noted) not in ("ann", thief.name)


def test_who_is_registered_needs_the_old_password_for_a_new_one(chat: Host) -> None:
    ann = account(chat)
    refusal = ann.refused("register", password=OTHER)
    assert (refusal.code, refusal.frame["reason"]) == ("refused", "registered")
    assert ann.refused("password", old=OTHER, new=OTHER).code == "wrong_password"
    assert ann.refused("password", old=PASSWORD, new="short").code == "bad_password"
    assert owner(chat, ann.token) == "ann"
    ann.answer("password", old=PASSWORD, new=OTHER)
    with pytest.raises(Refusal, match="wrong_password"):
        chat.connect().login("ann", PASSWORD)
    chat.connect().login("ann", OTHER)


def test_a_guest_has_no_password_to_change(chat: Host) -> None:
    assert chat.connect("ann").refused("password", old=PASSWORD, new=OTHER).code == "not_registered"


def test_a_new_password_ends_all_other_sign_ins(chat: Host) -> None:
    ann, devices = account(chat), [chat.connect() for _ in range(2)]
    for device in devices:
        device.login("ann", PASSWORD)
    also = chat.connect(token=ann.token)
    text = chat.connect(dialect="text")
    text.login("ann", PASSWORD)
    tokens = [ann.token, *[device.token for device in devices]]
    named = ann.answer("password", old=PASSWORD, new=OTHER)
    assert (named["t"], named["name"]) == ("named", "ann")
    assert all(is_signed_out(client) for client in (also, *devices))
    assert is_signed_out(text)
    assert "ann" not in [owner(chat, token) for token in tokens]
    assert owner(chat, ann.token) == "ann"
    assert ann.answer("who", room="lobby")["t"] == "who"


def test_a_logout_ends_every_connection_on_the_token_and_no_other_device(chat: Host) -> None:
    ann, device = account(chat), chat.connect()
    device.login("ann", PASSWORD)
    also = chat.connect(token=ann.token)
    ann.answer("logout")
    assert is_signed_out(also)
    assert owner(chat, ann.token) != "ann"
    assert owner(chat, device.token) == "ann"
    assert device.answer("who", room="lobby")["t"] == "who"


def test_a_token_that_has_ended_stays_so_whoever_logs_in(chat: Host) -> None:
    ann = account(chat)
    ended = ann.token
    ann.answer("logout")
    again = chat.connect(token=ended)
    assert again.name != "ann"
    again.login("ann", PASSWORD)
    assert owner(chat, ended) != "ann"


def test_a_login_as_somebody_else_ends_the_sign_in_before(chat: Host) -> None:
    account(chat, "bob").leave()
    ann = account(chat)
    before = ann.token
    ann.login("bob", PASSWORD)
    assert owner(chat, before) != "ann"
    assert owner(chat, ann.token) == "bob"


def test_a_client_that_ignores_the_new_token_goes_on(chat: Host) -> None:
    with chat.join("ann") as ann:
        ann.register(PASSWORD)
        assert ann.say("hi").name == "ann"


@pytest.mark.parametrize(
    "change",
    [
        lambda ann: ann.answer("logout"),
        lambda ann: ann.answer("password", old=PASSWORD, new=OTHER),
        lambda ann: ann.login("bob", PASSWORD),
    ],
    ids=["logout", "password", "login"],
)
def test_a_handshake_under_way_does_not_outlive_its_token(change: Callable[[JsonClient], object], chat: Host) -> None:
    account(chat, "bob").leave()
    ann = account(chat)
    with handshake(chat, ann.token, "/chat", JSON_SUBPROTOCOL) as late:
        change(ann)
    assert late.result().closed() == CloseCode.SIGNED_OUT


def test_a_sign_in_ends_if_it_is_not_used_for_90_days(chat: Host) -> None:
    ann = account(chat)
    token = ann.token
    for _ in range(3):
        chat.clock.advance(89 * DAY)
        assert owner(chat, token) == "ann"
        chat.settle()
    chat.clock.advance(90 * DAY + 1)
    assert owner(chat, token) != "ann"


def test_a_guest_may_come_back_after_any_time(chat: Host) -> None:
    ann = chat.join("ann")
    ann.say("hi")
    chat.clock.advance(900 * DAY)
    assert owner(chat, ann.token) == "ann"


def test_the_text_dialect_changes_a_password(chat: Host) -> None:
    ann = chat.join("ann", dialect="text")
    ann.register(PASSWORD)
    assert "You are ann now" in ann.command(f'/password "{PASSWORD}" {OTHER}')
    chat.connect().login("ann", OTHER)


def _close_when_asked(chat: Host, client: JsonClient, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a connection end right after it has asked the store for something."""
    hub, backend = chat_of(chat.app).hub, chat_of(chat.app).backend
    ask = getattr(backend, call)

    def ask_and_close(*arguments: Any, **more: Any) -> Any:
        [shard] = hub._shards.values()
        [asker] = [one for one in shard.connections[client.id] if one.following.rooms()]
        asyncio.get_running_loop().call_soon(asker.channel_closed)  # type: ignore[attr-defined]
        return ask(*arguments, **more)

    monkeypatch.setattr(backend, call, ask_and_close, raising=False)


def test_a_new_password_ends_sign_ins_though_the_connection_that_changed_it_ends(
    chat: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = account(chat)
    ann.join("lobby")
    thief = chat.connect()
    thief.login("ann", PASSWORD)
    _close_when_asked(chat, ann, "change_password", monkeypatch)
    ann.ask("password", old=PASSWORD, new=OTHER)
    assert is_signed_out(thief)


def test_a_logout_ends_all_connections_of_its_token_though_its_own_ends_first(
    chat: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = account(chat)
    ann.join("lobby")
    other = chat.connect(token=ann.token)
    _close_when_asked(chat, ann, "sign_out", monkeypatch)
    ann.ask("logout")
    assert is_signed_out(other)


def test_a_new_name_holds_on_all_connections_though_the_one_that_took_it_ends(
    chat: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = account(chat)
    ann.join("lobby")
    other = chat.connect(token=ann.token)
    _close_when_asked(chat, ann, "claim", monkeypatch)
    ann.ask("nick", name="anna")
    assert other.receive()["name"] == "anna"
