"""Refusals: what a client is told that isn't let in, and the line about it in the log."""

from __future__ import annotations

import logging
from typing import NamedTuple

from app.clock import Clock

log = logging.getLogger("Application")

PERIOD = 60.0
"""Seconds in which the same refusal of the same client is logged once."""
MAX_REMEMBERED = 1000
"""Refusals that are logged in one PERIOD. Further ones are counted only."""
MAX_SHOWN = 200
"""Characters of a value from a client in the log."""


class Refusal(NamedTuple):
    """Why a client isn't let in."""

    status: int
    """The HTTP status of the answer; 0 if the client is connected already."""
    reason: str
    """The cause in a word, for programs."""
    message: str
    """The cause in a sentence, without its full stop."""
    setting: str = ""
    """The setting that decides, if one does."""


class RefusalLog:
    """Logs refusals: each kind once in PERIOD seconds for each client, however often it comes back."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._logged: dict[tuple[str, str], tuple[float, int]] = {}
        """When each refusal was logged, and how many like it came since. In the order of time."""
        self._full_since = -PERIOD

    def add(self, refusal: Refusal, who: str, *, hint: str = "", level: int = logging.WARNING) -> None:
        """Log a refusal of `who`, an address or an origin, unless that was done a moment ago. `hint` is what the
        operator of the server can do, besides changing the setting."""
        now, who = self._clock.monotonic(), printable(who)
        key = refusal.reason, who
        at, unlogged = self._logged.get(key, (now - PERIOD, 0))
        if now - at < PERIOD:
            self._logged[key] = at, unlogged + 1
            return
        self._forget(now - PERIOD)
        if len(self._logged) >= MAX_REMEMBERED:
            if now - self._full_since >= PERIOD:
                self._full_since = now
                log.warning("Refused more than %d clients within a minute: not all are logged", MAX_REMEMBERED)
            return
        self._logged.pop(key, None)
        self._logged[key] = now, 0
        more = f" [{unlogged} times more since the last line]" if unlogged else ""
        by = f" ({refusal.setting})" if refusal.setting and refusal.setting not in refusal.message else ""
        message = printable(refusal.message, 3 * MAX_SHOWN)
        how = f" with {refusal.status}" if refusal.status else ""
        log.log(level, "Refused %s%s: %s%s%s%s", who, how, message, by, hint, more)

    def _forget(self, before: float) -> None:
        while self._logged and self._logged[oldest := next(iter(self._logged))][0] <= before:
            del self._logged[oldest]


def printable(text: str, most: int = MAX_SHOWN) -> str:
    """`text` as one line of the log: characters that don't show are escaped, and a long text is cut."""
    shown = text if len(text) <= most else text[:most] + "…"
    if shown.isprintable():
        return shown
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in shown)
