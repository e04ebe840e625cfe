"""Connections: how one is made, and what it means when none is, in the words of `app.client.errors`."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any

from app.chat.closing import CloseCode
from app.chat.dialects import JSON_SUBPROTOCOL
from app.client.address import named, shown
from app.client.errors import ChatError, Ended, NotAChat, TlsFailure, TurnedAway, Unreachable

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection
    from websockets.exceptions import InvalidStatus

TIMEOUT = 10.0
"""Seconds for a handshake, and for a goodbye."""
LARGEST = 64 * 1024 * 1024
"""Bytes of a frame: a page of history with the longest messages is within it."""
_LATER = (429, 502, 503, 504)
"""HTTP statuses after which another try may succeed."""


async def dial(url: str, name: str, token: str, context: ssl.SSLContext | None) -> ClientConnection:
    """A connection to the chat at `url`. ChatError where there is none."""
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI
    from websockets.typing import Subprotocol

    where = shown(url)
    offered = [JSON_SUBPROTOCOL, *([f"token.{token}"] if token else [])]
    options: dict[str, Any] = {} if context is None else {"ssl": context}
    try:
        return await connect(
            named(url, name),
            subprotocols=[Subprotocol(one) for one in offered],
            compression=None,
            max_size=LARGEST,
            max_queue=None,  # a Chat reads all the time; and what nobody reads any more must not stand before the close
            open_timeout=TIMEOUT,
            close_timeout=TIMEOUT,
            **options,
        )
    except InvalidStatus as error:
        raise _turned_away(where, error) from None
    except ssl.SSLError as error:
        raise TlsFailure(f"{where}: {_tls(error)}") from None
    except (InvalidHandshake, EOFError) as error:
        if isinstance(error, EOFError) or isinstance(error.__cause__, EOFError):
            raise Unreachable(f"{where}: what answers there hung up") from None
        raise NotAChat(f"{where} is no chat: what answers does not speak WebSocket") from None
    except InvalidURI as error:
        raise NotAChat(str(error)) from None
    except (OSError, TimeoutError) as error:
        raise Unreachable(f"{where}: {_network(error)}") from None


def ending(connection: ClientConnection) -> ChatError:
    """Why a connection ended: Unreachable if coming back is of use."""
    code, reason = connection.close_code or 1006, connection.close_reason or ""
    if code == CloseCode.RESTARTING:
        return Unreachable("the server restarts")
    known = next((one for one in CloseCode if one == code), None)
    if known is not None and not known.reconnect:
        return Ended(code, reason or _ENDS.get(code, ""))
    return Unreachable(_BREAKS.get(code) or reason or "the connection broke")


_ENDS = {
    int(CloseCode.BYE): "good-bye",
    int(CloseCode.TOO_BIG): "a message is longer than the server reads",
    int(CloseCode.POLICY): "the server refuses to go on",
}
_BREAKS = {
    int(CloseCode.GOING_AWAY): "the server goes away",
    int(CloseCode.PING_TIMEOUT): "the server or the way to it does not answer",
    int(CloseCode.SLOW_READER): "this program read too slowly",
}


def _turned_away(url: str, error: InvalidStatus) -> ChatError:
    """A server that has words for it is a chat."""
    status = error.response.status_code
    body = (error.response.body or b"").decode("utf-8", "replace").strip()
    plain = error.response.headers.get("Content-Type", "").startswith("text/plain")
    words = body.splitlines()[0][:200] if body and plain else ""
    if status in _LATER:
        return Unreachable(f"{url}: {words or f'the server is busy: it answers HTTP {status}'}")
    if status in (400, 403) and words:
        return TurnedAway("turned_away", f"{url}: {words}")
    return NotAChat(f"{url} is no chat: it answers HTTP {status}")


def _tls(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate can't be trusted: {error.verify_message}"
    if error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"):
        return "no TLS is spoken there: expected wss://, maybe it is ws://"
    return f"there is no secure connection: {(error.reason or str(error)).replace('_', ' ').lower()}"


def _network(error: OSError) -> str:
    import socket

    if isinstance(error, socket.gaierror):
        return "there is no such host"
    if isinstance(error, ConnectionRefusedError) or "Connect call failed" in str(error):
        return "connection refused: no server listens there"
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return f"no answer within {TIMEOUT:g} s"
    return (error.strerror or str(error)).lower()
