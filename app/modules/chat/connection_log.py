"""What the log says about connections: who came from where, how long they stayed, and why they left.

No line has anything that people wrote, except for names, which hold no control characters.
"""

from __future__ import annotations

import logging

from app.chat.closing import CloseCode
from app.live.connection import Connection
from app.transports import BROKEN, Ending, frame_limit

log = logging.getLogger("chat")

SETTINGS = {
    CloseCode.POLICY: "chat.limits.strikes",
    CloseCode.TOO_BIG: "app.websockets.max-frame-size",
    CloseCode.SLOW_READER: "chat.outbox",
    CloseCode.PING_TIMEOUT: "app.websockets.timeout",
}
"""The settings that decide about an end with a code."""
CAME, LEFT = "Adding user!", "Removing users!"
"""The kinds of lines here."""
LEAVING = (CloseCode.BYE, CloseCode.GOING_AWAY, 1005)
"""The codes of clients that have nothing to say about why they leave. 1005 stands for a close without one."""


def log_start(connection: Connection) -> None:
    """Say who has come. The line begins as in Ktor's tutorial."""
    address = connection.address
    connection.context.refusals.say(log, CAME, address, "Adding user! %s%s", connection.user.name, _from(address))


def log_end(connection: Connection) -> None:
    """Say who has left, and why. The line begins as in Ktor's tutorial."""
    after = connection.context.clock.monotonic() - connection.began
    connection.context.refusals.say(log, LEFT, connection.address, "%s", _Left(connection, after))


class _Left:
    """The line about a connection that has ended, written only if it is logged."""

    __slots__ = ("_after", "_connection")

    def __init__(self, connection: Connection, after: float) -> None:
        self._connection, self._after = connection, after

    def __str__(self) -> str:
        one = self._connection
        ending = f"after {_length(self._after)}: {_cause(one.channel.ending)}"
        return f"Removing {one.user.name}!{_from(one.address)} {ending}"


def _from(address: str) -> str:
    return f" from {address}" if address else ""


def _length(seconds: float) -> str:
    """A length of time, in two units at most."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes_left = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes_left} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _cause(ending: Ending) -> str:
    code, reason, by_client = ending
    if code == BROKEN.code:
        return "the connection broke"
    if by_client:
        return "the client left" if code in LEAVING else f"the client left with {code}"
    decided = code != CloseCode.PING_TIMEOUT or "ping" in reason  # and not by an internal error
    setting = next((setting for known, setting in SETTINGS.items() if known == code and decided), "")
    if reason.startswith(frame_limit.REASON):
        setting = frame_limit.SETTING
    return f"closed with {code}" + (f", {reason}" if reason else "") + (f" ({setting})" if setting else "")
