"""Passwords: which are the same."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest
from argon2 import PasswordHasher, extract_parameters

from app.chat.errors import Code, Refused
from app.identity.attempts import MAX_WRONG
from app.identity.hashing import Argon2id, HashingError
from app.identity.passwords import Passwords
from app.identity.preparing import MAX_PREPARED, prepare
from app.testing.clock import ManualClock

STORED = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("correct horse")
COMPOSED, DECOMPOSED = "caf\u00e9 cr\u00e8me", "cafe\u0301 cre\u0300me"


def passwords() -> Passwords:
    made = Passwords(ManualClock())
    made.hasher = Argon2id(time_cost=1, memory_cost=8, parallelism=1)
    return made


def matches(hashed: str, password: str) -> bool:
    try:
        asyncio.run(passwords().check(hashed, password, account=1, network="here"))
    except Refused:
        return False
    return True


def hashed(password: str) -> str:
    return asyncio.run(passwords().hash(prepare(password), account=1, network="here"))


@pytest.mark.parametrize("password", ["correct horse", "  blanks  ", "x" * 200, "пароль", "emoji 😀", "Straße", "ﬁ"])
def test_a_password_matches_itself_alone(password: str) -> None:
    stored = hashed(password)
    assert matches(stored, password)
    assert not matches(stored, password.strip() + "x")
    assert not matches("", password)


class Counting(PasswordHasher):
    """Notes which hashes passwords are checked against, and hashes none."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.checked: list[str | bytes] = []

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        raise AssertionError("this takes time")

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002
        self.checked.append(hash)
        return super().verify(hash, password)


def test_the_time_does_not_tell_that_nobody_has_a_name() -> None:
    """Not even the first time: there is a hash to check against, which is as costly as one of an account."""
    hasher = Argon2id(time_cost=1, memory_cost=8, parallelism=1)
    hasher._hasher = counting = Counting()
    assert not hasher.matches("", "correct horse")
    (checked,) = counting.checked
    assert extract_parameters(str(checked)) == extract_parameters(STORED)


def test_it_does_not_matter_how_an_accent_is_written() -> None:
    assert COMPOSED != DECOMPOSED
    assert matches(hashed(DECOMPOSED), COMPOSED)
    assert matches(hashed(COMPOSED), DECOMPOSED)


def test_a_blank_is_a_blank() -> None:
    assert matches(hashed("correct\u00a0horse"), "correct horse")


@pytest.mark.parametrize("other", ["Correct Horse", "correct horse ", " correct horse", "correct  horse"])
def test_case_and_blanks_count(other: str) -> None:
    assert not matches(hashed("correct horse"), other)


@pytest.mark.parametrize("typed", [DECOMPOSED, "a\tb", "\u200dx"])
def test_a_password_that_was_stored_as_it_was_typed_still_matches(typed: str) -> None:
    assert matches(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(typed), typed)


def outcomes(kept: Passwords, hashed: str, tried: list[tuple[int, str]]) -> list[Code | None]:
    """Try passwords of accounts at the same time, from one address. What each is refused for, in order."""

    async def check(account: int, password: str) -> Code | None:
        try:
            await kept.check(hashed, password, account=account, network="here")
        except Refused as refused:
            return refused.code
        return None

    async def check_all() -> list[Code | None]:
        return list(await asyncio.gather(*(check(*one) for one in tried)))

    return asyncio.run(check_all())


@pytest.mark.parametrize("accounts", [1, 20])
def test_right_passwords_at_the_same_time_are_none_too_many(accounts: int) -> None:
    tried = [(number % accounts, "correct horse") for number in range(20)]
    assert outcomes(passwords(), hashed("correct horse"), tried) == [None] * 20


def test_wrong_passwords_at_the_same_time_count() -> None:
    tried = [(number, "wrong horse") for number in range(20)]
    told = outcomes(passwords(), hashed("correct horse"), tried)
    assert told == [Code.WRONG_PASSWORD] * MAX_WRONG + [Code.RATE_LIMITED] * (20 - MAX_WRONG)


class Failing(Argon2id):
    """Fails as long as it is told to."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.fails = True

    def matches(self, hashed: str, password: str) -> bool:
        if self.fails:
            raise HashingError("no memory")
        return super().matches(hashed, password)


def test_a_try_that_could_not_be_checked_does_not_count() -> None:
    kept, stored = passwords(), hashed("correct horse")
    kept.hasher = failing = Failing()
    tried = [(1, "wrong horse")] * (2 * MAX_WRONG)
    assert outcomes(kept, stored, tried) == [Code.UNAVAILABLE] * len(tried)
    failing.fails = False
    assert outcomes(kept, stored, tried) == [Code.WRONG_PASSWORD] * MAX_WRONG + [Code.RATE_LIMITED] * MAX_WRONG


@pytest.mark.parametrize("password", ["a\tb", "a\x00b", "line\nbreak", "\u200dx", "\x1b[31m", "\ud800", "\u202ex"])
def test_what_can_not_be_in_a_password(password: str) -> None:
    with pytest.raises(Refused) as refused:
        prepare(password)
    assert (refused.value.code, refused.value.values) == (Code.BAD_PASSWORD, {"reason": "characters"})
    assert not matches(hashed("correct horse"), password)


def test_a_huge_password_is_looked_at_as_it_is() -> None:
    huge = "e\u0301" * MAX_PREPARED
    assert prepare(huge) is huge
    with pytest.raises(Refused):
        prepare(huge + "\ud800")
