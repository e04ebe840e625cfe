"""The messages of a crowd: how a copy is recognised, how many arrived, and when the next message goes out.

All messages of a talk have frames of one size, so the bytes that a read brings are a number of whole frames, which a
division counts and a look at one byte of each frame confirms. A text ends with a mark and the time when it was due to
be sent, in nanoseconds; only a sample of the clients reads these times. Nothing is decoded.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter_ns

from app.load.errors import LoadError
from app.load.frames import frame, frame_size
from app.load.plan import Envelope

MARK = 0x7E
STAMP = 17
"""Bytes at the end of a text: the mark, and the time in 16 hexadecimal digits."""
NEVER = 1 << 62


@dataclass(frozen=True, slots=True)
class Speaker:
    """A client that sends, and what its messages begin with."""

    transport: asyncio.Transport
    room: int
    text: bytes = b""


class Traffic:
    """What a crowd's clients share. They set `received` and call `send_more()` once it reaches `due`."""

    def __init__(self, envelope: Envelope, rooms: int = 1) -> None:
        self.envelope = envelope
        self.readers = [0] * rooms
        """How many clients read, by room."""
        self.present = self.closed = 0
        self.close_reasons: Counter[str] = Counter()
        self.size, self.mark = NEVER, 0
        """Bytes of a message's frame, and where in it the mark is. NEVER until they are known."""
        self.received, self.due = 0, NEVER
        """Copies that arrived, and how many there must be before the next message may go out."""
        self.sent = self.expected = 0
        """Messages that were sent, and the copies that they should make."""
        self.sampling = False
        self.latencies: list[int] = []
        self.notice = ""
        """What the server last told one client alone, in a `***` line."""
        self.problem = ""
        """Why the run can't go on."""
        self.stopped = asyncio.Event()
        """Set as soon as there is a problem."""
        self.leaving = False
        self._outstanding = 0
        self._together = False
        self._pending: deque[int] = deque()
        """For each outstanding message, how many copies there are once it has reached everyone."""
        self._speakers: Sequence[Speaker] = ()
        self._turn = 0
        self._prefixes: dict[int, int] = {}

    # Clients that come and go.

    def joined(self, room: int) -> None:
        """A client has joined a room."""
        self.readers[room] += 1
        self.present += 1

    def left(self, transport: asyncio.Transport, room: int, *, reading: bool) -> None:
        """A connection has ended. Outstanding messages may never reach everyone now, so the next one may go out."""
        self.present -= 1
        if self.leaving:
            return
        self.closed += 1
        if reading:
            self.readers[room] -= 1
        if any(transport is speaker.transport for speaker in self._speakers):
            self.fail(self._closed())
            self._speakers = ()
        elif self._pending:
            self._pending.clear()
            self.due = 0

    def fail(self, problem: str) -> None:
        """Stop the run."""
        self.problem = problem
        self.stopped.set()

    def _closed(self) -> str:
        reasons = ", ".join(self.close_reasons) or "without a close frame"
        return f"the server closed the connection of a client that sends: {reasons}"

    def heard(self, payload: bytes) -> None:
        """A text arrived that is no message of ours."""
        if payload.startswith(b"*** "):
            self.notice = payload[4:].decode("utf-8", "replace").partition("\n")[0]
            if "too fast" in self.notice:
                remedy = "set chat.limits.rate to 0, or use a lower --rate or more --publishers"
                self.fail(f"the server says: {self.notice} ({remedy})")

    # Sizes: a server puts a name before a text, and names have different lengths.

    def introduce(self, speakers: Sequence[Speaker]) -> int:
        """Let each speaker send a text with its number, to learn what the server puts before it. Return how many copies
        that makes."""
        self.size, self.mark, self.due = NEVER, 0, NEVER
        self.received, self._prefixes, self.notice = 0, {}, ""
        envelope = self.envelope
        if any(speaker.transport.is_closing() for speaker in speakers):
            raise LoadError(self._closed())
        for number, speaker in enumerate(speakers):
            speaker.transport.write(frame(b"%b~%016x%b" % (envelope.before, number, envelope.after)))
        return sum(self.readers[speaker.room] for speaker in speakers)

    def introduced(self, number: int, prefix: int) -> None:
        """A copy of the text of the speaker with this number arrived, with `prefix` bytes before the mark."""
        if self.size == NEVER:
            self._prefixes[number] = prefix

    def fit(self, speakers: Sequence[Speaker], size: int) -> list[Speaker]:
        """The speakers with texts that make all frames equal, of `size` bytes or a few more. Empty if a speaker was not
        heard."""
        if len(self._prefixes) < len(speakers):
            return []
        ending = STAMP + len(self.envelope.after)
        payload = max(self._prefixes.values()) + max(size, STAMP) + len(self.envelope.after)
        self.size = frame_size(payload)
        self.mark = self.size - ending
        return [
            Speaker(one.transport, one.room, self.envelope.before + b"x" * (payload - self._prefixes[number] - ending))
            for number, one in enumerate(speakers)
        ]

    # Messages.

    def start(self, speakers: Sequence[Speaker], *, outstanding: int, rate: float, together: bool = False) -> None:
        """Let speakers send in turn: `rate` messages per second or, if that is 0, as many as `outstanding` allows. If
        they send `together`, the next messages go out when all outstanding ones have arrived."""
        self.received = self.sent = self.expected = 0
        self.latencies = []
        self._speakers, self._outstanding, self._together = speakers, 0 if rate else outstanding, together
        self.send_more()
        if rate:
            self._send_on_time(perf_counter_ns(), int(1e9 / rate))

    def stop(self) -> None:
        """Send nothing more."""
        self._speakers = ()

    def end(self) -> None:
        """Forget what is outstanding."""
        self._speakers, self.sampling = (), False
        self._pending.clear()
        self.due = NEVER

    def send_more(self) -> None:
        """Send as many messages as may be outstanding."""
        pending = self._pending
        while pending and self.received >= pending[0]:
            pending.popleft()
        if pending and self._together:
            self.due = pending[-1]
            return
        batches: dict[asyncio.Transport, list[bytes]] = {}
        now = perf_counter_ns()
        while self._speakers and len(pending) < self._outstanding:
            speaker, message = self._next(now)
            batches.setdefault(speaker.transport, []).append(message)
            pending.append(self.expected)
        for transport, batch in batches.items():
            transport.write(b"".join(batch))
        self.due = pending[-1 if self._together else 0] if pending else NEVER

    def _next(self, due: int) -> tuple[Speaker, bytes]:
        speaker = self._speakers[self._turn % len(self._speakers)]
        self._turn += 1
        self.sent += 1
        self.expected += self.readers[speaker.room]
        return speaker, frame(b"%b~%016x%b" % (speaker.text, due, self.envelope.after))

    def _send_on_time(self, due: int, step: int) -> None:
        """Send what is due, and come back for the next. Come early: uvloop's timers are only exact to a millisecond."""
        if not self._speakers:
            return
        while due <= perf_counter_ns():
            speaker, message = self._next(due)
            speaker.transport.write(message)
            due += step
        loop, wait = asyncio.get_running_loop(), (due - perf_counter_ns()) / 1e9 - 0.002
        if wait > 0:
            loop.call_later(wait, self._send_on_time, due, step)
        else:
            loop.call_soon(self._send_on_time, due, step)
