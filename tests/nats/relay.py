"""A balancer for TCP connections, for trying nodes out, and for cutting off or freezing what passes through it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from threading import Thread
from typing import Self

SIZE = 1 << 16


class _UsedUp(Exception):
    """A connection has passed on all that it may."""


class Relay:
    """Passes each connection on to the next one of `targets`, those that don't answer left out. Runs in a thread.

    `allowed` returns how many bytes may pass in one direction of a connection until it is cut off.
    """

    def __init__(self, port: int, targets: Sequence[int], allowed: Callable[[], int] = lambda: sys.maxsize) -> None:
        self.port, self._targets, self._allowed = port, list(targets), allowed
        self.used_up = 0
        """How many connections were cut off because they had passed on all that they may."""
        self._flowing = asyncio.Event()
        self._turns = count()
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="relay", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.mend()
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def mend(self) -> None:
        """Take connections, and pass on what was held back."""
        asyncio.run_coroutine_threadsafe(self._mend(), self._loop).result()

    def cut(self) -> None:
        """End all connections, and take no more."""
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result()

    def freeze(self) -> None:
        """Pass nothing on until this is mended. Connections stay, and there are new ones."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    async def _mend(self) -> None:
        self._flowing.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._enter, "127.0.0.1", self.port)

    async def _cut(self) -> None:
        server, self._server = self._server, None
        # A server of asyncio forgets connections that it accepts while it is closed, so it accepts no more first.
        for listener in server.sockets if server else ():
            self._loop.remove_reader(listener)
        for task in self._connections:
            task.cancel()
        while others := asyncio.all_tasks() - {asyncio.current_task()}:  # also those in which asyncio accepts
            await asyncio.wait(others)
        if server:
            server.close()

    async def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        turn = next(self._turns)
        try:
            if self._server is None:
                return
            for attempt in range(len(self._targets)):
                target = self._targets[(turn + attempt) % len(self._targets)]
                with suppress(OSError):
                    beyond = await asyncio.open_connection("127.0.0.1", target)
                    await self._exchange((reader, writer), beyond)
                    return
        except asyncio.CancelledError:
            pass
        finally:
            writer.transport.abort()

    async def _exchange(
        self,
        near: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        far: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        """Pass bytes on in both directions until both have ended, or one has passed on all that it may."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(near[0], far[1], self._allowed()))
                group.create_task(self._pass_on(far[0], near[1], self._allowed()))
        except* _UsedUp:
            self.used_up += 1
        finally:
            far[1].transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: int) -> None:
        with suppress(OSError):
            while data := await reader.read(min(SIZE, left)):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
                left -= len(data)
                if not left:
                    raise _UsedUp
            writer.write_eof()
