"""A proxy between browsers and the server, which breaks connections as networks do."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import suppress
from typing import Self

REFUSAL = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: %b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Proxy:
    """Forwards to the local port `target`, which may change, while its own port stays the same."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.down = False
        """Whether to close every connection at once."""
        self.plain = False
        """Whether to refuse upgrades to WebSocket, as some proxies do, and to forward everything else."""
        self.login = ""
        """The address to redirect every request to, as a proxy does for those who have to sign in."""
        self.host = ""
        """What to replace the Host with, as some proxies do."""
        self.heads: list[str] = []
        """The requests of browsers, without bodies."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.http = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: set[socket.socket] = set()
        self._browsers: set[socket.socket] = set()
        self._told: set[socket.socket] = set()
        self._flowing = self._held = threading.Event()
        self._flowing.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def hold(self) -> None:
        """Hold back what the server sends on open connections. What browsers send goes through, and new connections
        work."""
        self._held, self._flowing = self._flowing, threading.Event()
        self._held.clear()
        self._flowing.set()

    def close(self, code: int) -> None:
        """Close the browsers' WebSockets with `code`, as if the server had. A browser gets nothing after that, and ends
        the connection once it has read the code."""
        for one in list(self._browsers):
            self._told.add(one)
            with suppress(OSError):  # the browser has ended it meanwhile
                one.sendall(b"\x88\x02" + code.to_bytes(2))

    def cut(self) -> None:
        """Close every connection; what was held back is lost."""
        for one in list(self._open):
            self._end(one)
        self._held.set()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self._open.add(client)
        try:
            head = b"" if self.down else client.recv(65536)
            if not head:
                return
            self._note(head)
            websocket = b"upgrade: websocket" in head.lower()
            if self.login:
                client.sendall(REDIRECT % self.login.encode())
                return
            if self.plain and websocket:
                client.sendall(REFUSAL)
                return
            if self.host:
                head = re.sub(rb"(?i)\r\nHost: [^\r]*", b"\r\nHost: " + self.host.encode(), head)
            if websocket:
                self._browsers.add(client)
            with socket.create_connection(("127.0.0.1", self.target)) as server:
                self._open.add(server)
                server.sendall(head)
                back = threading.Thread(target=self._pump, args=(server, client, self._flowing), daemon=True)
                back.start()
                self._pump(client, server)
                back.join()
        except OSError:
            pass
        finally:
            self._end(client)

    def _pump(self, source: socket.socket, target: socket.socket, flowing: threading.Event | None = None) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._note(data)
                if flowing:
                    flowing.wait()
                if target not in self._told:
                    target.sendall(data)
        self._end(source)
        self._end(target)

    def _note(self, data: bytes) -> None:
        if data.startswith((b"GET ", b"POST ")):
            self.heads.append(data.decode("latin-1"))

    def _end(self, one: socket.socket) -> None:
        """Close a connection; a thread that reads from it wakes up."""
        self._open.discard(one)
        self._browsers.discard(one)
        self._told.discard(one)
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._end(self._listener)
        self.cut()
