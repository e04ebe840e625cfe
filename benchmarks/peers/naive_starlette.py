"""The tutorial's chat as a first try on Starlette, under uvicorn: a loop that awaits each send in turn."""

from __future__ import annotations

import itertools
import os
from collections import defaultdict

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

rooms: defaultdict[str, list[WebSocket]] = defaultdict(list)
numbers = itertools.count()


async def chat(websocket: WebSocket) -> None:
    await websocket.accept()
    connections = rooms[websocket.query_params.get("room", "")]
    connections.append(websocket)
    name = f"user{next(numbers)}"
    try:
        await websocket.send_text(f"You are connected! There are {len(connections)} users here.")
        async for text in websocket.iter_text():
            for connection in connections.copy():
                await connection.send_text(f"[{name}]: {text}")
    finally:
        connections.remove(websocket)


app = Starlette(routes=[WebSocketRoute("/chat", chat)])

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="error")
