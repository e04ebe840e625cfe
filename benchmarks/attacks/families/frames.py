"""Frames that cost their sender next to nothing."""

from __future__ import annotations

from app.load.frames import PING, TEXT, frame
from benchmarks.attacks.attack import Connection, Target, attack, on_each, once_more

BINARY = 2
WRITE = 1024 * 1024
"""Bytes of one write."""
FRAGMENT = bytes((0x01, 0x81)) + b"\0\0\0\0x" + bytes((0x80, 0x80)) + b"\0\0\0\0"
"""A text of one letter in two frames."""


@attack("one connection writes pings as fast as the server reads them")
async def pings(target: Target) -> None:
    await flood(target, frame(b"", PING))


@attack("100 connections write pings, empty frames and fragments")
async def empty_frames(target: Target) -> None:
    await flood(target, frame(b"", PING) + frame(b"", TEXT) + frame(b"", BINARY) + FRAGMENT, connections=100)


@attack("one connection writes 4 MB of `{}` at once, again and again")
async def junk(target: Target) -> None:
    await flood(target, frame(b"{}"), size=4 * WRITE)


@attack("100 connections send what is refused, between what is not")
async def refused_frames(target: Target) -> None:
    good, bad = frame(b'{"t":"help","command":"help"}'), frame(b'{"t":"msg"}')

    async def insist(connection: Connection) -> None:
        while True:
            await connection.write(good + 24 * bad)
            await target.pause(1)

    while True:
        await on_each(await target.crowd(100), insist)
        await once_more()


async def flood(target: Target, one: bytes, *, connections: int = 1, size: int = WRITE) -> None:
    """Write the same bytes over and over, and come back once closed."""
    data = one * (size // len(one))

    async def write(connection: Connection) -> None:
        while True:
            await connection.write(data)

    while True:
        await on_each(await target.crowd(connections), write)
        await once_more()
