"""This node's connections, and who is in which room, on this node and the others.

Subscribers live in shards, one per event loop. A server has one loop; TestClient gives each connection outside of
`with` its own. A shard is only used in its loop and needs no lock; what all shards share is behind the Hub's lock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING
from zlib import crc32

from msgspec import UNSET

from app.addresses import network
from app.backends import Backend
from app.chat.events import Event, Kind, User
from app.chat.frames import ReadUpTo, TypingNow
from app.chat.logs import participants
from app.chat.presence import Here, Hint, Person, Read, Roster, Typing, people_fit
from app.clock import Clock
from app.live.shard import Shard
from app.live.subscriber import Subscriber

if TYPE_CHECKING:
    from app.live.nodes import Nodes

LOOKED_AT = 8
"""People of a room whose addresses are looked at."""

CHANGED = 1024
"""How many users' last changes are told apart. More would save handshakes a few reads."""


class Hub:
    """The shards, and who is in each room."""

    def __init__(
        self, backend: Backend, *, roster: int, presence_period: float, queued: int = 0, clock: Clock | None = None
    ) -> None:
        self.backend, self._clock = backend, clock or Clock()
        self.max_roster = roster
        """Most people in a room for which the server lists them by name."""
        self.presence_period = presence_period
        """Seconds between two presence hints in a room."""
        self.max_queued = queued
        """Most bytes that are queued for all clients of an event loop together; 0 is no limit."""
        self._shards: dict[asyncio.AbstractEventLoop, Shard] = {}
        """Replaced when it changes, so that it can be read without the lock."""
        self._roster = Roster()
        self._lock = Lock()
        self.changes = 0
        """Counts changes of users."""
        self._changed = [0] * CHANGED
        """When users were changed last, each in the place of its id, which it shares with others."""
        self.nodes: Nodes | None = None
        """The other nodes, if the history is shared."""
        if backend.shared:
            from app.live.nodes import Nodes  # a node alone has no need of it

            self.nodes = Nodes(backend, self, self._clock)
        backend.follow(self._on_commit)

    def connect(self, user: User) -> Shard:
        """Count one more connection of `user`. Return the shard of the running loop."""
        loop = asyncio.get_running_loop()
        with self._lock:
            if loop not in self._shards:
                shard = Shard(
                    self.people, self.presence_period, self._clock, self.max_queued, rests=self.backend.shared
                )
                self._shards = {**self._shards, loop: shard}
            shard = self._shards[loop]
            shard.size += 1
            self._roster.connect(user.id, user.name)
        if self.nodes is not None:
            self.nodes.changed(user.id)
        return shard

    def disconnect(self, user: User) -> bool:
        """Count one connection of `user` in the running loop less. Return whether it was the user's last to this
        node."""
        loop = asyncio.get_running_loop()
        with self._lock:
            shard = self._shards[loop]
            shard.size -= 1
            if not shard.size:
                self._shards = {other: shard for other, shard in self._shards.items() if other is not loop}
            last = self._roster.disconnect(user.id)
        if self.nodes is not None and last:
            self.nodes.changed(user.id)
        return last

    def join(self, user: User, room: str) -> None:
        """Count one more connection of `user` in `room`."""
        with self._lock:
            self._roster.join(user.id, room)
        self._announce(user.id, [room])

    def part(self, user: User, room: str) -> None:
        """Count one connection of `user` in `room` less."""
        with self._lock:
            self._roster.part(user.id, room)
        self._announce(user.id, [room])

    def update_user(self, user: User, *, asker: Subscriber | None = None) -> None:
        """Give all connections of a user what its last change made of it: its name, and whether it is registered. Tell
        all of them but the one that asked for the change.

        Call it as soon as the store has answered, before anything else is awaited: then the last call has the last
        change.
        """
        self.mark_changed([user.id])
        with self._lock:
            self._roster.rename(user.id, user.name)
        if asker is not None:
            asker.user = user
        self.for_connections_of(user.id, lambda one: one.user_changed(user) if one is not asker else None)
        self.for_connections_of(user.id, lambda one: one.leave_as_muted())
        self._announce(user.id, self.rooms_of(user.id))

    def end_sign_ins(self, user: int, token: bytes = b"", *, keep: Subscriber) -> None:
        """End the connections of a user that came with a token that has ended, or all of them; but not `keep`."""
        self.mark_changed([user])
        self.for_connections_of(user, lambda one: one.end_sign_in(token) if one is not keep else None)

    def mark_changed(self, users: Iterable[int]) -> None:
        """Note that what was read of these users may be wrong now. For any thread."""
        with self._lock:
            for user in users:
                self.changes += 1
                self._changed[user % CHANGED] = self.changes

    def has_changed(self, user: int, since: int) -> bool:
        """Whether what was read of a user may be wrong, because the user was renamed or a token ended after `changes`
        was `since`. Nothing is told to a connection that isn't counted yet, so its handshake has to ask."""
        return self._changed[user % CHANGED] > since

    def set_away(self, user: User, why: str | None) -> None:
        """Show `user` as away with a reason, or as back if that is None."""
        with self._lock:
            self._roster.set_away(user.id, UNSET if why is None else why, self._now())
        self._announce(user.id, self.rooms_of(user.id))

    def _now(self) -> int:
        """Return the time of what is told other nodes; 0 if there are none."""
        return self._clock.now() if self.nodes is not None else 0

    def hush(self, user: int) -> None:
        """Show no longer why a user is away, if it is."""
        with self._lock:
            hushed = self._roster.hush(user, self._now())
        if hushed:
            self._announce(user, self.rooms_of(user))

    def rooms_of(self, user: int) -> list[str]:
        """Return the rooms that a user is in."""
        rooms = [room for one in self._connections_of(user) for room in one.following.rooms()]
        if self.nodes is not None:
            with self._lock:
                rooms += self._roster.rooms_elsewhere(user)
        return list(dict.fromkeys(rooms))

    def _connections_of(self, user: int) -> list[Subscriber]:
        return [one for shard in self._shards.values() for one in shard.connections.get(user, ())]

    def is_here(self, user: int) -> bool:
        """Whether the user has a connection to this node."""
        with self._lock:
            return self._roster.is_here(user)

    def is_present(self, user: int) -> bool:
        """Whether the user has a connection, to this node or another."""
        with self._lock:
            return self._roster.is_present(user)

    def is_in(self, user: int, room: str) -> bool:
        """Whether the user is in `room`."""
        with self._lock:
            return self._roster.is_in(user, room)

    def members(self, room: str) -> int:
        """Return how many people are in `room`."""
        with self._lock:
            return self._roster.members(room)

    def sizes(self, rooms: Iterable[str]) -> list[int]:
        """Return how many people are in each of these rooms."""
        with self._lock:
            return list(map(self._roster.members, rooms))

    def people(self, room: str) -> tuple[int, tuple[Person, ...]]:
        """Return how many people are in `room`, and who they are unless the room is large or they don't fit in a
        frame."""
        with self._lock:
            members = self._roster.members(room)
            people = self._roster.people(room) if members <= self.max_roster else ()
        return members, people if people_fit(people) else ()

    def all_people(self, room: str) -> tuple[Person, ...]:
        """Return everyone in `room`, however large it is."""
        with self._lock:
            return self._roster.people(room)

    def largest_rooms(self, limit: int, now: float) -> tuple[list[str], int]:
        """Return the rooms to list first, at most `limit`, and how many have people in them (see `Directory`)."""
        with self._lock:
            directory = self._roster.directory
            return directory.ranked(limit, self._addresses, now)[:limit], len(directory)

    def rooms_by_name(self, limit: int, *, find: str, after: str, now: float) -> tuple[list[str], str]:
        """Return a page of the rooms that have people in them, and where the next one begins (see `Directory`)."""
        with self._lock:
            return self._roster.directory.page(limit, find=find, after=after, now=now)

    def _addresses(self, room: str) -> Iterator[Hashable]:
        """Return what stands for the addresses of some people in a room. One that isn't known is taken for another one
        each time."""
        connections = self._shards[asyncio.get_running_loop()].connections
        for user in self._roster.some(room, LOOKED_AT):
            [*_, last] = connections.get(user, (None,))
            yield (_place(last.address) if last else self._roster.place(user)) or -user

    def users_here(self) -> list[int]:
        return [user for shard in self._shards.values() for user in list(shard.connections)]

    def describe(self, user: int) -> Here | None:
        connections = self._connections_of(user)
        if not connections:
            return None
        rooms = dict.fromkeys(room for one in connections for room in one.following.rooms())
        last = connections[-1]
        with self._lock:
            return self._roster.here(user, rooms, guest=not last.user.registered, place=_place(last.address))

    def user_told(self, node: str, user: int, there: Here | None) -> None:
        with self._lock:
            rooms = self._roster.tell(node, user, there)
        for room in rooms:
            self.in_shards(Shard.people_changed, room)

    def typing(self, room: str, user: User) -> None:
        """Tell a room or conversation that `user` is typing."""
        self._hint(Typing(room, user.id, user.name))

    def read_marker_moved(self, room: str, user: User, seq: int) -> None:
        """Tell the connections of `user` that it has read `room` up to `seq`."""
        self._hint(Read(room, user.id, seq))

    def _hint(self, hint: Hint) -> None:
        if self.nodes is not None:
            self.nodes.hint(hint)
        self.hint_told(hint)

    def for_connections_of(self, user: int, act: Callable[[Subscriber], None]) -> None:
        """Call `act` with every connection of a user, in its own loop."""

        self.in_shards(_act, user, act)

    async def for_connections_in_turn(self, user: int, act: Callable[[Subscriber], None]) -> None:
        """Call `act` with every connection of a user, in its own loop: in this one, a few in each turn."""
        loop = asyncio.get_running_loop()
        for other, shard in self._shards.items():
            if other is not loop:
                with suppress(RuntimeError):  # that loop ended with connections still in it
                    other.call_soon_threadsafe(_act, shard, user, act)
        here = self._shards[loop]
        for one in here.connections.get(user, ()):
            await here.turns.wait()
            act(one)

    def _announce(self, user: int, rooms: Iterable[str]) -> None:
        """Tell rooms that something has changed about a user."""
        if self.nodes is not None:
            self.nodes.changed(user)
        for room in rooms:
            self.in_shards(Shard.people_changed, room)

    def hint_told(self, hint: Hint) -> None:
        """Pass a hint on to those whom it concerns."""
        if isinstance(hint, Read):
            self.in_shards(Shard.hint_user, hint.user, ReadUpTo(hint.room, hint.seq))
        else:
            typing = TypingNow(hint.room, hint.name)
            for user in participants(hint.room):
                if user != hint.user:
                    self.in_shards(Shard.hint_user, user, typing, hint.user)
            self.in_shards(Shard.hint_room, hint.room, typing, hint.user)

    def _on_commit(self, events: Sequence[Event]) -> None:
        self.in_shards(Shard.deliver, events)
        for event in events if self.nodes is not None else ():
            if event.kind == Kind.MUTE and (whom := event.detail.whom) and self.is_in(whom.id, event.room):
                self.hush(whom.id)  # an operator on another node may have muted it

    def in_shards(self, act: Callable[..., object], *arguments: object) -> None:
        """Call `act(shard, *arguments)` in the loop of each shard: at once in the running one."""
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        for loop, shard in self._shards.items():
            if loop is running:
                act(shard, *arguments)
            else:
                with suppress(RuntimeError):  # that loop ended with connections still in it
                    loop.call_soon_threadsafe(act, shard, *arguments)


def _act(shard: Shard, user: int, act: Callable[[Subscriber], None]) -> None:
    for subscriber in shard.connections.get(user, ()):
        act(subscriber)


def _place(address: str) -> int:
    """Return what stands for an address among the nodes: the same for all that count as one; 0 for none."""
    where = network(address) if address else ""
    return crc32(where.encode() if isinstance(where, str) else where)
