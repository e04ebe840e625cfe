"""A crowd of clients in one process, for `natter load` and the benchmarks: it counts what it is sent, and hardly looks.

All messages of a run have one length, so that what a read brought is a number of whole frames, found by a division and
one look at every so-manieth byte. A text ends with a mark and the time when it was sent, in nanoseconds; a few clients
read these. Nothing is decoded.

    LoadError       what stands in the way, in one line, with the setting to change where there is one
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import errno
import gc
import os
import resource
import socket
import ssl
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, perf_counter_ns, process_time
from typing import Protocol, Self, TextIO, cast
from urllib.parse import parse_qsl, urlencode, urlsplit

import uvloop

AT_ONCE = 64
"""Handshakes under way: within every server's backlog."""
PER_ADDRESS = 20_000
"""Connections from one address of the loopback: there are 28,000 ports to each."""
HANDSHAKE = 10.0
"""Seconds that a server has for a handshake and its greeting."""
ANSWER = 5.0
"""Seconds without a copy of the first message after which none is expected any more."""
FOREVER = 300.0
WARM = 0.5
SETTLE = 1.0
QUIET = 2.0
"""Seconds without a copy after which those that are missing are called lost."""
LOOKS = 50_000
"""Copies a second whose time is read; of more, those of some clients."""

MARK = 0x7E
STAMP = 17
"""Bytes of a text's end that are the mark and the time, in hexadecimal digits."""
NEVER = 1 << 62
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10

_BUFFER = bytearray(1 << 18)
_VIEW = memoryview(_BUFFER)


class LoadError(Exception):
    """Why there is nothing to measure, in one line."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do: the flags of `natter load`."""

    url: str = "ws://localhost:8080/chat"
    clients: int = 1000
    publishers: int = 1
    """Who speaks, in turn. With rooms there is one in each at least."""
    outstanding: int = 1
    """Messages under way: the next is sent when one has reached all."""
    rate: float = 0
    """Messages a second on a fixed schedule; 0 for as many as `outstanding` lets through."""
    size: int = 100
    """Bytes of a text."""
    seconds: float = 5
    rooms: int = 1
    idle: bool = False
    """Only connect, and stay."""
    stopped: int = 0
    """Clients that read nothing once they are in."""
    process: int | None = None
    """The server's process, to ask the system what it used."""


@dataclass(frozen=True, slots=True)
class Wire:
    """What a server's protocol puts around a text, in bytes of a frame's payload: nothing, for this one."""

    hello: bytes = b""
    """A frame's payload to send right after the handshake."""
    greeting: bytes = b""
    """How the payload begins that says that one is in."""
    before: bytes = b""
    after: bytes = b""


@dataclass(slots=True)
class Entry:
    """How the clients got in."""

    connected: int = 0
    failed: int = 0
    handshakes_per_second: float = 0
    handshakes_per_cpu_second: float | None = None
    kib_per_connection: float | None = None
    """Proportional set size of the server, after a pause, less that before."""


@dataclass(slots=True)
class Talk:
    """What became of the messages. Copies are counted at all who read; the times are those of the sample that was read,
    from when the message was due to be sent."""

    sent: int = 0
    expected: int = 0
    received: int = 0
    closed: int = 0
    deliveries_per_second: float = 0
    deliveries_per_cpu_second: float | None = None
    cpu_percent: float | None = None
    """Of a core, by the server."""
    own_cpu_percent: float = 0
    """Of a core, by the crowd itself: near 100 it is the crowd that was measured."""
    p50_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None


class Progress(Protocol):
    """Is told what is done, and how much of it, from 0 to 1; often."""

    def __call__(self, what: str, part: float, /) -> None: ...


class Bar:
    """Progress on one line of a terminal; where the stream is none, nothing. `with` it, and the line is wiped."""

    WIDTH = 30

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._shows = stream, stream.isatty()
        self._next = 0.0

    def __call__(self, what: str, part: float, /) -> None:
        if self._shows and (now := perf_counter()) >= self._next:
            self._next = now + 0.1
            done = "#" * round(self.WIDTH * min(1, part))
            self._stream.write(f"\r\x1b[K[{done:{self.WIDTH}}] {what}")
            self._stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shows:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


def _silent(_: str, __: float, /) -> None:
    pass


class Process:
    """A process and its children, as the system accounts for them. LoadError where it does not."""

    def __init__(self, number: int) -> None:
        self.number = number
        try:
            self.cpu_seconds()
            self.kib()
        except OSError as error:
            problem = (error.strerror or str(error)).lower()
            raise LoadError(f"--cpu-of {number}: {error.filename or '/proc'} can't be read: {problem}") from None

    def cpu_seconds(self) -> float:
        """Processor time so far, of all threads."""
        ticks = 0
        for process in self._family(self.number):
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def kib(self) -> int:
        """Memory held: the proportional set size."""
        total = 0
        for process in self._family(self.number):
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
            total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return total

    def _family(self, number: int) -> Iterator[int]:
        yield number
        for task in Path(f"/proc/{number}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from self._family(int(child))


class _Arrival(asyncio.BufferedProtocol):
    """A connection until its greeting is there; then its transport has a _Listener."""

    def __init__(self, crowd: Crowd, place: int) -> None:
        self.crowd, self.place = crowd, place
        self.inside: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport
        self._data = b""
        self._open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses
        self.transport.write(self.crowd.request(self.place))

    def get_buffer(self, _: int) -> memoryview:
        return _VIEW

    def buffer_updated(self, count: int) -> None:
        self._data += _BUFFER[:count]
        if not self._open:
            head, end, rest = self._data.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self._fail(LoadError(_refusal(head, rest)))
                return
            self._open, self._data = True, rest
            if self.crowd.wire.hello:
                self.transport.write(frame(self.crowd.wire.hello))
        self._greeted()

    def _greeted(self) -> None:
        wire, at = self.crowd.wire, 0
        while (found := _frame_at(self._data, at)) is not None:
            opcode, start, at = found
            if opcode == CLOSE:
                self._fail(LoadError(f"closed: {_closing(self._data[start:at])}"))
                return
            if opcode == TEXT and self._data.startswith(wire.greeting, start):
                if not self.inside.done():
                    self.inside.set_result(None)
                    self.crowd.admit(self.transport, self.place, self._data[at:])
                return
        self._data = self._data[at:]

    def _fail(self, problem: Exception) -> None:
        if not self.inside.done():
            self.inside.set_exception(problem)

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(error or ConnectionError("closed during the handshake"))


class _Listener(asyncio.BufferedProtocol):
    """A client that is in. The hot path is `buffer_updated`: what it costs bounds what can be measured."""

    __slots__ = ("ahead", "crowd", "place", "room", "stopped", "transport")

    def __init__(self, crowd: Crowd, transport: asyncio.Transport, place: int, ahead: bytes) -> None:
        self.crowd, self.transport, self.place = crowd, transport, place
        self.room = place % crowd.rooms
        self.ahead = ahead
        """The start of a frame that is not whole yet."""
        self.stopped = False

    def get_buffer(self, _: int) -> memoryview:
        return _VIEW

    def buffer_updated(self, count: int) -> None:
        crowd = self.crowd
        size = crowd.size
        copies = count // size
        if self.ahead or copies * size != count or _BUFFER[crowd.mark : count : size].count(MARK) != copies:
            copies = self.walk(self.ahead + _BUFFER[:count])
        crowd.received += copies
        if crowd.received >= crowd.due:
            crowd.more()

    def walk(self, data: bytes) -> int:
        """Go from frame to frame, over many of ours at once, and answer what has to be; how many of ours there were."""
        crowd, at, copies = self.crowd, 0, 0
        size, tail = crowd.size, STAMP + len(crowd.wire.after)
        while True:
            ours = (len(data) - at) // size
            if ours and data[at + crowd.mark : at + ours * size : size].count(MARK) == ours:
                self.look(data, range(at + crowd.mark + 1, at + ours * size, size))
                copies += ours
                at += ours * size
            if (found := _frame_at(data, at)) is None:
                break
            opcode, start, at = found
            if opcode == TEXT and at - start >= tail and data[at - tail] == MARK:
                copies += 1
                crowd.learn(at - tail - start, int(data[at - tail + 1 : at - tail + STAMP], 16))
            elif opcode == TEXT:
                crowd.told(data[start:at])
            elif opcode == PING:
                self.transport.write(frame(data[start:at], PONG))
            elif opcode == CLOSE:
                crowd.partings[_closing(data[start:at])] += 1
                _say_goodbye(self.transport, data[start : start + 2])
                self.transport.close()
        self.ahead = data[at:]
        return copies

    def look(self, data: bytes, marks: range) -> None:
        """There are times of sending at `marks`. Most do not care."""

    def connection_lost(self, _: Exception | None) -> None:
        self.crowd.left(self)


class _Looker(_Listener):
    """A client that reads of each copy when it was sent."""

    __slots__ = ()

    def buffer_updated(self, count: int) -> None:
        crowd = self.crowd
        crowd.received += self.walk(self.ahead + _BUFFER[:count])
        if crowd.received >= crowd.due:
            crowd.more()

    def look(self, data: bytes, marks: range) -> None:
        if self.crowd.timing:
            now = perf_counter_ns()
            self.crowd.times += [now - int(data[at : at + STAMP - 1], 16) for at in marks]


class Crowd:
    """Clients of one server, spread evenly over rooms: `grow` lets more in, `talk` lets them talk, `leave` ends it."""

    def __init__(
        self,
        url: str,
        *,
        rooms: int = 1,
        wire: Wire | None = None,
        process: int | None = None,
        progress: Progress = _silent,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("ws", "wss") or not parts.hostname:
            raise LoadError(f"{url}: expected ws://HOST:PORT/chat, or wss://")
        self.url, self.rooms, self.wire, self.progress = url, rooms, wire or Wire(), progress
        self.server = None if process is None else Process(process)
        self._parts, self._host = parts, parts.hostname
        self._port = parts.port or (443 if parts.scheme == "wss" else 80)
        self._tls = ssl.create_default_context() if parts.scheme == "wss" else None
        self._address = ""
        self.listeners: list[_Listener] = []
        """Who is in, in the order of places; who has gone too."""
        self.partings: Counter[str] = Counter()
        """What close frames said."""
        self.problems: Counter[str] = Counter()
        """Why clients did not get in."""
        self.closed = 0
        self.members = [0] * rooms
        """Who reads, in each room."""
        self.size, self.mark = NEVER, 0
        """Bytes of a whole frame with one of our messages, and where in it the mark is."""
        self.received, self.due = 0, NEVER
        self.timing = False
        self.times: list[int] = []
        self._prefixes: dict[int, int] = {}
        self._owed: deque[int] = deque()
        """For each message under way how many copies there are once it has reached all."""
        self._expected = self._sent = self._outstanding = self._turn = 0
        self._speakers: list[tuple[_Listener, bytes]] = []
        self._trouble = ""
        self._notice = ""
        self._awake = asyncio.Event()
        self._wanted = self._here = 0
        self._leaving = False

    async def grow(self, count: int, *, measure: bool = True) -> Entry:
        """Let clients in until there are `count`; with `measure`, look at what the server uses for it."""
        _allow_files(count)
        first, began = len(self.listeners), perf_counter()
        server = self.server if measure else None
        cpu, kib = (server.cpu_seconds(), server.kib()) if server else (0.0, 0)
        if not self._address:
            await self._find(count)
        places = iter(range(len(self.listeners), count))
        failed = Counter(self.problems)
        await asyncio.gather(*(self._enter_all(places, count) for _ in range(AT_ONCE)))
        if self._trouble:
            raise LoadError(self._trouble)
        elapsed, connected = perf_counter() - began, len(self.listeners) - first
        self.listeners.sort(key=lambda listener: listener.place)  # the first ones speak, and are one in each room
        entry = Entry(connected, (self.problems - failed).total(), connected / elapsed)
        if server:
            entry.handshakes_per_cpu_second = connected / max(server.cpu_seconds() - cpu, 0.01)
            await self._wait(SETTLE, "settling")
            entry.kib_per_connection = (server.kib() - kib) / max(connected, 1)
        gc.freeze()
        return entry

    async def idle(self, seconds: float) -> float | None:
        """Say nothing; the answer is the percentage of a core that the server needs for it, if it can be asked."""
        cpu, began = self.server.cpu_seconds() if self.server else 0, perf_counter()
        await self._wait(seconds, "idle")
        return 100 * (self.server.cpu_seconds() - cpu) / (perf_counter() - began) if self.server else None

    def stop(self, count: int) -> None:
        """Let the last `count` clients read nothing more. Who speaks must not be among them."""
        for listener in self.listeners[len(self.listeners) - count :]:
            listener.stopped = True
            listener.transport.pause_reading()
            self.members[listener.room] -= 1

    async def talk(
        self,
        *,
        publishers: int = 1,
        outstanding: int = 1,
        rate: float = 0,
        size: int = 100,
        seconds: float = 5,
        warm: float = WARM,
        most: int = 0,
    ) -> Talk:
        """Talk for `warm` seconds, then for `seconds` that count, with `most` until so many messages were sent at most;
        then wait for the copies under way."""
        await self._learn(publishers, size)
        self.received = self._sent = self._expected = 0
        self._outstanding = 0 if rate else outstanding
        self.times, closed = [], self.closed
        self._choose_lookers(rate)
        gc.disable()
        try:
            self.more()
            if rate:
                self._on_time(perf_counter_ns(), int(1e9 / rate))
            await self._wait(warm, "warming up")
            self.timing = True
            received, began = self.received, perf_counter()
            cpu, own = self.server.cpu_seconds() if self.server else 0, process_time()
            await self._wait(seconds, "talking", until=lambda: bool(most) and self._sent >= most)
            received, elapsed = self.received - received, perf_counter() - began
            used, own = self.server.cpu_seconds() - cpu if self.server else 0, process_time() - own
            self._speakers = []
            await self._arrived(self._expected, QUIET, "waiting for the rest")
        finally:
            self._speakers, self.timing = [], False
            self._owed.clear()
            self.due = NEVER
            gc.enable()
        if not self.received and self._notice:
            raise LoadError(f"nobody got a message; the server says: {self._notice}")
        talk = Talk(self._sent, self._expected, self.received, self.closed - closed, received / elapsed)
        talk.own_cpu_percent = 100 * own / elapsed
        if self.server:
            talk.deliveries_per_cpu_second = received / max(used, 0.01)
            talk.cpu_percent = 100 * used / elapsed
        if times := sorted(self.times):
            talk.p50_ms, talk.p99_ms = (times[int(len(times) * part)] / 1e6 for part in (0.5, 0.99))
            talk.max_ms = times[-1] / 1e6
        return talk

    async def leave(self) -> None:
        """Say goodbye, and wait until the server has let everybody go, but not for long."""
        gc.unfreeze()
        self._leaving = True
        for listener in self.listeners:
            if listener.stopped:
                listener.transport.abort()
            elif not listener.transport.is_closing():
                _say_goodbye(listener.transport, b"\x03\xe8")
        self._trouble = ""
        self._awake.clear()
        await self._wait(QUIET, "leaving", until=lambda: not self._here)
        for listener in self.listeners:
            listener.transport.abort()
        await self._wait(QUIET, "leaving", until=lambda: not self._here)

    # What protocols call.

    def request(self, place: int) -> bytes:
        """The handshake of the client at `place`."""
        parts = self._parts
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        if self.rooms > 1:
            query["room"] = f"{query.get('room', 'load')}{place % self.rooms}"
        else:
            query.setdefault("room", "load")
        head = f"GET {parts.path or '/chat'}?{urlencode(query)} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        key = "bmF0dGVyIG1ha2VzIGxvYQ=="  # what it answers is not looked at, so that every client can have the same
        return (
            f"{head}Upgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        ).encode()

    def admit(self, transport: asyncio.Transport, place: int, ahead: bytes) -> None:
        """A client is in, and was sent `ahead` already."""
        listener = _Listener(self, transport, place, ahead)
        transport.set_protocol(listener)
        self.listeners.append(listener)
        self.members[listener.room] += 1
        self._here += 1
        self.progress("connecting", len(self.listeners) / max(1, self._wanted))

    def left(self, listener: _Listener) -> None:
        """A client is gone. What was under way may never reach all now, so the next may go."""
        self._here -= 1
        if self._leaving:
            return
        self.closed += 1
        if not listener.stopped:
            self.members[listener.room] -= 1
        if any(listener is speaker for speaker, _ in self._speakers):
            self._trouble = f"the server closed the connection of who speaks: {self._why_closed()}"
            self._awake.set()
            self._speakers = []
        elif self._owed:
            self._owed.clear()
            self.due = 0

    def learn(self, prefix: int, number: int) -> None:
        """A copy of what the speaker with this number said first, with `prefix` bytes before the mark."""
        if self.size == NEVER:
            self._prefixes[number] = prefix

    def told(self, payload: bytes) -> None:
        """The server says something to one client alone."""
        if payload.startswith(b"*** "):
            self._notice = payload[4:].decode("utf-8", "replace").partition("\n")[0]
            if self._notice.startswith("too fast"):
                self._trouble = (
                    f"the server says: {self._notice}: chat.limits.rate is in the way (0 for no limit; "
                    "or a lower --rate, or more --publishers)"
                )
                self._awake.set()

    def more(self) -> None:
        """Send as many messages as may be under way."""
        owed = self._owed
        while owed and self.received >= owed[0]:
            owed.popleft()
        said: dict[_Listener, list[bytes]] = {}
        now = perf_counter_ns()
        while self._speakers and len(owed) < self._outstanding:
            listener, text = self._next(now)
            said.setdefault(listener, []).append(text)
            owed.append(self._expected)
        for listener, texts in said.items():
            listener.transport.write(b"".join(texts))
        self.due = owed[0] if owed else NEVER

    # Within.

    def _next(self, moment: int) -> tuple[_Listener, bytes]:
        """The next message: who says it, and its frame."""
        listener, text = self._speakers[self._turn % len(self._speakers)]
        self._turn += 1
        self._sent += 1
        self._expected += self.members[listener.room]
        return listener, frame(b"%b~%016x%b" % (text, moment, self.wire.after))

    def _on_time(self, due: int, step: int) -> None:
        """Say what is due, and come back for the next; uvloop's timers are exact to a millisecond, so come early."""
        if not self._speakers:
            return
        while due <= perf_counter_ns():
            listener, text = self._next(due)
            listener.transport.write(text)
            due += step
        loop, early = asyncio.get_running_loop(), (due - perf_counter_ns()) / 1e9 - 0.002
        if early > 0:
            loop.call_later(early, self._on_time, due, step)
        else:
            loop.call_soon(self._on_time, due, step)

    async def _learn(self, publishers: int, size: int) -> None:
        """Let everybody who will speak say something, to learn what the server puts before it; then choose lengths of
        texts for which all frames have one length."""
        count = min(max(publishers, self.rooms), len(self.listeners))
        chosen = self.listeners[:count]
        self.size, self.mark, self.due = NEVER, 0, NEVER
        self.received, self._prefixes, self._notice = 0, {}, ""
        wire = self.wire
        for number, listener in enumerate(chosen):
            listener.transport.write(frame(b"%b~%016x%b" % (wire.before, number, wire.after)))
        expected = sum(self.members[listener.room] for listener in chosen)
        await self._arrived(expected, ANSWER, "listening")
        if len(self._prefixes) < count:
            said = f"; the server says: {self._notice}" if self._notice else ""
            raise LoadError(f"what was said did not come back in {ANSWER:.0f} s{said}")
        payload = max(self._prefixes.values()) + max(size, STAMP) + len(wire.after)
        self.size = payload + (2 if payload < 126 else 4 if payload < 65536 else 10)
        self.mark = self.size - STAMP - len(wire.after)
        self._speakers = []
        for number, listener in enumerate(chosen):
            fill = payload - self._prefixes[number] - STAMP - len(wire.after)
            self._speakers.append((listener, wire.before + b"x" * fill))

    def _choose_lookers(self, rate: float) -> None:
        """Who reads times: everybody where that is little work, else one in so many, evenly from first to last."""
        some = len(self.listeners) // 64 if not rate else int(LOOKS / rate)
        step = max(1, len(self.listeners) // max(1, some))
        for number, listener in enumerate(self.listeners):
            kind = _Looker if number % step == step // 2 else _Listener
            if listener.__class__ is not kind:
                listener.__class__ = kind
                listener.transport.set_protocol(listener)  # it has bound the methods of the other class

    async def _arrived(self, expected: int, quiet: float, what: str) -> None:
        """Wait for so many copies, or until none has come for `quiet` seconds."""
        last, since = self.received, perf_counter()

        def done() -> bool:
            nonlocal last, since
            if self.received != last:
                last, since = self.received, perf_counter()
            return self.received >= expected or perf_counter() - since > quiet

        await self._wait(FOREVER, what, until=done)

    async def _wait(self, seconds: float, what: str, until: Callable[[], bool] = lambda: False) -> None:
        """Wait so long, or until it is so. LoadError as soon as there is trouble."""
        began = perf_counter()
        while (elapsed := perf_counter() - began) < seconds and not until():
            self.progress(what, elapsed / seconds)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._awake.wait(), min(0.05, seconds - elapsed))
            if self._trouble:
                raise LoadError(self._trouble)

    async def _find(self, count: int) -> None:
        """Let the first client in, at the first address of the host that answers."""
        self._wanted = count
        try:
            found = await asyncio.get_running_loop().getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except OSError:
            raise LoadError(f"{self.url}: there is no host {self._host}") from None
        problem: Exception | None = None
        for *_, address in found:
            self._address = str(address[0])
            try:
                await self._enter(0, 1)
            except (OSError, TimeoutError) as error:
                problem = error
            except LoadError as error:
                raise LoadError(f"{self.url}: {error}") from None
            else:
                return
        assert problem is not None
        hint = ": does the server run there?" if isinstance(problem, ConnectionRefusedError) else ""
        raise LoadError(f"{self.url}: {_reason(problem)}{hint}")

    async def _enter_all(self, places: Iterator[int], count: int) -> None:
        """Let the clients at `places` in, one after another. Who is refused ends it, who has bad luck does not."""
        self._wanted = count
        for place in places:
            try:
                await self._enter(place, count)
            except LoadError as error:
                self._trouble = self._trouble or f"{len(self.listeners):,} of {count:,} clients are in, then: {error}"
            except (OSError, TimeoutError) as error:
                self.problems[_reason(error)] += 1
                if self.problems.total() >= AT_ONCE:
                    reason, _ = self.problems.most_common(1)[0]
                    self._trouble = f"{len(self.listeners):,} of {count:,} clients are in, then: {reason}"
            if self._trouble:
                return

    async def _enter(self, place: int, count: int) -> None:
        own = None
        if count > PER_ADDRESS and self._address.startswith("127."):
            own = (f"127.0.0.{2 + place // PER_ADDRESS}", 0)
        arrival = _Arrival(self, place)
        server_name = self._host if self._tls else None
        transport, _ = await asyncio.get_running_loop().create_connection(
            lambda: arrival, self._address, self._port, ssl=self._tls, server_hostname=server_name, local_addr=own
        )
        try:
            async with asyncio.timeout(HANDSHAKE):
                await arrival.inside
        except BaseException:
            transport.abort()
            raise

    def _why_closed(self) -> str:
        return ", ".join(self.partings) or "without a word"


def frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """A client's frame, masked with zeros."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, 0x80 | size, 0, 0, 0, 0)) + payload
    length = b"\xfe" + size.to_bytes(2, "big") if size < 65536 else b"\xff" + size.to_bytes(8, "big")
    return bytes((0x80 | opcode,)) + length + b"\0\0\0\0" + payload


def _frame_at(data: bytes, at: int) -> tuple[int, int, int] | None:
    """A server's frame: its opcode, and where its payload starts and ends; None where it is not whole."""
    if len(data) - at < 2:
        return None
    size, start = data[at + 1] & 0x7F, at + 2
    if size > 125:
        start += 2 if size == 126 else 8
        if len(data) < start:
            return None
        size = int.from_bytes(data[at + 2 : start], "big")
    return (data[at] & 15, start, start + size) if start + size <= len(data) else None


def _say_goodbye(transport: asyncio.Transport, code: bytes) -> None:
    """Send a close frame, if there is still somebody to send it to: uvloop raises at once where there is not."""
    with contextlib.suppress(OSError, RuntimeError):
        transport.write(frame(code, CLOSE))


def _closing(payload: bytes) -> str:
    code = int.from_bytes(payload[:2], "big") if payload else 1005
    return f"{code} {payload[2:].decode('utf-8', 'replace')}".rstrip()


def _refusal(head: bytes, body: bytes) -> str:
    """Why a handshake was refused, and what to change. The first line of the body comes in one packet with the head."""
    status = head.partition(b"\r")[0].partition(b" ")[2].decode("latin-1")
    why = body.partition(b"\n")[0].decode("utf-8", "replace").strip()[:200]
    problem = f"refused with {status}" + (f": {why}" if why else "")
    if status.startswith("429"):
        problem += ": chat.limits.connections-per-address is in the way (0 for no limit)"
    elif status.startswith("503") and "full" in why:
        problem += ": chat.limits.connections is in the way (0 for no limit)"
    return problem


def _reason(error: Exception) -> str:
    """An error of the system in a few words."""
    if isinstance(error, TimeoutError):
        return f"no answer in {HANDSHAKE:.0f} s"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, OSError) and error.errno == errno.EADDRNOTAVAIL:
        return "this machine has no port left for one more connection to there"
    if isinstance(error, OSError) and error.errno and not isinstance(error, ssl.SSLError):
        return os.strerror(error.errno).lower()
    return str(error)


def _allow_files(count: int) -> None:
    """Have as many open files as `count` clients need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = count + 64
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise LoadError(f"{count:,} clients need {needed:,} open files, and {hard:,} are allowed here (ulimit -n)")
    if soft != resource.RLIM_INFINITY and needed > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


@dataclass(slots=True)
class Report:
    """What `natter load` tells."""

    entry: Entry
    talk: Talk | None = None
    idle_cpu_percent: float | None = None
    problems: dict[str, int] = dataclasses.field(default_factory=dict)
    """Why clients did not get in or were closed, and how many."""

    def figures(self) -> dict[str, float]:
        """All that was measured, by name."""
        both = dataclasses.asdict(self.entry) | (dataclasses.asdict(self.talk) if self.talk else {})
        both["idle_cpu_percent"] = self.idle_cpu_percent
        return {name: round(value, 3) for name, value in both.items() if value is not None}

    def lines(self) -> list[str]:
        """The same for a person."""
        figures = self.figures()
        told = [(words, form, figures[name]) for name, (words, form) in _WORDS.items() if name in figures]
        return [f"{words:34} {value:{form}}" for words, form, value in told]


_WORDS = {
    "connected": ("connected", "14,.0f"),
    "failed": ("failed", "14,.0f"),
    "handshakes_per_second": ("handshakes a second", "14,.0f"),
    "handshakes_per_cpu_second": ("... a processor second", "14,.0f"),
    "kib_per_connection": ("KiB of memory a connection", "14,.1f"),
    "idle_cpu_percent": ("% of a core when idle", "14,.1f"),
    "sent": ("messages sent", "14,.0f"),
    "expected": ("copies expected", "14,.0f"),
    "received": ("copies received", "14,.0f"),
    "closed": ("closed by the server", "14,.0f"),
    "deliveries_per_second": ("deliveries a second", "14,.0f"),
    "deliveries_per_cpu_second": ("... a processor second", "14,.0f"),
    "cpu_percent": ("% of a core, the server", "14,.0f"),
    "own_cpu_percent": ("% of a core, this tool", "14,.0f"),
    "p50_ms": ("ms until a copy is there, median", "14,.2f"),
    "p99_ms": ("... 99th percentile", "14,.2f"),
    "max_ms": ("... longest", "14,.2f"),
}


def run(plan: Plan, progress: Progress = _silent) -> Report:
    """Do what `plan` says. LoadError where that is not possible."""
    return uvloop.run(_run(plan, progress))


async def _run(plan: Plan, progress: Progress) -> Report:
    crowd = Crowd(plan.url, rooms=plan.rooms, process=plan.process, progress=progress)
    try:
        report = Report(await crowd.grow(plan.clients))
        if plan.idle:
            report.idle_cpu_percent = await crowd.idle(plan.seconds)
        else:
            crowd.stop(plan.stopped)
            report.talk = await crowd.talk(
                publishers=plan.publishers,
                outstanding=plan.outstanding,
                rate=plan.rate,
                size=plan.size,
                seconds=plan.seconds,
            )
        report.problems = dict(crowd.problems + crowd.partings)
    finally:
        await crowd.leave()
    return report
