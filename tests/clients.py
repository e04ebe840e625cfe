"""Raw connections to a server, and a server process, for tests."""

from __future__ import annotations

import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from typing import Any, Self

from websockets.exceptions import InvalidMessage
from websockets.sync.client import ClientConnection, connect

from app.load.frames import OFFER, frame_at, handshake

ROOT = Path(__file__).parent.parent
DEADLINE = 60.0
"""How long anything may take, in seconds: as long as it can on a machine that has much else to do."""
PATIENCE = 5 * DEADLINE
"""The same for a program that does a lot: pip, mypy, another run of tests."""


class Process:
    """A server process of `python -m app`; `log` grows as it writes."""

    def __init__(self, *flags: str, cwd: Path, environment: Mapping[str, str] | None = None, command: str = "") -> None:
        self.started = subprocess.Popen(
            [*(command.split() or [sys.executable, "-m", "app"]), *flags],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(ROOT), "CHAT_STORE": ":memory:", **(environment or {})},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        self.log: list[str] = []
        self._lines: Queue[str | None] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.started.stderr
        for line in self.started.stderr:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def line(self, pattern: str) -> re.Match[str]:
        """The next line of the log that `pattern` is found in, within DEADLINE seconds."""
        while True:
            try:
                line = self._lines.get(timeout=DEADLINE)
            except Empty:
                self.kill()
                raise TimeoutError(f"no line like {pattern!r} in {self.log}") from None
            if line is None:
                self.wait()
                raise EOFError(f"the server ended: {self.log}")
            self.log.append(line)
            if match := re.search(pattern, line):
                return match

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; the answer is the exit code."""
        self.started.send_signal(number)
        return self.wait()

    def kill(self) -> None:
        """End it if it still runs."""
        if self.started.poll() is None:
            self.stop(signal.SIGKILL)

    def wait(self) -> int:
        """Wait for the end; the answer is the exit code."""
        try:
            code = self.started.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self._reader.join(DEADLINE)
        assert self.started.stderr
        self.started.stderr.close()
        while not self._lines.empty() and (line := self._lines.get()) is not None:
            self.log.append(line)
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()


class Served(Process):
    """A server that listens; `port` is where."""

    def __init__(
        self, *flags: str, cwd: Path = ROOT, environment: Mapping[str, str] | None = None, command: str = ""
    ) -> None:
        super().__init__(*flags, cwd=cwd, environment={"PORT": "0", **(environment or {})}, command=command)
        match = self.line(r"Application - Responding at (https?)://127\.0\.0\.1:(\d+)")
        self.port = int(match[2])
        self.ws = f"{match[1].replace('http', 'ws')}://127.0.0.1:{self.port}"
        self.http = f"{match[1]}://127.0.0.1:{self.port}"

    def connect(self, path: str = "/chat", **options: Any) -> ClientConnection:
        return dial(self.ws + path, **options)


def exchange(port: int, request: bytes) -> bytes:
    """All that a server answers to some bytes, until it closes the connection."""
    with socket.create_connection(("127.0.0.1", port), DEADLINE) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def dial(url: str, **options: Any) -> ClientConnection:
    """A client of the `websockets` library, connected to `url`.

    The library writes its request while another thread of it begins to read, and before 3.13 Python does not keep these
    apart over TLS: a request in some hundreds is never sent. Then the server ends the connection without an answer.
    """
    while True:
        try:
            client: ClientConnection = connect(url, open_timeout=DEADLINE, compression=None, **options)
        except InvalidMessage as error:
            if "ssl" not in options or not isinstance(error.__cause__, EOFError):
                raise
        else:
            return client


@contextmanager
def serving(*flags: str, cwd: Path = ROOT, environment: Mapping[str, str] | None = None) -> Iterator[Served]:
    """A server process for the length of a block. Its log must hold no traceback when it ends."""
    server = Served(*flags, cwd=cwd, environment=environment)
    try:
        yield server
    finally:
        if server.started.poll() is None:
            server.stop()
        assert "Traceback" not in "\n".join(server.log)


class Raw:
    """A WebSocket connection without a library: what is sent and received is bytes."""

    def __init__(self, port: int, path: str = "/chat", *headers: str, receive_buffer: int = 0) -> None:
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(DEADLINE)
        self.socket.connect(("127.0.0.1", port))
        self.socket.sendall(handshake(f"127.0.0.1:{port}", path, offer=headers or OFFER))
        self._buffer = b""
        self.head = self._until(b"\r\n\r\n").decode("latin-1")
        self.status = int(self.head.split()[1])

    def _receive(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise EOFError(self._buffer)
        self._buffer += data

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            self._receive()
        found, _, self._buffer = self._buffer.partition(mark)
        return found

    def send(
        self, opcode: int, payload: bytes = b"", *, fin: bool = True, masked: bool = True, reserved: int = 0
    ) -> None:
        """Send one frame, as wrong as asked."""
        self.socket.sendall(frame(opcode, payload, fin=fin, masked=masked, reserved=reserved))

    def frame(self) -> tuple[int, bytes]:
        """The next frame: opcode and payload. EOFError once the server has closed the connection."""
        while (found := frame_at(self._buffer, 0)) is None:
            self._receive()
        opcode, start, end = found
        payload, self._buffer = self._buffer[start:end], self._buffer[end:]
        return opcode, payload

    def close_code(self) -> int:
        """The code of the close frame that comes, whatever comes before it."""
        while True:
            opcode, payload = self.frame()
            if opcode == 8:
                return int.from_bytes(payload[:2], "big")

    def ended(self) -> bool:
        """Whether the server ends the TCP connection within the deadline."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionResetError:
            pass
        except TimeoutError:
            return False
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, masked: bool = True, reserved: int = 0) -> bytes:
    """One client frame."""
    head = bytes([fin << 7 | reserved << 4 | opcode])
    flag = masked << 7
    if len(payload) < 126:
        head += bytes([flag | len(payload)])
    elif len(payload) < 65536:
        head += bytes([flag | 126]) + struct.pack("!H", len(payload))
    else:
        head += bytes([flag | 127]) + struct.pack("!Q", len(payload))
    if not masked:
        return head + payload
    mask = b"\x01\x02\x03\x04"
    return head + mask + bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
