"""How often passwords may be tried."""

from __future__ import annotations

import pytest

from app.chat.errors import Code, Refused
from app.identity.attempts import FORGOTTEN, LONGEST, MAX_REMEMBERED, MAX_WRONG, PERIOD, Attempts
from app.testing.clock import ManualClock

ANN, BOB = 1, 2
LAPTOP = b"laptop"


def pause(attempts: Attempts, account: object, network: str = "", device: object = None) -> float:
    """Try once. Return the seconds to wait, if it was too early."""
    try:
        attempts.begin(account, network, device)
    except Refused as refused:
        return refused.after / 1000 if isinstance(refused.after, int) else -1.0
    return 0.0


def test_who_tries_too_often_learns_when_to_go_on() -> None:
    attempts = Attempts(ManualClock())
    for _ in range(MAX_WRONG):
        attempts.begin(ANN, "here")
    with pytest.raises(Refused, match=r"Too many wrong passwords\. Try again in 12 s") as refused:
        attempts.begin(BOB, "here")
    assert (refused.value.code, refused.value.retry, refused.value.after) == (Code.RATE_LIMITED, True, 12_000)
    assert refused.value.values == {"reason": "password", "limit": MAX_WRONG}


def test_an_address_has_five_tries_a_minute_for_all_accounts_together() -> None:
    clock = ManualClock()
    attempts = Attempts(clock)
    assert [pause(attempts, account, "here") for account in range(MAX_WRONG + 1)] == [0.0] * MAX_WRONG + [12.0]
    assert pause(attempts, ANN, "there") == 0.0
    clock.advance(PERIOD / MAX_WRONG)
    assert pause(attempts, BOB, "here") == 0.0


def test_an_account_has_pauses_that_double_wherever_the_tries_come_from() -> None:
    clock = ManualClock()
    attempts = Attempts(clock)
    assert not any(pause(attempts, ANN, f"address {number}") for number in range(MAX_WRONG))
    pauses = []
    for number in range(15):
        pauses.append(pause(attempts, ANN, f"another {number}"))
        clock.advance(pauses[-1])
        assert pause(attempts, ANN, f"another {number}") == 0.0
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, *[LONGEST] * 5]
    assert pause(attempts, BOB, "another 0") == 0.0


def test_forty_addresses_try_few_passwords_of_one_account() -> None:
    clock = ManualClock()
    attempts, tried = Attempts(clock), 0
    for _ in range(40):
        tried += sum(not pause(attempts, ANN, f"address {number}") for number in range(40))
        clock.advance(1)
    assert tried <= 2 * MAX_WRONG + 1


def test_a_device_that_was_signed_in_before_does_not_wait_for_others() -> None:
    clock = ManualClock()
    attempts = Attempts(clock)
    for number in range(3 * MAX_WRONG):
        pause(attempts, ANN, "here")
        pause(attempts, ANN, f"address {number}")
    assert pause(attempts, ANN, "here") > 0
    assert pause(attempts, ANN, "here", LAPTOP) == 0.0


def test_a_device_has_pauses_of_its_own() -> None:
    attempts = Attempts(ManualClock())
    assert not any(pause(attempts, ANN, "here", LAPTOP) for _ in range(MAX_WRONG))
    assert pause(attempts, ANN, "here", LAPTOP) == 1.0
    assert pause(attempts, ANN, "here") == 0.0


def test_a_right_password_counts_for_nothing() -> None:
    attempts = Attempts(ManualClock())
    for _ in range(10 * MAX_WRONG):
        assert pause(attempts, ANN, "here") == 0.0
        attempts.succeed(ANN, "here")


def test_a_right_password_from_a_known_device_leaves_the_pauses_of_others() -> None:
    attempts = Attempts(ManualClock())
    for number in range(MAX_WRONG):
        pause(attempts, ANN, f"address {number}")
    assert pause(attempts, ANN, "here", LAPTOP) == 0.0
    attempts.succeed(ANN, "here", LAPTOP)
    assert pause(attempts, ANN, "there") == 1.0


def test_tries_without_an_address_are_not_counted_together() -> None:
    attempts = Attempts(ManualClock())
    assert not any(pause(attempts, account) for account in range(10 * MAX_WRONG))


@pytest.mark.parametrize(("after", "wait"), [(FORGOTTEN - 1, 0.0), (FORGOTTEN, 0.0)])
def test_wrong_passwords_are_forgotten_after_a_day(after: float, wait: float) -> None:
    clock = ManualClock()
    attempts = Attempts(clock)
    for number in range(MAX_WRONG):
        pause(attempts, ANN, f"address {number}")
    clock.advance(after)
    assert pause(attempts, ANN, "here") == wait
    assert (pause(attempts, ANN, "there") > 0) == (after < FORGOTTEN)


def test_what_is_remembered_is_bounded() -> None:
    attempts = Attempts(ManualClock())
    for number in range(MAX_REMEMBERED + 100):
        pause(attempts, number, f"address {number}")
    assert len(attempts) <= MAX_REMEMBERED
