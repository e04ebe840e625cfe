"""`/chat`: everybody hears what anybody says."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Literal

from starlette.websockets import WebSocket

from app.application import Application
from app.hub import Hub
from app.transports.stock import Outbox, Overflow
from config import Size

log = logging.getLogger("chat")


@dataclass(frozen=True, slots=True)
class OutboxSettings:
    """What may wait for a client that reads too slowly."""

    size: Size = Size(4 * 1024 * 1024)
    overflow: Literal["disconnect"] = "disconnect"


@dataclass(frozen=True, slots=True)
class ChatSettings:
    """The group `chat`."""

    outbox: OutboxSettings = field(default_factory=OutboxSettings)


def module(app: Application) -> None:
    """Register `/chat`."""
    settings = app.group("chat", ChatSettings)
    hub = Hub()

    async def chat(websocket: WebSocket) -> None:
        await websocket.accept()
        outbox = Outbox(settings.outbox.size, Overflow(settings.outbox.overflow))
        log.info("Adding user!")
        name = hub.join(outbox)
        try:
            await outbox.carry(websocket, lambda said: hub.say(name, said))
        finally:
            hub.leave(name)
            log.info("Removing %s!", name)

    app.add_websocket_route("/chat", chat)
