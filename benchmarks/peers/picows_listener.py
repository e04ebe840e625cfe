"""picows on uvloop: callbacks, and a text that is encoded once."""

from __future__ import annotations

import asyncio
import itertools
import os

import uvloop
from picows import (  # type: ignore[import-not-found, unused-ignore]
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    ws_create_server,
)

transports: set[WSTransport] = set()
numbers = itertools.count()


class Chat(WSListener):  # type: ignore[misc, unused-ignore]
    def on_ws_connected(self, transport: WSTransport) -> None:
        self.name = f"user{next(numbers)}"
        transports.add(transport)
        transport.send(WSMsgType.TEXT, f"You are connected! There are {len(transports)} users here.".encode())

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            text = f"[{self.name}]: ".encode() + frame.get_payload_as_bytes()
            for other in transports:
                other.send(WSMsgType.TEXT, text)
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        transports.discard(transport)


def listener(_: WSUpgradeRequest) -> Chat:
    return Chat()


async def main() -> None:
    server = await ws_create_server(listener, "127.0.0.1", int(os.environ["PORT"]), backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    asyncio.run(main())
