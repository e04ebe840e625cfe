"""The chat as a whole, which sessions act through and modules extend: `app.state.chat`.

A module may add a slash command, hear what happens in rooms, refuse what is about to be stored, and speak as a named
service::

    def module(app):
        chat = app.state.chat
        speaker = chat.speaker("greeter")
        chat.refuse(lambda draft: "no shouting" if draft.text.isupper() else None)
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from app.application import StartupError
from app.backends import Backend, NameTaken
from app.chat import commands
from app.chat.dialects import TEXT
from app.chat.errors import Code, Refused
from app.chat.events import Account, Detail, Draft, Event, Kind, User, conversation, mailbox
from app.chat.frames import Usage, room_name
from app.chat.limits import Limits
from app.chat.names import Name, NameRule, reserved
from app.handlers import HANDLERS
from app.hub import Hub
from app.listening import Listener, listening
from app.passwords import Passwords
from app.session import Session, now
from app.transports.stock import Overflow

log = logging.getLogger("chat")

Rule = Callable[[Draft], str | None]
"""Why the draft of an event must not be stored, or None. It must not wait: it stands between others and the store."""


@dataclass(frozen=True, slots=True)
class Call:
    """A slash command of a module, as somebody typed it: who, where, and what stood after its name."""

    user: User
    room: str
    arguments: str


NO_PASSWORD = "!"  # noqa: S105
"""In place of a hash: no password fits it."""

Run = Callable[[Call], Awaitable[str | None]]
"""Carries a command out; what it returns is told to the caller alone. It may raise Refused."""


@dataclass(frozen=True, slots=True)
class AddedCommand:
    """A slash command of a module."""

    usage: Usage
    run: Run


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


class ChatService:
    """The chat that runs over a backend."""

    def __init__(
        self, backend: Backend, hub: Hub, limits: Limits, rates: Rates, naming: Naming, overflow: Overflow
    ) -> None:
        self.backend, self.hub, self.limits, self.rates = backend, hub, limits, rates
        self.naming, self.overflow = naming, overflow
        self.handlers = HANDLERS
        self.commands: dict[str, AddedCommand] = {}
        self.passwords = Passwords()
        self._rules: list[Rule] = []
        self._listeners: list[Listener] = []
        self._speakers: dict[str, Speaker] = {}
        self._started = now()

    def command(self, name: str, run: Run, *, usage: str = "", help: str = "") -> None:  # noqa: A002
        """Add the slash command `/name`. ValueError where there is one of that name."""
        if name in self.commands or name in commands.NAMES:
            raise ValueError(f"/{name}: there is a command of that name already")
        if not name or name != name.casefold() or len(name.split()) != 1 or name.startswith("/"):
            raise ValueError(f"/{name}: expected one word in lower case")
        self.commands[name] = AddedCommand(Usage(name, usage, help), run)

    async def call(self, name: str, user: User, room: str, arguments: str) -> str | None:
        """Carry out the added command `name`; the answer is what the caller is told."""
        return await self.commands[name].run(Call(user, room, arguments))

    def hear(self, listener: Listener) -> None:
        """Await `listener(event)` for each event in a room, once it is stored: in the order of its room, none twice and
        none left out while the application runs. Whispers are not heard. What it raises is logged."""
        self._listeners.append(listener)

    def refuse(self, rule: Rule) -> None:
        """Ask `rule(draft)` about everything that a user is about to say or change, whispers too, in the order in which
        rules were added; the first that gives a reason wins, and the user is told."""
        self._rules.append(rule)

    def speaker(self, name: str) -> Speaker:
        """A service that speaks as `name`, which is then nobody else's."""
        if name not in self._speakers:
            self._speakers[name] = Speaker(self, name)
        return self._speakers[name]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """What must happen as long as the application runs: names are kept for speakers, listeners hear."""
        async with AsyncExitStack() as stack:
            for speaker in self._speakers.values():
                await speaker.user()
            for listener in self._listeners:
                await stack.enter_async_context(listening(self.backend, listener))
            yield

    def judge(self, draft: Draft) -> None:
        """Refused if a rule says so."""
        for rule in self._rules:
            if reason := rule(draft):
                raise Refused(Code.REFUSED, reason)

    def usages(self) -> list[Usage]:
        """The commands that modules added."""
        return [added.usage for added in self.commands.values()]

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
    """A named service: it speaks but has no connection. Its name is registered, with a password that nobody knows."""

    def __init__(self, chat: ChatService, name: str) -> None:
        self._chat, self.name = chat, name
        self._user: User | None = None
        self._id = secrets.token_hex(8)
        self._messages = itertools.count()

    async def user(self) -> User:
        """Who it is. StartupError if somebody else has registered its name."""
        if self._user is None:
            backend, name = self._chat.backend, self._chat.name(self.name)
            user = await backend.enlist(f"service:{name.canonical}".encode())
            if not user.registered:
                holder = await backend.account(name.canonical)
                evict = holder.user.id if holder else 0
                try:
                    await backend.claim(user.id, name.display, name.canonical, evict=evict)
                except NameTaken:
                    problem = f"{name.display}: somebody registered the name, and a module is to speak as it"
                    raise StartupError(problem) from None
                user = await backend.protect(user.id, NO_PASSWORD)
            self._user = user
        return self._user

    async def say(self, room: str, text: str, *, me: bool = False, cid: str = "") -> Event:
        """Say `text` in a room; the event, once it is stored. The same `cid` again is the same event. Refused for what
        can't be said, Unavailable if the store does not answer."""
        self._chat.limits.check_message(text)
        kind = Kind.ME if me else Kind.MSG
        return await self._post(Draft(room_name(room), await self.user(), text, self._next(), now(), cid, kind))

    async def whisper(self, to: Sequence[str], text: str, *, cid: str = "") -> Event:
        """Say `text` to some people only; the event, once it is stored. Errors as for `say`."""
        self._chat.limits.check_message(text)
        self._chat.limits.check_recipients(len(to))
        people = [(await self._chat.account(name)).user for name in to]
        own = await self.user()
        log = conversation({own.id, *(person.id for person in people)})
        detail = Detail(to=tuple(person.name for person in people))
        return await self._post(Draft(log, own, text, self._next(), now(), cid, detail=detail))

    async def _post(self, draft: Draft) -> Event:
        self._chat.judge(draft)
        return (await self._chat.backend.append(draft)).event

    def _next(self) -> str:
        return f"{self._id}.{next(self._messages):x}"
