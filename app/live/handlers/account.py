"""Who you are: names, registration, logging in and out."""

from __future__ import annotations

import logging

from app.chat.closing import CloseCode
from app.chat.dialects import TEXT
from app.chat.errors import Code, Refused
from app.chat.events import User
from app.chat.frames import Done, Join, Login, Logout, Nick, Quit, Register
from app.chat.logs import WHISPERS, mailbox
from app.identity.passwords import prepare
from app.live.connection import Connection
from app.live.handlers.rooms import check_voice, take_ownership
from app.live.work import network

log = logging.getLogger("chat")


async def nick(connection: Connection, command: Nick) -> None:
    """Change the user's name, on all of its connections."""
    await check_voice(connection)
    before, user = _who(connection), await connection.context.claim_name(connection.user, command.name)
    if user.name != connection.user.name:
        log.info("%s is called %s now", before, user.name)
    _announce_user(connection, user, command)


async def register(connection: Connection, command: Register) -> None:
    """Protect the user's name with a password. The user becomes the owner of the rooms it is in that have none."""
    password, context = prepare(command.password), connection.context
    connection.limits.check_password(password)
    now, token = context.clock.now(), connection.token_hash
    with context.newcomers.registering(connection.address):
        hashed = await context.passwords.hash(password, account=connection.user.id, network=network(connection.address))
        user = await connection.backend.register(
            connection.user.id, hashed, token, ends=b"", at=now, skeleton="", operator=False
        )
        if user is None:
            raise Refused(Code.REFUSED, "You are registered already", reason="registered")
    log.info("%s registered", _who(connection))
    _announce_user(connection, user, command)
    for room in connection.following.rooms():
        await take_ownership(connection, room)


async def login(connection: Connection, command: Login) -> None:
    """Become the user with this name and password. The connection's token then belongs to that user."""
    account = await connection.context.find_account(command.name)
    hashed, token = account.password if account else "", connection.token_hash
    known = account is not None and token and await connection.backend.device_of(token) == account.user.id
    try:
        await connection.context.passwords.check(
            hashed,
            command.password,
            account=account.user.id if account else command.name[:64].lower(),
            network=network(connection.address),
            device=token if known else None,
        )
    except Refused as refused:
        # A name that nobody has isn't logged: it may be a password in the wrong place.
        whom = account.user.name if account else "a name that nobody has"
        log.info("%s could not log in as %s: %s", _who(connection), whom, refused.code.value)
        raise
    assert account is not None, "without an account no password is right"
    room = connection.room
    log.info("%s logged in as %s", _who(connection), account.user.name)
    if connection.token_hash:
        now = connection.context.clock.now()
        await connection.backend.sign_in(account.user.id, hashed, connection.token_hash, ends=b"", at=now)
    connection.switch_user(account.user)
    connection.ignore(await connection.backend.ignored(account.user.id))
    connection.user_changed(account.user, rid=command.rid)
    if connection.dialect is TEXT:
        await follow_whispers(connection)
        if room:
            await connection.execute(Join(room))


async def follow_whispers(connection: Connection) -> None:
    """Follow the user's whispers from its read marker on."""
    if not connection.returning:
        connection.following.whispers_sent = 0
        return
    read = await connection.backend.read_marker(connection.user.id, mailbox(connection.user.id))
    await connection.execute(Join(WHISPERS, after=read))


async def logout(connection: Connection, command: Logout) -> None:
    """Revoke the connection's token and end the connection."""
    if connection.token_hash:
        await connection.backend.sign_out(connection.token_hash, at=connection.context.clock.now())
    connection.send(Done(note="Goodbye", rid=command.rid))
    connection.flush_and_close(CloseCode.BYE)


async def leave(connection: Connection, command: Quit) -> None:
    """End the connection."""
    connection.send(Done(note="Goodbye", rid=command.rid))
    connection.flush_and_close(CloseCode.BYE)


def _who(connection: Connection) -> str:
    """The user and the address, for the log."""
    return f"{connection.user.name} from {connection.address}" if connection.address else connection.user.name


def _announce_user(connection: Connection, user: User, command: Nick | Register) -> None:
    """Tell all connections of a user its new name. The one that asked gets it as its answer."""
    connection.hub.rename(user)
    connection.user_changed(user, rid=command.rid)
    connection.hub.for_connections_of(user.id, lambda one: one.user_changed(user) if one is not connection else None)
