"""The machine: it applies changes to the store, in order.

The result depends on the changes and their order alone, however they are grouped into transactions. That makes it
possible to replay the journal after a crash, and to apply one log of changes on many nodes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from app.backends import changes
from app.backends.digest import Chain, Mark
from app.backends.sequencing import Entry, Sequencer
from app.backends.statements import appending, logs, names, runs, sign_ins, users
from app.backends.statements.rows import CALL_ERRORS, counter, savepoint, transaction
from app.chat.events import Draft, User
from app.chat.logs import CONVERSATION

STATEMENTS: dict[type, Callable[[sqlite3.Connection, Any], Any]] = {
    changes.Trim: logs.trim,
    changes.CreateUser: sign_ins.create_user,
    changes.BindToken: sign_ins.bind_token,
    changes.RevokeToken: sign_ins.revoke_token,
    changes.SignIn: sign_ins.sign_in,
    changes.SignOut: sign_ins.sign_out,
    changes.UseToken: sign_ins.use_token,
    changes.Register: sign_ins.register,
    changes.ChangePassword: sign_ins.change_password,
    changes.MakeOperator: names.make_operator,
    changes.Claim: names.claim,
    changes.SetSkeletons: names.set_skeletons,
    changes.SetPassword: sign_ins.set_password,
    changes.Depart: users.depart,
    changes.Forget: users.forget,
    changes.RecordSeen: users.record_seen,
    changes.MarkRead: users.mark_read,
    changes.Ignore: users.ignore,
    changes.Numbered: runs.note,
    changes.Probe: lambda connection, change: None,  # noqa: ARG005
}
"""How each type of change is applied. Drafts are appended, many at once."""


def apply(connection: sqlite3.Connection, entries: Sequence[Entry], number: int) -> None:
    """Apply placed entries in order, in the caller's transaction, and note `number` as the last applied record.

    Each entry gets its answer, or the exception that concerns it alone; then it has changed nothing. sqlite3.Error
    concerns the whole store.
    """
    for apply_all, group in groupby(entries, _how):
        apply_all(connection, list(group))
    _count(connection, entries, number)


def commit(
    connection: sqlite3.Connection, groups: Sequence[tuple[int, Sequence[Entry]]], digests: Chain | None = None
) -> None:
    """Apply placed entries, each group with its number, in one transaction; with what they come to in `digests`."""
    marks: Sequence[Mark] = ()
    with transaction(connection):
        apply(connection, [entry for _, entries in groups for entry in entries], max(number for number, _ in groups))
        if digests is not None:
            marks = digests.write(connection, groups)
    if digests is not None:
        digests.note(marks)


def run(connection: sqlite3.Connection, sequencer: Sequencer, entries: Sequence[Entry], number: int) -> None:
    """Place and apply entries in order, as `apply` does. The sequencer looks up through the same connection."""
    first = 0
    while first < len(entries):
        part = entries[first : first + sequencer.placeable([entry.change for entry in entries[first:]])]
        sequencer.place(part)
        apply(connection, part, number)
        sequencer.stored(part)
        first += len(part)


def replay(connection: sqlite3.Connection, sequencer: Sequencer, record: bytes, number: int) -> None:
    """Apply a record of the journal, in the caller's transaction. msgspec.MsgspecError if it isn't one."""
    run(connection, sequencer, [Entry(change) for change in changes.decode(record)], number)


def last_applied(connection: sqlite3.Connection) -> int:
    """Return the number of the last record that was applied."""
    return counter(connection, "applied")


def _how(entry: Entry) -> Callable[[sqlite3.Connection, Sequence[Entry]], None]:
    """How entries like this one are applied, together."""
    change = entry.change
    if type(change) is Draft:
        return _append
    return _create_guests if type(change) is changes.CreateUser and change.user and not change.token else _apply_each


def _append(connection: sqlite3.Connection, entries: Sequence[Entry]) -> None:
    appending.append(connection, [entry for entry in entries if entry.pos])


def _create_guests(connection: sqlite3.Connection, entries: Sequence[Entry]) -> None:
    """Nothing can be wrong with a new user without a token, and there are many: each connection of a guest is one."""
    for entry in entries:
        assert isinstance(entry.change, changes.CreateUser)
        entry.answer = User.newcomer(entry.change.user)
    users.insert(connection, [entry.answer for entry in entries])


def _apply_each(connection: sqlite3.Connection, entries: Sequence[Entry]) -> None:
    for entry in entries:
        entry.answer = _outcome(connection, entry.change)


def _outcome(connection: sqlite3.Connection, change: changes.Change) -> Any:
    try:
        with savepoint(connection):
            return STATEMENTS[type(change)](connection, change)
    except CALL_ERRORS as error:
        return error


def _count(connection: sqlite3.Connection, entries: Sequence[Entry], number: int) -> None:
    """Note what was given out last, so that nothing is given out twice."""
    last = {"applied": number}
    for entry in entries:
        change = entry.change
        if entry.pos and entry.event is not None:
            last["pos"] = entry.pos
            if entry.event.room.startswith(CONVERSATION):
                last["whisper"] = entry.event.seq
        elif isinstance(change, changes.CreateUser) and change.user:
            last["user"] = max(change.user, last.get("user", 0))
    connection.executemany(
        "UPDATE counters SET value = max(value, ?) WHERE name = ?", [(value, name) for name, value in last.items()]
    )
