"""Who one is, and of whom one wants to hear."""

from __future__ import annotations

from app.chat.closing import CloseCode
from app.chat.dialects import TEXT
from app.chat.errors import Code, Refused
from app.chat.events import User, mailbox
from app.chat.frames import (
    WHISPERS,
    Away,
    Back,
    Done,
    Ignore,
    Join,
    Login,
    Logout,
    Nick,
    Quit,
    Register,
    Unignore,
)
from app.handlers.rooms import own
from app.session import Session


async def nick(session: Session, command: Nick) -> None:
    """Take another name, on all connections of the user."""
    user = await session.service.claim(session.user, command.name)
    _told(session, user, command)


async def register(session: Session, command: Register) -> None:
    """Protect the user's name with a password. A registered user owns the rooms it is in that nobody owns."""
    session.limits.check_password(command.password)
    hashed = await session.service.passwords.hash(command.password)
    user = await session.backend.protect(session.user.id, hashed)
    _told(session, user, command)
    for room in session.following.rooms():
        await own(session, room)


async def login(session: Session, command: Login) -> None:
    """Be who has the name and the password. The token of the connection is that user's from then on."""
    account = await session.service.find(command.name)
    hashed = account.password if account else ""
    await session.service.passwords.check(session.address, hashed, command.password)
    assert account is not None, "no password fits nobody's name"
    room = session.room
    if session.secret:
        await session.backend.adopt(session.secret, account.user.id)
    session.become(account.user)
    session.ignore(await session.backend.ignored(account.user.id))
    session.renamed(account.user, rid=command.rid)
    if session.dialect is TEXT:
        await follow_whispers(session)
        if room:
            await session.carry_out(Join(room))


async def follow_whispers(session: Session) -> None:
    """Follow what is whispered to the user, from where the user has read it."""
    if not session.known:
        session.following.mail = 0
        return
    read = await session.backend.mark(session.user.id, mailbox(session.user.id), 0)
    await session.carry_out(Join(WHISPERS, after=read))


async def logout(session: Session, command: Logout) -> None:
    """Forget the token of the connection, and end it."""
    if session.secret:
        await session.backend.revoke(session.secret)
    session.send(Done(note="good-bye", rid=command.rid))
    session.finish(CloseCode.BYE)


async def leave(session: Session, command: Quit) -> None:
    """End the connection."""
    session.send(Done(note="good-bye", rid=command.rid))
    session.finish(CloseCode.BYE)


async def away(session: Session, command: Away) -> None:
    """Tell the rooms that the user is away."""
    session.limits.check_why(command.why)
    session.hub.away(session.user, command.why)
    session.send(Done(note="you are away", rid=command.rid))


async def back(session: Session, command: Back) -> None:
    """Tell the rooms that the user is back."""
    session.hub.away(session.user, None)
    session.send(Done(note="you are back", rid=command.rid))


async def ignore(session: Session, command: Ignore) -> None:
    """Hear nothing of somebody."""
    whom = (await session.service.account(command.name)).user
    if whom.id == session.user.id:
        raise Refused(Code.BAD_NAME, f"{whom.name} is yourself: expected somebody else")
    await _ignore(session, whom, on=True)
    session.send(Done(note=f"you hear nothing of {whom.name} from now on", rid=command.rid))


async def unignore(session: Session, command: Unignore) -> None:
    """Hear somebody again."""
    whom = (await session.service.account(command.name)).user
    await _ignore(session, whom, on=False)
    session.send(Done(note=f"you hear {whom.name} again", rid=command.rid))


async def _ignore(session: Session, whom: User, *, on: bool) -> None:
    await session.backend.ignore(session.user.id, whom.id, on=on)
    ignored = await session.backend.ignored(session.user.id)

    session.hub.each(session.user.id, lambda one: one.ignore(ignored))


def _told(session: Session, user: User, command: Nick | Register) -> None:
    """Tell all connections of a user what it is called; the one that asked gets its answer."""
    session.hub.rename(user)
    session.renamed(user, rid=command.rid)
    session.hub.each(user.id, lambda one: one.renamed(user) if one is not session else None)
