"""Errors of the client, as one tree.

ChatError
    Unreachable     there is no connection: refused, no such host, no answer in time
    TlsFailure      the server does not use TLS, or its certificate is not trusted
    NotAChat        something other than a chat server answers
    Ended           the server ended the connection for good, or you did; `code` and `reason` say why
    Interrupted     the connection was lost before the answer came: the request may or may not have been carried out
    Uncertain       a message may or may not have been stored, and sending it again could store it twice
    Unsupported     the server speaks only the text dialect, which can't do that
    Refused         the server refused the request; `code` is for programs
        NameTaken       someone else has the name, or it is not valid
        Banned          you may not enter the room
        TurnedAway      the server accepts no more connections, or none from you

The text of an error is one line for people, in English; `message` is the same text, which a catalogue of
`app.client.languages` can translate. `exit_code` is for programs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from msgspec import UNSET
from msgspec.structs import asdict

from app.chat.closing import CloseCode
from app.chat.errors import Code
from app.chat.frames import Error
from app.client.languages.catalogue import Translatable, english, translatable
from app.client.languages.server_errors import server_error


class ChatError(Exception):
    """Something went wrong with the chat."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def locate(self, url: str) -> None:
        """Add the address of the server to the message."""
        self.message = translatable("connect.at", url=url, problem=self.message)
        self.args = (self.message,)


class Unreachable(ChatError):
    """There is no connection. Another try may succeed."""

    exit_code = 3


class TlsFailure(ChatError):
    """There is no secure connection."""

    exit_code = 5


class NotAChat(ChatError):
    """Something other than a chat server answers."""

    exit_code = 4


class Ended(ChatError):
    """The connection ended, and connecting again is of no use. `code` is the close code of the WebSocket."""

    def __init__(self, code: int, reason: str = "") -> None:
        if code == CloseCode.BYE:
            message = translatable("ended.bye")
        elif code == CloseCode.SIGNED_OUT:
            message = translatable("ended.signed_out")
        elif code == CloseCode.TOO_BIG:
            message = translatable("ended.too_big")
        elif reason:
            message = translatable("ended.reason", reason=reason)
        else:
            message = translatable("ended.code", code=code)
        super().__init__(message)
        self.code, self.reason = code, reason


class Interrupted(ChatError):
    """The connection was lost before the answer came."""


class Uncertain(ChatError):
    """The message may or may not have been stored."""


class Unsupported(ChatError):
    """The text dialect can't do that."""


class Refused(ChatError):
    """The server refused the request.

    `code` is that of the server's `error` frame, and `values` are its optional fields, such as `reason`, `room` or
    `limit`; docs/protocol.md lists both.
    """

    def __init__(self, code: str, message: str, values: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code, self.values = code, dict(values or {})


class NameTaken(Refused):
    """You can't have that name."""

    exit_code = 6


class Banned(Refused):
    """You may not enter the room."""

    exit_code = 7


class TurnedAway(Refused):
    """The server does not accept the connection."""

    exit_code = 7


_KINDS: dict[str, type[Refused]] = {
    Code.NAME_TAKEN: NameTaken,
    Code.BAD_NAME: NameTaken,
    Code.BANNED: Banned,
    Code.INVITATION_ONLY: Banned,
}
_ENVELOPE = ("code", "message", "retry", "rid", "cid")
"""Fields of an `error` frame that are not values of its sentence."""


def from_frame(frame: Error) -> Refused:
    """The error for an `error` frame."""
    values = {name: value for name, value in asdict(frame).items() if name not in _ENVELOPE and value is not UNSET}
    return refusal(frame.code, values, frame.message)


def refusal(code: str, values: Mapping[str, Any], message: str = "") -> Refused:
    """The error for a `code`. `message` is the server's own sentence; without it, the client itself refuses, and the
    catalogue must have a sentence."""
    sentence = server_error(code, message, values)
    if not message:
        sentence = Translatable(english().translate(sentence), sentence.keys, sentence.values)
    return _KINDS.get(code, Refused)(code, sentence, values)
