"""A handshake that is held up between what it reads of its user and its connection."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

from app.testing import Host
from app.testing.sockets import Socket
from tests.clients import DEADLINE


@contextmanager
def handshake(chat: Host, token: str, path: str = "/chat", *others: str) -> Iterator[Future[Socket]]:
    """Begin a handshake with a token, and let it go on after the block. By then the result is the WebSocket."""
    backend: Any = chat.app.state.chat.backend
    reading, go_on = Event(), chat.call(asyncio.Event)

    async def held_up(digest: bytes, **options: int) -> object:
        del backend.user_by_token
        user = await original(digest, **options)
        reading.set()
        await go_on.wait()
        return user

    original, backend.user_by_token = backend.user_by_token, held_up
    with ThreadPoolExecutor(1) as threads:
        opening = threads.submit(chat.websocket, path, subprotocols=[*others, f"token.{token}"])
        try:
            assert reading.wait(DEADLINE)
            yield opening
        finally:
            chat.call(go_on.set)
            opening.exception(DEADLINE)
