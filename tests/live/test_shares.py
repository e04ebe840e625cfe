"""What the connections of a user, of an address and of all guests may send together."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import pytest

from app.chat.errors import Refused
from app.chat.events import User
from app.live.shares import BURST_OF_BYTES, SHORT, Shares
from app.testing import Host, JsonClient, Refusal, test_application
from app.testing.clock import ManualClock

ANN, BOB = User(1, "ann"), User(2, "bob")
HERE, THERE = "192.0.2.1", "192.0.2.2"
KIB = "x" * 1024


def shares(clock: ManualClock, **rates: float) -> Shares:
    none = {"rate": 0, "burst": 1, "per_address": 0, "text": 0, "text_per_address": 0, "text_of_guests": 0}
    return Shares(clock, **{**none, **rates})


def limited(**limits: Any) -> AbstractContextManager[Host]:
    """A chat in which each connection may send 5 commands at once and one a second."""
    overrides = {f"chat.limits.{name.replace('_', '-')}": value for name, value in limits.items()}
    return test_application(overrides={"chat.limits.rate": 1, "chat.limits.burst": 5, **overrides})


def texts(said: Shares, user: User, address: str, text: str = KIB) -> int:
    """How many texts are counted until one is refused."""
    for number in range(1000):
        try:
            said.count_text(user, address, text)
        except Refused:
            return number
    return 1000


def test_the_connections_of_a_user_share_a_rate() -> None:
    with limited() as chat:
        ann = chat.connect("ann")
        again = [chat.connect(token=ann.token) for _ in range(4)]
        answers = [answer for one in again for answer in asked(one, 3)]
        assert answers.count("rooms") == 5
        assert answers.count("rate_limited user") == 7
        assert asked(chat.connect("bob"), 5) == ["rooms"] * 5
        chat.clock.advance(1)
        assert asked(ann, 2) == ["rooms", "rate_limited user"]


def test_nobody_is_closed_for_what_the_other_connections_of_the_user_send() -> None:
    with limited(strikes=2) as chat:
        ann = chat.connect("ann")
        asked(chat.connect(token=ann.token), 5)
        assert asked(ann, 5) == ["rate_limited user"] * 5
        assert asked(ann, 1) == ["rate_limited"]
        ann.ask("rooms")
        assert ann.closed() == 1008


def test_the_users_of_an_address_share_a_rate_and_are_not_closed_for_it() -> None:
    with limited(rate_per_address=2, strikes=2) as chat:
        people = [chat.connect(f"p{number}") for number in range(4)]
        answers = [answer for one in people for answer in asked(one, 4)]
        assert answers.count("rooms") == 6
        assert answers.count("rate_limited address") == 10
        chat.clock.advance(0.5)
        assert asked(people[3], 1) == ["rooms"]


def asked(client: JsonClient, times: int) -> list[str]:
    """What a client is answered that asks for the rooms."""
    answers = []
    for _ in range(times):
        try:
            answers.append(client.answer("rooms")["t"])
        except Refusal as refusal:
            answers.append(f"{refusal.code} {refusal.frame.get('reason', '')}".strip())
    return answers


def test_the_bytes_of_a_user_and_of_an_address_are_bounded_over_time() -> None:
    clock = ManualClock()
    said = shares(clock, text=1024, text_per_address=3072)
    assert texts(said, ANN, HERE) == BURST_OF_BYTES + 1
    assert texts(said, ANN, THERE) == 0
    assert texts(said, BOB, THERE) == BURST_OF_BYTES + 1
    others = sum(texts(said, User(id_, "x"), HERE) for id_ in range(10, 20))
    assert others == 2 * BURST_OF_BYTES
    clock.advance(2)
    assert texts(said, ANN, THERE) == 2


def test_guests_share_what_all_of_them_may_store() -> None:
    said = shares(ManualClock(), text_of_guests=1024)
    assert sum(texts(said, User(id_, "x"), f"192.0.2.{id_}") for id_ in range(1, 50)) == BURST_OF_BYTES + 1
    assert texts(said, User(9, "ann", registered=True), HERE) == 1000


def test_bytes_are_those_of_utf_8_and_short_texts_do_not_count() -> None:
    said = shares(ManualClock(), text=1024)
    assert texts(said, ANN, HERE, "€" * 1024) == BURST_OF_BYTES // 3 + 1
    assert texts(said, BOB, HERE, "x" * SHORT) == 1000


@pytest.mark.parametrize("frame", [{"t": "msg", "room": "lobby"}, {"t": "whisper", "to": ["bob"]}])
def test_long_messages_are_refused_and_come_through_later(
    frame: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    limits = {"rate": 1000, "burst": 1000, "bytes": "1k"}
    with limited(**limits) as chat:
        ann, bob = chat.join("ann"), chat.join("bob")
        for _ in range(int(BURST_OF_BYTES) + 1):
            ann.say(KIB)
        ann.ask(**frame, cid="9", text=KIB)
        error = ann.error("rate_limited").frame
        assert (error["cid"], error["reason"], error["retry"]) == ("9", "bytes", True)
        ann.say("short ones are said")
        bob.say(KIB)
        chat.clock.advance(error["after"] / 1000)
        ann.ask(**frame, cid="9", text=KIB)
        ann.ack("9")
    assert "(chat.limits.bytes, " in caplog.text


def test_no_rate_is_no_limit_of_bytes_either() -> None:
    with limited(rate=0, bytes=1, rate_per_address=0.001) as chat:
        ann = chat.join("ann")
        for _ in range(30):
            ann.say(KIB)
