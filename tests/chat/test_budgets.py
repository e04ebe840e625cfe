"""Budgets by key."""

from __future__ import annotations

import pytest

from app.chat.budgets import Budgets

ANN, BOB = "ann", "bob"


def test_each_key_has_its_own() -> None:
    budgets = Budgets(rate=0.5, burst=2)
    assert [budgets.take(ANN, 0.0) for _ in range(3)] == [0.0, 0.0, 2.0]
    assert budgets.take(BOB, 0.0) == 0.0


def test_it_refills() -> None:
    budgets = Budgets(rate=0.5, burst=1)
    budgets.take(ANN, 0.0)
    assert budgets.wait(ANN, 1.0) == 1.0
    assert budgets.wait(ANN, 2.0) == 0.0
    assert budgets.take(ANN, 2.0) == 0.0
    assert budgets.take(ANN, 2.0) == 2.0


def test_what_is_given_back_is_there_again() -> None:
    budgets = Budgets(rate=1, burst=1)
    budgets.take(ANN, 0.0)
    budgets.give_back(ANN, 0.0)
    assert budgets.take(ANN, 0.0) == 0.0
    budgets.give_back(BOB, 0.0)
    assert budgets.wait(BOB, 0.0) == 0.0


def test_without_a_rate_there_is_no_limit() -> None:
    budgets = Budgets(rate=0, burst=1)
    assert [budgets.take(ANN, 0.0) for _ in range(9)] == [0.0] * 9
    assert len(budgets) == 0


@pytest.mark.parametrize("apart", [0.0, 0.5, 60.0])
def test_they_are_bounded_whoever_comes(apart: float) -> None:
    budgets = Budgets(rate=1, burst=5, most=100)
    for number in range(1000):
        assert budgets.take(number, number * apart) == 0.0
        assert len(budgets) <= 100


def test_full_ones_are_forgotten_first() -> None:
    budgets = Budgets(rate=1, burst=1, most=2)
    budgets.take(ANN, 0.0)
    budgets.take(BOB, 100.0)
    budgets.take("cy", 100.0)
    assert budgets.wait(BOB, 100.0) == 1.0
