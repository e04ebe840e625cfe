"""`/chat`: everybody in a room hears what anybody says there, in the order in which it is stored."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket

from app.application import Application, StartupError
from app.backends import Backend, StoreError, Unavailable
from app.backends.embedded import Embedded
from app.chat.dialects import JSON, JSON_SUBPROTOCOL, TEXT
from app.chat.errors import Refused
from app.chat.events import User
from app.chat.frames import ROOM_RULE, Join, Welcome, room_name
from app.hub import Hub
from app.session import Session
from app.transports.stock import Outbox, Overflow
from config import Duration, Size

log = logging.getLogger("chat")

TOKEN_PREFIX = "token."  # noqa: S105
TOKEN_BYTES = 24
TRIM_PERIOD = 60.0
TRIM_STEP = 500


def _a_room(name: str) -> str | None:
    try:
        room_name(name)
    except Refused:
        return ROOM_RULE
    return None


def _an_age(age: Duration) -> str | None:
    return (
        None if not age or age >= TRIM_PERIOD else "0 for all, or at least 1m (30 alone is 30 milliseconds: write 30d)"
    )


@dataclass(frozen=True, slots=True)
class OutboxSettings:
    """What may wait for a client that reads too slowly."""

    size: Size = Size(1024 * 1024)
    overflow: Literal["pull", "disconnect"] = "pull"
    stall: Duration = Duration(30)


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """How much is kept of each room; 0 is all."""

    count: int = field(default=0, metadata={"check": lambda count: None if count >= 0 else "0 for all, or more"})
    age: Duration = field(default=Duration(0), metadata={"check": _an_age})


@dataclass(frozen=True, slots=True)
class ChatSettings:
    """The group `chat`."""

    store: str = "chat.db"
    room: str = field(default="lobby", metadata={"check": _a_room})
    outbox: OutboxSettings = field(default_factory=OutboxSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)


def module(app: Application) -> None:
    """Register `/chat`, over a store that is open as long as the application runs."""
    settings = app.group("chat", ChatSettings)
    backend = Embedded(settings.store)
    app.during(_opened(backend))
    if settings.retention.count or settings.retention.age:
        app.during(_trimming(backend, settings.retention))
    chat = Chat(backend, settings, app.settings.app.websockets.max_frame_size)
    app.add_websocket_route("/chat", chat.serve)


@asynccontextmanager
async def _opened(backend: Backend) -> AsyncIterator[None]:
    try:
        backend.open()
    except StoreError as error:
        raise StartupError(str(error)) from None
    yield
    backend.close()


@asynccontextmanager
async def _trimming(backend: Backend, retention: RetentionSettings) -> AsyncIterator[None]:
    task = asyncio.create_task(trim_for_ever(backend, retention))
    yield
    task.cancel()
    await asyncio.wait({task})


async def trim_for_ever(backend: Backend, retention: RetentionSettings) -> None:
    """Every TRIM_PERIOD seconds forget what is over the bounds, in steps that leave others their turn."""
    while True:
        try:
            for room in await backend.rooms():
                since = int(1000 * (time.time() - retention.age)) if retention.age else 0
                trimmed = TRIM_STEP
                while trimmed == TRIM_STEP:
                    trimmed = await backend.trim(room, keep=retention.count, since=since, limit=TRIM_STEP)
        except Unavailable as error:
            log.warning("what is over chat.retention stays until the next try: %s", error)
        await asyncio.sleep(TRIM_PERIOD)


class Chat:
    """The endpoint."""

    def __init__(self, backend: Backend, settings: ChatSettings, max_message: int) -> None:
        self.backend, self.settings, self.max_message = backend, settings, max_message
        self.hub = Hub(backend)

    async def serve(self, websocket: WebSocket) -> None:
        """Carry one connection from its handshake to its end."""
        offered = websocket.scope.get("subprotocols", [])
        dialect, subprotocol = (JSON, JSON_SUBPROTOCOL) if JSON_SUBPROTOCOL in offered else (TEXT, None)
        try:
            join = self._first_join(websocket)
            self.backend.open()
            user, token = await self._identity(offered)
        except Refused as refused:
            await websocket.send_denial_response(PlainTextResponse(f"{refused.message}\n", 400))
            return
        except Unavailable as error:
            await websocket.send_denial_response(PlainTextResponse(f"{error}\n", 503))
            return
        await websocket.accept(subprotocol)
        outbox = Outbox(self.settings.outbox.size, self.settings.outbox.stall)
        overflow = Overflow(self.settings.outbox.overflow)
        log.info("Adding user!")
        session = Session(self.hub, user, dialect, outbox, overflow, join.room)
        try:
            session.send(Welcome(user.name, token, self.backend.epoch, {"message": int(self.max_message)}))
            if dialect is TEXT:
                await session.carry_out(join)
            await outbox.carry(websocket, session.hear)
        finally:
            await session.leave()
            log.info("Removing %s!", user.name)

    def _first_join(self, websocket: WebSocket) -> Join:
        """Where the text dialect starts: `?room=lobby&after=41`, both optional. Refused for what can't be."""
        room = room_name(websocket.query_params.get("room", self.settings.room))
        after = websocket.query_params.get("after", "")
        return Join(room, after=int(after)) if re.fullmatch("[0-9]{1,15}", after) else Join(room)

    async def _identity(self, offered: list[str]) -> tuple[User, str]:
        """Who connects: the one whose token is offered, or somebody new with a token of their own."""
        for subprotocol in offered:
            if subprotocol.startswith(TOKEN_PREFIX):
                token = subprotocol.removeprefix(TOKEN_PREFIX)
                user = await self.backend.identify(_secret(token))
                if user is not None:
                    return user, token
        token = secrets.token_urlsafe(TOKEN_BYTES)
        return await self.backend.enlist(_secret(token)), token


def _secret(token: str) -> bytes:
    """What the store keeps of a token, from which it can't be had back."""
    return hashlib.sha256(token.encode()).digest()
