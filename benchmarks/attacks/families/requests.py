"""Requests that are allowed, from as many connections as two addresses may have."""

from __future__ import annotations

import asyncio
from typing import Any

from benchmarks.attacks.attack import Connection, Target, attack, on_each, once_more

CROWD, ADDRESSES = 100, 2
ROOMS = 50
"""Rooms that one connection may be in."""
PAST = 200_000
"""Messages of the room that is read, where there are any."""
RATE = 10


async def at_rate(target: Target, connection: Connection, **frame: Any) -> None:
    """Send one frame over and over, at the allowed rate, after a burst."""
    for _ in range(20):
        await connection.send(**frame, rid=1)
    while True:
        await target.pause(1 / RATE)
        await connection.send(**frame, rid=1)


async def spread(target: Target, connections: list[Connection], *, common: bool) -> None:
    """Join rooms, as many as a connection may be in: all in the same ones, or each in its own."""

    async def join(number: int, connection: Connection) -> None:
        for place in range(ROOMS):
            room = f"room{place if common else ROOMS * number + place}"
            await connection.send(t="join", room=room, rid=place + 1)
            if place >= 15:
                await target.pause(1 / RATE)

    await asyncio.gather(*(join(number, one) for number, one in enumerate(connections)), return_exceptions=True)


class Kept:
    """The connections of an attack that are kept from slice to slice, since it takes long to bring them in."""

    def __init__(self, *, common: bool) -> None:
        self.common, self.connections = common, list[Connection]()

    async def prepare(self, target: Target) -> None:
        self.connections = await target.crowd(CROWD * ADDRESSES - 10, ADDRESSES)
        await spread(target, self.connections, common=self.common)
        target.keep(self.connections)


JUNK, COMMON, RENAMED, IGNORING = Kept(common=False), Kept(common=True), Kept(common=True), Kept(common=True)


@attack("190 connections in 9,500 rooms ask for the list of rooms", prepare=JUNK.prepare)
async def room_lists(target: Target) -> None:
    await on_each(JUNK.connections, lambda one: at_rate(target, one, t="rooms"))


@attack("190 people in 50 common rooms go away and come back", prepare=COMMON.prepare)
async def away(target: Target) -> None:
    async def come_and_go(connection: Connection) -> None:
        while True:
            for type_ in ("away", "back"):
                await connection.send(t=type_, rid=1)
                await target.pause(1 / RATE)

    await on_each(COMMON.connections, come_and_go)


@attack("190 people in 50 common rooms rename themselves", prepare=RENAMED.prepare)
async def renames(target: Target) -> None:
    async def rename(connection: Connection) -> None:
        number = 0
        while True:
            number += 1
            await connection.send(t="nick", name=f"n{id(connection) % 1_000_000}x{number}", rid=1)
            await target.pause(1 / RATE)

    await on_each(RENAMED.connections, rename)


@attack("190 people in 50 common rooms ignore each other, and stop", prepare=IGNORING.prepare)
async def ignores(target: Target) -> None:
    async def ignore(connection: Connection) -> None:
        while True:
            for type_ in ("ignore", "unignore"):
                await connection.send(t=type_, name="user0", rid=1)
                await target.pause(1 / RATE)

    await on_each(IGNORING.connections, ignore)


async def read(target: Target, **frame: Any) -> None:
    """Let 100 connections read the long room."""

    async def one(connection: Connection) -> None:
        await connection.ask(t="join", room="lobby")
        await at_rate(target, connection, **frame)

    while True:
        await on_each(await target.crowd(CROWD), one)
        await once_more()


@attack("100 connections read the middle of a room of 200,000 messages", past=PAST)
async def long_past(target: Target) -> None:
    await read(target, t="history", room="lobby", before=PAST // 2, limit=200)


@attack("100 connections read small pages of a room of 200,000 messages", past=PAST)
async def small_pages(target: Target) -> None:
    await read(target, t="history", room="lobby", before=PAST // 2, limit=1)


@attack("100 connections search 200,000 messages", past=PAST)
async def searches(target: Target) -> None:
    await read(target, t="search", words="a*", limit=200)


@attack("100 connections ask for their conversations", past=PAST)
async def conversations(target: Target) -> None:
    await read(target, t="conversations")
