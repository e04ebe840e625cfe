"""Why a connection ends: the close codes that this server sends, and whether coming back is of use."""

from __future__ import annotations

from enum import IntEnum
from typing import Self


class CloseCode(IntEnum):
    """A WebSocket close code (RFC 6455, section 7.4; 4000 to 4099 are this project's own)."""

    reconnect: bool
    """Whether a client should connect again, with a delay that grows and has a random part."""

    def __new__(cls, code: int, reconnect: bool) -> Self:  # noqa: FBT001  (the members below read as a table)
        member = int.__new__(cls, code)
        member._value_ = code
        member.reconnect = reconnect
        return member

    BYE = 1000, False
    """The client left."""
    GOING_AWAY = 1001, True
    """The page or program of the client ended."""
    PROTOCOL_ERROR = 1002, False
    """What came is no WebSocket frame."""
    NOT_UTF8 = 1007, False
    """A text that is not UTF-8."""
    POLICY = 1008, False
    """Refused; the reason says why."""
    TOO_BIG = 1009, False
    """A message over the limit."""
    PING_TIMEOUT = 1011, True
    """The client did not answer a ping, or the server has a fault."""
    RESTARTING = 1012, True
    """The server goes away; it or another is back soon."""
    SLOW_READER = 4000, True
    """More waited for the client than its outbox may hold."""
