"""Close codes: why a connection ends, and whether to reconnect."""

from __future__ import annotations

from enum import IntEnum
from typing import Self

PRIVATE_OFFSET = 3000
"""What is added to a code from 1001 to 1015 where the server accepts none of those: 4012 means what 1012 does."""


def meaning(code: int) -> int:
    """The code that a client was closed with, as the server meant it."""
    return code - PRIVATE_OFFSET if 4001 <= code <= 4015 else code


class CloseCode(IntEnum):
    """A WebSocket close code (RFC 6455, section 7.4). 4000 to 4099 are this project's own."""

    reconnect: bool
    """Whether a client should reconnect, after a delay that grows and has a random part."""

    def __new__(cls, code: int, reconnect: bool) -> Self:  # noqa: FBT001  (the members below read as a table)
        member = int.__new__(cls, code)
        member._value_ = code
        member.reconnect = reconnect
        return member

    BYE = 1000, False
    """The client said goodbye."""
    GOING_AWAY = 1001, True
    """The client's page or program was closed."""
    PROTOCOL_ERROR = 1002, False
    """Invalid WebSocket frame."""
    NOT_UTF8 = 1007, False
    """A text that is not valid UTF-8."""
    POLICY = 1008, False
    """Refused by a policy, which the close reason names."""
    TOO_BIG = 1009, False
    """A frame over the size limit."""
    PING_TIMEOUT = 1011, True
    """The client did not answer a ping, or an internal error of the server."""
    RESTARTING = 1012, True
    """The server restarts or shuts down."""
    SLOW_READER = 4000, True
    """The client reads too slowly."""
    SIGNED_OUT = 4016, False
    """The token that the client came with has ended: it signed out, or its user has a new password."""
