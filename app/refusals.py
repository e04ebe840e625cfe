"""The log of what strangers do: a line for each, as long as there are few.

A line that a client can cause comes from here: that it came and left, that it wasn't let in and why, that it does too
much. Otherwise a client that connects all day could fill the disk.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

from app.addresses import network
from app.clock import Clock

log = logging.getLogger("Application")

PERIOD = 60.0
"""Seconds for which the lines of one kind and one address are counted together."""
WHOLE = 20
"""Lines of one kind and one address that are logged whole in a PERIOD. At its end, a line says how many more came."""
MAX_REMEMBERED = 1000
"""Kinds and addresses that are logged in one PERIOD. Further ones are not."""
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
    """Logs what clients do: of each kind and each address WHOLE lines in PERIOD seconds, and then how many more came.
    Of IPv6, a /64 network counts as one address. The same refusal of the same client in the same words is logged once.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts: dict[tuple[str, str | bytes], _Count] = {}
        """By kind and address, in the order of time."""
        self._full_since = -PERIOD

    def add(
        self, refusal: Refusal, who: str, *, address: str = "", hint: str = "", level: int = logging.WARNING
    ) -> None:
        """Log a refusal of `who`, an address or something that came from `address`. `hint` is what the operator of the
        server can do, besides changing the setting."""
        who = printable(who)
        count = self._count(refusal.reason, address or who)
        if count is None:
            return
        how = f" with {refusal.status}" if refusal.status else ""
        by = f" ({refusal.setting})" if refusal.setting and refusal.setting not in refusal.message else ""
        text = f"Refused {who}{how}: {printable(refusal.message, 3 * MAX_SHOWN)}{by}{hint}"
        if count.takes(log, level, f"Refused{how} ({refusal.reason}):", text):
            log.log(level, "%s", text)

    def say(self, logger: logging.Logger, label: str, who: str, text: str, *arguments: object) -> None:
        """Log a line about `who`, an address or a name. `label` is what kind of line it is, for the line that says how
        many more came, and `text` and `arguments` are as for `logger.info`."""
        if not logger.isEnabledFor(logging.INFO):
            return
        count = self._count(label, who)
        if count is not None and count.takes(logger, logging.INFO, label):
            logger.info(text, *arguments)

    def tick(self) -> None:
        """Log how many more lines there were in the periods that are over. Call it once a second."""
        self._forget(self._clock.monotonic() - PERIOD)

    def close(self) -> None:
        """Log how many more lines there were until now, since no more will come."""
        self._forget(self._clock.monotonic())

    def _count(self, kind: str, who: str) -> _Count | None:
        """The count that a line belongs to. None if there are too many."""
        now, key = self._clock.monotonic(), (kind, network(who))
        count = self._counts.get(key)
        if count is not None and now - count.since < PERIOD:
            return count
        self._forget(now - PERIOD)
        if len(self._counts) >= MAX_REMEMBERED:
            if now - self._full_since >= PERIOD:
                self._full_since = now
                log.warning("More than %d clients within a minute: not all are logged", MAX_REMEMBERED)
            return None
        count = self._counts[key] = _Count(now, who)
        return count

    def _forget(self, before: float) -> None:
        """Forget the periods that began before a time, or at it."""
        while self._counts:
            key = next(iter(self._counts))
            if self._counts[key].since > before:
                return
            self._counts.pop(key).end()


class _Count:
    """The lines of one kind and one address in one PERIOD."""

    __slots__ = ("_label", "_last", "_level", "_logged", "_logger", "_more", "since", "who")

    def __init__(self, since: float, who: str) -> None:
        self.since, self.who = since, who
        self._logged = self._more = 0
        self._last = ""
        self._logger, self._level, self._label = log, logging.INFO, ""

    def takes(self, logger: logging.Logger, level: int, label: str, text: str = "") -> bool:
        """Count a line. Return whether to log it: not if it repeats the last `text`."""
        self._logger, self._level, self._label = logger, level, label
        if self._logged >= WHOLE or (text and text == self._last):
            self._more += 1
            return False
        self._logged, self._last = self._logged + 1, text
        return True

    def end(self) -> None:
        """Log how many lines were left out."""
        if self._more:
            whose = f" from {self.who}" if self.who else ""
            self._logger.log(self._level, "%s … and %d more%s", self._label, self._more, whose)


def printable(text: str, most: int = MAX_SHOWN) -> str:
    """`text` as one line of the log: characters that don't show are escaped, and a long text is cut."""
    shown = text if len(text) <= most else text[:most] + "…"
    if shown.isprintable():
        return shown
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in shown)
