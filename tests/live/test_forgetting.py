"""Guests who never said anything are forgotten."""

from __future__ import annotations

from pathlib import Path
from threading import Semaphore

import pytest

from app import Unavailable, chat_of
from app.live import forgetting
from app.live.forgetting import AFTER, PERIOD
from app.testing import Host, test_application
from tests.clients import DEADLINE


def round_of(chat: Host) -> None:
    chat.call(chat_of(chat.app).forgetting.forget)


def users(chat: Host) -> list[int]:
    found = chat.call(chat_of(chat.app).backend.users, range(1, 100))
    return [user.id for user in found]


def rounds(chat: Host) -> None:
    """Let everyone who left be forgotten who can be."""
    chat.clock.advance(AFTER)
    round_of(chat)
    chat.clock.advance(PERIOD)
    round_of(chat)


def test_who_said_nothing_is_forgotten_and_who_said_something_is_not() -> None:
    with test_application() as chat:
        quiet, ann, text = chat.join("quiet"), chat.join("ann"), chat.join(dialect="text")
        ann.say("hi")
        for client in (quiet, ann, text):
            client.leave()
        stays = chat.join("stays")
        rounds(chat)
        assert users(chat) == [ann.id, stays.id]
        assert chat.connect(token=ann.token).id == ann.id
        assert chat.connect(token=quiet.token).id > stays.id


def test_who_comes_back_in_time_is_the_same_one() -> None:
    with test_application() as chat:
        quiet = chat.join("quiet")
        quiet.leave()
        chat.clock.advance(AFTER - 1)
        round_of(chat)
        again = chat.rejoin(quiet)
        rounds(chat)
        assert (again.id, users(chat)) == (quiet.id, [quiet.id])
        again.say("hi")


def test_who_comes_back_between_token_and_user_stays() -> None:
    with test_application() as chat:
        quiet = chat.join("quiet")
        quiet.leave()
        chat.clock.advance(AFTER - 1)
        again = chat.connect(token=quiet.token)
        again.leave()
        chat.clock.advance(1)
        round_of(chat)  # forgets the token, as if `again` had not been there yet
        assert users(chat) == [quiet.id]


def test_those_of_an_earlier_run_are_forgotten_once_they_had_the_time_to_come_back(tmp_path: Path) -> None:
    with test_application(store=tmp_path / "chat.db") as chat:
        people = [chat.join() for _ in range(5)]
        people[1].say("hi")
    with test_application(store=tmp_path / "chat.db") as chat:
        round_of(chat)
        assert users(chat) == [1, 2, 3, 4, 5]
        back = chat.connect(token=people[3].token)
        rounds(chat)
        assert users(chat) == [people[1].id, back.id]
        assert chat.connect(token=people[0].token).id > 5


def test_more_than_so_many_are_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "MOST", 2)
    with test_application() as chat:
        for client in [chat.join() for _ in range(5)]:
            client.leave()
        round_of(chat)
        assert len(chat_of(chat.app).forgetting) == 2
        round_of(chat)
        assert users(chat) == [4, 5]


def test_what_the_store_refused_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise Unavailable("the disk is full")

    with test_application() as chat:
        chat.join().leave()
        chat.clock.advance(AFTER)
        with monkeypatch.context() as full:
            full.setattr(chat_of(chat.app).backend, "forget", refuse)
            with pytest.raises(Unavailable):
                round_of(chat)
        rounds(chat)
        assert users(chat) == []


def test_a_round_comes_every_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "PERIOD", 0.0)
    rounds = Semaphore(0)

    async def forget(_: forgetting.Forgetting) -> None:
        rounds.release()

    monkeypatch.setattr(forgetting.Forgetting, "forget", forget)
    with test_application():
        assert rounds.acquire(timeout=DEADLINE)
        assert rounds.acquire(timeout=DEADLINE)
