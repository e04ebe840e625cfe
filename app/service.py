"""The chat as a whole, which sessions act through and modules extend.

A module may add a slash command, hear what happens in rooms, refuse what is about to be stored, and speak as a named
service. It says so while the application is put together::

    def module(app):
        chat = chat_of(app)
        bot = chat.speaker("bot")

        async def greet(event):
            if event.text == "hello":
                await bot.say(event.room, f"hello {event.name}")

        chat.hear(greet)
        chat.refuse(lambda draft: "no shouting" if draft.text.isupper() else None)

Commands, refusals and speakers work wherever the application does. Listeners hear while its lifespan runs: a TestClient
must be used in `with` for that.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from app.application import Application, StartupError
from app.backends import Backend, NameTaken, Unavailable
from app.chat import commands
from app.chat.dialects import TEXT
from app.chat.errors import Code, Refused
from app.chat.events import PLAIN, Account, Detail, Draft, Event, Kind, User, conversation, mailbox
from app.chat.frames import Usage, room_name
from app.chat.limits import Limits
from app.chat.names import Name, NameRule, reserved
from app.handlers import HANDLERS
from app.hub import Hub
from app.listening import Listener, listening
from app.passwords import Passwords
from app.session import Session, now
from app.transports import Overflow

log = logging.getLogger("chat")

Rule = Callable[[Draft], str | None]
"""Why the draft of an event must not be stored, or None. It must not wait: it stands between others and the store. It
may raise Refused instead, to say more than why."""

LONGEST_CID = 64
"""Characters that a `cid` may have, as for clients."""


@dataclass(frozen=True, slots=True)
class Call:
    """A slash command of a module, as somebody typed it: who, where, and what stood after its name. `room` is one that
    the user is in, or a conversation, or nothing for who is in no room."""

    user: User
    room: str
    arguments: str


NO_PASSWORD = "!"  # noqa: S105
"""In place of a hash: no password fits it."""

Run = Callable[[Call], Awaitable[str | None]]
"""Carries a command out; what it returns is told to the caller alone. It may raise Refused."""


@dataclass(frozen=True, slots=True)
class Rates:
    """How much one connection may ask: `rate` commands a second, `burst` at once; after `strikes` refused ones in a row
    it is closed. 0 is no limit."""

    rate: float
    burst: float
    strikes: int


@dataclass(frozen=True, slots=True)
class Naming:
    """What can be a name, for how many seconds the name of somebody who left is kept, and whose names operate the
    server, in canonical form."""

    rule: NameRule
    hold: float
    operators: frozenset[str]


def chat_of(app: Application) -> ChatService:
    """The chat that a module adds to. LookupError where there is none yet, which the loader tells with its place."""
    chat = getattr(app.state, "chat", None)
    if not isinstance(chat, ChatService):
        raise LookupError("there is no chat to add to: list app.modules.chat.module before it")
    return chat


class ChatService:
    """The chat that runs over a backend."""

    def __init__(
        self, backend: Backend, hub: Hub, limits: Limits, rates: Rates, naming: Naming, overflow: Overflow
    ) -> None:
        self.backend, self.hub, self.limits, self.rates = backend, hub, limits, rates
        self.naming, self.overflow = naming, overflow
        self.handlers = HANDLERS
        self.commands: dict[str, Run] = {}
        self.usages: list[Usage] = []
        """How the commands that modules added are used."""
        self.passwords = Passwords()
        self._rules: list[Rule] = []
        self._listeners: list[Listener] = []
        self._speakers: dict[str, Speaker] = {}
        self._started = now()

    def command(self, name: str, run: Run, *, help: str, usage: str = "") -> None:  # noqa: A002
        """Add the slash command `/name`; `/help` tells of it as `/name usage: help`. ValueError where there is one of
        that name."""
        if not name or name != name.casefold() or len(name.split()) != 1 or name.startswith("/"):
            raise ValueError(f"/{name}: expected one word in lower case, without the slash")
        if name in self.commands or name in commands.NAMES:
            raise ValueError(f"/{name}: there is a command of that name already")
        self.commands[name] = run
        self.usages.append(Usage(name, usage, help))

    def hear(self, listener: Listener) -> None:
        """Await `listener(event)` for each event in a room, once it is stored: in the order of its room, none twice and
        none left out while the application's lifespan runs. What it raises is logged.

        Whispers are not heard. What a speaker says is, by who said it too: `event.name == bot.name` tells.
        """
        self._listeners.append(listener)

    def refuse(self, rule: Rule) -> None:
        """Ask `rule(draft)` about everything that somebody is about to say or change: a message, an edit, a topic, a
        whisper, what a speaker says. Rules are asked in the order in which they were added; the first that gives a
        reason wins, and whoever is refused is told it. What a rule fails at is refused too.
        """
        if inspect.iscoroutinefunction(rule):
            raise ValueError("a rule must not wait: expected a plain function, not an async one")
        self._rules.append(rule)

    def speaker(self, name: str) -> Speaker:
        """The service that speaks as `name`, which is nobody else's from the start of the lifespan on, or from the
        first time that it speaks. ValueError for what can't be its name."""
        try:
            own = self.name(name)
        except Refused as refused:
            raise ValueError(refused.message) from None
        if reserved(own.canonical):
            raise ValueError(f"{name!r} can't be a speaker: names like user7 are given to people")
        return self._speakers.setdefault(own.canonical, Speaker(self, own))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """What must happen as long as the application runs: names are kept for speakers, listeners hear."""
        async with AsyncExitStack() as stack:
            try:
                for speaker in self._speakers.values():
                    await speaker.user()
            except (Refused, Unavailable) as error:
                raise StartupError(str(error)) from None
            for listener in self._listeners:
                await stack.enter_async_context(listening(self.backend, listener))
            yield

    async def call(self, name: str, user: User, room: str, arguments: str) -> str | None:
        """Carry out the added command `name`; the answer is what the caller is told. Refused if it fails."""
        try:
            return await self.commands[name](Call(user, room, arguments))
        except (Refused, Unavailable):
            raise
        except Exception:
            log.exception("/%s failed", name)
            raise Refused(Code.REFUSED, f"/{name} failed: the server's log says why") from None

    def judge(self, draft: Draft) -> None:
        """Refused if a rule says so, or fails: what it was to keep out must not pass for that."""
        for rule in self._rules:
            try:
                reason = rule(draft)
            except Refused:
                raise
            except Exception:
                log.exception("a rule failed at what %s said in %s", draft.user.name, draft.room)
                raise Refused(Code.REFUSED, "a rule failed, so nothing passes: the server's log says why") from None
            if reason:
                raise Refused(Code.REFUSED, reason)

    def operates(self, user: User) -> bool:
        """Whether the configuration makes the user an operator of the server. Only a password proves who one is."""
        if not user.registered or not self.naming.operators:
            return False
        return self.name(user.name).canonical in self.naming.operators

    def name(self, text: str) -> Name:
        """`text` as a name. Refused for what can't be one."""
        return self.naming.rule(text, self.limits.name)

    async def find(self, name: str) -> Account | None:
        """Who is called so, if anybody."""
        try:
            canonical = self.name(name).canonical
        except Refused:
            return None
        return await self.backend.account(canonical)

    async def account(self, name: str) -> Account:
        """Who is called so. Refused where nobody is."""
        account = await self.find(name)
        if account is None:
            raise Refused(Code.UNKNOWN_NAME, f"nobody is called {name[:40]!r}")
        return account

    async def claim(self, user: User, text: str) -> User:
        """Give `user` another name. Refused for what can't be a name, and for one that somebody else has: registered,
        or present, or not gone for longer than names are kept."""
        name = self.name(text)
        if reserved(name.canonical) and name.canonical != user.default_name:
            raise Refused(Code.NAME_TAKEN, f"{name.display} is taken: names like user7 are given, not chosen")
        try:
            return await self._claim(user, name)
        except NameTaken as taken:
            holder = taken.holder.user
            hint = f"; if you are: /login {holder.name} PASSWORD" if holder.registered else ""
            raise Refused(Code.NAME_TAKEN, f"{name.display} is taken by somebody else{hint}") from None

    async def _claim(self, user: User, name: Name) -> User:
        try:
            return await self.backend.claim(user.id, name.display, name.canonical)
        except NameTaken as taken:
            if not self._is_free(taken.holder):
                raise
            return await self.backend.claim(user.id, name.display, name.canonical, evict=taken.holder.user.id)

    def _is_free(self, holder: Account) -> bool:
        if holder.user.registered or self.hub.present(holder.user.id):
            return False
        return now() - max(holder.seen, self._started) >= 1000 * self.naming.hold

    def left(self, session: Session, *, last: bool, read: int) -> None:
        """A connection ended; `last` says whether it was the user's last, `read` how far it had read its whispers.

        Who speaks text without a token can never come back as the same user, so its name is free at once; any other's
        is kept for a while.
        """
        user, backend = session.user, self.backend
        if session.dialect is TEXT and read and user.registered:
            _written(user, backend.mark(user.id, mailbox(user.id), read))
        if not last or user.registered or user.name == user.default_name:
            return
        if session.dialect is TEXT and not session.returns:
            _written(user, backend.claim(user.id, user.default_name, user.default_name))
        else:
            _written(user, backend.seen(user.id, now()))


def _written(user: User, writing: Awaitable[object]) -> None:
    """Nobody waits for what is written about who left: if it can't be, the log says so."""

    def tell(future: asyncio.Future[object]) -> None:
        if not future.cancelled() and (error := future.exception()):
            log.warning("%s: what is kept of who left could not be written: %s", user.name, error)

    asyncio.ensure_future(writing).add_done_callback(tell)


class Speaker:
    """A named service: it speaks, in any room, but has no connection. Its name is registered, with a password that
    nobody knows. What it does raises Refused for what can't be done, and Unavailable if the store does not answer."""

    def __init__(self, chat: ChatService, name: Name) -> None:
        self._chat, self._name = chat, name
        self.name = name.display
        """What it is called, and the `name` of its events."""
        self._user: User | None = None
        self._id = secrets.token_hex(8)
        self._messages = itertools.count()

    async def user(self) -> User:
        """Who it is, the same one after a restart. Whoever has its name unregistered loses it; Refused if somebody
        registered it."""
        if self._user is None:
            backend = self._chat.backend
            user = await backend.enlist(f"service:{self._name.canonical}".encode())
            if not user.registered:  # before it has the name, which so is at no time anybody's who comes
                user = await backend.protect(user.id, NO_PASSWORD)
            self._user = user if user.name == self.name else await self._named(user)
        return self._user

    async def say(self, room: str, text: str, *, me: bool = False, cid: str = "") -> Event:
        """Say `text` in a room; the event, once it is stored. The same `cid` again is the same event."""
        return await self._post(room_name(room), text, cid, Kind.ME if me else Kind.MSG)

    async def whisper(self, to: str | Sequence[str], text: str, *, cid: str = "") -> Event:
        """Say `text` to somebody, or to some people, and nobody else; the event, once it is stored. The same `cid`
        again is the same event."""
        names = [to] if isinstance(to, str) else to
        self._chat.limits.check_recipients(len(names))
        own = await self.user()
        people = [(await self._chat.account(name)).user for name in names]
        if not people:
            raise Refused(Code.UNKNOWN_NAME, "a whisper is for somebody: expected a name")
        others = {person.id: person.name for person in people if person.id != own.id} or {own.id: own.name}
        return await self._post(conversation({own.id, *others}), text, cid, detail=Detail(to=tuple(others.values())))

    async def _post(self, room: str, text: str, cid: str, kind: Kind = Kind.MSG, detail: Detail = PLAIN) -> Event:
        self._chat.limits.check_message(text)
        if len(cid) > LONGEST_CID:
            raise Refused(Code.BAD_FRAME, f"a cid of {len(cid)} characters is too long: expected {LONGEST_CID} at most")
        id_ = f"{self._id}.{next(self._messages):x}"
        draft = Draft(room, await self.user(), text, id_, now(), cid, kind, detail=detail)
        self._chat.judge(draft)
        return (await self._chat.backend.append(draft)).event

    async def _named(self, user: User) -> User:
        """Give it its name. Who had that, and did not register it, gets its default name back, and is told."""
        backend, hub = self._chat.backend, self._chat.hub
        evicted, named = 0, None
        while named is None:
            try:
                named = await backend.claim(user.id, self.name, self._name.canonical, evict=evicted)
            except NameTaken as taken:
                if taken.holder.user.registered:
                    problem = f"{self.name}: somebody else registered the name that a module is to speak as"
                    raise Refused(Code.NAME_TAKEN, problem) from None
                evicted = taken.holder.user.id
        if evicted:
            (former,) = await backend.users([evicted])
            hub.rename(former)
            hub.each(former.id, lambda one: one.renamed(former))
        return named
