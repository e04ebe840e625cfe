"""Trimming removes nothing because of a clock that is wrong, rests between its steps, and says what it has removed."""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest

from app.backends import Backend, Events, Trimmed
from app.backends.embedded import Embedded
from app.chat.events import Draft, User
from app.live import retention
from app.live.retention import QUIET, SETTLING, SUSPECT, SteadyClock
from app.testing import ManualClock, test_application

NOW = 1_700_000_000_000
DAY = 24 * 60 * 60


class SetClock(ManualClock):
    """A clock that someone sets to another time, while that which nobody can set goes on."""

    def __init__(self) -> None:
        super().__init__(NOW)
        self.ahead = 0.0

    def now(self) -> int:
        return super().now() + round(1000 * self.ahead)


def store(newest: int = NOW - 1000) -> Backend:
    async def at() -> int:
        return newest

    return cast(Backend, SimpleNamespace(newest=at))


def settled(clock: SteadyClock, backend: Backend) -> bool:
    return bool(anyio.run(clock.is_settled, backend))


def test_nothing_is_too_old_in_the_first_minutes() -> None:
    clock = SetClock()
    steady, backend = SteadyClock(clock), store()
    assert not settled(steady, backend)
    clock.advance(SETTLING - 1)
    assert not settled(steady, backend)
    clock.advance(1)
    assert settled(steady, backend)


@pytest.mark.parametrize("ahead", [60 * DAY, -60 * DAY])
def test_nothing_is_too_old_on_a_clock_that_jumped(ahead: float, caplog: pytest.LogCaptureFixture) -> None:
    clock = SetClock()
    steady, backend = SteadyClock(clock), store()
    clock.advance(SETTLING)
    assert settled(steady, backend)
    clock.ahead = ahead
    assert not settled(steady, backend)
    assert f"the clock jumped by {ahead:.0f} s" in caplog.text
    clock.advance(1.5)
    clock.ahead = 0
    assert not settled(steady, backend)
    clock.advance(SETTLING)
    assert settled(steady, backend)


def test_nothing_is_too_old_for_an_hour_if_the_newest_message_is_far_back(caplog: pytest.LogCaptureFixture) -> None:
    clock = SetClock()
    steady, backend = SteadyClock(clock), store(NOW - 60 * 1000 * int(QUIET))
    clock.advance(SETTLING)
    assert not settled(steady, backend)
    assert "60 days ahead of the newest message" in caplog.text
    clock.advance(SUSPECT - 1)
    assert not settled(steady, backend)
    clock.advance(1)
    assert settled(steady, backend)


@pytest.mark.parametrize("newest", [0, NOW + 1000 * DAY])
def test_an_empty_store_and_messages_of_the_future_are_no_reason_to_doubt(newest: int) -> None:
    clock = SetClock()
    steady = SteadyClock(clock)
    clock.advance(SETTLING)
    assert settled(steady, store(newest))


def test_trimming_rests_between_its_steps_and_says_how_many_went(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rests: list[float] = []

    async def sleep(seconds: float) -> None:
        rests.append(seconds)

    async def trim() -> list[int]:
        backend = Embedded(":memory:")
        backend.open()
        for number in range(300):
            room = "red" if number < 250 else "blue"
            await backend.append(Draft(room, User(1, "user0"), "x", f"id{number}", number))
        await retention._trim_all(backend, keep=40, since=0)
        heads = [len(await backend.read_backwards(room, before=999, limit=999)) for room in ("red", "blue")]
        backend.close()
        return heads

    with monkeypatch.context() as patch, caplog.at_level(logging.INFO, "chat"):
        patch.setattr(asyncio, "sleep", sleep)
        assert anyio.run(trim) == [40, 40]
    assert len(rests) == 4  # 100, 100, 10; 10
    assert all(rest > 0 for rest in rests)
    assert caplog.messages == ["Removed 220 events that are too old or too many (chat.retention), in 2 rooms"]


def test_a_page_of_history_is_read_however_often_a_trim_gets_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    read, trims = Embedded.read, [1, 2, 3]

    def trimmed(backend: Embedded, room: str, **page: Any) -> asyncio.Future[Events]:
        if not trims:
            return read(backend, room, **page)
        future: asyncio.Future[Events] = asyncio.get_running_loop().create_future()
        future.set_exception(Trimmed(trims.pop(0)))
        return future

    with test_application() as chat:
        ann = chat.join("ann")
        for number in range(5):
            ann.say(str(number))
        monkeypatch.setattr(Embedded, "read", trimmed)
        page = ann.answer("history", room="lobby", after=0)
        assert [event["text"] for event in page["events"]] == ["3", "4"]
        ann.say("still here")
