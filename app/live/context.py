"""What all connections of a chat share: the store, who is online, the limits, and what modules added."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from app.backends import Backend, NameTaken, Unavailable
from app.chat import commands
from app.chat.errors import Code, Refused
from app.chat.events import Account, Draft, User
from app.chat.frames import Command, Moderation, Usage
from app.chat.limits import Limits, RateLimit
from app.chat.names import Name, NameRule, addresses_a_group, bad_name, reserved, skeleton, sounds_official
from app.clock import Clock
from app.identity.passwords import Passwords
from app.live.forgetting import Forgetting
from app.live.held_names import HeldNames
from app.live.hub import Hub
from app.live.name_errors import MAX_GIVEN_UP, name_kept, name_taken
from app.live.newcomers import REGISTRATIONS, Newcomers
from app.live.shares import Rates, Shares
from app.live.under_way import UnderWay
from app.live.work import WorkBudgets
from app.refusals import Refusal, RefusalLog
from app.transports import Overflow

if TYPE_CHECKING:
    from app.live.departures import Departures

log = logging.getLogger("chat")

LONGEST = 256
"""Characters of a name that is looked up, at most, unless `chat.limits.name` is more. If that limit is lowered, people
keep longer names than it."""
SKELETONS = 500
"""How many are stored at once."""

ADDRESS_RATE = "chat.limits.rate-per-address"
BYTES_SETTINGS = "chat.limits.bytes, chat.limits.bytes-per-address, chat.limits.bytes-of-guests"
WORK_SETTINGS = "chat.limits.work, chat.limits.work-per-address"

Handler = Callable[[Any, Any], Awaitable[None]]
"""`await handler(connection, command)` carries out one type of command."""

Rule = Callable[[Draft], str | None]
"""Returns why an event must not be stored, or None. It must not block, since everyone waits for it. To send the client
more than a sentence, raise Refused instead."""


class Caller(Protocol):
    """What this module needs of a connection."""

    user: User
    address: str


class Call(msgspec.Struct, frozen=True):
    """A module's slash command as someone typed it.

    `room` is a room that the user is in, a conversation, or empty for a text client in no room. `arguments` is the text
    after the command's name.
    """

    user: User
    room: str
    arguments: str


CommandFunction = Callable[[Call], Awaitable[str | None]]
"""Carries out a module's slash command. What it returns is sent to the caller alone. It may raise Refused."""


class NamePolicy(msgspec.Struct, frozen=True):
    """Which names are allowed, how many seconds the name of a guest who left is held, the canonical names of the server
    operators, how many seconds a registered name that was given up is kept, and how many names of guests are held for
    one address; 0 is no limit."""

    rule: NameRule
    hold: float
    operators: frozenset[str]
    given_up: float = 0.0
    held_per_address: int = 0


class ChatContext:
    """What connections, handlers and speakers work with. All event loops of the process share one."""

    def __init__(
        self,
        backend: Backend,
        hub: Hub,
        limits: Limits,
        rates: Rates,
        names: NamePolicy,
        overflow: Overflow,
        handlers: Mapping[type[Command], Handler],
        clock: Clock,
        refusals: RefusalLog | None = None,
    ) -> None:
        self.backend, self.hub, self.limits, self.rates = backend, hub, limits, rates
        self.names, self.overflow, self.handlers, self.clock = names, overflow, handlers, clock
        self.commands: dict[str, CommandFunction] = {}
        """The slash commands that modules added, by name."""
        self.command_names = set(commands.NAMES)
        """The names of all slash commands."""
        self.usages: list[Usage] = []
        """How to use them."""
        self.passwords = Passwords(clock)
        self.forgetting = Forgetting(backend, hub, clock)
        self.held_names = HeldNames(names.held_per_address, names.hold, clock)
        self.newcomers = Newcomers(rates.guests, rates.registrations, clock)
        self.work = WorkBudgets(rates.work, rates.work_per_address, clock)
        self.shares = Shares(
            clock,
            rate=rates.rate,
            burst=rates.burst,
            per_address=rates.per_address,
            text=rates.bytes,
            text_per_address=rates.bytes_per_address,
            text_of_guests=rates.bytes_of_guests,
        )
        self.under_way = UnderWay()
        self.refusals = refusals or RefusalLog(clock)
        self._rules: list[Rule] = []
        self._operator_skeletons = frozenset(map(skeleton, names.operators))
        self.operators_known = False
        """Whether it is known who is a server operator: see `load_operators`."""
        self._ranks: dict[str, int] = {}
        """Who has the rank that comes with each name of `chat.operators`."""
        self._operators: frozenset[int] = frozenset()
        self._started = clock.now()
        self.departures: Departures | None = None
        """Which guests have left, if the history is shared with other nodes."""
        if hub.nodes is not None:
            from app.live.sharing import share  # a node alone has no need of it

            share(self, hub.nodes)

    async def handle(self, connection: Caller, command: Command) -> None:
        """Carry out a command. Refused if it is not allowed, or the budget of work is used up."""
        try:
            self.work.admit(type(command), connection.user.id, connection.address)
        except Refused:
            problem = f"the requests of {connection.user.name} take too much of the server's time"
            self._log_refusal(connection, Refusal(0, "work", problem, WORK_SETTINGS))
            raise
        await self.handlers[type(command)](connection, command)
        if isinstance(command, Moderation):
            self._log_moderation(connection, command)

    def count(self, connection: Caller, rate_limit: RateLimit | None) -> Refused | None:
        """Count a command, for the connection, its user and its address. Return the error if it came too fast."""
        if rate_limit is None:
            return None
        now = self.clock.monotonic()
        limited = rate_limit.check(now)
        if limited is None:
            limited = self.shares.count(connection.user.id, connection.address, now)
            if limited is None:
                return None
        of_address = limited.values.get("reason") == "address"
        sender = "the address" if of_address else connection.user.name
        problem = f"{sender} sends more than {limited.values['limit']} commands a second"
        self._log_refusal(connection, Refusal(0, "rate", problem, ADDRESS_RATE if of_address else "chat.limits.rate"))
        return limited

    def count_text(self, connection: Caller, text: str) -> None:
        """Count the bytes of a text. Refused if there are too many."""
        try:
            self.shares.count_text(connection.user, connection.address, text)
        except Refused:
            problem = f"{connection.user.name}, the address or all guests send too much text"
            self._log_refusal(connection, Refusal(0, "bytes", problem, BYTES_SETTINGS))
            raise

    @contextmanager
    def registering(self, connection: Caller) -> Iterator[None]:
        """Count a registration, unless it comes to nothing. Refused if there were too many."""
        with ExitStack() as stack:
            try:
                stack.enter_context(self.newcomers.registering(connection.address))
            except Refused:
                problem = f"{connection.user.name} can't register, since too many did from its address"
                self._log_refusal(connection, Refusal(0, "registrations", problem, REGISTRATIONS))
                raise
            yield

    def say(self, connection: Caller, label: str, text: str, *arguments: object) -> None:
        """Log a line about what a client did. `label` is what kind of line it is, in case that there are many."""
        self.refusals.say(log, label, connection.address or connection.user.name, text, *arguments)

    def _log_moderation(self, connection: Caller, command: Moderation) -> None:
        """Log what an operator did to someone, without the reason, which is the operator's own words."""
        whom = command.name or f"#{command.user}"
        lasting = f" for {command.seconds} s" if command.seconds else ""
        what = f"{type(command).__struct_config__.tag} {whom}{lasting}"
        self.say(connection, "Moderation:", "%s in %s: %s", connection.user.name, command.room, what)

    def _log_refusal(self, connection: Caller, refusal: Refusal) -> None:
        self.refusals.add(refusal, connection.address or connection.user.name, level=logging.INFO)

    async def run_command(self, name: str, user: User, room: str, arguments: str) -> str | None:
        """Run a module's slash command and return its answer. Refused if it raises."""
        try:
            return await self.commands[name](Call(user, room, arguments))
        except (Refused, Unavailable):
            raise
        except Exception:
            log.exception("The command /%s failed", name)
            raise Refused(Code.REFUSED, f"/{name} failed. The server's log has the details") from None

    def check_rules(self, draft: Draft) -> None:
        """Refused if a rule forbids the event, or raises: what it would have kept out must not get through."""
        for rule in self._rules:
            try:
                reason = rule(draft)
            except Refused:
                raise
            except Exception:
                log.exception("A rule failed for an event by %s in %s", draft.user.name, draft.room)
                problem = "A rule of this server failed, so this was not sent. The server's log has the details"
                raise Refused(Code.REFUSED, problem) from None
            if reason:
                raise Refused(Code.REFUSED, reason)

    def is_server_operator(self, user: User) -> bool:
        """Whether the user is a server operator. Only registered users can be."""
        return user.id in self._operators and user.registered

    async def load_operators(self) -> None:
        """Find out who is a server operator. Unavailable if the store can't answer now."""
        known = await self.backend.operators()
        for canonical in self.names.operators - known.keys():
            account = await self.backend.account(canonical)
            if account is not None and account.user.registered:
                known[canonical] = await self.backend.make_operator(canonical)
        for canonical, user in known.items():
            self._grant(canonical, user)
        self.operators_known = True

    def forget_ranks(self) -> None:
        """Have it found out again who is a server operator, before anyone connects."""
        self.operators_known = False

    async def learn_skeletons(self) -> None:
        """Store what registered names look like that are of a former version, or imported. Unavailable if the store
        can't be written now."""
        while names := await self.backend.names_without_skeleton(SKELETONS):
            await self.backend.set_skeletons([(name, skeleton(name)) for name in names])

    def _grant(self, canonical: str, user: int) -> None:
        """Note that a user has the rank that comes with a name."""
        if canonical in self.names.operators and canonical not in self._ranks:
            self._ranks[canonical] = user
            self._operators = frozenset(self._ranks.values())

    async def register(self, user: User, hashed: str, token: bytes, *, ends: bytes) -> User | None:
        """Protect the user's name with a password, and sign the user in with a token. None if it is registered already.
        Refused if the name looks like one that someone else has registered.

        Who is the first to register a name of `chat.operators` has that rank for good, whatever the name is later.
        """
        canonical = self._lookup(user.name)
        operator = canonical in self.names.operators
        at, looks = self.clock.now(), skeleton(canonical)
        try:
            registered = await self.backend.register(
                user.id, hashed, token, ends=ends, at=at, skeleton=looks, operator=operator
            )
        except NameTaken as taken:
            raise name_taken(user.name, taken) from None
        if operator and registered is not None:
            self._grant(canonical, registered.id)
        return registered

    def parse_name(self, text: str) -> Name:
        """Return `text` as a name. Refused if it can't be one."""
        return self.names.rule(text, self.limits.name)

    def _lookup(self, text: str) -> str:
        """Return the canonical form of a name that someone may have. Refused if nobody can have it."""
        return canonical_of(text, self.names.rule, self.limits.name and max(self.limits.name, LONGEST))

    async def find_account(self, name: str) -> Account | None:
        """Return the account that has a name, or None."""
        try:
            canonical = self._lookup(name)
        except Refused:
            return None
        return await self.backend.account(canonical)

    async def account(self, name: str) -> Account:
        """Return the account that has a name. Refused if there is none."""
        account = await self.find_account(name)
        if account is None:
            shown = name[:40]
            raise Refused(Code.UNKNOWN_NAME, f"Nobody is called {shown!r}", name=shown)
        return account

    async def claim_name(self, user: User, text: str) -> User:
        """Give `user` a new name. Refused if `text` can't be a name, and if someone else has it: a registered user, a
        guest who is present, or one who left less than the hold time ago."""
        name = self.parse_name(text)
        if reserved(name.canonical) and name.canonical != user.default_name:
            problem = f"Names like {name.display} are assigned by the server. Choose another name"
            raise Refused(Code.NAME_TAKEN, problem, reason="reserved", name=name.display)
        if name.canonical not in self.names.operators and name.canonical != user.name.lower():
            self._check_reserved(name)
        if self._ranks.get(name.canonical, user.id) != user.id:
            raise name_kept(name.display)
        try:
            claimed = await self._claim(user, name)
        except NameTaken as taken:
            raise name_taken(name.display, taken) from None
        if claimed.registered:
            self._grant(name.canonical, claimed.id)
        return claimed

    def _check_reserved(self, name: Name) -> None:
        """Refused if people would take this name for everyone, or for those who run the server."""
        problem, reason = "", ""
        if addresses_a_group(name.canonical):
            problem, reason = f"@{name.display} would look like a mention of everyone", "reserved"
        elif sounds_official(name.canonical):
            problem, reason = f"{name.display} would look like a name of the server or its operators", "official"
        elif skeleton(name.canonical) in self._operator_skeletons:
            raise bad_name(name.display, self.limits.name, "lookalike", "it looks like that of a server operator")
        if problem:
            raise Refused(Code.BAD_NAME, f"{problem}. Choose another name", reason=reason, name=name.display)

    async def _claim(self, user: User, name: Name) -> User:
        keep = round(1000 * self.names.given_up)
        at = self.clock.now()

        def claim(evict: int = 0) -> Awaitable[User]:
            return self.backend.claim(
                user.id,
                name.display,
                name.canonical,
                evict=evict,
                skeleton=skeleton(name.canonical),
                at=at if keep else 0,
                since=at - keep,
                most=MAX_GIVEN_UP,
                operator=name.canonical in self.names.operators,
            )

        try:
            return await claim()
        except NameTaken as taken:
            if taken.reason or not self._has_expired(taken.holder):
                raise
            evicted = taken.holder.user.id
        claimed = await claim(evicted)
        self.hub.update_user(User.newcomer(evicted))  # a handshake of it may be under way
        return claimed

    def _has_expired(self, holder: Account) -> bool:
        """Whether someone else may take over the holder's name."""
        if holder.user.registered or self.hub.is_present(holder.user.id):
            return False
        if self.hub.nodes is not None and not self.hub.nodes.settled:
            return False  # it may be on a node that is yet to be heard of
        # Anyone may have been there when the server was killed, and not have had the time to come back.
        return self.clock.now() - max(holder.seen, self._started) >= 1000 * self.names.hold


def canonical_of(text: str, rule: NameRule, longest: int) -> str:
    """Return the canonical form of a name that someone may have, by the `rule` of the settings or by the one for any
    script: people keep names that the settings no longer allow. Refused if nobody can have it."""
    try:
        return rule(text, longest).canonical
    except Refused:
        if text.isascii():
            raise
    from app.identity.unicode_names import unicode_name  # its tables are large, and seldom needed here

    return unicode_name(text, longest).canonical
