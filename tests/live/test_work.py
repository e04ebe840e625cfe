"""Budgets of work."""

from __future__ import annotations

import re
from typing import Any, get_args

from hypothesis import given
from hypothesis import strategies as st

from app.chat import frames
from app.chat.budgets import SWEPT
from app.chat.errors import Code, Refused
from app.chat.frames import Command
from app.chat.limits import Budget
from app.live.work import BURST, CATCHING_UP, COSTS, LOOKING, TEXT, WorkBudgets
from app.testing import test_application
from app.testing.clock import ManualClock
from tests.clients import ROOT

ANN, BOB = 1, 2
HERE, THERE = "192.0.2.1", "192.0.2.2"


def refusal(work: WorkBudgets, user: int, address: str, command: Any = frames.Search) -> Refused | None:
    try:
        work.admit(command, user, address)
    except Refused as refused:
        return refused
    return None


def test_one_who_used_up_the_budget_waits_until_it_is_made_up_for() -> None:
    clock = ManualClock()
    work = WorkBudgets(100, 0, clock)
    assert refusal(work, ANN, HERE) is None
    work.charge(100 * BURST, ANN, HERE)
    refused = refusal(work, ANN, HERE)
    assert refused is not None
    assert (refused.code, refused.retry, refused.values) == (Code.RATE_LIMITED, True, {"reason": "work"})
    assert refused.after == round(1000 * COSTS[frames.Search] / 100)
    clock.advance(refused.after / 1000)
    assert refusal(work, ANN, HERE) is None


def test_others_are_not_held_up() -> None:
    work = WorkBudgets(100, 0, ManualClock())
    work.charge(10_000, ANN, HERE)
    assert refusal(work, ANN, THERE)
    assert refusal(work, BOB, HERE) is None


def test_the_users_of_an_address_share_its_budget() -> None:
    work = WorkBudgets(0, 100, ManualClock())
    work.charge(10_000, ANN, HERE)
    assert refusal(work, BOB, HERE)
    assert refusal(work, ANN, THERE) is None


def test_what_is_refused_costs_nothing() -> None:
    clock = ManualClock()
    work = WorkBudgets(100, 100, clock)
    work.charge(100 * BURST + 1, ANN, HERE)
    waits = [refused.after for _ in range(3) if (refused := refusal(work, ANN, HERE))]
    assert waits == [10, 10, 10]


def test_commands_that_write_are_not_charged() -> None:
    work = WorkBudgets(100, 100, ManualClock())
    work.charge(10_000, ANN, HERE)
    assert refusal(work, ANN, HERE, frames.Say) is None


def test_no_limit_keeps_no_budgets() -> None:
    work = WorkBudgets(0, 0, ManualClock())
    work.charge(10_000, ANN, HERE)
    assert refusal(work, ANN, HERE) is None
    assert len(work) == 0


def test_budgets_that_are_full_are_dropped() -> None:
    clock = ManualClock()
    work = WorkBudgets(100, 0, clock)
    for user in range(SWEPT):
        work.charge(1, user, HERE)
    clock.advance(0.02)
    for user in range(10 * SWEPT):
        clock.advance(0.02)
        work.charge(1, user, HERE)
    assert len(work) <= SWEPT


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, 500)), max_size=50))
def test_over_any_time_no_more_is_spent_than_the_rate_the_burst_and_the_last_command(
    steps: list[tuple[float, float]],
) -> None:
    budget, now, spent = Budget(100, 1000), 0.0, 0.0
    for gap, amount in steps:
        now += gap
        if not budget.wait(now):
            assert spent <= 1000 + 100 * now + 1e-6
            budget.spend(now, amount)
            spent += amount
        else:
            now += budget.wait(now) + 1e-6
            assert budget.wait(now) == 0.0


def rows(heading: str) -> list[list[str]]:
    """The rows of the table below a heading of docs/requests.md."""
    _, _, part = (ROOT / "docs/requests.md").read_text().partition(f"\n## {heading}\n")
    return [line.strip("| ").split(" | ") for line in part.partition("\n## ")[0].splitlines() if line.startswith("| ")]


def test_every_request_is_on_the_page() -> None:
    known = [word for row in rows("The requests") for word in re.findall("`([a-z]+)`", row[0])]
    assert sorted(known) == sorted(command.__struct_config__.tag for command in get_args(Command))


def test_what_is_charged_is_on_the_page() -> None:
    charged = {row[0].strip("`"): row[1].split()[0] for row in rows("Budgets of work")[2:]}
    expected = {f"{command.__struct_config__.tag}": f"{cost:g}" for command, cost in COSTS.items()}
    assert list(charged.items())[: len(expected)] == list(expected.items())
    assert [*charged.values()][len(expected) :] == [
        f"{CATCHING_UP:g}",
        f"{1_000_000 * TEXT:g}",
        f"{1_000 * LOOKING:g}",
    ]


def test_a_client_is_told_when_to_try_again() -> None:
    with test_application(overrides={"chat.limits.rate": 100, "chat.limits.work": 0.1}) as chat, chat.connect() as ann:
        ann.join()
        ann.answer("conversations")
        error = ann.refused("conversations")
        assert (error.code, error.frame["reason"], error.frame["retry"]) == ("rate_limited", "work", True)
        assert ann.refused("command", room="", line="/join den").frame["reason"] == "work"
        chat.clock.advance(error.frame["after"] / 1000)
        ann.answer("conversations")
