"""Pings and read deadlines, with a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from app.chat.closing import CloseCode
from app.transports.heartbeat import SLOTS, Heartbeat
from app.transports.socket_channel import SocketChannel


class Clock:
    """A loop in which time passes when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, call: Callable[[], None]) -> Any:
        self.timers.append((self.now + delay, call))
        return self.timers[-1]

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.timers and min(at for at, _ in self.timers) <= end:
            timer = min(self.timers, key=lambda timer: timer[0])
            self.timers.remove(timer)
            self.now = max(self.now, timer[0])
            timer[1]()
        self.now = end


class Watched:
    """As much of a SocketChannel as a Heartbeat sees; what is done to it is kept, with the time."""

    def __init__(self, clock: Clock, wheel: Heartbeat) -> None:
        self.clock, self.wheel = clock, wheel
        self.full = False
        self.read = 0
        self.pings: list[float] = []
        self.given_up: list[tuple[float, CloseCode]] = []
        self.answers = True
        self.stays = True
        wheel.add(self.line)

    @property
    def line(self) -> SocketChannel:
        return cast(SocketChannel, self)

    def ping(self) -> None:
        self.pings.append(self.clock.now)
        if self.answers:
            self.wheel.pong_received(self.line)

    def bytes_drained(self) -> int:
        return self.read

    def disconnect(self, code: CloseCode, reason: str) -> None:
        self.given_up.append((self.clock.now, code))
        if self.stays:
            self.leave()

    def leave(self) -> None:
        self.wheel.remove(self.line)


def wheel(clock: Clock, period: float = 20, patience: float = 20, stall: float = 30) -> Heartbeat:
    return Heartbeat(cast(asyncio.AbstractEventLoop, clock), period, patience, stall)


def test_each_is_pinged_once_a_period_and_not_all_at_once() -> None:
    clock = Clock()
    one = wheel(clock)
    lines = [Watched(clock, one) for _ in range(10 * SLOTS)]
    clock.run(205)
    assert {len(line.pings) for line in lines} <= {10, 11}
    for line in lines:
        gaps = [after - before for before, after in zip(line.pings, line.pings[1:], strict=False)]
        assert all(gap == pytest.approx(20, abs=1.3) for gap in gaps)
    busiest = [[line.pings[3] for line in lines].count(at) for at in {line.pings[3] for line in lines}]
    assert max(busiest) <= 20
    assert not [line for line in lines if line.given_up]
    assert len(clock.timers) == 1


def test_time_that_jumps_pings_each_once() -> None:
    clock = Clock()
    one = wheel(clock)
    lines = [Watched(clock, one) for _ in range(SLOTS)]
    clock.run(30)
    before = [len(line.pings) for line in lines]
    clock.now += 1000
    clock.run(0)
    assert [len(line.pings) for line in lines] == [count + 1 for count in before]


def test_who_does_not_answer_is_given_up_after_the_timeout_and_removed_meanwhile() -> None:
    clock = Clock()
    one = wheel(clock)
    silent, there = [Watched(clock, one) for _ in range(20)], [Watched(clock, one) for _ in range(20)]
    for line in silent:
        line.answers = False
    clock.run(45)
    for line in silent:
        [(at, code)] = line.given_up
        assert code == CloseCode.PING_TIMEOUT
        assert at - line.pings[0] == pytest.approx(20.6, abs=0.7)
        assert len(line.pings) == 1
    assert not [line for line in there if line.given_up]


def test_who_lingers_after_it_was_given_up_is_in_nobodys_way() -> None:
    clock = Clock()
    one = wheel(clock)
    line = Watched(clock, one)
    line.answers = line.stays = False
    clock.run(100)
    assert line.given_up
    line.leave()
    clock.run(2)
    assert not clock.timers, "no timer for nobody"
    again = Watched(clock, one)
    clock.run(25)
    assert again.pings


def test_who_is_full_and_reads_nothing_is_given_up_after_the_stall() -> None:
    clock = Clock()
    one = wheel(clock, period=0)
    still, slow, moved = (Watched(clock, one) for _ in range(3))
    for line in (still, slow, moved):
        line.full = True
        one.writing_paused(line.line)
    clock.run(20)
    slow.read += 1
    one.writing_resumed(moved.line)
    clock.run(15)
    assert [code for _, code in still.given_up] == [CloseCode.SLOW_READER]
    assert still.given_up[0][0] == pytest.approx(1030, abs=1)
    assert not slow.given_up
    clock.run(35)
    assert slow.given_up
    clock.run(100)
    assert not moved.given_up


def test_who_is_full_and_reads_need_not_answer_what_it_can_t_have_got() -> None:
    clock = Clock()
    one = wheel(clock, stall=0)
    slow, drained, still = (Watched(clock, one) for _ in range(3))
    for line in (slow, drained, still):
        line.full, line.answers = True, False
        one.writing_paused(line.line)
    for _ in range(20):
        clock.run(10)
        slow.read += 1
        if not drained.given_up:
            one.writing_resumed(drained.line)
            one.writing_paused(drained.line)
    assert not slow.given_up
    assert not drained.given_up
    assert [code for _, code in still.given_up] == [CloseCode.PING_TIMEOUT]


def test_a_wheel_without_periods_does_nothing() -> None:
    clock = Clock()
    one = wheel(clock, 0, 0, 0)
    line = Watched(clock, one)
    one.writing_paused(line.line)
    clock.run(1000)
    assert not line.pings
    assert not line.given_up
