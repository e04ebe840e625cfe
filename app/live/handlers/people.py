"""Who one is, and of whom one wants to hear."""

from __future__ import annotations

from app.chat.closing import CloseCode
from app.chat.dialects import TEXT
from app.chat.errors import Code, Refused
from app.chat.events import User
from app.chat.frames import Away, Back, Done, Ignore, Join, Login, Logout, Nick, Quit, Register, Unignore
from app.chat.logs import WHISPERS, mailbox
from app.live.connection import Connection
from app.live.handlers.rooms import own


async def nick(connection: Connection, command: Nick) -> None:
    """Take another name, on all connections of the user."""
    user = await connection.context.claim(connection.user, command.name)
    _told(connection, user, command)


async def register(connection: Connection, command: Register) -> None:
    """Protect the user's name with a password. A registered user owns the rooms it is in that nobody owns."""
    connection.limits.check_password(command.password)
    hashed = await connection.context.passwords.hash(command.password)
    user = await connection.backend.set_password(connection.user.id, hashed)
    _told(connection, user, command)
    for room in connection.following.rooms():
        await own(connection, room)


async def login(connection: Connection, command: Login) -> None:
    """Be who has the name and the password. The token of the connection is that user's from then on."""
    account = await connection.context.find(command.name)
    hashed = account.password if account else ""
    await connection.context.passwords.check(connection.address, hashed, command.password)
    assert account is not None, "no password fits nobody's name"
    room = connection.room
    if connection.secret:
        await connection.backend.bind_token(connection.secret, account.user.id)
    connection.become(account.user)
    connection.ignore(await connection.backend.ignored(account.user.id))
    connection.renamed(account.user, rid=command.rid)
    if connection.dialect is TEXT:
        await follow_whispers(connection)
        if room:
            await connection.carry_out(Join(room))


async def follow_whispers(connection: Connection) -> None:
    """Follow what is whispered to the user, from where the user has read it."""
    if not connection.known:
        connection.following.mail = 0
        return
    read = await connection.backend.mark_read(connection.user.id, mailbox(connection.user.id), 0)
    await connection.carry_out(Join(WHISPERS, after=read))


async def logout(connection: Connection, command: Logout) -> None:
    """Forget the token of the connection, and end it."""
    if connection.secret:
        await connection.backend.revoke_token(connection.secret)
    connection.send(Done(note="good-bye", rid=command.rid))
    connection.finish(CloseCode.BYE)


async def leave(connection: Connection, command: Quit) -> None:
    """End the connection."""
    connection.send(Done(note="good-bye", rid=command.rid))
    connection.finish(CloseCode.BYE)


async def away(connection: Connection, command: Away) -> None:
    """Tell the rooms that the user is away."""
    connection.limits.check_why(command.why)
    connection.hub.away(connection.user, command.why)
    connection.send(Done(note="you are away", rid=command.rid))


async def back(connection: Connection, command: Back) -> None:
    """Tell the rooms that the user is back."""
    connection.hub.away(connection.user, None)
    connection.send(Done(note="you are back", rid=command.rid))


async def ignore(connection: Connection, command: Ignore) -> None:
    """Hear nothing of somebody."""
    whom = (await connection.context.account(command.name)).user
    if whom.id == connection.user.id:
        problem = f"{whom.name} is yourself: expected somebody else"
        raise Refused(Code.BAD_NAME, problem, reason="self", name=whom.name)
    await _ignore(connection, whom, on=True)
    connection.send(Done(note=f"you hear nothing of {whom.name} from now on", rid=command.rid))


async def unignore(connection: Connection, command: Unignore) -> None:
    """Hear somebody again."""
    whom = (await connection.context.account(command.name)).user
    await _ignore(connection, whom, on=False)
    connection.send(Done(note=f"you hear {whom.name} again", rid=command.rid))


async def _ignore(connection: Connection, whom: User, *, on: bool) -> None:
    await connection.backend.ignore(connection.user.id, whom.id, on=on)
    ignored = await connection.backend.ignored(connection.user.id)

    connection.hub.each(connection.user.id, lambda one: one.ignore(ignored))


def _told(connection: Connection, user: User, command: Nick | Register) -> None:
    """Tell all connections of a user what it is called; the one that asked gets its answer."""
    connection.hub.rename(user)
    connection.renamed(user, rid=command.rid)
    connection.hub.each(user.id, lambda one: one.renamed(user) if one is not connection else None)
