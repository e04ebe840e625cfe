"""Which changes say something about users, and what."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from msgspec.structs import replace

from app.backends import changes
from app.backends.sequencing import Entry
from app.backends.user_changes import UserChange, What
from app.chat.events import User

Told = Iterator[UserChange]


def user_changes(entries: Iterable[Entry], is_own: Callable[[Entry], bool]) -> list[UserChange]:
    """Return what applied changes did to users, in their order."""
    told = []
    for entry in entries:
        find = _FIND.get(type(entry.change))
        if find is not None and not isinstance(entry.answer, Exception):
            own = is_own(entry)
            told += [replace(one, own=own) for one in find(entry.change, entry.answer)]
    return told


def has_caller(entry: Entry) -> bool:
    """Whether someone waits for the answer of an entry, and was not told that it may not come."""
    return entry.waiter is not None


def _claim(change: changes.Claim, _: User) -> Told:
    yield UserChange(What.NAME, change.user)
    if change.evict:
        yield UserChange(What.NAME, change.evict)
    if change.operator:
        yield UserChange(What.RANK, change.user)


def _register(change: changes.Register, answer: User | None) -> Told:
    if answer is None:
        return
    yield UserChange(What.NAME, change.user)
    if change.ends:
        yield UserChange(What.SIGN_INS, change.user, change.ends)
    if change.operator:
        yield UserChange(What.RANK, change.user)


def _sign_in(change: changes.SignIn, answer: User | None) -> Told:
    if answer is not None and change.ends:
        yield UserChange(What.SIGN_INS, change.former, change.ends)


def _sign_out(change: changes.SignOut, _: None) -> Told:
    yield UserChange(What.SIGN_INS, change.user, change.token)


def _change_password(change: changes.ChangePassword, answer: User | None) -> Told:
    if answer is not None:
        yield UserChange(What.SIGN_INS, change.user, b"", change.token)


def _depart(change: changes.Depart, answer: User) -> Told:
    if answer.name == answer.default_name:
        yield UserChange(What.NAME, change.user)


def _ignore(change: changes.Ignore, _: None) -> Told:
    yield UserChange(What.IGNORED, change.user)


def _make_operator(_: changes.MakeOperator, answer: int) -> Told:
    if answer:
        yield UserChange(What.RANK, answer)


_FIND: dict[type, Callable[[Any, Any], Told]] = {
    changes.Claim: _claim,
    changes.Register: _register,
    changes.SignIn: _sign_in,
    changes.SignOut: _sign_out,
    changes.ChangePassword: _change_password,
    changes.Depart: _depart,
    changes.Ignore: _ignore,
    changes.MakeOperator: _make_operator,
}
