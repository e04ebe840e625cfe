"""Who you are: names, registration, passwords, logging in and out.

Every change of rights makes a new token: the old one, which someone else may know, ends with it, and so does every
other connection that came with it.
"""

from __future__ import annotations

from app.addresses import network
from app.chat.closing import CloseCode
from app.chat.dialects import JSON, TEXT
from app.chat.errors import Code, Refused
from app.chat.events import User
from app.chat.frames import ChangePassword, Done, Join, Login, Logout, Nick, Quit, Register
from app.chat.logs import WHISPERS, mailbox
from app.live.connection import Connection
from app.live.effects import with_effect
from app.live.handlers.rooms import check_voice, take_ownership
from app.live.tokens import digest, new_token


async def nick(connection: Connection, command: Nick) -> None:
    """Change the user's name, on all of its connections."""
    before = _who(connection), connection.user.name
    await take_name(connection, command.name)
    if connection.user.name != before[1]:
        connection.context.say(connection, "New names:", "%s is called %s now", before[0], connection.user.name)
    connection.tell_name(rid=command.rid)


async def take_name(connection: Connection, name: str) -> None:
    """Give the user a new name, on all of its connections. Refused if it is muted in a room that it is in, on any of
    them."""
    await check_voice(connection)
    claiming = connection.context.claim_name(connection.user, name)
    await with_effect(claiming, lambda user: connection.hub.update_user(user, asker=connection))


async def register(connection: Connection, command: Register) -> None:
    """Protect the user's name with a password. The user becomes the owner of the rooms it is in that have none."""
    context, user_id, asking = connection.context, connection.user.id, network(connection.address)
    password = await context.passwords.prepare(command.password, account=user_id, network=asking)
    context.limits.check_password(password)
    if connection.user.registered:
        raise _registered()
    with context.registering(connection):
        hashed = await context.passwords.hash(password, account=user_id, network=asking)
        token = _new_token(connection)

        def registered(user: User | None) -> None:
            if user is not None:
                _replace_token(connection, token)
                connection.hub.update_user(user, asker=connection)

        registering = context.register(connection.user, hashed, digest(token), ends=connection.token_hash)
        if await with_effect(registering, registered) is None:
            raise _registered()
    connection.context.say(connection, "Registered:", "%s registered", _who(connection))
    connection.tell_name(token=token, rid=command.rid)
    for room in connection.following.rooms():
        await take_ownership(connection, room)


async def change_password(connection: Connection, command: ChangePassword) -> None:
    """Replace the user's password, and end all other connections of the user."""
    context, asking = connection.context, network(connection.address)
    new = await context.passwords.prepare(command.new, account=connection.user.id, network=asking)
    context.limits.check_password(new)
    account = await connection.backend.account_of(connection.user.id)
    if account is None or not account.user.registered:
        problem = "You aren't registered, so you have no password. To choose one: /register PASSWORD"
        raise Refused(Code.NOT_REGISTERED, problem, name=connection.user.name)
    try:
        await context.passwords.check(
            account.password,
            command.old,
            account=account.user.id,
            network=asking,
            device=connection.token_hash or None,
        )
    except Refused as refused:
        who, code = _who(connection), refused.code.value
        connection.context.say(connection, "Not changed:", "%s could not change the password: %s", who, code)
        if refused.code is Code.WRONG_PASSWORD:
            raise _wrong_old() from None
        raise
    hashed = await context.passwords.hash(new, account=account.user.id, network=asking)
    token, now = _new_token(connection), context.clock.now()

    def changed(user: User | None) -> None:
        if user is not None:
            connection.hub.end_sign_ins(user.id, keep=connection)
            connection.token_hash = digest(token)

    changing = connection.backend.change_password(account.user.id, account.password, hashed, digest(token), at=now)
    if await with_effect(changing, changed) is None:
        raise _wrong_old()
    connection.context.say(connection, "New passwords:", "%s changed the password", _who(connection))
    connection.tell_name(token=token, rid=command.rid)


async def login(connection: Connection, command: Login) -> None:
    """Become the user with this name and password."""
    account = await connection.context.find_account(command.name)
    hashed, ends = account.password if account else "", connection.token_hash
    known = account is not None and ends and await connection.backend.device_of(ends) == account.user.id
    try:
        await connection.context.passwords.check(
            hashed,
            command.password,
            account=account.user.id if account else command.name[:64].lower(),
            network=network(connection.address),
            device=ends if known else None,
        )
    except Refused as refused:
        # A name that nobody has isn't logged: it may be a password in the wrong place.
        whom = account.user.name if account else "a name that nobody has"
        who, code = _who(connection), refused.code.value
        connection.context.say(connection, "Not logged in:", "%s could not log in as %s: %s", who, whom, code)
        raise
    assert account is not None, "without an account no password is right"
    room, token = connection.room, _new_token(connection)
    ignored, now = await connection.backend.ignored(account.user.id), connection.context.clock.now()

    def signed_in(user: User | None) -> None:
        if user is not None:
            _replace_token(connection, token)

    signing_in = connection.backend.sign_in(
        account.user.id, hashed, digest(token), ends=ends, at=now, former=connection.user.id
    )
    user = await with_effect(signing_in, signed_in)
    if user is None:
        raise _changed_meanwhile()
    connection.context.say(connection, "Logged in:", "%s logged in as %s", _who(connection), user.name)
    connection.switch_user(user)
    connection.ignore(ignored)
    connection.tell_name(token=token, rid=command.rid)
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
    """End the connection's token, and every connection that came with it."""
    if token := connection.token_hash:
        user = connection.user.id
        signing_out = connection.backend.sign_out(token, at=connection.context.clock.now(), user=user)
        await with_effect(signing_out, lambda _: connection.hub.end_sign_ins(user, token, keep=connection))
    connection.send(Done(note="Goodbye", rid=command.rid))
    connection.flush_and_close(CloseCode.BYE)


async def leave(connection: Connection, command: Quit) -> None:
    """End the connection."""
    connection.send(Done(note="Goodbye", rid=command.rid))
    connection.flush_and_close(CloseCode.BYE)


def _new_token(connection: Connection) -> str:
    """Return a new token for a client that can be told it, and none for others."""
    return new_token() if connection.dialect is JSON else ""


def _replace_token(connection: Connection, token: str) -> None:
    """Give the connection a new token instead of its old one, which has ended in the store."""
    if connection.token_hash:
        connection.hub.end_sign_ins(connection.user.id, connection.token_hash, keep=connection)
    connection.token_hash = digest(token)


def _registered() -> Refused:
    problem = "You are registered already. To change your password: /password OLD NEW"
    return Refused(Code.REFUSED, problem, reason="registered")


def _changed_meanwhile() -> Refused:
    """The error for a password that was right when it was checked."""
    return Refused(Code.WRONG_PASSWORD, "Wrong name or password")


def _wrong_old() -> Refused:
    return Refused(Code.WRONG_PASSWORD, "The current password is wrong", reason="old")


def _who(connection: Connection) -> str:
    """The user and the address, for the log."""
    user: User = connection.user
    return f"{user.name} from {connection.address}" if connection.address else user.name
