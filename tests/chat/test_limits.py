from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.chat.errors import Code, Refused
from app.chat.limits import Bucket, Limits, RateLimit

rates = st.floats(0.01, 1000)
bursts = st.integers(1, 50)
gaps = st.lists(st.floats(0, 20), max_size=100)


def test_a_bucket_lets_a_burst_through_and_then_its_rate() -> None:
    bucket = Bucket(10, 3)
    assert [bucket.take(5.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert bucket.take(5.0) == pytest.approx(0.1)
    assert bucket.take(5.05) == pytest.approx(0.05)
    assert bucket.take(5.1) == 0.0
    assert bucket.take(5.1) == pytest.approx(0.1)


def test_a_bucket_without_a_rate_is_no_limit() -> None:
    bucket = Bucket(0, 1)
    assert not any(bucket.take(0.0) for _ in range(1000))


def test_a_bucket_that_holds_less_than_one_holds_one() -> None:
    bucket = Bucket(1, 0)
    assert (bucket.take(0.0), bucket.take(0.0), bucket.take(1.0)) == (0.0, 1.0, 0.0)


def test_a_clock_that_goes_back_gives_nothing_and_takes_nothing() -> None:
    bucket = Bucket(1, 1)
    assert bucket.take(10_000.0) == 0.0
    assert bucket.take(6_400.0) == 1.0
    assert bucket.take(6_401.0) == 0.0


@given(rates, bursts, gaps)
def test_over_any_time_a_bucket_lets_no_more_through_than_it_says(rate: float, burst: int, gaps: list[float]) -> None:
    bucket, now = Bucket(rate, burst), 0.0
    taken: list[float] = []
    for gap in gaps:
        now += gap
        while bucket.take(now) == 0.0 and len(taken) < 1000:
            taken.append(now)
    for first, start in enumerate(taken):
        for last in range(first, len(taken)):
            assert last - first + 1 <= burst + rate * (taken[last] - start) + 1e-6


@given(rates, bursts, gaps, st.floats(0, 1e9))
def test_who_waits_as_long_as_it_was_told_gets_a_token(rate: float, burst: int, gaps: list[float], now: float) -> None:
    bucket = Bucket(rate, burst)
    for gap in gaps:
        wait = bucket.take(now)
        if wait:
            now += wait + 1e-6
            assert bucket.take(now) == 0.0
        now += gap


@given(rates, bursts, st.lists(st.floats(-1e6, 1e6), max_size=50))
def test_no_wait_is_longer_than_for_one_token_whatever_the_clock_does(
    rate: float, burst: int, times: list[float]
) -> None:
    bucket = Bucket(rate, burst)
    assert all(0.0 <= bucket.take(now) <= 1 / rate for now in times)


def commands_until_exhausted(a_second: int, *, rate: float = 10, strikes: int = 50, most: int = 100_000) -> int:
    """How many commands a connection may send at a speed before it is exhausted; `most` if it never is."""
    limit = RateLimit(rate, 20, strikes)
    for number in range(most):
        limit.check(1e6 + number / a_second)
        if limit.exhausted:
            return number + 1
    return most


def test_strikes_are_forgiven_with_time_and_not_by_a_command_that_comes_through() -> None:
    assert commands_until_exhausted(1_000_000) == 20 + 50
    assert commands_until_exhausted(248) < 100, "each second, ten of these are in time"
    assert commands_until_exhausted(20) < 200
    assert commands_until_exhausted(11, most=10_000) == 10_000, "one too many a second is forgiven"
    assert commands_until_exhausted(1_000_000, strikes=0, most=1000) == 1000


LIMITS = Limits(message=10, name=5, topic=5, why=5, rooms=2, recipients=2, password_min=3, password=5)
NONE = Limits(message=0, name=0, topic=0, why=0, rooms=0, recipients=0, password_min=0, password=0)


@pytest.mark.parametrize(
    "check",
    [
        lambda limits: limits.check_message("ééééé"),
        lambda limits: limits.check_message("0123456789"),
        lambda limits: limits.check_topic("ééééé"),
        lambda limits: limits.check_why("12345"),
        lambda limits: limits.check_rooms(2),
        lambda limits: limits.check_recipients(2),
        lambda limits: limits.check_password("123"),
        lambda limits: limits.check_password("12345"),
    ],
)
def test_what_is_within_its_limit(check: Callable[[Limits], None]) -> None:
    check(LIMITS)
    check(NONE)


@pytest.mark.parametrize(
    ("check", "code", "size", "limit"),
    [
        (lambda limits: limits.check_message("éééééx"), Code.TOO_LONG, 11, 10),
        (lambda limits: limits.check_message("x" * 11), Code.TOO_LONG, 11, 10),
        (lambda limits: limits.check_topic("123456"), Code.TOO_LONG, 6, 5),
        (lambda limits: limits.check_why("123456"), Code.TOO_LONG, 6, 5),
        (lambda limits: limits.check_rooms(3), Code.TOO_MANY_ROOMS, 3, 2),
        (lambda limits: limits.check_recipients(3), Code.TOO_MANY_RECIPIENTS, 3, 2),
        (lambda limits: limits.check_password("xy"), Code.BAD_PASSWORD, 2, 3),
        (lambda limits: limits.check_password("secret"), Code.BAD_PASSWORD, 6, 5),
    ],
)
def test_what_is_over_its_limit(check: Callable[[Limits], None], code: Code, size: int, limit: int) -> None:
    with pytest.raises(Refused) as caught:
        check(LIMITS)
    assert caught.value.code == code
    assert not caught.value.retry
    assert caught.value.values.get("size", size) == size
    assert caught.value.values["limit"] == limit
    assert re.search(rf"at (most|least) {limit} ", caught.value.message)
    assert "secret" not in caught.value.message
    check(NONE)


def test_no_password_is_empty() -> None:
    with pytest.raises(Refused, match="at least 1 "):
        NONE.check_password("")


@given(st.text(max_size=12))
def test_a_message_is_measured_in_bytes(text: str) -> None:
    fits = len(text.encode()) <= LIMITS.message
    try:
        LIMITS.check_message(text)
    except Refused:
        assert not fits
    else:
        assert fits
