"""What nodes do for their common log between messages: they compare their digests, and one of them makes snapshots.

Every PERIOD seconds each node tells its digest. Who finds itself in the minority has a copy that isn't what the log
comes to: it stops, and drops the copy. Of those that go on, the one that began first makes a snapshot when the log has
grown, or when nothing was written for a while since a text was deleted: the servers' files have that text until the log
before the snapshot is purged. That is done only when all nodes that live have the same as the snapshot.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from time import monotonic, time

from msgspec import MsgspecError, msgpack

from app.backends import StoreError
from app.backends.digest import Chain, Told, agree, must_stop
from app.backends.nats.batches import LEVEL
from app.backends.nats.errors import EngineError
from app.backends.nats.log import Log
from app.backends.nats.snapshots import Manifest, Snapshots

log = logging.getLogger("store")

PERIOD = 5.0
"""Seconds between two times that a node tells its digest."""
VALID = 12.0
"""Seconds for which that counts."""
SURE = 2
"""A node stops after so many rounds in the minority: in one, it may not have heard yet of those that agree with it."""
SHARE = 4
"""A snapshot is made when the log has grown to this part of `max_bytes`: a quarter."""
LONG = 200_000
"""A snapshot is made when the log has so many batches: a new node applies them in half a minute."""
QUIET = 30.0
"""A snapshot is made when nothing was written for so many seconds since a text was deleted."""
REST = 20
"""After a snapshot, none is made because of deleted texts for so many times what it took."""

_encode = msgpack.Encoder().encode
_decode = msgpack.Decoder(Told).decode


class Tending:
    """Runs in the log's loop. `diverged` is called there when this node has to stop. `contradiction` returns the
    position of what can't be applied because of what this node's copy has, or 0."""

    def __init__(
        self,
        node_log: Log,
        path: str,
        digests: Chain,
        diverged: Callable[[str], None],
        contradiction: Callable[[], int],
    ) -> None:
        self._log, self._path, self._digests, self._diverged = node_log, path, digests, diverged
        self._contradiction = contradiction
        self._snapshots = Snapshots(node_log.engine, level=LEVEL)
        self._subject = f"{node_log.engine.settings.stream}.digests"
        self._node, self._started = node_log.run.hex(), int(time() * 1000)
        self._others: dict[str, tuple[Told, float]] = {}
        self._rounds = 0
        """How many rounds ago this node was first in the minority, if it has been since."""
        self._made: Manifest | None = None
        """A snapshot after which the log is not purged yet."""
        self._rest_until = 0.0
        """Until when a text that was deleted stays in the log."""
        self._next, self._moved_at = 0, monotonic()

    async def run(self) -> None:
        """Do this for ever."""
        self._log.engine.listen(self._subject, self._heard)
        keeping = asyncio.create_task(self._keep_short())
        try:
            while not self._is_wrong():
                self._log.engine.tell(self._subject, _encode(self._digests.told(self._node, self._started)))
                await asyncio.sleep(PERIOD)
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)

    async def _keep_short(self) -> None:
        """Have the log purged. A snapshot of a large copy may take minutes."""
        while True:
            await asyncio.sleep(PERIOD)
            try:
                if self.leads:
                    await self._purge()
            except EngineError:
                continue  # again in the next round
            except StoreError as error:
                log.error("No snapshot of the log could be made: %s", error)
            except Exception:
                log.exception("No snapshot of the log could be made")

    @property
    def leads(self) -> bool:
        """Whether this is the node that began first, of those that live."""
        return all((self._started, self._node) < (other.started, other.node) for other in self._alive())

    def _heard(self, payload: bytes, _: int) -> None:
        try:
            told = _decode(payload)
        except MsgspecError:  # of a newer version
            return
        if told.node != self._node:
            self._others[told.node] = told, monotonic()

    def _alive(self) -> list[Told]:
        now = monotonic()
        self._others = {node: (told, at) for node, (told, at) in self._others.items() if now - at < VALID}
        return [told for told, _ in self._others.values()]

    def _own(self) -> Told:
        return Told(self._node, self._started, tuple(self._digests.marks))

    def _is_wrong(self) -> bool:
        """Stop this node if most others have something else, or if one has applied what this one can't."""
        own, others, stuck_at = self._own(), self._alive(), self._contradiction()
        wrong = bool(stuck_at) and any(other.marks[-1][0] >= stuck_at for other in others)
        self._rounds = self._rounds + 1 if wrong or must_stop(own, others) else 0
        if self._rounds < SURE:
            return False
        position = stuck_at or own.marks[-1][0]
        self._diverged(f"at position {position}, this node's copy is not what the log comes to on other nodes")
        return True

    async def _purge(self) -> None:
        """Make a snapshot if it is time for one, and purge the log up to it once that is safe."""
        if self._made is None and await self._is_due():
            began = monotonic()
            self._made = await self._snapshots.make(self._path)
            self._rest_until = monotonic() + REST * (monotonic() - began)
        made = self._made
        if made is None or not all(self._has(other, made) for other in self._alive()):
            return
        self._made = None  # if this fails, another one is made
        await self._snapshots.settle(made)
        log.info("The log is purged up to its snapshot at position %d", made.position)

    def _has(self, other: Told, made: Manifest) -> bool:
        """Whether another node is as far as a snapshot, and has the same as this node there."""
        return max(position for position, _ in other.marks) >= made.position and agree(self._own(), other) is True

    async def _is_due(self) -> bool:
        if self._log.next != self._next:
            self._next, self._moved_at = self._log.next, monotonic()
        settings, now = self._log.engine.settings, monotonic()
        state = (await self._log.engine.request(f"STREAM.INFO.{settings.stream}"))["state"]
        if not state["messages"]:
            return False
        cleared = self._log.cleared_at >= int(state["first_seq"])
        if cleared and now >= self._rest_until and now - self._moved_at >= QUIET:
            return True
        return int(state["bytes"]) * SHARE > int(settings.max_bytes) or int(state["messages"]) > LONG
