"""Being away, and ignoring people."""

from __future__ import annotations

from contextlib import nullcontext

from msgspec import UnsetType

from app.chat import rules
from app.chat.errors import Code, Refused
from app.chat.events import User
from app.chat.fitting import fit
from app.chat.frames import MAX_PAGE, Away, Back, Done, Ignore, IgnoredList, ListIgnored, Unignore
from app.chat.presence import Person, by_name
from app.live.connection import Connection
from app.live.handlers.rooms import check_voice
from app.live.work import LOOKING


async def away(connection: Connection, command: Away) -> None:
    """Show the user as away in its rooms."""
    connection.limits.check_why(command.why)
    rules.check_no_password(command.why)
    if command.why:
        await check_voice(connection)
    connection.hub.set_away(connection.user, command.why)
    connection.send(Done(note="You are away", rid=command.rid))


async def back(connection: Connection, command: Back) -> None:
    """Show the user as back in its rooms."""
    connection.hub.set_away(connection.user, None)
    connection.send(Done(note="You are back", rid=command.rid))


async def ignore(connection: Connection, command: Ignore) -> None:
    """Hide what someone says."""
    whom = (await connection.context.account(command.name)).user
    if whom.id == connection.user.id:
        problem = "You can't ignore yourself"
        raise Refused(Code.BAD_NAME, problem, reason="self", name=whom.name)
    await _set_ignored(connection, whom, on=True)
    connection.send(Done(note=f"You are ignoring {whom.name}", rid=command.rid))


async def unignore(connection: Connection, command: Unignore) -> None:
    """Show again what someone says."""
    whom = (await connection.context.account(command.name)).user
    await _set_ignored(connection, whom, on=False)
    connection.send(Done(note=f"You are no longer ignoring {whom.name}", rid=command.rid))


async def list_ignored(connection: Connection, command: ListIgnored) -> None:
    """Answer with those whom the user ignores, a page at a time."""
    connection.charge(LOOKING * len(connection.ignored))
    users = await connection.backend.users(sorted(connection.ignored))
    limit = MAX_PAGE if isinstance(command.limit, UnsetType) else command.limit
    people, more = by_name([Person(user.id, user.name) for user in users], limit, after=command.after)
    listed = tuple(fit(people))
    connection.send(IgnoredList(listed, more or len(listed) < len(people), rid=command.rid))


async def _set_ignored(connection: Connection, whom: User, *, on: bool) -> None:
    """Start or stop ignoring someone on all connections of the user: some in each turn, since each may be in many
    rooms."""
    adds = on and whom.id not in connection.ignored
    with connection.context.under_way.another(("ignored", connection.user.id)) if adds else nullcontext(0) as place:
        if adds:
            connection.limits.check_ignored(len(connection.ignored) + place)
        await connection.backend.ignore(connection.user.id, whom.id, on=on)
    ignored = await connection.backend.ignored(connection.user.id)
    await connection.hub.for_connections_in_turn(connection.user.id, lambda one: one.ignore(ignored))
