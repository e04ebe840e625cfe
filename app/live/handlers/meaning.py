"""Whom a moderation command is about: a user by id, or by a name that may have changed since.

A ban holds for a user, not for a name. So what is lifted is looked for under the name that the person had when it was
set as well as under the present one: the former may be someone else's by now. And someone who has given up a name can
still be banned for what they said under it.
"""

from __future__ import annotations

from unicodedata import normalize

from app.chat import rules
from app.chat.errors import Code, Refused
from app.chat.events import Account, User
from app.chat.fitting import PAGE_BYTES
from app.chat.frames import Moderation
from app.chat.logs import END
from app.chat.room import Room
from app.live.connection import Connection
from app.live.subscriber import Subscriber
from app.live.work import sending

RECENT = 200
"""Among how many events of a room authors are looked for by a name that nobody has now, as far as a page goes."""


async def user_meant(connection: Connection, command: Moderation, room: Room[Subscriber]) -> User:
    """Return the user that a command is about. Refused if there is none, or a name fits two people."""
    context = connection.context
    if command.user:
        return await _by_id(connection, command.user)
    account = await context.find_account(command.name)
    lifted = rules.lifted_by(command)
    if lifted is None:
        meant = set() if account or not rules.is_against(command) else await _recent_authors(connection, command)
        return await _the_only(connection, command, meant, account)
    now_called = account.user.id if account else 0
    meant = {
        whom.id
        for event in room.state.in_force(lifted, context.clock.now())
        if (whom := event.detail.whom) and (whom.id == now_called or _folded(whom.name) == _folded(command.name))
    }
    return await _the_only(connection, command, meant, account)


async def _recent_authors(connection: Connection, command: Moderation) -> set[int]:
    """Return those who said something in the room recently, under the name in the command."""
    events = await connection.backend.read_backwards(command.room, before=END, limit=RECENT, size=PAGE_BYTES)
    connection.charge(sending(events))
    return {event.user for event in events if event.user and _folded(event.name) == _folded(command.name)}


async def _the_only(connection: Connection, command: Moderation, meant: set[int], account: Account | None) -> User:
    """Return the one who is meant, or else the one who has the name now. Refused if nobody is, or more than one."""
    if len(meant) > 1:
        raise _ambiguous(command.name, await connection.backend.users(sorted(meant)))
    if meant:
        return await _by_id(connection, meant.pop())
    return (account or await connection.context.account(command.name)).user


async def _by_id(connection: Connection, id_: int) -> User:
    found = await connection.backend.users([id_])
    if not found:
        raise Refused(Code.UNKNOWN_NAME, f"There is no user #{id_}", name=f"#{id_}")
    return found[0]


def _folded(name: str) -> str:
    return normalize("NFKC", name).casefold()


def _ambiguous(name: str, users: list[User]) -> Refused:
    """The error for a name that several people had or have. There is no sentence for it but the server's."""
    people = " and ".join(f"#{user.id} ({user.name})" for user in users[:9])
    problem = f"{name[:40]} fits {people}. Say which one by the number, such as #{users[0].id}"
    return Refused(Code.REFUSED, problem, reason="ambiguous", name=name[:40])
