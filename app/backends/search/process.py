"""The search process: answers searches and keeps the index, until its standard input is closed.

It does nothing but read the store, and writes nothing but the index. Everything is in one thread: between two searches
it does short steps, of indexing or of purging deleted words. It runs at a low priority, and leaves the core to the
server while both want it.
"""

from __future__ import annotations

import logging
import os
import select
import sqlite3
import sys
from collections.abc import Callable
from time import monotonic, process_time

from msgspec import msgpack

from app.backends.damage import lenient
from app.backends.reasons import reason
from app.backends.search import Found, Progress, Query, index_path
from app.backends.search.engine import BATCH, SCANNED, Engine
from app.backends.search.index import Index, is_damage
from app.backends.search.messages import Answer, Ask, Dropped, Failure, Note, Report, Request, Wake
from app.backends.search.pacing import Pacer
from app.backends.statements.rows import connect_read_only
from app.processes.frames import READ, Frames
from app.processes.streams import REQUESTS, take_streams

INTERVAL = 1.0
"""How many seconds lie between two steps while fewer than BATCH messages wait to be indexed. A search compares them one
by one meanwhile, and a commit for each would cost far more."""
SMALL_BATCH = 250
"""How many messages are indexed in a step while the core is contended: a search has to wait for the step."""
CATCH_UP = 0.5
"""How many seconds of processor time a search may first spend on indexing, if many messages wait for that."""
RETRY_DELAY = 30.0
"""How many seconds lie between a failure and the next try."""
SHORTEST_REST, LONGEST_REST = 10.0, 30.0
"""How many seconds lie between two purges, each of which rewrites the index: at least the first, and 20 times what the
last purge took, but not more than the second: deleted words have to leave within a minute."""
NEVER = float("inf")


class Service:
    """Serves the store at `path`. `send` takes what there is to say to the server."""

    def __init__(self, path: str, send: Callable[[Report], None]) -> None:
        self.path, self._send = index_path(path), send
        self.store = connect_read_only(path, timeout=1)
        self.store.text_factory = lenient  # the error about a text that isn't UTF-8 has the text in it
        (self.epoch,) = self.store.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
        self.pacer, self.log = Pacer(), ProgressLog(self._note)
        self._next_step = self._next_purge = self._rest = 0.0
        self._applied = self._indexed = self._told = 0
        self._purging, self._purge_time = False, 0.0
        self._failure, self._usable = "", False
        self.engine = Engine(Index(None, self.epoch), self.store)
        self._open()

    def _open(self) -> None:
        """Open the index. If that fails, go on with one that stays empty until the next try."""
        try:
            index = Index(self.path, self.epoch)
        except (sqlite3.Error, OSError) as error:
            self._failed(error)
        else:
            self.engine.index.close()
            self.engine, self._usable = Engine(index, self.store), True

    def delay(self) -> float:
        """In how many seconds there is something to do."""
        purge = self._next_purge if self._usable and self.engine.index.purging else NEVER
        return max(0.0, max(self._rest, min(self._next_step, purge)) - monotonic())

    def work(self) -> None:
        """Do one step of what is due."""
        if not self._usable:
            self._open()
            if not self._usable:
                return
        self.pacer.start()
        try:
            if self._purging and self._applied - self._indexed > SCANNED:
                self._end_purge()
            if self._purging or self._next_step > monotonic():
                self._purge()
            else:
                self._step()
        except (sqlite3.Error, OSError) as error:
            self._failed(error)
        else:
            self._failure = ""

    def _step(self) -> None:
        progress = self.engine.step(SMALL_BATCH if self.pacer.contended else BATCH)
        self._rest = monotonic() + self.pacer.stop()
        self._indexed = progress.indexed
        self._next_step = NEVER if progress.done else 0.0
        self.log.show(progress)
        self._tell()

    def _purge(self) -> None:
        """Do a step of a purge. Nothing is indexed until the purge ends: what came in between would have to be merged
        with all the rest again."""
        began, self._purging = monotonic(), True
        more = self.engine.index.purge()
        self._rest = monotonic() + self.pacer.stop()
        self._purge_time += monotonic() - began
        if not more:
            self._end_purge()
            self._tell()

    def _end_purge(self) -> None:
        self._next_purge = monotonic() + min(max(SHORTEST_REST, 20 * self._purge_time), LONGEST_REST)
        self._purging, self._purge_time = False, 0.0

    def _tell(self) -> None:
        """Tell what has left the index and its files."""
        index = self.engine.index
        if not index.purging and index.forgotten > self._told:
            self._told = index.forgotten
            self._send(Dropped(self._told))

    def _failed(self, error: sqlite3.Error | OSError) -> None:
        self._next_step, self._rest = 0.0, monotonic() + RETRY_DELAY
        self._purging = False
        text = f"{self.path}: indexing failed and will be tried again: {reason(error)}"
        if text != self._failure:
            self._failure = text
            self._note(logging.ERROR, text)
        if self._usable and isinstance(error, sqlite3.Error) and is_damage(error):
            self._rebuild()

    def _rebuild(self) -> None:
        self._note(logging.WARNING, f"{self.path}: the index is damaged and will be rebuilt")
        try:
            self.engine.index.reset()
        except (sqlite3.Error, OSError):
            self._usable = False
            self.engine = Engine(Index(None, self.epoch), self.store)

    def _note(self, level: int, text: str) -> None:
        self._send(Note(level, text))

    def handle(self, request: Request) -> None:
        """Answer a request."""
        if isinstance(request, Wake):
            self._applied = request.pos
            delay = 0.0 if self._applied - self._indexed >= BATCH else INTERVAL
            self._next_step = min(self._next_step, monotonic() + delay)
            return
        try:
            self._send(Answer(request.id, self._search(request.query)))
        except (ValueError, OverflowError) as error:
            self._send(Failure(request.id, str(error), wrong=True))
        except (sqlite3.Error, OSError) as error:
            self._send(Failure(request.id, reason(error)))

    def _search(self, query: Query) -> Found:
        self._catch_up()
        try:
            return self.engine.search(query)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            self._rebuild()
            self._next_step = self._rest = 0.0
            return self.engine.search(query)

    def _catch_up(self) -> None:
        """Index what is more than a search can compare one by one, as far as CATCH_UP allows."""
        end = process_time() + CATCH_UP
        try:
            while self._usable and self.engine.behind > SCANNED and process_time() < end:
                self._indexed = self.engine.step().indexed
        except (sqlite3.Error, OSError) as error:
            self._failed(error)

    def close(self) -> None:
        """Close the index and the store."""
        self.engine.index.close()
        self.store.close()


class ProgressLog:
    """Logs how far a long backlog is indexed: when it begins, every 10 %, and when it ends."""

    LONG = 10_000

    def __init__(self, note: Callable[[int, str], None]) -> None:
        self._note = note
        self._first, self._shown = -1, 0

    def show(self, progress: Progress) -> None:
        left = progress.last - progress.indexed
        if self._first < 0:
            if left > self.LONG:
                self._first, self._shown = progress.indexed, 0
                self._note(logging.INFO, f"indexing {left:,} messages for the search")
        elif not left:
            self._first = -1
            self._note(logging.INFO, "all messages are indexed for the search")
        else:
            tenths = 10 * (progress.indexed - self._first) // max(1, progress.last - self._first)
            if tenths > self._shown:
                self._shown = tenths
                self._note(logging.INFO, f"indexed {progress.indexed:,} of {progress.last:,} messages for the search")


def serve(service: Service, requests: int) -> None:
    """Serve requests from a file descriptor until its end."""
    decoder, frames = msgpack.Decoder(Ask | Wake), Frames()
    while True:
        delay = service.delay()
        if select.select([requests], [], [], None if delay == NEVER else delay)[0]:
            data = os.read(requests, READ)
            if not data:
                return
            for message in frames.feed(data):
                service.handle(decoder.decode(message))
        if not service.delay():
            service.work()


def main(path: str) -> None:
    """Serve the store at `path` on standard input and output."""
    send = take_streams()
    try:
        service = Service(path, send)
    except (sqlite3.Error, OSError) as error:
        send(Note(logging.ERROR, f"{path}: the search can't read the store: {reason(error)}"))
        sys.exit(1)
    try:
        serve(service, REQUESTS)
    except BrokenPipeError:
        pass
    finally:
        service.close()
