"""The clients' side of a connection: until it has joined, and after."""

from __future__ import annotations

import asyncio
import contextlib
from time import perf_counter_ns
from typing import cast

from app.load.errors import LoadError, explain_refusal
from app.load.frames import CLOSE, PING, PONG, TEXT, close_reason, frame, frame_at
from app.load.traffic import MARK, STAMP, Traffic

_BUFFER = bytearray(1 << 18)
"""Shared by all connections: what a read brings is dealt with before the next read."""
_VIEW = memoryview(_BUFFER)


class Newcomer(asyncio.BufferedProtocol):
    """A connection until the server has greeted. Then its transport gets a Listener, the result of `joined`."""

    def __init__(self, traffic: Traffic, place: int, request: bytes) -> None:
        self.traffic, self.place, self.request = traffic, place, request
        self.joined: asyncio.Future[Listener] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport
        self._data = b""
        self._open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses
        self.transport.write(self.request)

    def get_buffer(self, _: int) -> memoryview:
        return _VIEW

    def buffer_updated(self, count: int) -> None:
        self._data += _BUFFER[:count]
        if not self._open:
            head, end, rest = self._data.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self._fail(LoadError(explain_refusal(head, rest)))
                return
            self._open, self._data = True, rest
            if self.traffic.envelope.hello:
                self.transport.write(frame(self.traffic.envelope.hello))
        self._look_for_greeting()

    def _look_for_greeting(self) -> None:
        greeting, at = self.traffic.envelope.greeting, 0
        while (found := frame_at(self._data, at)) is not None:
            opcode, start, at = found
            if opcode == CLOSE:
                self._fail(LoadError(f"closed: {close_reason(self._data[start:at])}"))
                return
            if opcode == TEXT and self._data.startswith(greeting, start):
                if not self.joined.done():
                    listener = Listener(self.traffic, self.transport, self.place)
                    self.transport.set_protocol(listener)
                    self.traffic.joined(listener.room)
                    listener.take(self._data[at:])  # a ping may have come with the greeting
                    self.joined.set_result(listener)
                return
            if opcode == PING:
                self.transport.write(frame(self._data[start:at], PONG))
        self._data = self._data[at:]

    def _fail(self, problem: Exception) -> None:
        if not self.joined.done():
            self.joined.set_exception(problem)

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(error or ConnectionError("closed during the handshake"))


class Listener(asyncio.BufferedProtocol):
    """A client that has joined. `buffer_updated` is the hot path: its cost bounds what can be measured."""

    __slots__ = ("place", "reading", "rest", "room", "traffic", "transport")

    def __init__(self, traffic: Traffic, transport: asyncio.Transport, place: int) -> None:
        self.traffic, self.transport, self.place = traffic, transport, place
        self.room = place % len(traffic.readers)
        self.rest = b""
        """The beginning of a frame that is still incomplete."""
        self.reading = True

    def get_buffer(self, _: int) -> memoryview:
        return _VIEW

    def buffer_updated(self, count: int) -> None:
        traffic = self.traffic
        size = traffic.size
        copies = count // size
        if self.rest or copies * size != count or _BUFFER[traffic.mark : count : size].count(MARK) != copies:
            copies = self.walk(self.rest + _BUFFER[:count])
        traffic.received += copies
        if traffic.received >= traffic.due:
            traffic.send_more()

    def take(self, data: bytes) -> None:
        """Take data that comes by another way than a read."""
        self.traffic.received += self.walk(data)

    def walk(self, data: bytes) -> int:
        """Go from frame to frame, over many of our messages at once, and answer pings and a close. Return the number of
        our messages."""
        traffic, at, copies = self.traffic, 0, 0
        size, tail = traffic.size, STAMP + len(traffic.envelope.after)
        while True:
            ours = (len(data) - at) // size
            if ours and data[at + traffic.mark : at + ours * size : size].count(MARK) == ours:
                self.sample(data, range(at + traffic.mark + 1, at + ours * size, size))
                copies += ours
                at += ours * size
            if (found := frame_at(data, at)) is None:
                break
            opcode, start, at = found
            if opcode == TEXT and at - start >= tail and data[at - tail] == MARK:
                copies += 1
                traffic.introduced(int(data[at - tail + 1 : at - tail + STAMP], 16), at - tail - start)
            elif opcode == TEXT:
                traffic.heard(data[start:at])
            elif opcode == PING:
                self.transport.write(frame(data[start:at], PONG))
            elif opcode == CLOSE:
                traffic.close_reasons[close_reason(data[start:at])] += 1
                self.say_goodbye(data[start : start + 2])
                self.transport.close()
        self.rest = data[at:]
        return copies

    def sample(self, data: bytes, stamps: range) -> None:
        """Note the latencies of the messages whose times begin at `stamps`. Most clients don't."""

    def stop_reading(self) -> None:
        """Read nothing more, and leave what arrives to the kernel's buffers."""
        self.reading = False
        self.transport.pause_reading()
        self.traffic.readers[self.room] -= 1

    def say_goodbye(self, code: bytes = b"\x03\xe8") -> None:
        """Send a close frame. If the connection has ended already, uvloop raises at once: there is nobody to tell."""
        with contextlib.suppress(OSError, RuntimeError):
            self.transport.write(frame(code, CLOSE))

    def connection_lost(self, _: Exception | None) -> None:
        self.traffic.left(self.transport, self.room, reading=self.reading)


class Sampler(Listener):
    """A client that reads the time in each copy."""

    __slots__ = ()

    def buffer_updated(self, count: int) -> None:
        traffic = self.traffic
        traffic.received += self.walk(self.rest + _BUFFER[:count])
        if traffic.received >= traffic.due:
            traffic.send_more()

    def sample(self, data: bytes, stamps: range) -> None:
        if self.traffic.sampling:
            now = perf_counter_ns()
            self.traffic.latencies += [now - int(data[at : at + STAMP - 1], 16) for at in stamps]
