"""uWebSockets, through socketify: one publish() to a topic."""

from __future__ import annotations

import itertools
import os
from typing import Any

from socketify import App, CompressOptions, OpCode  # type: ignore[import-not-found, unused-ignore]

numbers = itertools.count()
people = 0
app = App(lifespan=False)


def upgrade(response: Any, request: Any, context: Any) -> None:
    key, protocol, extensions = (
        request.get_header(f"sec-websocket-{name}") for name in ("key", "protocol", "extensions")
    )
    response.upgrade(key, protocol, extensions, context, f"user{next(numbers)}")


def opened(websocket: Any) -> None:
    global people
    people += 1
    websocket.subscribe("chat")
    websocket.send(f"You are connected! There are {people} users here.", OpCode.TEXT)


def heard(websocket: Any, message: Any, opcode: Any) -> None:
    # The application's publish() includes the sender; the connection's doesn't.
    app.publish("chat", f"[{websocket.get_user_data()}]: {message}", opcode, False)  # noqa: FBT003


def closed(_: Any, __: Any, ___: Any) -> None:
    global people
    people -= 1


options = {
    "compression": CompressOptions.DISABLED,
    "max_payload_length": 65536,
    "idle_timeout": 120,
    "upgrade": upgrade,
    "open": opened,
    "message": heard,
    "close": closed,
}

if __name__ == "__main__":
    app.ws("/chat", options)
    app.listen(int(os.environ["PORT"]))
    # Not app.run(): it polls libuv from asyncio, whose cost would count as uWebSockets' own.
    app.loop.uv_loop.run()
