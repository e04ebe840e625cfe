"""How much of everything a client may have: numbers that it is held to, and the rate at which it may ask."""

from __future__ import annotations

from dataclasses import dataclass

from app.chat.errors import Code, Refused

_WHOLE = 1 - 1e-9
"""A token, less what floats lose: who waits as long as it was told to gets one."""


class Bucket:
    """A token bucket: `burst` at once, then `rate` a second. Over t seconds it lets `burst + rate * t` through at most.

    A `rate` of 0 is no limit. A `burst` below 1 would let nothing through, ever, and counts as 1. Time is in seconds by
    any clock: one that goes back gives nothing, and goes on from there.
    """

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, max(burst, 1.0)
        self._tokens = self._burst
        self._at: float | None = None

    def take(self, now: float) -> float:
        """Take a token: 0.0 if there was one, otherwise the seconds until there is."""
        if self._rate <= 0:
            return 0.0
        if self._at is not None and now > self._at:
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens >= _WHOLE:
            self._tokens = max(0.0, self._tokens - 1)
            return 0.0
        return (1 - self._tokens) / self._rate


@dataclass(frozen=True)
class Limits:
    """What a client may have at most; 0 is no limit. `message` is in bytes of UTF-8, other texts are in characters."""

    message: int = 65_536
    name: int = 32
    topic: int = 300
    why: int = 300
    rooms: int = 50
    recipients: int = 20
    password_min: int = 8
    password: int = 128

    def check_message(self, text: str) -> None:
        """Refused for a text that is too long for a message."""
        if not self.message or 4 * len(text) <= self.message:
            return  # no character has more than 4 bytes, and few texts are worth the counting
        size = len(text.encode(errors="surrogatepass"))
        if size > self.message:
            problem = f"a message of {size} bytes is too long: expected {self.message} at most"
            raise Refused(Code.TOO_LONG, problem, what="message", size=size, limit=self.message)

    def check_topic(self, text: str) -> None:
        """Refused for a text that is too long for a topic."""
        _check("topic", len(text), self.topic)

    def check_why(self, text: str) -> None:
        """Refused for a reason that is too long: why somebody is away, or banned."""
        _check("why", len(text), self.why)

    def check_rooms(self, count: int) -> None:
        """Refused if a connection may not be in `count` rooms."""
        if self.rooms and count > self.rooms:
            problem = f"to be in {count} rooms is too much: expected {self.rooms} at most"
            raise Refused(Code.TOO_MANY_ROOMS, problem, limit=self.rooms)

    def check_recipients(self, count: int) -> None:
        """Refused if a whisper may not be for `count` people."""
        if self.recipients and count > self.recipients:
            problem = f"a whisper for {count} people is for too many: expected {self.recipients} at most"
            raise Refused(Code.TOO_MANY_RECIPIENTS, problem, size=count, limit=self.recipients)

    def check_password(self, password: str) -> None:
        """Refused for what can't be a password: an empty one can't, whatever the limits. It is not in the message."""
        size, least = len(password), max(self.password_min, 1)
        if size < least:
            problem = f"a password of {size} characters is too short: expected {least} at least"
            raise Refused(Code.BAD_PASSWORD, problem, reason="short", size=size, limit=least)
        if self.password and size > self.password:
            problem = f"a password of {size} characters is too long: expected {self.password} at most"
            raise Refused(Code.BAD_PASSWORD, problem, reason="long", size=size, limit=self.password)


_CALLED = {"topic": "a topic", "why": "a reason"}
"""What a text is called in a sentence."""


def _check(what: str, size: int, most: int) -> None:
    if most and size > most:
        problem = f"{_CALLED[what]} of {size} characters is too long: expected {most} at most"
        raise Refused(Code.TOO_LONG, problem, what=what, size=size, limit=most)
