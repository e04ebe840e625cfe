"""`/chat`: everybody in a room hears what anybody says there, in the order in which it is stored."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket

from app.application import Application
from app.backends import Backend, StoreError, Unavailable
from app.backends.embedded import Embedded
from app.chat.closing import CloseCode
from app.chat.dialects import JSON, JSON_SUBPROTOCOL, TEXT, Dialect
from app.chat.errors import Refused
from app.chat.events import User
from app.chat.frames import Join, Nick, Welcome
from app.chat.limits import Limits
from app.chat.logs import DEFAULT_ROOM, ROOM_RULE, room_name
from app.chat.names import NameRule, ascii_name
from app.clock import Clock
from app.errors import StartupError
from app.live.connection import NOBODY, Connection
from app.live.context import Naming, Rates
from app.live.handlers.people import follow_whispers
from app.live.hub import Hub
from app.live.service import ChatService
from app.transports import Overflow
from app.transports.asgi_channel import SERVER_SEND, AsgiChannel
from app.transports.handover import HANDOVER
from app.transports.socket_channel import SocketChannel
from config import ConfigurationError, Duration, Size

log = logging.getLogger("chat")

TOKEN_PREFIX = "token."  # noqa: S105
TOKEN_BYTES = 24
TRIM_PERIOD = 60.0
TRIM_STEP = 500
NO_QUERY: Mapping[str, str] = {}


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


def _not_negative(value: float) -> str | None:
    return None if value >= 0 else "0 for none, or more"


def _limit(default: Any) -> Any:
    return field(default=default, metadata={"check": _not_negative})


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """How much is kept of each room; 0 is all."""

    count: int = field(default=0, metadata={"check": lambda count: None if count >= 0 else "0 for all, or more"})
    age: Duration = field(default=Duration(0), metadata={"check": _an_age})


@dataclass(frozen=True, slots=True)
class LimitsSettings:
    """How much of everything; 0 is no limit."""

    rate: float = _limit(10.0)
    burst: float = _limit(20.0)
    strikes: int = _limit(50)
    connections: int = _limit(10_000)
    connections_per_address: int = _limit(100)
    message: Size = _limit(Size(64 * 1024))
    name: int = _limit(32)
    topic: int = _limit(300)
    why: int = _limit(300)
    rooms: int = _limit(50)
    recipients: int = _limit(20)
    password: int = _limit(128)
    password_least: int = _limit(8)


@dataclass(frozen=True, slots=True)
class NamesSettings:
    """What people may be called."""

    unicode: bool = False
    hold: Duration = Duration(300)


@dataclass(frozen=True, slots=True)
class PresenceSettings:
    """Who is told who is there."""

    roster: int = field(default=200, metadata={"check": _not_negative})
    period: Duration = Duration(1)


@dataclass(frozen=True, slots=True)
class ChatSettings:
    """The group `chat`."""

    store: str = "chat.db"
    room: str = field(default=DEFAULT_ROOM, metadata={"check": _a_room})
    operators: tuple[str, ...] = ()
    names: NamesSettings = field(default_factory=NamesSettings)
    limits: LimitsSettings = field(default_factory=LimitsSettings)
    presence: PresenceSettings = field(default_factory=PresenceSettings)
    outbox: OutboxSettings = field(default_factory=OutboxSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)


def module(app: Application) -> None:
    """Register `/chat`, over a store that is open as long as the application runs, and put it at `app.state.chat`."""
    settings = app.group("chat", ChatSettings)
    backend = Embedded(settings.store, clock=app.clock, in_memory=lambda: _tested(app, settings.store))
    naming = _naming(app, settings)
    app.during(_opened(backend))
    hub = Hub(backend, roster=settings.presence.roster, presence_period=settings.presence.period)
    overflow = Overflow(settings.outbox.overflow)
    service = ChatService(backend, hub, _limits(settings), _rates(settings), naming, overflow, app.clock)
    app.state.chat = service
    app.during(service.running())
    if settings.retention.count or settings.retention.age:
        app.during(_trimming(backend, settings.retention, app.clock))
    frame = app.settings.app.websockets.max_frame_size
    app.add_websocket_route("/chat", Chat(service, settings, frame).serve)


def _tested(app: Application, store: str) -> bool:
    """Whether to leave the store alone since a test runs that did not choose it: what people said is safe from tests,
    and each run of a test begins with an empty chat."""
    if not app.in_test_client or app.chosen("chat.store"):
        return False
    log.info("TestClient runs the application: the store is in memory, not in %s", store)
    return True


def _limits(settings: ChatSettings) -> Limits:
    limits = settings.limits
    return Limits(
        message=int(limits.message),
        name=limits.name,
        topic=limits.topic,
        why=limits.why,
        rooms=limits.rooms,
        recipients=limits.recipients,
        password=limits.password,
        password_min=limits.password_least,
    )


def _rates(settings: ChatSettings) -> Rates:
    return Rates(settings.limits.rate, settings.limits.burst, settings.limits.strikes)


def _naming(app: Application, settings: ChatSettings) -> Naming:
    rule: NameRule = ascii_name
    if settings.names.unicode:
        from app.identity.unicode_names import unicode_name  # its tables take as long to load as all else together

        rule = unicode_name
    operators = set()
    for name in settings.operators:
        try:
            operators.add(rule(name, settings.limits.name).canonical)
        except Refused as refused:
            origin = app.settings.tree.origin(("chat", "operators"))
            raise ConfigurationError(refused.message, origin=origin, key="chat.operators", value=name) from None
    return Naming(rule, settings.names.hold, frozenset(operators))


@asynccontextmanager
async def _opened(backend: Backend) -> AsyncIterator[None]:
    try:
        backend.open()
    except StoreError as error:
        raise StartupError(str(error)) from None
    yield
    backend.close()


@asynccontextmanager
async def _trimming(backend: Backend, retention: RetentionSettings, clock: Clock) -> AsyncIterator[None]:
    task = asyncio.create_task(trim_for_ever(backend, retention, clock))
    yield
    task.cancel()
    await asyncio.wait({task})


async def trim_for_ever(backend: Backend, retention: RetentionSettings, clock: Clock) -> None:
    """Every TRIM_PERIOD seconds forget what is over the bounds, in steps that leave others their turn."""
    while True:
        try:
            for room in await backend.rooms():
                since = clock.now() - int(1000 * retention.age) if retention.age else 0
                trimmed = TRIM_STEP
                while trimmed == TRIM_STEP:
                    trimmed = await backend.trim(room, keep=retention.count, since=since, limit=TRIM_STEP)
        except Unavailable as error:
            log.warning("what is over chat.retention stays until the next try: %s", error)
        await asyncio.sleep(TRIM_PERIOD)


class Chat:
    """The endpoint. `frame` is how many bytes a frame from a client may have."""

    def __init__(self, service: ChatService, settings: ChatSettings, frame: int) -> None:
        self.service, self.settings = service, settings
        self.doors = Doors(settings.limits.connections, settings.limits.connections_per_address)
        self._room, self._limits = room_name(settings.room), _told(settings.limits, frame)
        self._on_end = self._ended  # one for all connections

    async def serve(self, websocket: WebSocket) -> None:
        """Carry one connection from its handshake to its end."""
        address = websocket.client.host if websocket.client else ""
        if refusal := self.doors.refusal(address):
            await _deny(websocket, *refusal)
            return
        self.doors.enter(address)
        carried = False
        try:
            carried = await self._serve(websocket, address)
        finally:
            if not carried:
                self.doors.leave(address)

    def _ended(self, connection: Connection) -> None:
        self.doors.leave(connection.address)
        log.info("Removing %s!", connection.user.name)

    async def _serve(self, websocket: WebSocket, address: str) -> bool:
        """Serve a connection; whether its connection sees to its end, which may come long after this returns."""
        offered = websocket.scope.get("subprotocols", [])
        dialect, subprotocol = (JSON, JSON_SUBPROTOCOL) if JSON_SUBPROTOCOL in offered else (TEXT, None)
        try:
            # To take apart a query that is empty, as most are, would take a tenth of all that is done here.
            query = websocket.query_params if websocket.scope.get("query_string") else NO_QUERY
            join = self._first_join(query)
            self.service.backend.open()
            user, token, known = await self._identity(offered, dialect)
            ignored = await self.service.backend.ignored(user.id) if known else NOBODY
        except Refused as refused:
            await _deny(websocket, 400, refused.message)
            return False
        except Unavailable as error:
            await _deny(websocket, 503, str(error))
            return False
        await websocket.accept(subprotocol)
        log.info("Adding user!")
        high, stall = self.settings.outbox.size, self.settings.outbox.stall
        hand_over = websocket.scope.get("extensions", {}).get(HANDOVER)
        taken_over: SocketChannel | None = hand_over(high, stall) if hand_over else None
        channel = taken_over or AsgiChannel(high, stall, websocket.scope.pop(SERVER_SEND, None))
        returns = known or dialect is JSON
        secret = _secret(token) if token else b""
        connection = Connection(
            self.service, user, dialect, channel, join.room, secret=secret, returns=returns, address=address
        )

        connection.on_end, connection.known, connection.ignored = self._on_end, known, ignored
        try:
            await self._welcome(connection, token, join, query.get("name", ""))
            if taken_over is not None:
                taken_over.start(connection)
            elif isinstance(channel, AsgiChannel):
                await channel.serve(websocket, connection)
        except BaseException:
            connection.channel_closed()
            if taken_over is not None:
                taken_over.close(CloseCode.PING_TIMEOUT)
            raise
        return True

    async def _welcome(self, connection: Connection, token: str, join: Join, name: str) -> None:
        """What a connection gets before it says anything. A name that can't be had is told after the greeting."""
        user, text = connection.user, connection.dialect is TEXT
        refused: Refused | None = None
        if name and name != user.name:
            try:
                user = await self.service.claim(user, name)
            except Refused as error:
                refused = error
            else:
                self.service.hub.rename(user)
                self.service.hub.each(user.id, lambda one: one.renamed(user) if one is not connection else None)
                connection.user = user
        epoch = self.service.backend.epoch
        connection.send(Welcome(user.id, user.name, user.registered, token, epoch, self._limits, self._room))
        if text:
            await connection.carry_out(join)
            await follow_whispers(connection)
        if refused is not None:
            connection.refuse(refused, Nick(name))

    def _first_join(self, query: Mapping[str, str]) -> Join:
        """Where the text dialect starts: `?room=lobby&after=41`, both optional. Refused for what can't be."""
        room = room_name(query["room"]) if "room" in query else self._room
        after = query.get("after", "")
        return Join(room, after=int(after)) if re.fullmatch("[0-9]{1,15}", after) else Join(room)

    async def _identity(self, offered: list[str], dialect: Dialect) -> tuple[User, str, bool]:
        """Who connects, with what token: the one whose token is offered, or else somebody new; and which it is. Who
        speaks text can't be told a token, so has none."""
        for subprotocol in offered:
            if subprotocol.startswith(TOKEN_PREFIX):
                token = subprotocol.removeprefix(TOKEN_PREFIX)
                user = await self.service.backend.user_by_token(_secret(token))
                if user is not None:
                    return user, token, True
        if dialect is TEXT:
            return await self.service.backend.create_guest(), "", False
        token = secrets.token_urlsafe(TOKEN_BYTES)
        return await self.service.backend.create_user(_secret(token)), token, False


class Doors:
    """How many connections there are, in all and from each address; 0 is no limit. It belongs to one thread at a time:
    TestClient's loops share it, and count one too many at worst."""

    def __init__(self, most: int, most_per_address: int) -> None:
        self.most, self.most_per_address = most, most_per_address
        self._inside: Counter[str] = Counter()
        self._all = 0

    def refusal(self, address: str) -> tuple[int, str] | None:
        """The HTTP status and the words with which one more from `address` is turned away, if it is."""
        if self.most and self._all >= self.most:
            return 503, f"the server is full: {self.most} connections are its limit"
        if self.most_per_address and self._inside[address] >= self.most_per_address:
            return 429, f"{address} has {self.most_per_address} connections, which is the limit for one address"
        return None

    def enter(self, address: str) -> None:
        """Count one connection from `address`."""
        self._all += 1
        self._inside[address] += 1

    def leave(self, address: str) -> None:
        """Count one less."""
        self._all -= 1
        self._inside[address] -= 1
        if not self._inside[address]:
            del self._inside[address]


def _told(limits: LimitsSettings, frame: int) -> dict[str, float]:
    """What a client is told of its limits."""
    names = ("message", "name", "topic", "rooms", "recipients", "rate", "burst")
    values = {name: getattr(limits, name) for name in names}
    told = {name: int(value) if value == int(value) else value for name, value in values.items()}
    return {"frame": int(frame), **told}


async def _deny(websocket: WebSocket, status: int, problem: str) -> None:
    await websocket.send_denial_response(PlainTextResponse(f"{problem}\n", status))


def _secret(token: str) -> bytes:
    """What the store keeps of a token, from which it can't be had back."""
    return hashlib.sha256(token.encode()).digest()
