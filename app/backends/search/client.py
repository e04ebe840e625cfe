"""The server's side of the search process: a thread that starts it, passes requests on, and starts it again."""

from __future__ import annotations

import errno
import logging
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from itertools import count
from selectors import EVENT_READ, EVENT_WRITE, PollSelector
from threading import Lock, Thread
from time import monotonic

from msgspec import msgpack

from app.backends import Unavailable
from app.backends.search import Found, Query
from app.backends.search.messages import Answer, Ask, Dropped, Failure, Note, Report, Wake
from app.processes.child import LOW, Child, Pauses
from app.processes.frames import READ, Frames, frame

log = logging.getLogger("store")

HINT_INTERVAL = 0.5
"""At most once in so many seconds the process is told that there may be something to index."""
PATIENCE = 10.0
"""After so many seconds a search fails, in addition to its budget: the process gets no time."""


class SearchClient:
    """Searches the store at `path` by a process of its own, which also keeps the index.

    The process starts at the first call of `search` or `wake`. All methods may be called in any thread. `dropped` is
    called in the client's thread with the id up to which rows of `forgotten` can be deleted. It must not block and must
    not raise.
    """

    def __init__(self, path: str, dropped: Callable[[int], None]) -> None:
        self._path, self._dropped = path, dropped
        self._lock = Lock()
        self._outbox: deque[tuple[int, bytes, float, Future[Found]]] = deque()
        self._numbers = count(1)
        self._applied, self._hint, self._closed = 0, False, False
        self._thread: Thread | None = None
        self._signals: tuple[int, ...] = ()

    def search(self, query: Query) -> Future[Found]:
        """Search. The future gets Unavailable if the process ends or can't read the store, and ValueError or
        OverflowError if the query is wrong. Use `asyncio.wrap_future` to await it. OSError if the client can't be
        started."""
        future: Future[Found] = Future()
        number = next(self._numbers)
        try:
            asking = frame(Ask(number, query))
        except (ValueError, OverflowError) as error:
            future.set_exception(error)
            return future
        with self._lock:
            if not self._closed:
                self._start()
                self._outbox.append((number, asking, monotonic() + query.budget + PATIENCE, future))
                self._signal()
                return future
        future.set_exception(Unavailable("the store is closed"))
        return future

    def wake(self, pos: int) -> None:
        """Say that everything up to position `pos` is applied, or that something is to be forgotten. This is cheap, and
        the index follows within some seconds."""
        self._applied = pos
        if not self._hint:
            self._hint = True
            with self._lock:
                if not self._closed:
                    self._start()
                    self._signal()

    def close(self) -> None:
        """Fail the searches that wait, and end the process. Further calls do nothing."""
        with self._lock:
            self._closed = True
            thread = self._thread
            self._signal()
        if thread is not None:
            thread.join()
        with self._lock:
            for signal in self._signals:
                os.close(signal)
            self._signals = ()

    @property
    def pid(self) -> int:
        """The id of the process, 0 if there is none at the moment."""
        return self._pid

    _pid = 0

    def _start(self) -> None:
        if self._thread is None:
            self._signals = os.pipe()
            for signal in self._signals:
                os.set_blocking(signal, False)
            thread = Thread(target=self._run, name="search", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from error
            self._thread = thread

    def _signal(self) -> None:
        if self._signals:
            with suppress(BlockingIOError):  # the pipe is full of signals
                os.write(self._signals[1], b"\0")

    def _run(self) -> None:
        pauses = Pauses()
        while not self._closed:
            began = monotonic()
            try:
                process = Child("app.backends.search.process", self._path, priority=LOW)
            except OSError as error:
                ended = f"the search process can't be started: {error.strerror}"
            else:
                self._pid = process.pid
                link = _Link(self, process)
                try:
                    ended = link.serve()
                except Exception:
                    log.exception("%s: the search failed", self._path)
                    ended = link.fail("the search failed: the server's log has the details")
            if self._closed:
                break
            pause = pauses.next(monotonic() - began)
            log.error("%s: %s; it is started again in %g s", self._path, ended, pause)
            self._rest(pause, ended)
        self._fail_waiting("the store is closed")

    def _rest(self, seconds: float, why: str) -> None:
        """Wait, and fail searches at once meanwhile."""
        until = monotonic() + seconds
        with PollSelector() as selector:
            selector.register(self._signals[0], EVENT_READ)
            while not self._closed and (left := until - monotonic()) > 0:
                self._fail_waiting(why)
                if selector.select(left):
                    os.read(self._signals[0], READ)

    def _fail_waiting(self, why: str) -> None:
        while self._outbox:
            *_, future = self._outbox.popleft()
            if future.set_running_or_notify_cancel():
                future.set_exception(Unavailable(why))


class _Link:
    """The connection of a client's thread to one process."""

    def __init__(self, client: SearchClient, process: Child) -> None:
        self.client, self.process = client, process
        os.set_blocking(process.requests, False)
        self.waiting: dict[int, tuple[Future[Found], float]] = {}
        self.next_hint = 0.0
        self.output = bytearray()
        self.frames = Frames()
        self.decoder = msgpack.Decoder(Answer | Failure | Dropped | Note)

    def serve(self) -> str:
        """Serve until the client is closed or the process ends. Return why."""
        try:
            with PollSelector() as selector:
                signals, reports, requests = self.client._signals[0], self.process.answers, self.process.requests
                selector.register(signals, EVENT_READ)
                selector.register(reports, EVENT_READ)
                while not self.client._closed:
                    self._collect()
                    writing = requests in selector.get_map()
                    if bool(self.output) != writing:
                        if writing:
                            selector.unregister(requests)
                        else:
                            selector.register(requests, EVENT_WRITE)
                    ready = {key.fd for key, _ in selector.select(self._timeout())}
                    if signals in ready:
                        os.read(signals, READ)
                    if requests in ready:
                        self._write()
                    if reports in ready and not self._read():
                        break
                    self._expire()
        except BrokenPipeError:
            pass
        how = self._end()
        return self.fail("the store is closed" if self.client._closed else f"the search process ended ({how})")

    def fail(self, why: str) -> str:
        """End the process, if it still runs, and fail the searches that wait. Return why."""
        if self.client._pid:
            self._end()
        for future, _ in self.waiting.values():
            future.set_exception(Unavailable(why))
        self.waiting.clear()
        return why

    def _collect(self) -> None:
        """Turn what callers want into frames."""
        client, now = self.client, monotonic()
        while client._outbox:
            number, asking, deadline, future = client._outbox.popleft()
            if future.set_running_or_notify_cancel():
                self.waiting[number] = future, deadline
                self.output += asking
        if client._hint and now >= self.next_hint:
            client._hint = False
            self.next_hint = now + HINT_INTERVAL
            self.output += frame(Wake(client._applied))

    def _timeout(self) -> float | None:
        times = [deadline for _, deadline in self.waiting.values()]
        if self.client._hint:
            times.append(self.next_hint)
        return max(0.0, min(times) - monotonic()) if times else None

    def _write(self) -> None:
        with suppress(BlockingIOError):
            del self.output[: os.write(self.process.requests, self.output[:READ])]

    def _read(self) -> bool:
        data = os.read(self.process.answers, READ)
        for message in self.frames.feed(data):
            self._report(self.decoder.decode(message))
        return bool(data)

    def _report(self, report: Report) -> None:
        if isinstance(report, Dropped):
            self.client._dropped(report.forgotten)
        elif isinstance(report, Note):
            log.log(report.level, "%s", report.text)
        else:
            future, _ = self.waiting.pop(report.id, (None, 0.0))
            if future is None:
                return
            if isinstance(report, Answer):
                future.set_result(report.found)
            else:
                future.set_exception(ValueError(report.text) if report.wrong else Unavailable(report.text))

    def _expire(self) -> None:
        now = monotonic()
        for number in [number for number, (_, deadline) in self.waiting.items() if deadline <= now]:
            future, _ = self.waiting.pop(number)
            future.set_exception(Unavailable("the search took too long: try again later"))

    def _end(self) -> str:
        """End the process, and wait until it has ended. Return how it did."""
        how = self.process.end()
        self.client._pid = 0
        return how
