"""What every connection of a chat shares: where the logs are, who is there, what may be done and by whom."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.backends import Backend, NameTaken, Unavailable
from app.chat.errors import Code, Refused
from app.chat.events import Account, Draft, User
from app.chat.frames import Command, Usage
from app.chat.limits import Limits
from app.chat.names import Name, NameRule, reserved
from app.clock import Clock
from app.identity.passwords import Passwords
from app.live.hub import Hub
from app.transports import Overflow

log = logging.getLogger("chat")

Handler = Callable[[Any, Any], Awaitable[None]]
"""`await handler(connection, command)` carries out one kind of command."""

Rule = Callable[[Draft], str | None]
"""Why the draft of an event must not be stored, or None. It must not wait: it stands between others and the store. It
may raise Refused instead, to say more than why."""


@dataclass(frozen=True, slots=True)
class Call:
    """A slash command of a module, as somebody typed it: who, where, and what stood after its name. `room` is one that
    the user is in, or a conversation, or nothing for who is in no room."""

    user: User
    room: str
    arguments: str


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


class ChatContext:
    """What connections, their handlers and speakers go by. It is one for all event loops of the process."""

    def __init__(
        self,
        backend: Backend,
        hub: Hub,
        limits: Limits,
        rates: Rates,
        naming: Naming,
        overflow: Overflow,
        handlers: Mapping[type[Command], Handler],
        clock: Clock,
    ) -> None:
        self.backend, self.hub, self.limits, self.rates = backend, hub, limits, rates
        self.naming, self.overflow, self.handlers, self.clock = naming, overflow, handlers, clock
        self.commands: dict[str, Run] = {}
        self.usages: list[Usage] = []
        """How the commands that modules added are used."""
        self.passwords = Passwords(clock)
        self._rules: list[Rule] = []
        self._started = clock.now()

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
            shown = name[:40]
            raise Refused(Code.UNKNOWN_NAME, f"nobody is called {shown!r}", name=shown)
        return account

    async def claim(self, user: User, text: str) -> User:
        """Give `user` another name. Refused for what can't be a name, and for one that somebody else has: registered,
        or present, or not gone for longer than names are kept."""
        name = self.name(text)
        if reserved(name.canonical) and name.canonical != user.default_name:
            problem = f"{name.display} is taken: names like user7 are given, not chosen"
            raise Refused(Code.NAME_TAKEN, problem, reason="reserved", name=name.display)
        try:
            return await self._claim(user, name)
        except NameTaken as taken:
            holder = taken.holder.user
            hint = f"; if you are: /login {holder.name} PASSWORD" if holder.registered else ""
            problem = f"{name.display} is taken by somebody else{hint}"
            reason = "registered" if holder.registered else "in_use"
            raise Refused(Code.NAME_TAKEN, problem, reason=reason, name=name.display) from None

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
        return self.clock.now() - max(holder.seen, self._started) >= 1000 * self.naming.hold
