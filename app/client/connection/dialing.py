"""How a connection is made, and which error it is when that fails or when the connection ends."""

from __future__ import annotations

import asyncio
import re
import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from app.chat.closing import CloseCode, meaning
from app.client.address import with_name
from app.client.errors import ChatError, Ended, NotAChat, TlsFailure, TurnedAway, Unreachable
from app.client.languages.catalogue import translatable
from app.client.protocol.json_protocol import SUBPROTOCOL

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection
    from websockets.exceptions import InvalidStatus

TIMEOUT = 10.0
"""Seconds for the opening handshake, and for the closing one."""
MAX_FRAME = 64 * 1024 * 1024
"""Bytes of a frame from the server: a page of history with the longest messages fits."""
BEGINNING = 64
"""Bytes of an answer that are looked at to say what it is."""
_TLS_ALERT = b"\x15\x03"
_BUSY = (429, 502, 503, 504)
"""HTTP statuses after which another try may succeed."""


async def dial(url: str, name: str, token: str, context: ssl.SSLContext | None) -> ClientConnection:
    """Connect to the chat at `url`, asking for `name`. ChatError if that fails."""
    from websockets.asyncio.client import ClientConnection, connect
    from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI
    from websockets.typing import Subprotocol

    heard = bytearray()

    class Connection(ClientConnection):
        """Notes how the server begins: one that answers is there, even if its answer is no end of a handshake."""

        def data_received(self, data: bytes) -> None:
            if not heard:
                heard.extend(data[:BEGINNING])
            super().data_received(data)

    class Connector(connect):
        """Follows a redirect on the same server only: another one must not get the token."""

        def process_redirect(self, exc: Exception) -> Exception | str:
            to = super().process_redirect(exc)
            if to is exc or (isinstance(to, str) and _origin(to) == _origin(self.uri)):
                return to
            assert isinstance(exc, InvalidStatus)
            return InvalidURI(urljoin(self.uri, exc.response.headers["Location"]), "it is another server's")

    offered = [SUBPROTOCOL, *([f"token.{token}"] if token else [])]
    options: dict[str, Any] = {} if context is None else {"ssl": context}
    try:
        return await Connector(
            with_name(url, name),
            subprotocols=[Subprotocol(one) for one in offered],
            compression=None,
            max_size=MAX_FRAME,
            max_queue=None,  # a Chat reads all the time, and a close frame must not wait behind unread frames
            create_connection=Connection,
            open_timeout=TIMEOUT,
            close_timeout=TIMEOUT,
            **options,
        )
    except InvalidStatus as error:
        raise _rejected(error) from None
    except ssl.SSLError as error:
        raise TlsFailure(_tls_problem(error)) from None
    except InvalidURI as error:
        raise NotAChat(translatable("connect.redirected", to=error.uri)) from None
    except (InvalidHandshake, EOFError, OSError, TimeoutError) as error:
        if heard:
            raise _misunderstood(bytes(heard)) from None
        if isinstance(error, OSError):
            raise Unreachable(_network_problem(error)) from None
        raise Unreachable(translatable("connect.hung_up")) from None


def close_error(connection: ClientConnection) -> ChatError:
    """Why a connection ended: Unreachable if connecting again may help."""
    code, reason = meaning(connection.close_code or 1006), connection.close_reason or ""
    known = next((one for one in CloseCode if one == code), None)
    if known is not None and not known.reconnect:
        return Ended(code, reason)
    return Unreachable(translatable(_LOST[code]) if code in _LOST else reason or translatable("lost.broken"))


_LOST = {
    int(CloseCode.RESTARTING): "lost.restarting",
    int(CloseCode.GOING_AWAY): "lost.going_away",
    int(CloseCode.PING_TIMEOUT): "lost.not_responding",
    int(CloseCode.SLOW_READER): "lost.slow_reader",
}
"""What to say of the close codes after which a client connects again."""


def _origin(uri: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(uri)
    return parts.scheme, parts.hostname, parts.port


def _rejected(error: InvalidStatus) -> ChatError:
    """The error for an HTTP status in place of a WebSocket. A server that explains it in plain text is a chat."""
    status = error.response.status_code
    body = (error.response.body or b"").decode("utf-8", "replace").strip()
    plain = error.response.headers.get("Content-Type", "").startswith("text/plain")
    explanation = body.splitlines()[0][:200] if body and plain else ""
    if status in _BUSY and explanation:
        return Unreachable(explanation)
    if status in (400, 403) and explanation:
        return TurnedAway("turned_away", explanation)
    return _wrong_status(status)


def _misunderstood(heard: bytes) -> ChatError:
    """The error for an answer that begins like this and is none to a handshake."""
    if heard.startswith(_TLS_ALERT):
        return TlsFailure(translatable("tls.expected"))
    found = re.match(rb"HTTP/\d(?:\.\d)? (\d{3})\b", heard)
    if found is None or found[1] == b"101":
        return NotAChat(translatable("connect.not_websocket"))
    return _wrong_status(int(found[1]))


def _wrong_status(status: int) -> ChatError:
    if status in _BUSY:
        return Unreachable(translatable("connect.busy", status=status))
    return NotAChat(translatable("connect.wrong_status", status=status))


def _tls_problem(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return translatable("tls.untrusted", problem=error.verify_message)
    if error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"):
        return translatable("tls.not_used")
    return translatable("tls.failed", problem=(error.reason or str(error)).replace("_", " ").lower())


def _network_problem(error: OSError) -> str:
    import socket

    if isinstance(error, socket.gaierror):
        return translatable("connect.no_such_host")
    if isinstance(error, ConnectionRefusedError) or "Connect call failed" in str(error):
        return translatable("connect.refused")
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return translatable("connect.timeout", seconds=TIMEOUT)
    return translatable("connect.failed", problem=error.strerror or str(error))
