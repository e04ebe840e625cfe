"""The settings group `chat`. `application.conf` explains every setting."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from app.backends.nats.settings import NatsSettings
from app.chat.errors import Refused
from app.chat.fitting import largest_frame
from app.chat.limits import Limits
from app.chat.logs import DEFAULT_ROOM, ROOM_RULE, room_name
from app.live.retention import TRIM_PERIOD
from app.live.shares import Rates
from config import Duration, Size


def _check_room(name: str) -> str | None:
    try:
        room_name(name)
    except Refused:
        return ROOM_RULE
    return None


def _check_age(age: Duration) -> str | None:
    if not age or age >= TRIM_PERIOD:
        return None
    return "0 to keep everything, or at least 1m (a number without a unit is in milliseconds: write 30d)"


def _check_count(count: int) -> str | None:
    return None if count >= 0 else "0 to keep everything, or more"


def _check_not_negative(value: float) -> str | None:
    return None if value >= 0 else "0 for no limit, or more"


def _limit(default: Any, **metadata: Any) -> Any:
    return field(default=default, metadata={"check": _check_not_negative, **metadata})


@dataclass(frozen=True, slots=True)
class OutboxSettings:
    """What may be queued for a client that reads too slowly."""

    size: Size = Size(1024 * 1024)
    total: Size = _limit(Size(256 * 1024 * 1024))
    overflow: Literal["pull", "disconnect"] = "pull"
    stall: Duration = Duration(30)


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """How many messages of each room are kept, and how long; 0 is no limit."""

    count: int = field(default=0, metadata={"check": _check_count})
    age: Duration = field(default=Duration(0), metadata={"check": _check_age})


@dataclass(frozen=True, slots=True)
class LimitsSettings:
    """What clients may have at most; 0 is no limit."""

    rate: float = _limit(10.0)
    burst: float = _limit(20.0)
    rate_per_address: float = _limit(100.0)
    strikes: int = _limit(50)
    work: float = _limit(200.0)
    work_per_address: float = _limit(600.0)
    guests_per_address: float = _limit(1000.0)
    registrations_per_address: float = _limit(60.0)
    bytes: Size = _limit(Size(64 * 1024))
    bytes_per_address: Size = _limit(Size(256 * 1024))
    bytes_of_guests: Size = _limit(Size(1024 * 1024))
    message: Size = _limit(Size(64 * 1024))
    name: int = _limit(32)
    topic: int = _limit(300)
    why: int = _limit(300)
    rooms: int = _limit(50)
    recipients: int = _limit(20)
    ignored: int = _limit(1000)
    moderation: int = _limit(1000)
    rooms_owned: int = _limit(100)
    password: int = _limit(128, secret=False)
    password_least: int = _limit(8, secret=False)

    def limits(self) -> Limits:
        """Return the limits that commands are checked against."""
        return Limits(
            message=int(self.message),
            name=self.name,
            topic=self.topic,
            why=self.why,
            rooms=self.rooms,
            recipients=self.recipients,
            ignored=self.ignored,
            moderation=self.moderation,
            rooms_owned=self.rooms_owned,
            password=self.password,
            password_min=self.password_least,
        )

    def rates(self) -> Rates:
        """Return the limits of all rates. Without a rate limit there are no others either."""
        if not self.rate:
            return Rates(self.rate, self.burst, self.strikes)
        return Rates(
            self.rate,
            self.burst,
            self.strikes,
            work=self.work,
            work_per_address=self.work_per_address,
            guests=self.guests_per_address,
            registrations=self.registrations_per_address,
            per_address=self.rate_per_address,
            bytes=self.bytes,
            bytes_per_address=self.bytes_per_address,
            bytes_of_guests=self.bytes_of_guests,
        )

    def advertised(self, max_frame_size: int) -> dict[str, float]:
        """Return the limits that `welcome` tells a client. Whole numbers are integers."""
        names = ("message", "name", "topic", "rooms", "recipients", "rate", "burst")
        values = {name: getattr(self, name) for name in names}
        numbers = {name: int(value) if value == int(value) else value for name, value in values.items()}
        texts = (min(limit or max_frame_size, max_frame_size) for limit in (self.message, self.topic, self.why))
        return {"frame": max_frame_size, "from_server": largest_frame(int(max(texts))), **numbers}


@dataclass(frozen=True, slots=True)
class NamesSettings:
    """What people may be called."""

    unicode: bool = False
    hold: Duration = Duration(300)
    held_per_address: int = field(default=50, metadata={"check": _check_not_negative})
    given_up: Duration = Duration(30 * 86_400)


@dataclass(frozen=True, slots=True)
class PresenceSettings:
    """How rooms learn who is in them."""

    roster: int = field(default=200, metadata={"check": _check_not_negative})
    period: Duration = Duration(1)


@dataclass(frozen=True, slots=True)
class ChatSettings:
    """The group `chat`."""

    backend: Literal["embedded", "nats"] = "embedded"
    store: str = "chat.db"
    sign_ins: Duration = Duration(90 * 86_400)
    room: str = field(default=DEFAULT_ROOM, metadata={"check": _check_room})
    operators: tuple[str, ...] = ()
    names: NamesSettings = field(default_factory=NamesSettings)
    limits: LimitsSettings = field(default_factory=LimitsSettings)
    presence: PresenceSettings = field(default_factory=PresenceSettings)
    nats: NatsSettings = field(default_factory=NatsSettings)
    outbox: OutboxSettings = field(default_factory=OutboxSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
