"""Logging that never waits: a log whose reader pauses, such as a full pipe or a terminal after Ctrl+S, holds up nobody.

Each handler writes in a thread of its own, from a queue with a bound. What doesn't fit is counted, and a line says how
much is missing once there is room again.
"""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from queue import Empty, SimpleQueue
from time import monotonic, sleep

MAX_QUEUED = 10_000
"""Lines that wait for a handler, at most."""
GATHER = 0.01
"""Seconds for which lines are gathered before they are written."""
END_PATIENCE = 2.0
"""Seconds that handlers have for what is queued when the process ends."""


class QueuedHandler(logging.Handler):
    """Passes records on to `handler` in a thread."""

    def __init__(self, handler: logging.Handler) -> None:
        super().__init__(handler.level)
        self.handler = handler
        self.dropped = 0
        """Lines that didn't fit since the last one that did."""
        self._queue: SimpleQueue[logging.LogRecord] = SimpleQueue()
        self._put = self._written = 0
        threading.Thread(target=self._serve, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:  # one call at a time, as `handle` sees to
        if self._put - self._written >= MAX_QUEUED:
            self.dropped += 1
            return
        self._put += 1
        self._queue.put(_prepared(record))

    def drained(self, until: float) -> bool:
        """Wait until everything is written, or until a time of the monotonic clock. Whether it is."""
        while self._written < self._put:
            if monotonic() > until:
                return False
            sleep(GATHER)
        return True

    def _serve(self) -> None:
        while True:
            record = self._queue.get()
            sleep(GATHER)  # so that a busy server is interrupted for many lines at once
            with suppress(Empty):
                while True:
                    self.handler.handle(record)  # which never raises
                    self._written += 1
                    if self.dropped:
                        self.handler.handle(self._missing())
                    record = self._queue.get_nowait()

    def _missing(self) -> logging.LogRecord:
        missing, self.dropped = self.dropped, 0
        text = f"{missing} lines are missing here or in what follows: the log is not read fast enough"
        return logging.LogRecord("Application", logging.WARNING, __file__, 0, text, (), None)


def install() -> None:
    """Have all handlers of all loggers write in threads. Call it once, after logging is configured."""
    loggers = [logging.getLogger(), *(one for one in logging.root.manager.loggerDict.values())]
    queued: dict[logging.Handler, QueuedHandler] = {}
    for logger in loggers:
        if isinstance(logger, logging.Logger):
            for number, handler in enumerate(logger.handlers):
                if handler not in queued:
                    queued[handler] = QueuedHandler(handler)
                logger.handlers[number] = queued[handler]


def drain() -> bool:
    """Wait until all is written, for END_PATIENCE seconds at most. If it isn't, its reader pauses for good, and the
    process must end without flushing its streams."""
    until = monotonic() + END_PATIENCE
    handlers = [handler for handler in logging.getLogger().handlers if isinstance(handler, QueuedHandler)]
    for logger in logging.root.manager.loggerDict.values():
        if isinstance(logger, logging.Logger):
            handlers += [handler for handler in logger.handlers if isinstance(handler, QueuedHandler)]
    return all(handler.drained(until) for handler in handlers)


def _prepared(record: logging.LogRecord) -> logging.LogRecord:
    """Turn a record into text, so that nothing it refers to is kept, or changes until it is written."""
    record.msg, record.args = record.getMessage(), None
    if record.exc_info:
        record.exc_text = record.exc_text or logging.Formatter().formatException(record.exc_info)
        record.exc_info = None
    return record
