"""A connection that has ended is freed at once. Otherwise thousands of them would fill the memory until the garbage
collector visits every object, which pauses everyone."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from uvicorn.server import ServerState

from app import create_app
from app.chat.dialects import JSON_SUBPROTOCOL
from app.chat.room import Cursor
from app.live.connection import Connection
from app.live.following import Following
from app.transports.asgi_channel import AsgiChannel
from app.transports.socket_channel import SocketChannel
from tests.clients import frame
from tests.transports.comparison import on_uvloop
from tests.transports.harness import HEAD, client, made_from_now_on, server, until

JSON = f"Sec-WebSocket-Protocol: {JSON_SUBPROTOCOL}\r\n\r\n".encode()
SAID = {
    b"\r\n": [b"hello", b"/topic tea", b"/nonsense"],
    JSON: [
        b'{"t":"join","rid":1,"room":"lobby"}',
        b'{"t":"msg","cid":"c1","room":"lobby","text":"hello"}',
        b'{"t":"msg","cid":"c2","room":"den","text":"refused"}',
        b'{"t":"msg","cid":"c3","room":"lobby","text":" "}',
        b'{"t":"search","rid":2,"words":"hello"}',
        b"nonsense",
    ],
}


class Served:
    """The application with a chat in memory, and uvicorn's state of its connections."""

    def __init__(self) -> None:
        self.app = create_app(overrides={"app.modules": ["app.modules.chat.module"], "chat.store": ":memory:"})
        self.state = ServerState()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


@pytest.mark.anyio
@on_uvloop
@pytest.mark.parametrize("dialect", SAID, ids=["text", "json"])
async def test_who_leaves_leaves_nothing(dialect: bytes) -> None:
    served = Served()
    head = HEAD.replace(b"GET / ", b"GET /chat ").removesuffix(b"\r\n") + dialect
    async with served.app.router.lifespan_context(served.app), server(served) as port:
        gc.collect()
        left = made_from_now_on(Connection, Following, Cursor, SocketChannel, AsgiChannel)
        gc.disable()
        try:
            for _ in range(3):
                async with client(port, head) as one:
                    assert b" 101 " in await one.head()
                    for said in SAID[dialect]:
                        one.writer.write(frame(1, said))
                        await one.frame()
                    assert any(type(each) is SocketChannel for each in left())
                await until(lambda: not left())
        finally:
            gc.enable()
