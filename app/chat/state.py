"""What is set for a room: the fold of its events that have a key."""

from __future__ import annotations

from collections.abc import Iterable

from app.chat.events import Event, Kind


class RoomState:
    """The last event of each key. Applying events in any order, and any of them twice, comes to the same."""

    __slots__ = ("_last",)

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self._last: dict[str, Event] = {}
        for event in events:
            self.apply(event)

    def apply(self, event: Event) -> None:
        """Let `event` count, unless a later one of its key does already; nothing happens for one without a key."""
        key = event.key
        if key and (key not in self._last or self._last[key].seq < event.seq):
            self._last[key] = event

    def __bool__(self) -> bool:
        """Whether anything was ever set."""
        return bool(self._last)

    @property
    def topic(self) -> str:
        """What the room is about, or nothing."""
        event = self._last.get("topic")
        return event.text if event else ""

    @property
    def private(self) -> bool:
        """Whether only those who are invited get in."""
        return self._is(Kind.PRIVATE, "access")

    @property
    def slow(self) -> int:
        """Seconds that must pass between two messages of one user; 0 for none."""
        event = self._last.get("slow")
        return event.detail.seconds if event else 0

    @property
    def owner(self) -> int:
        """The id of the user who owns the room; 0 for nobody."""
        event = self._last.get("owner")
        return event.detail.whom.id if event and event.detail.whom else 0

    @property
    def owner_name(self) -> str:
        """The owner's name when it became the owner, or nothing."""
        event = self._last.get("owner")
        return event.detail.whom.name if event and event.detail.whom else ""

    @property
    def operators(self) -> tuple[str, ...]:
        """The names of the operators, as they were when they became it."""
        appointed = (event for event in self._last.values() if event.kind == Kind.OP and event.key.startswith("op:"))
        return tuple(event.detail.whom.name for event in appointed if event.detail.whom)

    def operates(self, user: int) -> bool:
        """Whether the user was made an operator of the room."""
        return self._is(Kind.OP, f"op:{user}")

    def invited(self, user: int) -> bool:
        """Whether the user may enter while the room is private."""
        return self._is(Kind.INVITE, f"invite:{user}")

    def ban(self, user: int, now: int) -> Event | None:
        """What keeps the user out at `now`, in milliseconds since 1970."""
        return self._holds(Kind.BAN, f"ban:{user}", now)

    def mute(self, user: int, now: int) -> Event | None:
        """What keeps the user silent at `now`, in milliseconds since 1970."""
        return self._holds(Kind.MUTE, f"mute:{user}", now)

    def _is(self, kind: Kind, key: str) -> bool:
        event = self._last.get(key)
        return event is not None and event.kind == kind

    def _holds(self, kind: Kind, key: str, now: int) -> Event | None:
        event = self._last.get(key)
        if event is None or event.kind != kind or 0 < event.detail.until <= now:
            return None
        return event
