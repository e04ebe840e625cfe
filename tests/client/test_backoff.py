"""How long to wait before the next try."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.client.connection.backoff import CAP, FIRST, Backoff


def test_the_delay_doubles_up_to_a_cap_and_begins_anew() -> None:
    backoff = Backoff(lambda: 1.0, first=0.5, cap=3)
    assert [backoff.next() for _ in range(5)] == [0.5, 1, 2, 3, 3]
    backoff.reset()
    assert backoff.next() == 0.5


@given(st.lists(st.floats(0, 1), min_size=1, max_size=2000))
def test_any_part_of_it_may_be_taken(parts: list[float]) -> None:
    backoff = Backoff(iter(parts).__next__)
    delays = [backoff.next() for _ in parts]
    assert delays[0] == parts[0] * FIRST
    assert all(0 <= delay <= CAP for delay in delays)
