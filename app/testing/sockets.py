"""WebSockets for tests, through Starlette's TestClient or over the network. Every receive has a deadline."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from queue import Empty, Queue
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

if TYPE_CHECKING:
    from starlette.testclient import TestClient, WebSocketTestSession

LOST = 1006
"""The code of a connection that ended without one."""


class Closed(Exception):
    """The server closed the connection, with `code` and `reason`."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"the server closed the connection: {code} {reason}".rstrip())
        self.code, self.reason = code, reason


class Denied(AssertionError):
    """The server didn't accept a WebSocket. It answered with this HTTP `status` and `text`."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"the server denied the WebSocket: {status} {text}".rstrip())
        self.status, self.text = status, text


class Opening(NamedTuple):
    """How to open a WebSocket."""

    path: str
    subprotocols: Sequence[str]
    headers: Mapping[str, str]


class Socket(ABC):
    """A WebSocket on any route."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        """Seconds that `receive` and `closed` wait."""

    @property
    @abstractmethod
    def subprotocol(self) -> str | None:
        """The subprotocol that the server chose."""

    @abstractmethod
    def send(self, message: str | bytes) -> None:
        """Send a text or a binary message. Over the network, Closed if the connection is known to be closed."""

    @abstractmethod
    def wait(self, seconds: float) -> str | bytes:
        """Return the next message. TimeoutError after `seconds`, Closed if the server has closed the connection."""

    @abstractmethod
    def close(self, code: int = 1000) -> None:
        """Close the connection and wait until the server has noticed. Closing it twice is fine."""

    def receive(self) -> str | bytes:
        """Return the next message. AssertionError after the deadline, or if the server closes the connection."""
        try:
            return self.wait(self.deadline)
        except TimeoutError:
            raise AssertionError(f"nothing came within {self.deadline:g} s") from None
        except Closed as closed:
            raise AssertionError(str(closed)) from None

    def closed(self) -> int:
        """Wait until the server closes the connection, and return the close code. AssertionError if it doesn't, or if
        another message comes first."""
        try:
            message = self.wait(self.deadline)
        except TimeoutError:
            raise AssertionError(f"the server did not close the connection within {self.deadline:g} s") from None
        except Closed as closed:
            return closed.code
        raise AssertionError(f"the server did not close the connection, but said {message!r}")


class InProcessSocket(Socket):
    """A WebSocket through Starlette's TestClient.

    Starlette's `receive` has no deadline. So a thread receives every message, and the test waits for the thread.
    """

    def __init__(self, session: WebSocketTestSession, deadline: float) -> None:
        super().__init__(deadline)
        self._stack = ExitStack()
        self._session = self._stack.enter_context(session)
        self._arrived: Queue[Any] = Queue()
        self._closed: Closed | None = None
        self._left = False
        Thread(target=self._read, name="test socket", daemon=True).start()

    @property
    def subprotocol(self) -> str | None:
        return self._session.accepted_subprotocol

    def send(self, message: str | bytes) -> None:
        if isinstance(message, str):
            self._session.send_text(message)
        else:
            self._session.send_bytes(message)

    def wait(self, seconds: float) -> str | bytes:
        if self._closed is not None:
            raise self._closed
        try:
            message = self._arrived.get(timeout=seconds)
        except Empty:
            raise TimeoutError from None
        if message["type"] == "websocket.close":
            self._closed = Closed(message.get("code", 1000), message.get("reason") or "")
            raise self._closed
        text: str | None = message.get("text")
        data: bytes = message.get("bytes") or b""
        return data if text is None else text

    def close(self, code: int = 1000) -> None:
        if not self._left:
            self._left = True
            with self._stack:
                self._session.close(code)

    def _read(self) -> None:
        message: dict[str, Any] = {"type": ""}
        while message["type"] != "websocket.close":
            try:
                message = dict(self._session.receive())
            except Exception:  # noqa: BLE001  (the session has ended; `close` raises the error if there is one)
                message = {"type": "websocket.close", "code": LOST}
            self._arrived.put(message)


def open_in_process(client: TestClient, opening: Opening, deadline: float) -> Socket:
    """Open a WebSocket through `client`. Denied if the application doesn't accept it."""
    from starlette.testclient import WebSocketDenialResponse
    from starlette.websockets import WebSocketDisconnect

    try:
        headers = dict(opening.headers)  # TestClient adds its own to it
        session = client.websocket_connect(opening.path, list(opening.subprotocols) or None, headers=headers)
        return InProcessSocket(session, deadline)
    except WebSocketDenialResponse as denied:
        raise Denied(denied.status_code, denied.text.strip()) from None
    except WebSocketDisconnect as closed:  # closed before it was accepted: a server answers with 403
        raise Denied(403, closed.reason or "") from None


class NetworkSocket(Socket):
    """A WebSocket over the network."""

    def __init__(self, connection: AbstractContextManager[ClientConnection], deadline: float) -> None:
        super().__init__(deadline)
        self._stack = ExitStack()
        self._connection = self._stack.enter_context(connection)

    @property
    def subprotocol(self) -> str | None:
        return self._connection.subprotocol

    def send(self, message: str | bytes) -> None:
        try:
            self._connection.send(message)
        except ConnectionClosed as error:
            raise _closed(error) from None

    def wait(self, seconds: float) -> str | bytes:
        try:
            return self._connection.recv(timeout=seconds)
        except ConnectionClosed as error:
            raise _closed(error) from None

    def close(self, code: int = 1000) -> None:
        with self._stack:
            self._connection.close(code)


def _closed(error: ConnectionClosed) -> Closed:
    return Closed(error.rcvd.code, error.rcvd.reason) if error.rcvd else Closed(LOST, "")


def open_over_network(url: str, opening: Opening, deadline: float) -> Socket:
    """Open a WebSocket on the server at `url`. Denied if the answer isn't 101."""
    try:
        connecting = connect(
            url + opening.path,
            subprotocols=[Subprotocol(name) for name in opening.subprotocols] or None,
            additional_headers=dict(opening.headers),
            compression=None,
            proxy=None,
            max_size=None,
            open_timeout=deadline,
            close_timeout=deadline,
            ping_interval=None,
        )
        return NetworkSocket(connecting, deadline)
    except InvalidStatus as error:
        raise Denied(error.response.status_code, (error.response.body or b"").decode().strip()) from None
