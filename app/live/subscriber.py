"""What delivery, shard, hub and following need of a connection. They use this interface instead of the class."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from app.chat.dialects import Dialect
from app.chat.events import Event, User
from app.chat.frames import Frame
from app.chat.room import Room
from app.transports import Channel


class DeliveryGroup(NamedTuple):
    """Subscribers with equal groups get the same bytes. A room keeps its live cursors by group."""

    dialect: Dialect
    deflated: bool
    ignoring: frozenset[int] = frozenset()
    """The users whose messages are hidden from them."""


class Subscriptions(Protocol):
    """A subscriber's positions in the logs it follows, as far as delivery needs them."""

    whispers_sent: int
    """The position up to which it has its whispers, while they are pushed to it; otherwise NOT_LIVE (-1)."""

    def __len__(self) -> int:
        """How many rooms it follows."""

    def rooms(self) -> list[str]:
        """The rooms that it follows, without its whispers."""

    def __contains__(self, room: str, /) -> bool:
        """Whether it follows `room`."""

    def first_pending(self) -> int | None:
        """Return the order number of the first event it has yet to get where it is live, or None if it has all."""


class Subscriber(Protocol):
    """A connection that follows rooms. All calls come from the connection's event loop, and none of them waits."""

    user: User
    dialect: Dialect
    channel: Channel
    address: str
    """The client's address, or nothing."""

    @property
    def following(self) -> Subscriptions:
        """Its positions."""

    @property
    def ignored(self) -> frozenset[int]:
        """The users whose messages and hints are hidden."""

    @property
    def group(self) -> DeliveryGroup:
        """Subscribers of one group get the same bytes."""

    def accepts(self, event: Event) -> bool:
        """Decide whether to send an event that is due. False for someone whom the user ignores."""

    def acknowledge(self, event: Event) -> None:
        """Tell the client that `event`, which it sent and which is being delivered, is stored."""

    def send(self, frame: Frame) -> None:
        """Send `frame` at the end of this turn of the loop, if the dialect has words for it."""

    def fell_behind(self) -> None:
        """Handle a full channel: read the log from now on, or close, as `chat.outbox.overflow` says."""

    def whispers_fell_behind(self, after: int) -> None:
        """Read whispers after a position from the log, because the channel is full."""

    def is_admitted(self, room: Room[Subscriber]) -> bool:
        """Whether the user may be in the room."""

    def expel(self, event: Event) -> None:
        """Leave the room because of an event that takes away the right to be there."""

    def ignore(self, users: frozenset[int]) -> None:
        """Hide what these users say from now on."""

    def user_changed(self, user: User) -> None:
        """Tell the client that its user has a new name or is registered now."""

    def leave_as_muted(self) -> None:
        """Leave the rooms in which the user is muted under another name than the one it has now."""

    def end_sign_in(self, token: bytes, but: bytes = b"") -> None:
        """End the connection if it came with this token, given by its digest; if that is empty, unless it came with the
        token `but`."""
