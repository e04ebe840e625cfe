"""The chat as modules see it.

A module may add slash commands, listen to what happens in rooms, refuse what is about to be stored, and speak under a
name of its own. It does so while the application is put together::

    def module(app):
        chat = chat_of(app)
        bot = chat.speaker("bot")

        async def greet(event):
            if event.text == "hello":
                await bot.say(event.room, f"hello {event.name}")

        chat.hear(greet)
        chat.refuse(lambda draft: "no shouting" if draft.text.isupper() else None)

Commands, rules and speakers work wherever the application does. Listeners need its lifespan to run, so use a TestClient
in `with`.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial

from starlette.applications import Starlette

from app.backends import Backend, Unavailable
from app.chat.errors import Refused
from app.chat.frames import Usage
from app.chat.limits import Limits
from app.chat.names import addresses_a_group, reserved
from app.clock import Clock
from app.errors import StartupError
from app.live.context import ChatContext, CommandFunction, NamePolicy, Rule
from app.live.departure import record_death
from app.live.handlers import HANDLERS
from app.live.hub import Hub
from app.live.listening import Backlog, Listener, listening
from app.live.shares import Rates
from app.live.speaker import Speaker
from app.refusals import RefusalLog
from app.transports import Overflow

log = logging.getLogger("chat")


def chat_of(app: Starlette) -> ChatService:
    """Return the chat of an application. LookupError if there is none yet."""
    chat = getattr(app.state, "chat", None)
    if not isinstance(chat, ChatService):
        raise LookupError("there is no chat yet: list app.modules.chat.module before it")
    return chat


class ChatService(ChatContext):
    """The chat that runs over a store, as modules see it."""

    def __init__(
        self,
        backend: Backend,
        hub: Hub,
        limits: Limits,
        rates: Rates,
        names: NamePolicy,
        overflow: Overflow,
        clock: Clock | None = None,
        refusals: RefusalLog | None = None,
    ) -> None:
        super().__init__(backend, hub, limits, rates, names, overflow, HANDLERS, clock or Clock(), refusals)
        self._listeners: list[Listener] = []
        self._backlogs: list[Backlog] = []
        self._speakers: dict[str, Speaker] = {}

    def command(self, name: str, run: CommandFunction, *, help: str, usage: str = "") -> None:  # noqa: A002
        """Add the slash command `/name`. `/help` shows it as `/name usage: help`. ValueError if the name is taken or
        can't be a command's."""
        if not name or name != name.casefold() or len(name.split()) != 1 or name.startswith("/"):
            raise ValueError(f"/{name}: use one word in lower case, without the slash")
        if name in self.command_names:
            raise ValueError(f"/{name}: there is a command with this name already")
        self.commands[name] = run
        self.command_names.add(name)
        self.usages.append(Usage(name, usage, help))

    def hear(self, listener: Listener) -> None:
        """Await `listener(event)` for each event in a room once it is stored.

        Events of one room come in order, each exactly once, while the application's lifespan runs. Exceptions are
        logged. Whispers are left out. What speakers say is included: compare `event.name == bot.name` to skip it.

        If several nodes share the history, one of them does this. If it dies, another one goes on, and may do again
        what was being done: what speakers have said in answer, awaited by the listener, isn't said again.
        """
        self._listeners.append(listener)

    def refuse(self, rule: Rule) -> None:
        """Ask `rule(draft)` before anything is stored: a message, an edit, a topic, a whisper, or what a speaker says.

        Rules are asked in the order in which they were added. The first that returns a reason wins, and the client gets
        that reason. If a rule raises, the event is refused too. ValueError if `rule` is async: rules must not wait.
        """
        if inspect.iscoroutinefunction(rule):
            raise ValueError("a rule must be a plain function, not an async one")
        self._rules.append(rule)

    def speaker(self, name: str) -> Speaker:
        """Return the speaker called `name`. Nobody else can have the name once the lifespan has started, or once the
        speaker has spoken. ValueError if it can't be a speaker's name."""
        try:
            own_name = self.parse_name(name)
        except Refused as refused:
            raise ValueError(refused.message) from None
        if reserved(own_name.canonical):
            raise ValueError(f"{name!r} can't be a speaker: names like user7 are assigned to people")
        if addresses_a_group(own_name.canonical):
            raise ValueError(f"{name!r} can't be a speaker: its mentions would look like those of everyone")
        return self._speakers.setdefault(own_name.canonical, Speaker(self, own_name))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Claim the speakers' names and run the listeners, as long as the application runs."""
        async with AsyncExitStack() as stack:
            with suppress(Unavailable):  # the first connection tries again
                await self.load_operators()
                await self.learn_skeletons()
            try:
                for speaker in self._speakers.values():
                    await speaker.user()
            except (Refused, Unavailable) as error:
                raise StartupError(str(error)) from None
            if self.hub.nodes is not None and self.departures is not None:
                self.departures.on_death = partial(record_death, self)
                await stack.enter_async_context(self.hub.nodes.running())
                stack.callback(self.departures.finish)
            await self._listen(stack)
            stack.callback(self._backlogs.clear)
            yield

    async def _listen(self, stack: AsyncExitStack) -> None:
        """Run the listeners until the stack is closed."""
        names, duty = [""] * len(self._listeners), None
        if self.hub.nodes is not None and self._listeners:
            from app.live.duties import ListenersDuty, names_of  # a node alone has no need of it

            names, duty = names_of(self._listeners), ListenersDuty(self.hub.nodes, self._backlogs)
        for listener, name in zip(self._listeners, names, strict=True):
            self._backlogs.append(await stack.enter_async_context(listening(self.backend, listener, name, duty)))

    def leads(self) -> bool:
        """Whether this node does what one node does for all."""
        return self.hub.nodes is None or self.hub.nodes.leads

    async def listeners_idle(self) -> None:
        """Wait until the listeners have heard everything that is stored, with what they say themselves meanwhile. Tasks
        that a listener starts without awaiting them are not waited for."""
        await self.backend.users([])  # the store answers after it has passed on everything it stored before
        while busy := [one for one in self._backlogs if not one.idle.is_set()]:
            for one in busy:
                await one.idle.wait()
