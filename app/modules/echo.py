"""`/echo`: the tutorial's first server."""

from __future__ import annotations

from starlette.websockets import WebSocket

from app.application import Application


def module(app: Application) -> None:
    """Register `/echo`, which greets each client and sends every text back."""
    app.add_websocket_route("/echo", echo)


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("You are connected!")
    while (message := await websocket.receive())["type"] != "websocket.disconnect":
        if (text := message.get("text")) is not None:
            await websocket.send_text(f"You said: {text}")
