"""What can go wrong with a chat, as one tree.

ChatError
    Unreachable     there is no connection: refused, no such host, no answer in time
    TlsFailure      the other side speaks no TLS, or its certificate is not to be trusted
    NotAChat        something else answers there
    Ended           the server ended the connection for good, or you did; `code` is why, `reason` says it
    Interrupted     the connection broke before the answer came: whether it was done is not known
    Uncertain       whether a message was stored can't be known, and to send it again could say it twice
    Unsupported     the server speaks only text, which has no words for it
    Refused         the server does not do what was asked; `code` is for programs
        NameTaken       somebody else has the name, or it can't be one
        Banned          you may not come in
        TurnedAway      the server lets you in no more than others: it is full, or you are too many

Each has an `exit_code` for programs, and its text is one line for people.
"""

from __future__ import annotations

from typing import ClassVar

from app.chat.errors import Code


class ChatError(Exception):
    """Something is wrong with the chat, told in one line."""

    exit_code: ClassVar[int] = 1


class Unreachable(ChatError):
    """There is no connection. Another try may succeed."""

    exit_code = 3


class TlsFailure(ChatError):
    """No secure connection can be made."""

    exit_code = 5


class NotAChat(ChatError):
    """What answers is no chat."""

    exit_code = 4


class Ended(ChatError):
    """The connection is at its end, and coming back is of no use."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"the chat is over: {reason}" if reason else f"the chat is over ({code})")
        self.code, self.reason = code, reason


class Interrupted(ChatError):
    """The connection broke before the answer came."""


class Uncertain(ChatError):
    """It may be stored or not."""


class Unsupported(ChatError):
    """The text dialect can't do that."""


class Refused(ChatError):
    """The server does not do what was asked."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class NameTaken(Refused):
    """You can't be called so."""

    exit_code = 6


class Banned(Refused):
    """You may not come in."""

    exit_code = 7


class TurnedAway(Refused):
    """The server does not let you in now."""

    exit_code = 7


_KINDS: dict[str, type[Refused]] = {
    Code.NAME_TAKEN: NameTaken,
    Code.BAD_NAME: NameTaken,
    Code.BANNED: Banned,
    Code.INVITATION_ONLY: Banned,
}


def refused(code: str, message: str) -> Refused:
    """The error for what the server said."""
    return _KINDS.get(code, Refused)(code, message)
