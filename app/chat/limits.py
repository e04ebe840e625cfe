"""What one client may have, and how fast it may ask."""

from __future__ import annotations

import msgspec

from app.chat.errors import Code, Refused
from app.chat.events import Kind

_ONE_TOKEN = 1 - 1e-9
"""One token, less rounding errors: a client that waits as long as the bucket said gets one."""
FORGIVEN_AFTER = 1.0
"""Seconds after which one strike is forgiven."""


class Bucket:
    """A token bucket: `burst` tokens at once, then `rate` a second, so at most `burst + rate * t` in t seconds.

    A `rate` of 0 means no limit. A `burst` below 1 counts as 1, since it would never give out a token. Times are in
    seconds of any clock; if that is set back, the bucket gets no tokens for it and goes on from there.
    """

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, max(burst, 1.0)
        self._tokens = self._burst
        self._at: float | None = None

    def take(self, now: float) -> float:
        """Take a token. Return 0.0 if there was one, otherwise the seconds until there is."""
        if self._rate <= 0:
            return 0.0
        self._refill(now)
        if self._tokens >= _ONE_TOKEN:
            self._tokens = max(0.0, self._tokens - 1)
            return 0.0
        return (1 - self._tokens) / self._rate

    def until_one(self, now: float) -> float:
        """Return the seconds until there is a token; 0.0 if there is one. Takes none."""
        self._refill(now)
        return 0.0 if self._rate <= 0 or self._tokens >= _ONE_TOKEN else (1 - self._tokens) / self._rate

    def _refill(self, now: float) -> None:
        if self._at is not None and now > self._at:
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now


class Budget(Bucket):
    """A bucket that is paid from when the price is known, afterwards. So it may owe tokens, and gives none until it has
    made up for them. Its `rate` is above 0."""

    __slots__ = ()

    def wait(self, now: float) -> float:
        """Return 0.0 if it owes nothing, otherwise the seconds until then."""
        self._refill(now)
        return -self._tokens / self._rate if self._tokens < 0 else 0.0

    def spend(self, now: float, amount: float) -> None:
        """Take `amount` tokens, whether they are there or not."""
        self._refill(now)
        self._tokens -= amount

    def is_full(self, now: float) -> bool:
        """Whether it is as good as a new one."""
        self._refill(now)
        return self._tokens >= self._burst


class RateLimit(Bucket):
    """The rate limit of one connection. Each refusal is a strike, and one is forgiven every FORGIVEN_AFTER seconds.
    With `max_strikes` of them it is `exhausted`; 0 means never."""

    __slots__ = ("_max_strikes", "_struck_until")

    def __init__(self, rate: float, burst: float, max_strikes: float) -> None:
        super().__init__(rate, burst)
        self._max_strikes, self._struck_until = max_strikes, 0.0

    def check(self, now: float) -> Refused | None:
        """Count a command. Return the error for one that comes too fast."""
        wait = self.take(now)
        if not wait:
            return None
        self._struck_until = max(self._struck_until, now) + FORGIVEN_AFTER
        after = max(1, round(1000 * wait))
        problem = f"You are too fast: the limit is {self._rate:g} a second. Try again in {after} ms"
        limit = int(self._rate) if self._rate == int(self._rate) else self._rate
        return Refused(Code.RATE_LIMITED, problem, retry=True, after=after, limit=limit)

    @property
    def exhausted(self) -> bool:
        """Whether the client goes on in spite of being refused, as of the last command."""
        left = self._struck_until - (self._at or 0.0)
        return self._max_strikes > 0 and left > (self._max_strikes - 1) * FORGIVEN_AFTER


MODERATION = {Kind.BAN: "bans", Kind.MUTE: "mutes", Kind.INVITE: "invitations", Kind.OP: "operators"}
"""What a room has a limited number of, by the kind of event that adds one."""


class Limits(msgspec.Struct, frozen=True):
    """What a client may have at most; 0 is no limit. `message` is in bytes of UTF-8, other texts are in characters."""

    message: int = 65_536
    name: int = 32
    topic: int = 300
    why: int = 300
    rooms: int = 50
    recipients: int = 20
    ignored: int = 1000
    moderation: int = 1000
    rooms_owned: int = 100
    password_min: int = 8
    password: int = 128

    def check_message(self, text: str) -> None:
        """Refused if the text is too long for a message."""
        if not self.message or 4 * len(text) <= self.message:
            return  # a character has at most 4 bytes, so most texts need not be encoded to be measured
        size = len(text.encode(errors="surrogatepass"))
        if size > self.message:
            problem = f"A message can have at most {self.message} bytes, and this one has {size}"
            raise Refused(Code.TOO_LONG, problem, what="message", size=size, limit=self.message)

    def check_topic(self, text: str) -> None:
        """Refused if the text is too long for a topic."""
        if self.topic and len(text) > self.topic:
            raise _too_long("topic", "A topic", len(text), self.topic)

    def check_why(self, text: str) -> None:
        """Refused if the text is too long for a reason: of a kick, ban or mute, or for being away."""
        if self.why and len(text) > self.why:
            raise _too_long("why", "A reason", len(text), self.why)

    def check_rooms(self, count: int) -> None:
        """Refused if a connection may not be in `count` rooms."""
        if self.rooms and count > self.rooms:
            problem = f"You can be in at most {self.rooms} rooms. Leave one first"
            raise Refused(Code.TOO_MANY_ROOMS, problem, limit=self.rooms)

    def check_recipients(self, count: int) -> None:
        """Refused if a whisper may not have `count` recipients."""
        if self.recipients and count > self.recipients:
            problem = f"A whisper can have at most {self.recipients} recipients, and this one has {count}"
            raise Refused(Code.TOO_MANY_RECIPIENTS, problem, size=count, limit=self.recipients)

    def check_ignored(self, count: int) -> None:
        """Refused if someone may not ignore `count` people."""
        if self.ignored and count > self.ignored:
            problem = f"You can ignore at most {self.ignored} people. Show messages from someone again first"
            raise Refused(Code.TOO_MANY, problem, reason="ignored", limit=self.ignored)

    def check_moderation(self, kind: Kind, room: str, count: int) -> None:
        """Refused if a room may not have `count` bans, mutes, invitations or operators."""
        if self.moderation and count > self.moderation:
            many = MODERATION[kind]
            problem = f"{room} has {self.moderation} {many}, and can't have more. Lift some first"
            raise Refused(Code.TOO_MANY, problem, reason=many, room=room, limit=self.moderation)

    def check_password(self, password: str) -> None:
        """Refused if the text can't be a password. An empty one never can. The error does not contain it."""
        size, least = len(password), max(self.password_min, 1)
        if size < least:
            problem = f"A password needs at least {least} characters, and this one has {size}"
            raise Refused(Code.BAD_PASSWORD, problem, reason="short", size=size, limit=least)
        if self.password and size > self.password:
            problem = f"A password can have at most {self.password} characters, and this one has {size}"
            raise Refused(Code.BAD_PASSWORD, problem, reason="long", size=size, limit=self.password)


def _too_long(what: str, subject: str, size: int, limit: int) -> Refused:
    problem = f"{subject} can have at most {limit} characters, and this one has {size}"
    return Refused(Code.TOO_LONG, problem, what=what, size=size, limit=limit)
