"""The endpoint of `/chat`: from a WebSocket handshake to a Connection, and the first frames it gets."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping

from starlette.websockets import WebSocket

from app.addresses import network
from app.backends import Unavailable
from app.chat.closing import CloseCode
from app.chat.dialects import JSON, JSON_SUBPROTOCOL, TEXT, Dialect
from app.chat.errors import Refused
from app.chat.events import User
from app.chat.frames import FEATURES, Error, Join, Welcome
from app.chat.logs import room_name
from app.live.asking import Asked
from app.live.connection import NOBODY, Connection
from app.live.errors import error_frame, unavailable_frame
from app.live.handlers.account import follow_whispers, take_name
from app.live.service import ChatService
from app.live.sign_ins import SignIns
from app.live.tokens import digest, new_token
from app.modules.chat.connection_log import log_end, log_start
from app.modules.chat.settings import ChatSettings
from app.refusals import Refusal, RefusalLog
from app.serving.admission import Admission
from app.serving.denial import deny
from app.serving.guard import GUARDED, Guarded
from app.serving.proxies import client_address, proxy_hint
from app.transports.asgi_channel import ASK, SERVER_SEND, AsgiChannel
from app.transports.frame_limit import FrameLimit
from app.transports.handover import HANDOVER
from app.transports.socket_channel import SocketChannel

TOKEN_PREFIX = "token."  # noqa: S105
NO_QUERY: Mapping[str, str] = {}


class TurnedAway(Exception):
    """A client is refused while it is identified."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class ChatEndpoint:
    """The endpoint. `max_frame_size` is in bytes, of a frame from a client; `frames` is how many a second it may
    send."""

    def __init__(
        self,
        service: ChatService,
        settings: ChatSettings,
        max_frame_size: int,
        frames: float,
        admission: Admission,
        refusals: RefusalLog,
    ) -> None:
        self.service, self.settings, self.refusals = service, settings, refusals
        self.admission = admission
        rate = settings.limits.rate
        self._frame_limit = FrameLimit.of(max(frames, 2 * rate) if frames and rate else 0)
        self._room, self._limits = room_name(settings.room), settings.limits.advertised(max_frame_size)
        self._sign_ins = SignIns(service.backend, settings.sign_ins, service.clock)
        self._on_close = self._closed  # one bound method for all connections

    def refusal(self, address: str) -> Refusal | None:
        """Why a new client from `address` would be refused, as far as that is known before it asks."""
        if problem := self.service.backend.problem:
            return _unavailable(problem)
        return self.admission.refusal(address) or self.service.newcomers.guest_refusal(address)

    async def serve(self, websocket: WebSocket) -> None:
        """Serve one connection, from its handshake on. Its Connection handles its end, which may come long after this
        returns."""
        address, offered = client_address(websocket.scope), websocket.scope.get("subprotocols", [])
        dialect, subprotocol = (JSON, JSON_SUBPROTOCOL) if JSON_SUBPROTOCOL in offered else (TEXT, None)
        try:
            # Most queries are empty, and parsing one would be a tenth of the work in here.
            query = websocket.query_params if websocket.scope.get("query_string") else NO_QUERY
            join = self._first_join(query)
            self.service.backend.open()
            if not self.service.operators_known:
                await self.service.load_operators()
            asked = self.service.hub.changes
            user, token, returning = await self._identify(offered, dialect, address)
            ignored = await self.service.backend.ignored(user.id) if returning else NOBODY
        except Refused as refused:
            await self._refuse(websocket, Refusal(400, refused.code, refused.message), level=logging.INFO)
            return
        except TurnedAway as error:
            await self._refuse(websocket, error.refusal)
            return
        except Unavailable as error:
            await self._refuse(websocket, _unavailable(str(error)))
            return
        await websocket.accept(subprotocol)
        if returning and self.service.hub.has_changed(user.id, asked):
            now = await self._identify_again(token, user)
            if isinstance(now, CloseCode):
                await websocket.close(now)
                return
            user = now  # nothing is awaited from here on until the connection is counted
        high, stall = self.settings.outbox.size, self.settings.outbox.stall
        hand_over = websocket.scope.get("extensions", {}).get(HANDOVER)
        guarded: Guarded = websocket.scope[GUARDED]
        if guarded.frames is not None:
            guarded.frames.limit = self._frame_limit
        taken_over: SocketChannel | None = hand_over(high, stall, self._frame_limit) if hand_over else None
        channel = taken_over or AsgiChannel(high, stall, websocket.scope.pop(SERVER_SEND, None))
        connection = Connection(
            self.service,
            user,
            dialect,
            channel,
            join.room,
            token_hash=digest(token),
            has_token=returning or dialect is JSON,
            address=address,
        )
        channel.share = connection.shard.outboxes.share(network(address) if address else "")
        if ignored:  # connections of one user share the set, which may be large
            others = connection.shard.connections[user.id]
            ignored = next((one.ignored for one in others if one.ignored == ignored), ignored)
        guarded.stays = True
        connection.on_close, connection.returning, connection.ignored = self._on_close, returning, ignored
        try:
            await self._welcome(connection, token, join, query.get("name", ""))
            if taken_over is not None:
                taken_over.start(connection)
            elif isinstance(channel, AsgiChannel):
                ask = websocket.scope.get(ASK) if dialect is JSON else None
                await channel.serve(websocket, Asked(connection, channel, *ask) if ask else connection)
        except BaseException:
            connection.channel_closed()
            if taken_over is not None:
                taken_over.close(CloseCode.PING_TIMEOUT)
            raise

    async def _refuse(self, websocket: WebSocket, refusal: Refusal, *, level: int = logging.WARNING) -> None:
        """Deny a connection, and log it."""
        scope = websocket.scope
        hint = proxy_hint(refusal, scope)
        self.refusals.add(refusal, client_address(scope) or "a client", hint=hint, level=level)
        await deny(scope, websocket.receive, websocket.send, refusal)

    def _closed(self, connection: Connection) -> None:
        self.admission.leave(connection.address)
        log_end(connection)

    async def _identify_again(self, token: str, user: User) -> User | CloseCode:
        """Return the user of a token as it is after what has changed since it was asked for, or the close code if the
        token has ended."""
        hub, asked = self.service.hub, 0
        while hub.has_changed(user.id, asked):
            asked = hub.changes
            try:
                found = await self._sign_ins.user_by_token(digest(token))
            except Unavailable:
                return CloseCode.RESTARTING
            if found is None:
                return CloseCode.SIGNED_OUT
            user = found
        return user

    async def _welcome(self, connection: Connection, token: str, join: Join, name: str) -> None:
        """Send what a connection gets before it sends anything: `welcome`, or the greeting of the text dialect. If it
        can't have the name it asked for, an error follows."""
        user, text = connection.user, connection.dialect is TEXT
        problem: Error | None = None
        if name and name != user.name:
            try:
                await take_name(connection, name)
            except Refused as error:
                problem = error_frame(error)
            except Unavailable as error:
                problem = unavailable_frame(error)
            user = connection.user
        log_start(connection)
        epoch = self.service.backend.epoch
        connection.send(Welcome(user.id, user.name, user.registered, token, epoch, self._limits, self._room, FEATURES))
        if text:
            await connection.execute(join)
            await follow_whispers(connection)
        if problem is not None:
            connection.send(problem)

    def _first_join(self, query: Mapping[str, str]) -> Join:
        """Return where a text client starts: `?room=lobby&after=41`, both optional. Refused if that can't be a room."""
        room = room_name(query["room"]) if "room" in query else self._room
        after = query.get("after", "")
        return Join(room, after=int(after)) if re.fullmatch("[0-9]{1,15}", after) else Join(room)

    async def _identify(self, offered: list[str], dialect: Dialect, address: str) -> tuple[User, str, bool]:
        """Return the user, its token, and whether it has been here before: the user of an offered token, or a new one.
        A new text client gets no token, since there is no way to tell it. TurnedAway if there are too many new ones
        from the address."""
        backend, ended = self.service.backend, b""
        for subprotocol in offered:
            if subprotocol.startswith(TOKEN_PREFIX):
                token = subprotocol.removeprefix(TOKEN_PREFIX)
                ended = digest(token)
                user = await self._sign_ins.user_by_token(ended)
                if user is None and backend.shared:
                    await backend.catch_up()  # another node may have given it out just now
                    user = await self._sign_ins.user_by_token(ended)
                if user is not None:
                    if user.registered:
                        self._sign_ins.used(ended)
                    return user, token, True
        if problem := backend.problem:
            raise Unavailable(problem)  # in both dialects, though a guest of the text dialect could wait to be stored
        if refusal := self.service.newcomers.admit_guest(address):
            raise TurnedAway(refusal)
        if dialect is TEXT:
            return await backend.create_guest(), "", False
        token = new_token()
        return await backend.create_user(digest(token), offered=ended), token, False


def _unavailable(problem: str) -> Refusal:
    return Refusal(503, "unavailable", problem)
