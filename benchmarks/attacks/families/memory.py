"""Clients that ask for a lot and read nothing."""

from __future__ import annotations

from benchmarks.attacks.attack import Connection, Target, attack, on_each, once_more

LONG = "x" * 60_000
ROOM = "long"
MESSAGES = 200
WRITERS = 20
"""Addresses from which the messages come, so that no limit holds them up for long."""


async def long_messages(target: Target) -> None:
    """Fill a room with long messages."""
    writers = await target.crowd(WRITERS, WRITERS, first=100)
    for number in range(MESSAGES):
        writer = writers[number % WRITERS]
        if number < WRITERS:
            await writer.ask(t="join", room=ROOM)
        if number % WRITERS == 0 and number:
            await target.pause(1)
        await writer.send(t="msg", room=ROOM, cid=f"c{number}", text=LONG)
    await target.pause(1)
    target.leave()


@attack("100 connections ask for the history of a room of long messages, and read nothing", prepare=long_messages)
async def history_unread(target: Target) -> None:
    async def ask(connection: Connection) -> None:
        await connection.ask(t="join", room=ROOM)
        connection.transport.pause_reading()
        await connection.send(t="history", room=ROOM, limit=MESSAGES, rid=1)
        await connection.ended.wait()

    while True:
        await on_each(await target.crowd(100), ask)
        await once_more()


@attack("100 connections join a room of long messages from its beginning, and read nothing", prepare=long_messages)
async def joins_unread(target: Target) -> None:
    async def join(connection: Connection) -> None:
        epoch = (await connection.ask(t="join", room=ROOM))["epoch"]
        connection.transport.pause_reading()
        await connection.send(t="join", room=ROOM, after=0, epoch=epoch, rid=1)
        await connection.ended.wait()

    while True:
        await on_each(await target.crowd(100), join)
        await once_more()


@attack("100 connections ask for the same long pages again and again, and read them slowly", prepare=long_messages)
async def history_in_sips(target: Target) -> None:
    async def sip(connection: Connection) -> None:
        await connection.ask(t="join", room=ROOM)
        while True:
            await connection.send(t="history", room=ROOM, limit=MESSAGES, rid=1)
            connection.transport.pause_reading()
            await target.pause(0.3)
            connection.transport.resume_reading()
            await target.pause(0.01)

    while True:
        await on_each(await target.crowd(100), sip)
        await once_more()
