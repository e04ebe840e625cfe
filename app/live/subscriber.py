"""What delivery, shard, hub and following need of a connection. They name this interface and never the class."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from app.chat.dialects import Dialect
from app.chat.events import Event, User
from app.chat.frames import Frame
from app.transports import Channel


class DeliveryGroup(NamedTuple):
    """Subscribers with equal values here are sent the same bytes; a room groups its subscribers by it."""

    dialect: Dialect
    deflated: bool
    ignoring: int = 0
    """A number of its own for a subscriber who ignores somebody, which puts it alone in its group; 0 for the rest."""


class Subscriptions(Protocol):
    """A subscriber's positions in the logs it follows, as far as delivery needs them."""

    mail: int
    """The position up to which it has its whispers, while each is pushed as it is committed; else NONE (-1)."""

    def __contains__(self, room: str, /) -> bool:
        """Whether it follows `room`."""

    def owed(self) -> int | None:
        """The mark of the first event that is still to be sent in a room where it is live; None for nothing."""


class Subscriber(Protocol):
    """A connection that follows rooms. Everything here is called in the connection's event loop, and nothing waits."""

    user: User
    dialect: Dialect
    channel: Channel

    @property
    def following(self) -> Subscriptions:
        """Its positions."""

    @property
    def group(self) -> DeliveryGroup:
        """Subscribers of one group are sent the same bytes."""

    def wants(self, event: Event) -> bool:
        """Whether to send it an event that is due; False for the words of somebody whom its user ignores."""

    def acknowledge(self, event: Event) -> None:
        """Tell the client that `event`, which it sent, is stored."""

    def send(self, frame: Frame) -> None:
        """Send `frame` at the end of this turn of the loop, if the dialect has words for it."""

    def fell_behind(self) -> None:
        """Its channel is full: from now on it reads the log, or is closed, as `chat.outbox.overflow` says."""

    def miss_whispers(self, after: int) -> None:
        """Read the whispers after a position from the log, since its channel is full."""

    def expel(self, event: Event) -> None:
        """Leave the room of a kick or ban."""

    def ignore(self, users: frozenset[int]) -> None:
        """Leave out what these users say from now on."""

    def renamed(self, user: User) -> None:
        """Its user has another name, or is registered now: tell the client."""
