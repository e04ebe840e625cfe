"""Lines of standard input for a program that also listens: a thread reads them, a bounded number ahead."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Iterator

MAX_LINE = 1024 * 1024
"""Bytes of a line; the rest of a longer one is dropped, but for a byte that shows that it is too long."""
BLOCK = 64 * 1024


async def read_lines(descriptor: int) -> AsyncIterator[bytes]:
    """The lines until the end of the input, without their line breaks; the last one needs none."""
    queue: asyncio.Queue[list[bytes] | None] = asyncio.Queue(1)
    loop = asyncio.get_running_loop()
    # The thread reads the descriptor, since sys.stdin would stay locked at exit by a thread in the middle of a read.
    threading.Thread(target=_read, args=(descriptor, loop, queue), daemon=True).start()
    while (chunk := await queue.get()) is not None:
        for line in chunk:
            yield line


def _read(descriptor: int, loop: asyncio.AbstractEventLoop, queue: asyncio.Queue[list[bytes] | None]) -> None:
    def put(chunk: list[bytes] | None) -> None:
        asyncio.run_coroutine_threadsafe(queue.put(chunk), loop).result()

    try:
        for chunk in split(_blocks(descriptor)):
            put(chunk)
        put(None)
    except (RuntimeError, asyncio.CancelledError):
        return  # the program ended meanwhile


def _blocks(descriptor: int) -> Iterator[bytes]:
    while True:
        try:
            block = os.read(descriptor, BLOCK)
        except OSError:  # the terminal is gone, or the program may not read it
            return
        if not block:
            return
        yield block


def split(blocks: Iterator[bytes]) -> Iterator[list[bytes]]:
    """The lines in `blocks`: a list for each block that completes one or more."""
    rest = b""
    for block in blocks:
        first, *others = block.split(b"\n")
        rest = (rest + first)[: MAX_LINE + 1]
        if others:
            yield [_without_return(line) for line in (rest, *others[:-1])]
            rest = others[-1]
    if rest:
        yield [_without_return(rest)]


def _without_return(line: bytes) -> bytes:
    return line.removesuffix(b"\r")
