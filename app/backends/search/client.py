"""The server's side of the search process: a thread that starts it, passes requests on, and starts it again."""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
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
from app.backends.search.messages import Answer, Ask, Dropped, Failure, Frames, Note, Report, Wake, frame

log = logging.getLogger("store")

HINT_INTERVAL = 0.5
"""At most once in so many seconds the process is told that there may be something to index."""
PATIENCE = 10.0
"""After so many seconds a search fails, in addition to its budget: the process gets no time."""
END_PATIENCE = 5.0
"""How many seconds the process has to end by itself."""
FIRST_BACKOFF, LAST_BACKOFF = 0.5, 60.0
"""Seconds before a process that ended is started again. They double each time that it ends within LAST_BACKOFF."""
NICE = 10
"""How much less of a core the process gets than the server, when both want it."""
_BOOT = """
import os, sys
os.nice(int(sys.argv[2]))
sys.path[:] = sys.argv[3:]
from app.backends.search.process import main
main(sys.argv[1])
"""
_READ = 1 << 16


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
        backoff = FIRST_BACKOFF
        while not self._closed:
            began = monotonic()
            try:
                process = self._spawn()
            except OSError as error:
                ended = f"the search process can't be started: {error.strerror}"
            else:
                link = _Link(self, process)
                try:
                    ended = link.serve()
                except Exception:
                    log.exception("%s: the search failed", self._path)
                    ended = link.fail("the search failed: the server's log has the details")
            if self._closed:
                break
            log.error("%s: %s; it is started again in %g s", self._path, ended, backoff)
            self._rest(backoff, ended)
            backoff = FIRST_BACKOFF if monotonic() - began > LAST_BACKOFF else min(2 * backoff, LAST_BACKOFF)
        self._fail_waiting("the store is closed")

    def _spawn(self) -> subprocess.Popen[bytes]:
        paths = [path or os.getcwd() for path in sys.path]  # noqa: PTH109
        command = [sys.executable, "-I", "-c", _BOOT, self._path, str(NICE), *paths]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)  # noqa: S603
        self._pid = process.pid
        return process

    def _rest(self, seconds: float, why: str) -> None:
        """Wait, and fail searches at once meanwhile."""
        until = monotonic() + seconds
        with PollSelector() as selector:
            selector.register(self._signals[0], EVENT_READ)
            while not self._closed and (left := until - monotonic()) > 0:
                self._fail_waiting(why)
                if selector.select(left):
                    os.read(self._signals[0], _READ)

    def _fail_waiting(self, why: str) -> None:
        while self._outbox:
            *_, future = self._outbox.popleft()
            if future.set_running_or_notify_cancel():
                future.set_exception(Unavailable(why))


class _Link:
    """The connection of a client's thread to one process."""

    def __init__(self, client: SearchClient, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin
        assert process.stdout
        self.client, self.process = client, process
        self.requests, self.reports = process.stdin, process.stdout
        os.set_blocking(self.requests.fileno(), False)
        self.waiting: dict[int, tuple[Future[Found], float]] = {}
        self.next_hint = 0.0
        self.output = bytearray()
        self.frames = Frames()
        self.decoder = msgpack.Decoder(Answer | Failure | Dropped | Note)

    def serve(self) -> str:
        """Serve until the client is closed or the process ends. Return why."""
        why = "the store is closed"
        try:
            with PollSelector() as selector:
                signals, reports, requests = self.client._signals[0], self.reports.fileno(), self.requests.fileno()
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
                        os.read(signals, _READ)
                    if requests in ready:
                        self._write()
                    if reports in ready and not self._read():
                        break
                    self._expire()
        except BrokenPipeError:
            pass
        self._end()
        return self.fail(
            why if self.client._closed else f"the search process ended ({_status(self.process.returncode)})"
        )

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
            del self.output[: os.write(self.requests.fileno(), self.output[:_READ])]

    def _read(self) -> bool:
        data = os.read(self.reports.fileno(), _READ)
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

    def _end(self) -> None:
        """End the process and wait until it has ended."""
        self.requests.close()
        try:
            self.process.wait(END_PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.reports.close()
        self.client._pid = 0


def _status(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit status {code}"
