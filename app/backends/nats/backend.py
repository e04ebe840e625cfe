"""The backend of a node among many: SQLite in a file, fed by the log that all nodes have in common.

It is the embedded backend with that log in the place of the journal. `LogCommitter` gathers what is asked for, `Log`
has it stored by a quorum of NATS servers, and reads what all nodes have stored there. In that order, `Sequencer` gives
places, and `Applier` applies it to this node's copy: the result is the same on every node.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from threading import Lock

from app.backends import Unavailable, Watcher, machine
from app.backends.applying import Applier
from app.backends.changes import CreateUser, Probe
from app.backends.digest import Chain
from app.backends.indexing import FileIndex, SearchIndex
from app.backends.nats import copies
from app.backends.nats.batches import Runs
from app.backends.nats.committing import UNREACHABLE, LogCommitter
from app.backends.nats.engine import Engine
from app.backends.nats.log import Log
from app.backends.nats.sending import PATIENCE
from app.backends.nats.settings import NatsSettings
from app.backends.nats.telling import Telling
from app.backends.nats.tending import Tending
from app.backends.outage import Source
from app.backends.readers import Read, Readers
from app.backends.sequencing import Sequencer
from app.backends.statements import runs
from app.backends.stored import FRESH, StoreBackend
from app.backends.storefile import StoreFile, begin_to_apply
from app.backends.upkeep import Upkeep
from app.chat.events import User
from app.clock import Clock

log = logging.getLogger("store")

BEHIND = 1.0
"""For how many seconds a node may lack something that it knows to be in the log, and still be ready."""


class NatsBackend(StoreBackend):
    """A node's Backend. Its copy is in the file at `path`, or in a temporary one if `in_memory` returns True when it is
    opened."""

    _core: _Core

    def __init__(
        self,
        path: str,
        settings: NatsSettings,
        *,
        clock: Clock | None = None,
        in_memory: Callable[[], bool] = lambda: False,
        stop: Callable[[], object] = lambda: None,
    ) -> None:
        """`stop` is called, in any thread, when this node has to end: its copy isn't what the log comes to, or it lacks
        what was purged from the log. At the next start it makes another one."""
        super().__init__(_Core(path, settings, clock or Clock(), in_memory, stop))

    @property
    def problem(self) -> str | None:
        """As the interface says, without the addresses of the servers: those are in the log of this node."""
        causes = self._core.applier.outage.causes
        return UNREACHABLE if set(causes) == {Source.JOURNAL} else super().problem

    @property
    def shared(self) -> bool:
        return True

    async def check(self) -> None:
        """As the interface says. The log may take PATIENCE seconds, while its servers elect a leader, and this node may
        be BEHIND seconds behind it."""
        node_log = self._core.log
        if problem := self.problem:
            raise Unavailable(problem)
        if node_log.age > FRESH:
            probe = self.submit(Probe())
            probe.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may wait for it
            if node_log.age > PATIENCE:
                await asyncio.shield(probe)
        if node_log.behind > BEHIND:
            raise Unavailable(
                f"this node is {node_log.behind:.0f} s behind the other nodes: wait until it has caught up"
            )
        await self._read(machine.last_applied)

    def give_up(self) -> None:
        """End `open`, while it waits for the servers, with a StoreError. From a handler of signals, too."""
        self._core.log.give_up()

    def create_guest(self) -> asyncio.Future[User]:
        return self.submit(CreateUser())

    async def catch_up(self) -> None:
        await self.submit(Probe())  # it comes back from the log after all that was in it

    def tell(self, payload: bytes) -> None:
        self._core.telling.tell(payload)

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        return self._core.telling.watch(watcher)


class _Core:
    """What a NatsBackend consists of, without a reference to it."""

    def __init__(
        self,
        path: str,
        settings: NatsSettings,
        clock: Clock,
        in_memory: Callable[[], bool],
        stop: Callable[[], object],
    ) -> None:
        self._stop = stop
        self.file = StoreFile(path)
        self.applier = Applier(self.file)
        self.log = Log(Engine(settings), self.applier.outage)
        self.telling = Telling(self.log, f"{settings.stream}.hints")
        self.front = self.applier.front = LogCommitter(self.applier, self.log.wake, self.applier.read)
        self.index: SearchIndex
        self._clock, self._in_memory = clock, in_memory
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._opening = Lock()
        self._opened = False

    def open(self) -> None:
        with self._opening:
            if self._opened:
                return
            if self._in_memory():
                self._temporary = tempfile.TemporaryDirectory(prefix="natter-")
                self.file.path = str(Path(self._temporary.name) / "chat.db")
            self.log.open(self.file.path)
            try:
                self._start()
            except BaseException:
                self.log.close()
                raise
            self._opened = True

    def _start(self) -> None:
        self.file.log_epoch = self.log.engine.epoch
        connection = self.file.open()
        begin_to_apply(connection)
        runs.prepare(connection)
        self.applier.digests = digests = Chain(connection)
        self.index = FileIndex(self.file.path, connection)
        readers = Readers(self.file.path, self.applier.reading)
        upkeep = Upkeep(self.file, connection, self._clock, self.index, None, readers)
        applied = machine.last_applied(connection)
        self.front.start(lambda: Sequencer(readers.lookups), Runs(connection), self.log.applied)
        self.applier.start(connection, None, readers, upkeep)
        try:
            self.log.begin(self.front, applied)
        except BaseException:
            self.applier.stop()
            raise
        self.log.left_behind = self._left_behind
        self.telling.begin()
        tending = Tending(self.log, self.file.path, digests, self._diverged, lambda: self.applier.contradiction)
        self.log.keep_running(tending.run())

    def _left_behind(self, why: str) -> None:
        """What comes next in the log is in a snapshot only, which takes the place of the copy."""
        self._halt(why, "fetches a snapshot")
        self._stop()

    def _diverged(self, why: str) -> None:
        """Nothing that this node has or says can be relied on."""
        self._halt(why, "makes a new copy")
        copies.doom(self.file.path)
        self._stop()

    def _halt(self, why: str, remedy: str) -> None:
        log.error("%s: %s: this node stops, and %s at its next start", self.file.path, why, remedy)
        self.log.halt(why)

    def read(self, read: Read) -> bool:
        return self.front.read(read)

    def close(self) -> None:
        self.front.close()
        if self._opened:
            self.log.close()
        self.applier.stop()
        if self._temporary is not None:
            self._temporary.cleanup()
