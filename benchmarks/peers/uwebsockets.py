"""uWebSockets, through socketify: one publish() to the topic of a room."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from typing import Any

from socketify import App, CompressOptions, OpCode  # type: ignore[import-not-found, unused-ignore]

numbers = itertools.count()
people: Counter[str] = Counter()
"""How many clients are in each room."""
app = App(lifespan=False)


def upgrade(response: Any, request: Any, context: Any) -> None:
    key, protocol, extensions = (
        request.get_header(f"sec-websocket-{name}") for name in ("key", "protocol", "extensions")
    )
    response.upgrade(key, protocol, extensions, context, (request.get_query("room") or "chat", f"user{next(numbers)}"))


def opened(websocket: Any) -> None:
    room, _ = websocket.get_user_data()
    people[room] += 1
    websocket.subscribe(room)
    websocket.send(f"You are connected! There are {people[room]} users here.", OpCode.TEXT)


def heard(websocket: Any, message: Any, opcode: Any) -> None:
    # The application's publish() includes the sender; the connection's doesn't.
    room, name = websocket.get_user_data()
    app.publish(room, f"[{name}]: {message}", opcode, False)  # noqa: FBT003


def closed(websocket: Any, _: Any, __: Any) -> None:
    room, _ = websocket.get_user_data()
    people[room] -= 1


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
