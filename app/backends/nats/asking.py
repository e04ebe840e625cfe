"""Questions to the servers, and how their answers find those who wait."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

from app.backends.nats.calls import Call
from app.backends.nats.errors import EngineError, Rejected

if TYPE_CHECKING:
    from nats.aio.msg import Msg

    from app.backends.nats.connection import Connection

T = TypeVar("T")


class Calls:
    """What was asked and isn't answered yet. All answers come to one inbox, which is new with each connection."""

    def __init__(self) -> None:
        self._waiting: dict[str, Call[Any]] = {}
        self._tokens = count(1)
        self._inbox = ""

    async def prepare(self, connection: Connection) -> None:
        """Have the answers come over a new connection."""
        self._inbox = connection.new_inbox()
        await connection.subscribe(f"{self._inbox}.*", cb=self._replied)

    async def ask(self, connection: Connection, subject: str, payload: bytes, patience: float, call: Call[T]) -> T:
        """Ask, and return the answer. EngineError if nothing comes for `patience` seconds, or the connection ends."""
        if len(payload) > connection.max_payload:
            raise Rejected(f"a message of {len(payload)} bytes is above max_payload of the servers")
        token = str(next(self._tokens))
        self._waiting[token] = call
        try:
            try:
                await connection.publish(subject, payload, reply=f"{self._inbox}.{token}")
            except Exception as error:  # noqa: BLE001  (all that nats-py raises here, it raises before it sends)
                raise Rejected(str(error)) from None
            while not call.done.is_set():
                replies = call.replies
                try:
                    async with asyncio.timeout(patience):
                        await call.done.wait()
                except TimeoutError:
                    if call.replies == replies:
                        denied = f": {connection.denied}" if connection.denied else ""
                        call.fail(EngineError(f"the servers have not answered for {patience:g} s{denied}"))
        finally:
            del self._waiting[token]
        return call.result()

    def fail(self, reason: str) -> None:
        """Tell all who wait that nothing will come."""
        for call in self._waiting.values():
            call.fail(EngineError(f"{reason} before there was an answer"))

    async def _replied(self, message: Msg) -> None:
        call = self._waiting.get(message.subject.rpartition(".")[2])
        if call and not call.done.is_set():
            headers = message.headers or {}
            if headers.get("Status") == "503":
                call.fail(Rejected("no server answers for the stream at the moment"))
            else:
                call.reply(message.data, headers)
