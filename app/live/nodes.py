"""The other nodes that share this history: what this one tells them, and what comes of what they tell.

Everything happens in one event loop, that of the lifespan; what others call from elsewhere is passed on to it. What
changes within TELLING seconds is told together.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from secrets import token_hex
from typing import Any, Protocol

from msgspec import MsgspecError

from app.backends import Backend
from app.chat.leases import BEAT, Lease, Leases
from app.chat.node_messages import (
    Ask,
    Beat,
    Bye,
    Gone,
    Held,
    Key,
    News,
    NodeMessage,
    Use,
    Whole,
    decode,
    encode,
)
from app.chat.presence import Here, Hint, Read, Typing
from app.clock import Clock
from app.live.node_parts import Sized, parts_of, sized, sized_here

log = logging.getLogger("chat")

TELLING = 0.02
"""Seconds between a change and its news."""
TICK = 1.0
"""Seconds between two looks at who has died."""
SETTLING = BEAT + TICK
"""Seconds after a start, or after a pause of this process, until all nodes that live have been heard of."""
USES = 20_000
"""Uses of limits that are remembered, at most."""
SLICE = 100
"""Users who are dealt with in one turn of the event loop."""
LASTS = 60.0
"""Seconds for which the use of a limit belongs to the whole that is told a node that missed something."""


class People(Protocol):
    """Who knows the users of this node, and learns of those of the others. The Hub."""

    def users_here(self) -> list[int]:
        """Return those who have connections to this node."""

    def describe(self, user: int) -> Here | None:
        """Return what to tell of a user; None if it has no connection to this node."""

    def user_told(self, node: str, user: int, there: Here | None) -> None:
        """Learn that a user has connections to another node, or has none any more."""

    def hint_told(self, hint: Hint) -> None:
        """Learn of a hint."""


UseTold = Callable[[Key, float], None]
"""Called with a key of a limit, and how much more of it is used on another node, or less."""


class Nodes:
    """This node among the others."""

    def __init__(self, backend: Backend, people: People, clock: Clock) -> None:
        self.name, self.started = token_hex(8), clock.now()
        self._backend, self._people, self._clock = backend, people, clock
        self._leases = Leases(self.name, self)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._whole: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._number = 0
        self._beat_at = self._ticked_at = self._settled_at = clock.monotonic()
        self._changed: dict[int, int] = {}
        """Users of whom there is something to tell, and when it happened, in milliseconds since 1970."""
        self._uses: dict[tuple[str, Key], tuple[Use, float]] = {}
        """What is used of each limit, and when that was last changed."""
        self._used: dict[tuple[str, Key], None] = {}
        """What of it is to be told."""
        self._held: list[Held] = []
        self._heard: dict[str, int] = {}
        self.limits: dict[str, UseTold] = {}
        """Who learns of the use of each limit on other nodes."""
        self.given_back: set[str] = set()
        """The limits of what nobody has any more once a node has died, such as connections."""
        self.held: Callable[[], Iterable[Held]] | None = None
        """Returns the names on hold that are told as a part of the whole."""
        self.heard: Callable[[], Mapping[str, int]] | None = None
        """Returns how far the listeners are, as a part of the whole."""
        self.on_held: list[Callable[[Held], None]] = []
        self.on_heard: list[Callable[[Mapping[str, int]], None]] = []
        self.on_gone: list[Callable[[str, Gone], None]] = []
        """Called with a node, and a user whose last connection to it has ended."""
        self.on_user: list[Callable[[int], None]] = []
        """Called with a user whose connections to other nodes are others than before."""
        self.on_death: list[Callable[[Lease], None]] = []
        """Called with what a node had told that has died."""
        self.on_tick: list[Callable[[], None]] = []

    @property
    def others(self) -> int:
        """How many other nodes live."""
        return len(self._leases.nodes)

    @property
    def settled(self) -> bool:
        """Whether this node has had the time to hear of all others."""
        return self._loop is not None and self._clock.monotonic() >= self._settled_at

    @property
    def leads(self) -> bool:
        """Whether this node does what one node does for all: it is the one that has lived for the longest time."""
        return self.settled and self._leases.first(self.started) == self.name

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Tell other nodes, and hear them, as long as the block runs."""
        self._loop = asyncio.get_running_loop()
        self._ticked_at = self._clock.monotonic()
        self._settled_at = self._ticked_at + SETTLING
        unwatch = self._backend.watch(self._watch)
        self._tell(Ask())
        self._beat()
        self._ask_of_this(Ask())
        ticking = asyncio.create_task(self._tick_forever())
        try:
            yield
        finally:
            ticking.cancel()
            await asyncio.wait({ticking})
            if tasks := self._tasks | ({self._whole} if self._whole is not None else set()):
                await asyncio.wait(tasks)
            if self._timer is not None:
                self._timer.cancel()
            self._tell_news()
            self._tell(Bye(self.name))
            unwatch()
            self._loop = None

    def changed(self, user: int) -> None:
        """Tell the others what has changed about a user here: its name, its rooms, whether it is away or gone."""
        self._do(self._note_changed, user, self._clock.now())

    def _note_changed(self, user: int, at: int) -> None:
        self._changed[user] = at
        self._schedule()

    def changed_at(self, user: int) -> int:
        """Return when a user changed here last, as the others are told."""
        return self._changed.get(user) or self._clock.now()

    def use(self, limit: str, key: Key, amount: float) -> None:
        """Count that more is used of a limit here, and tell it."""
        self._do(self._count_use, limit, key, amount)

    def _count_use(self, limit: str, key: Key, amount: float) -> None:
        known = self._uses.get((limit, key))
        since, before = (known[0].since, known[0].amount) if known else (self._clock.now(), 0.0)
        self._set_use(Use(limit, key, before + amount, since))

    def set_use(self, limit: str, key: Key, amount: float) -> None:
        """Tell how much is used of a limit here now."""
        self._do(self._set_use, Use(limit, key, amount))

    def _set_use(self, use: Use) -> None:
        key = use.limit, use.key
        self._uses.pop(key, None)
        self._uses[key] = use, self._clock.monotonic()
        while len(self._uses) > USES:
            del self._uses[next(iter(self._uses))]
        self._used[key] = None
        self._schedule()

    def hold(self, held: Held) -> None:
        """Tell that a name is on hold."""
        self._do(self._note_held, held)

    def _note_held(self, held: Held) -> None:
        self._held.append(held)
        self._schedule()

    def tell_heard(self, heard: Mapping[str, int]) -> None:
        """Tell how far the listeners are."""
        self._heard.update(heard)
        self._schedule()

    def hint(self, hint: Hint) -> None:
        """Pass on what nobody misses."""
        if self._loop is not None:
            self._tell(hint)

    def user_told(self, node: str, user: int, there: Here | None) -> None:
        self._people.user_told(node, user, there)
        for learn in self.on_user:
            learn(user)

    def gone_told(self, node: str, gone: Gone) -> None:
        for learn in self.on_gone:
            learn(node, gone)

    def use_told(self, use: Use, more: float) -> None:
        if (learn := self.limits.get(use.limit)) is not None:
            learn(use.key, more)

    def use_ended(self, use: Use) -> None:
        if use.limit in self.given_back:
            self.limits[use.limit](use.key, -use.amount)

    def held_told(self, held: Held) -> None:
        for learn in self.on_held:
            learn(held)

    def heard_told(self, heard: Mapping[str, int]) -> None:
        for learn in self.on_heard:
            learn(heard)

    def tick(self) -> None:
        """Do what is due: forget the nodes that died, and tell that this one lives."""
        now = self._clock.monotonic()
        if now - self._ticked_at > BEAT:  # this process stood still, and has heard nobody
            self._leases.extend(now)
            self._settled_at = now + SETTLING
            self._tell(Ask())
        self._ticked_at = now
        for node in self._leases.expired(now):
            self._end(node, "is not heard of any more")
        if now - self._beat_at >= BEAT:
            self._beat()
        for act in self.on_tick:
            act()

    async def _tick_forever(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            try:
                self.tick()
            except Exception:
                log.exception("What is due between the nodes failed, and is tried again")

    def _beat(self) -> None:
        self._beat_at = self._clock.monotonic()
        self._tell(Beat(self.name, self.started, self._number))

    def _end(self, node: str, why: str, *, for_good: bool = False) -> None:
        lease = self._leases.end(node, for_good=for_good)
        if lease is None:
            return
        log.info("Another node %s: %d people were connected to it", why, len(lease.users))
        self._start(self._forget(lease))
        for learn in () if for_good else self.on_death:
            learn(lease)

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take_users(self, node: str) -> None:
        """Take the users of a node that told all of them, some in each turn."""
        more = True
        while more:
            more = self._leases.take(node, SLICE)
            await asyncio.sleep(0)

    async def _forget(self, lease: Lease) -> None:
        """Forget the users of a node, some in each turn."""
        for number, user in enumerate(list(lease.users), 1):
            self._leases.forget_user(lease.node, user)
            if number % SLICE == 0:
                await asyncio.sleep(0)

    def _watch(self, payload: bytes) -> None:
        """Take what another node told, in any thread."""
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._take, payload)

    def _take(self, payload: bytes) -> None:
        if self._loop is None:
            return
        try:
            message = decode(payload)
        except MsgspecError:  # of a newer version
            return
        now = self._clock.monotonic()
        asks = False
        if isinstance(message, News):
            asks = self._leases.news(message, now)
        elif isinstance(message, Whole):
            if self._leases.whole(message, now):
                self._start(self._take_users(message.node))
        elif isinstance(message, Beat):
            asks = self._leases.beat(message, now)
        elif isinstance(message, Ask):
            self._ask_of_this(message)
        elif isinstance(message, Bye):
            self._end(message.node, "ends", for_good=True)
        else:
            self._people.hint_told(message)
        if asks and not isinstance(message, Ask | Bye | Typing | Read):
            self._tell(Ask(message.node))

    def _ask_of_this(self, ask: Ask) -> None:
        if ask.node in ("", self.name) and self._whole is None:
            self._whole = asyncio.create_task(self._tell_whole())
            self._whole.add_done_callback(self._whole_told)

    def _whole_told(self, done: asyncio.Task[None]) -> None:
        self._whole = None
        if not done.cancelled() and (error := done.exception()):
            log.error("Other nodes could not be told who is here", exc_info=error)
        self._schedule()

    async def _tell_whole(self) -> None:
        """Tell everything, some of it in each turn. News wait meanwhile, so that they come after it."""
        self._tell_news()
        users, now = self._people.users_here(), self._clock.monotonic()
        items: list[Sized] = []
        for first in range(0, len(users), SLICE):
            items += [
                sized_here(here) for user in users[first : first + SLICE] if (here := self._people.describe(user))
            ]
            await asyncio.sleep(0)
        uses = list(self._uses.values())
        items += [sized("uses", use) for use, at in uses if now - at < LASTS or use.limit in self.given_back]
        items += [sized("held", held) for held in (self.held() if self.held else ())]
        items += [sized("heard", one) for one in (self.heard() if self.heard else {}).items()]
        parts = list(parts_of(items))
        for part, fields in enumerate(parts):
            self._tell(Whole(self.name, self.started, self._number, part, len(parts), **fields))
            await asyncio.sleep(0)

    def _do(self, act: Callable[..., None], *arguments: Any) -> None:
        """Call a function in the event loop of this object, at once if that is the running one. What is not told,
        because there is none, is a part of the whole that is told at first."""
        loop = self._loop
        if loop is None or _is_running(loop):
            act(*arguments)
        else:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(act, *arguments)

    def _schedule(self) -> None:
        """Tell news soon."""
        if self._loop is not None and self._timer is None:
            self._timer = self._loop.call_later(TELLING, self._tell_news)

    def _tell_news(self) -> None:
        self._timer = None
        if self._loop is None or (self._whole is not None and asyncio.current_task() is not self._whole):
            return
        changed, self._changed = self._changed, {}
        used, self._used = self._used, {}
        held, self._held = self._held, []
        heard, self._heard = self._heard, {}
        items: list[Sized] = []
        for user, at in changed.items():
            here = self._people.describe(user)
            items.append(sized_here(here) if here is not None else sized("gone", Gone(user, at)))
        items += [sized("uses", known[0]) for key in used if (known := self._uses.get(key)) is not None]
        items += [sized("held", one) for one in held]
        items += [sized("heard", one) for one in heard.items()]
        for fields in parts_of(items) if items else ():
            self._number += 1
            self._tell(News(self.name, self.started, self._number, **fields))

    def _tell(self, message: NodeMessage) -> None:
        try:
            self._backend.tell(encode(message))
        except Exception:
            log.exception("Other nodes could not be told something")


def _is_running(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
