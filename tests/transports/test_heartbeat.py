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
    """An event loop whose time the test moves."""

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


class FakeConnection:
    """What a Heartbeat needs of a SocketChannel; records what is done to it, with the time."""

    def __init__(self, clock: Clock, heartbeat: Heartbeat) -> None:
        self.clock, self.heartbeat = clock, heartbeat
        self.full = False
        self.read = 0
        self.pings: list[float] = []
        self.given_up: list[tuple[float, CloseCode]] = []
        self.answers = True
        self.stays = True
        heartbeat.add(self.channel)

    @property
    def channel(self) -> SocketChannel:
        return cast(SocketChannel, self)

    def ping(self) -> None:
        self.pings.append(self.clock.now)
        if self.answers:
            self.heartbeat.pong_received(self.channel)

    def bytes_drained(self) -> int:
        return self.read

    def disconnect(self, code: CloseCode, reason: str) -> None:
        self.given_up.append((self.clock.now, code))
        if self.stays:
            self.leave()

    def leave(self) -> None:
        self.heartbeat.remove(self.channel)


def heartbeat(clock: Clock, period: float = 20, patience: float = 20, stall: float = 30) -> Heartbeat:
    return Heartbeat(cast(asyncio.AbstractEventLoop, clock), period, patience, stall)


def test_each_is_pinged_once_a_period_and_not_all_at_once() -> None:
    clock = Clock()
    one = heartbeat(clock)
    channels = [FakeConnection(clock, one) for _ in range(10 * SLOTS)]
    clock.run(205)
    assert {len(channel.pings) for channel in channels} <= {10, 11}
    for channel in channels:
        gaps = [after - before for before, after in zip(channel.pings, channel.pings[1:], strict=False)]
        assert all(gap == pytest.approx(20, abs=1.3) for gap in gaps)
    busiest = [
        [channel.pings[3] for channel in channels].count(at) for at in {channel.pings[3] for channel in channels}
    ]
    assert max(busiest) <= 20
    assert not [channel for channel in channels if channel.given_up]
    assert len(clock.timers) == 1


def test_time_that_jumps_pings_each_once() -> None:
    clock = Clock()
    one = heartbeat(clock)
    channels = [FakeConnection(clock, one) for _ in range(SLOTS)]
    clock.run(30)
    before = [len(channel.pings) for channel in channels]
    clock.now += 1000
    clock.run(0)
    assert [len(channel.pings) for channel in channels] == [count + 1 for count in before]


def test_who_does_not_answer_is_given_up_after_the_timeout_and_removed_meanwhile() -> None:
    clock = Clock()
    one = heartbeat(clock)
    silent, there = [FakeConnection(clock, one) for _ in range(20)], [FakeConnection(clock, one) for _ in range(20)]
    for channel in silent:
        channel.answers = False
    clock.run(45)
    for channel in silent:
        [(at, code)] = channel.given_up
        assert code == CloseCode.PING_TIMEOUT
        assert at - channel.pings[0] == pytest.approx(20.6, abs=0.7)
        assert len(channel.pings) == 1
    assert not [channel for channel in there if channel.given_up]


def test_who_lingers_after_it_was_given_up_is_in_nobodys_way() -> None:
    clock = Clock()
    one = heartbeat(clock)
    channel = FakeConnection(clock, one)
    channel.answers = channel.stays = False
    clock.run(100)
    assert channel.given_up
    channel.leave()
    clock.run(2)
    assert not clock.timers, "no timer for nobody"
    again = FakeConnection(clock, one)
    clock.run(25)
    assert again.pings


def test_who_is_full_and_reads_nothing_is_given_up_after_the_stall() -> None:
    clock = Clock()
    one = heartbeat(clock, period=0)
    still, slow, moved = (FakeConnection(clock, one) for _ in range(3))
    for channel in (still, slow, moved):
        channel.full = True
        one.writing_paused(channel.channel)
    clock.run(20)
    slow.read += 1
    one.writing_resumed(moved.channel)
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
    one = heartbeat(clock, stall=0)
    slow, drained, still = (FakeConnection(clock, one) for _ in range(3))
    for channel in (slow, drained, still):
        channel.full, channel.answers = True, False
        one.writing_paused(channel.channel)
    for _ in range(20):
        clock.run(10)
        slow.read += 1
        if not drained.given_up:
            one.writing_resumed(drained.channel)
            one.writing_paused(drained.channel)
    assert not slow.given_up
    assert not drained.given_up
    assert [code for _, code in still.given_up] == [CloseCode.PING_TIMEOUT]


def test_a_wheel_without_periods_does_nothing() -> None:
    clock = Clock()
    one = heartbeat(clock, 0, 0, 0)
    channel = FakeConnection(clock, one)
    one.writing_paused(channel.channel)
    clock.run(1000)
    assert not channel.pings
    assert not channel.given_up
