"""What connections have in common is there once, so that thousands of them take little memory."""

from __future__ import annotations

import gc

import pytest

from app.live.connection import Connection
from tests.clients import frame
from tests.test_leftovers import JSON, Served
from tests.transports.comparison import on_uvloop
from tests.transports.harness import HEAD, client, server


class Counted(Served):
    """The application, whose sockets are counted as on our own server."""

    def __init__(self) -> None:
        super().__init__()
        self.sockets = self.app.sockets


def head(path: str, rest: bytes = b"\r\n") -> bytes:
    return HEAD.replace(b"GET / ", f"GET {path} ".encode()).removesuffix(b"\r\n") + rest


@pytest.mark.anyio
@on_uvloop
@pytest.mark.parametrize(("path", "rest"), [("/chat?room=den", b"\r\n"), ("/chat", JSON)], ids=["text", "json"])
async def test_connections_share_the_texts_of_their_address_and_room(path: str, rest: bytes) -> None:
    served = Counted()
    async with served.app.router.lifespan_context(served.app), server(served) as port:
        asks = head(path, rest)
        async with client(port, asks) as one, client(port, asks) as other:
            for each in (one, other):
                assert b" 101 " in await each.head()
                if rest == JSON:
                    await each.frame()
                    each.writer.write(frame(1, b'{"t":"join","rid":1,"room":"den"}'))
                await each.frame()
            found = [one for one in gc.get_objects() if type(one) is Connection]
            here = [one for one in found if one.context is served.app.state.chat]
            assert len(here) == 2
            assert here[0].address == "127.0.0.1"
            assert here[0].address is here[1].address
            rooms = [[connection.room, *connection.following._cursors] for connection in here]
            assert rooms[0][-1] == "den"
            assert [first is second for first, second in zip(*rooms, strict=True)] == [True] * len(rooms[0])
