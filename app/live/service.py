"""The chat as a whole, which connections act through and modules extend.

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

import inspect
import itertools
import logging
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from starlette.applications import Starlette

from app.backends import Backend, NameTaken, Unavailable
from app.chat import commands
from app.chat.errors import Code, Refused
from app.chat.events import PLAIN, Detail, Draft, Event, Kind, User
from app.chat.frames import Usage
from app.chat.limits import Limits
from app.chat.logs import conversation, room_name
from app.chat.names import Name, reserved
from app.clock import Clock
from app.errors import StartupError
from app.live.context import ChatContext, Naming, Rates, Rule, Run
from app.live.handlers import HANDLERS
from app.live.hub import Hub
from app.live.listening import Listener, Listening, listening
from app.transports import Overflow

log = logging.getLogger("chat")

LONGEST_CID = 64
"""Characters that a `cid` may have, as for clients."""


NO_PASSWORD = "!"  # noqa: S105
"""In place of a hash: no password fits it."""


def chat_of(app: Starlette) -> ChatService:
    """The chat that a module adds to. LookupError where there is none yet, which the loader tells with its place."""
    chat = getattr(app.state, "chat", None)
    if not isinstance(chat, ChatService):
        raise LookupError("there is no chat to add to: list app.modules.chat.module before it")
    return chat


class ChatService(ChatContext):
    """The chat that runs over a backend, as modules see it."""

    def __init__(
        self,
        backend: Backend,
        hub: Hub,
        limits: Limits,
        rates: Rates,
        naming: Naming,
        overflow: Overflow,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(backend, hub, limits, rates, naming, overflow, HANDLERS, clock or Clock())
        self._listeners: list[Listener] = []
        self._listening: list[Listening] = []
        self._speakers: dict[str, Speaker] = {}

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
                self._listening.append(await stack.enter_async_context(listening(self.backend, listener)))
            stack.callback(self._listening.clear)
            yield

    async def listeners_idle(self) -> None:
        """Wait until listeners have heard everything that is stored, what they said themselves meanwhile included. What
        a listener started and does not await is not waited for."""
        await self.backend.users([])  # an answer of the store comes after everything it stored before was handed out
        while working := [one for one in self._listening if not one.idle.is_set()]:
            for one in working:
                await one.idle.wait()


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
            user = await backend.create_user(f"service:{self._name.canonical}".encode())
            if not user.registered:  # before it has the name, which so is at no time anybody's who comes
                user = await backend.set_password(user.id, NO_PASSWORD)
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
            raise Refused(Code.UNKNOWN_NAME, "a whisper is for somebody: expected a name", reason="nobody")
        others = {person.id: person.name for person in people if person.id != own.id} or {own.id: own.name}
        return await self._post(conversation({own.id, *others}), text, cid, detail=Detail(to=tuple(others.values())))

    async def _post(self, room: str, text: str, cid: str, kind: Kind = Kind.MSG, detail: Detail = PLAIN) -> Event:
        self._chat.limits.check_message(text)
        if len(cid) > LONGEST_CID:
            raise Refused(Code.BAD_FRAME, f"a cid of {len(cid)} characters is too long: expected {LONGEST_CID} at most")
        id_ = f"{self._id}.{next(self._messages):x}"
        draft = Draft(room, await self.user(), text, id_, self._chat.clock.now(), cid, kind, detail=detail)
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
                    raise Refused(Code.NAME_TAKEN, problem, reason="registered", name=self.name) from None
                evicted = taken.holder.user.id
        if evicted:
            (former,) = await backend.users([evicted])
            hub.rename(former)
            hub.each(former.id, lambda one: one.renamed(former))
        return named
