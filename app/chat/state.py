"""A room's settings, computed from its events."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

from msgspec.structs import replace

from app.chat.events import Detail, Event, Kind, User
from app.chat.mentions import OPERATORS

MODERATION = (Kind.BAN, Kind.MUTE, Kind.INVITE, Kind.OP)
LIFTING = (Kind.UNBAN, Kind.UNMUTE, Kind.UNINVITE, Kind.DEOP)
DROPPED_AT = 64
"""A ban or mute with an end at a position that is a multiple of this is the occasion to drop those that have ended."""


class RoomState:
    """The last event of each key. Events may be applied in any order and more than once, with the same result, until
    the state is `settled`: from then on they come in order."""

    __slots__ = ("_last", "_people", "settled")

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self._last: dict[str, Event] = {}
        self._people: dict[str, dict[str, Event]] = {}
        """What is said of people: bans, mutes, invitations and appointments, by kind and key."""
        self.settled = False
        for event in events:
            self.apply(event)

    def apply(self, event: Event) -> None:
        """Apply `event`, unless it changes no setting or a later event of its key was applied already."""
        if event.kind == Kind.DELETE and event.detail.what:
            self._clear(event.of)
            return
        key = event.key
        before = self._last.get(key)
        if not key or (before is not None and before.seq >= event.seq):
            return
        if before is not None and before.kind in MODERATION:
            del self._people[before.kind][key]
        self._last[key] = event
        if event.kind in MODERATION:
            self._people.setdefault(event.kind, {})[key] = event
        if self.settled:
            self._drop(event)

    def settle(self) -> None:
        """Everything that is stored was applied. What has no effect any more may be dropped."""
        self.settled = True
        for event in list(self._last.values()):
            self._drop(event)

    def _drop(self, event: Event) -> None:
        """Drop an event that lifts what was before it, and now and then what has ended by the time of an event."""
        if event.kind in LIFTING and not self._ends_an_invitation(event):
            del self._last[event.key]
        elif event.detail.until and event.seq % DROPPED_AT == 0:
            for key, one in list(self._people[event.kind].items()):
                if not _lasts(one, event.at):
                    del self._last[key], self._people[event.kind][key]

    def _ends_an_invitation(self, event: Event) -> bool:
        """Whether an event ends what the one that closed the room gave to someone."""
        access = self._last.get("access")
        return bool(
            access
            and event.kind == Kind.UNINVITE
            and event.detail.whom
            and event.detail.whom.id in access.detail.invited
        )

    @property
    def topic_since(self) -> int:
        """The position of the event that set the topic, or 0."""
        event = self._last.get("topic")
        return event.seq if event else 0

    @property
    def topic(self) -> str:
        """The topic, or nothing."""
        event = self._last.get("topic")
        return event.text if event else ""

    @property
    def private(self) -> bool:
        """Whether joining needs an invitation."""
        return self._is(Kind.PRIVATE, "access")

    @property
    def slow(self) -> int:
        """Seconds between two messages of one user in slow mode; 0 if it is off."""
        event = self._last.get("slow")
        return event.detail.seconds if event else 0

    @property
    def slow_since(self) -> int:
        """The position from which slow mode holds as it is."""
        event = self._last.get("slow")
        return event.seq if event else 0

    @property
    def mentions(self) -> str:
        """Who may notify everyone with @everyone and @here: `all` or `operators`."""
        event = self._last.get("mentions")
        return event.text if event else OPERATORS

    @property
    def owner(self) -> int:
        """The owner's user id, or 0."""
        event = self._last.get("owner")
        return event.detail.whom.id if event and event.detail.whom else 0

    @property
    def operators(self) -> tuple[int, ...]:
        """The user ids of the operators, in the order in which they were appointed."""
        return tuple(event.detail.whom.id for event in self.in_force(Kind.OP, 0) if event.detail.whom)

    def is_operator(self, user: int) -> bool:
        """Whether the user is an operator of the room."""
        return self._is(Kind.OP, f"op:{user}")

    def is_invited(self, user: int) -> bool:
        """Whether the user may join while the room is private."""
        own, access = self._last.get(f"invite:{user}"), self._last.get("access")
        if own is not None and own.kind == Kind.INVITE:
            return True
        if access is None or (own is not None and own.seq > access.seq):
            return False
        kept = access.detail.invited
        at = bisect_left(kept, user)
        return at < len(kept) and kept[at] == user

    def kept(self) -> list[int]:
        """Return those who are invited because they were there when the room was made private, and nothing else was
        done about it since. What makes the room private or public passes them on."""
        access = self._last.get("access")
        if access is None:
            return []
        own = ((user, self._last.get(f"invite:{user}")) for user in access.detail.invited)
        return [user for user, one in own if one is None or (one.kind != Kind.INVITE and one.seq < access.seq)]

    def ban(self, user: int, now: int) -> Event | None:
        """Return the user's ban if it is in force at `now`, in milliseconds since 1970."""
        return self._in_force(Kind.BAN, f"ban:{user}", now)

    def mute(self, user: int, now: int) -> Event | None:
        """Return the user's mute if it is in force at `now`, in milliseconds since 1970."""
        return self._in_force(Kind.MUTE, f"mute:{user}", now)

    def has(self, kind: Kind, user: int, now: int) -> bool:
        """Whether a ban, mute, invitation or appointment of someone is in force."""
        if kind == Kind.INVITE:
            return self.is_invited(user)
        return self._in_force(kind, f"{kind}:{user}", now) is not None

    def count(self, kind: Kind, now: int) -> int:
        """Return how many bans, mutes, invitations or appointments are in force."""
        return sum(_lasts(event, now) for event in self._people.get(kind, {}).values())

    def in_force(self, kind: Kind, now: int) -> list[Event]:
        """Return the bans, mutes, invitations or appointments that are in force at `now`, in the order of the log. One
        event that invites many people is as many invitations, by id."""
        found = [event for event in self._people.get(kind, {}).values() if _lasts(event, now)]
        if kind == Kind.INVITE and (access := self._last.get("access")):
            whom = (Detail(whom=User(user, "")) for user in self.kept())
            found += [replace(access, kind=Kind.INVITE, detail=detail) for detail in whom]
        return sorted(found, key=lambda event: event.seq)

    def at(self, seq: int) -> Event | None:
        """Return the event at a position, if it makes up the room's settings."""
        return next((event for event in self._last.values() if event.seq == seq), None)

    def _clear(self, seq: int) -> None:
        """Forget the text of an event: a topic or a reason that was deleted."""
        for key, event in self._last.items():
            if event.seq == seq:
                self._last[key] = cleared = replace(event, text="")
                if event.kind in MODERATION:
                    self._people[event.kind][key] = cleared

    def _is(self, kind: Kind, key: str) -> bool:
        event = self._last.get(key)
        return event is not None and event.kind == kind

    def _in_force(self, kind: Kind, key: str, now: int) -> Event | None:
        event = self._last.get(key)
        return event if event is not None and event.kind == kind and _lasts(event, now) else None


def _lasts(event: Event, now: int) -> bool:
    """Whether the event has no end, or one that is to come."""
    return not 0 < event.detail.until <= now
