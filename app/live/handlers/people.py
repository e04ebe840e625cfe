"""Being away, and ignoring people."""

from __future__ import annotations

from app.chat import rules
from app.chat.errors import Code, Refused
from app.chat.events import User
from app.chat.frames import Away, Back, Done, Ignore, Unignore
from app.live.connection import Connection
from app.live.handlers.rooms import check_voice


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


async def _set_ignored(connection: Connection, whom: User, *, on: bool) -> None:
    """Start or stop ignoring someone on all connections of the user: some in each turn, since each may be in many
    rooms."""
    if on and whom.id not in connection.ignored:
        connection.limits.check_ignored(len(connection.ignored) + 1)
    await connection.backend.ignore(connection.user.id, whom.id, on=on)
    ignored = await connection.backend.ignored(connection.user.id)
    await connection.hub.for_connections_in_turn(connection.user.id, lambda one: one.ignore(ignored))
