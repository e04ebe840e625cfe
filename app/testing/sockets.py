"""A WebSocket of a test: through Starlette's TestClient or over the network, with a deadline on every receive."""

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
    """The server did not let a WebSocket in: the HTTP `status` and the `text` with which it answered."""

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
        """Seconds that a receive waits, unless it says otherwise."""

    @property
    @abstractmethod
    def subprotocol(self) -> str | None:
        """The subprotocol that the server chose."""

    @abstractmethod
    def send(self, message: str | bytes) -> None:
        """Send a text or a binary message. Closed if the server has closed the connection, and that has arrived."""

    @abstractmethod
    def wait(self, seconds: float) -> str | bytes:
        """The next message. TimeoutError after `seconds`, Closed once the server has closed the connection."""

    @abstractmethod
    def close(self, code: int = 1000) -> None:
        """Close the connection, and return when the server has noticed. To close it again does nothing."""

    def receive(self) -> str | bytes:
        """The next message. AssertionError after the deadline, or if the server closed the connection."""
        try:
            return self.wait(self.deadline)
        except TimeoutError:
            raise AssertionError(f"nothing came within {self.deadline:g} s") from None
        except Closed as closed:
            raise AssertionError(str(closed)) from None

    def closed(self) -> int:
        """The code with which the server closes the connection. AssertionError if it doesn't, or says more first."""
        try:
            message = self.wait(self.deadline)
        except TimeoutError:
            raise AssertionError(f"the server did not close the connection within {self.deadline:g} s") from None
        except Closed as closed:
            return closed.code
        raise AssertionError(f"the server did not close the connection, but said {message!r}")


class InProcessSocket(Socket):
    """A WebSocket through Starlette's TestClient.

    A receive of Starlette's has no deadline. So a thread receives what comes as it comes, and the test waits for that.
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
            except Exception:  # noqa: BLE001  (the session is over; what ended it is raised where it is closed)
                message = {"type": "websocket.close", "code": LOST}
            self._arrived.put(message)


def open_in_process(client: TestClient, opening: Opening, deadline: float) -> Socket:
    """Open a WebSocket through `client`. Denied if the application does not accept it."""
    from starlette.testclient import WebSocketDenialResponse
    from starlette.websockets import WebSocketDisconnect

    try:
        headers = dict(opening.headers)  # TestClient adds its own to it
        session = client.websocket_connect(opening.path, list(opening.subprotocols) or None, headers=headers)
        return InProcessSocket(session, deadline)
    except WebSocketDenialResponse as denied:
        raise Denied(denied.status_code, denied.text.strip()) from None
    except WebSocketDisconnect as closed:  # what becomes of a close before the accept is a 403 over the network
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
    """Open a WebSocket at `url`, the address of the server. Denied if it answers anything but 101."""
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
