"""What was asked of the servers and isn't answered yet."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec

from app.backends.nats.errors import EngineError, Rejected

T = TypeVar("T")


class Call(ABC, Generic[T]):
    """One question. `done` is set when there is a result, or an error."""

    def __init__(self) -> None:
        self.done = asyncio.Event()
        self.replies = 0
        self._error: Exception | None = None

    @abstractmethod
    def reply(self, data: bytes, headers: Mapping[str, str]) -> None:
        """Take a message that the servers answered with."""

    def fail(self, error: Exception) -> None:
        """Give up."""
        self._error = error
        self.done.set()

    @abstractmethod
    def result(self) -> T:
        """Return the answer, or raise what went wrong."""


class Answer(Call[dict[str, Any]]):
    """One message in JSON, as JetStream answers."""

    def __init__(self) -> None:
        super().__init__()
        self._answer: dict[str, Any] = {}

    def reply(self, data: bytes, headers: Mapping[str, str]) -> None:  # noqa: ARG002
        try:
            self._answer = msgspec.json.decode(data, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError):
            self.fail(EngineError("the answer is not one of JetStream"))
            return
        if error := self._answer.get("error"):
            self._error = Rejected(str(error.get("description", error)), int(error.get("err_code", 0)))
        self.done.set()

    def result(self) -> dict[str, Any]:
        if self._error:
            raise self._error
        return self._answer


class Messages(Call[list[tuple[int, bytes]]]):
    """Messages of a stream from a position on. The first one that isn't the next ends them: a gap is never skipped."""

    def __init__(self, position: int) -> None:
        super().__init__()
        self.gap = False
        """Whether there are messages behind a gap."""
        self._messages: list[tuple[int, bytes]] = []
        self._next = position

    def reply(self, data: bytes, headers: Mapping[str, str]) -> None:
        status = headers.get("Status", "")
        if status in ("204", "404"):  # the end of a batch, and no message from there on
            self.done.set()
        elif status:
            self.fail(EngineError(f"the servers answer {status} {headers.get('Description', '')}".rstrip()))
        elif int(headers.get("Nats-Sequence", 0)) == self._next:
            self._messages.append((self._next, data))
            self._next += 1
            self.replies += 1
        else:
            self.gap = True
            self.done.set()

    def result(self) -> list[tuple[int, bytes]]:
        if self._error and not self._messages:
            raise self._error
        return self._messages
