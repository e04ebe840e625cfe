"""Messages at the allowed rate, on as many connections as there may be."""

from __future__ import annotations

from benchmarks.attacks.attack import Connection, Target, attack, on_each, once_more

LONG = "x" * 60_000


@attack("one user sends on 20 connections at once")
async def one_user(target: Target) -> None:
    async def talk(connection: Connection) -> None:
        await connection.ask(t="join", room="talk")
        number = 0
        while True:
            number += 1
            await connection.send(t="msg", room="talk", cid=f"{id(connection)}.{number}", text="x")
            if number % 20 == 0:
                await target.pause(1)

    while True:
        first = await target.connect(wants_token=True)
        others = await target.crowd(19, token=first.token)
        await on_each([first, *others], talk)
        await once_more()


@attack("100 connections send messages of 60 KB")
async def long_texts(target: Target) -> None:
    async def talk(connection: Connection) -> None:
        await connection.ask(t="join", room="talk")
        number = 0
        while True:
            number += 1
            await connection.send(t="msg", room="talk", cid=f"c{number}", text=LONG)
            await target.pause(0.1)

    while True:
        await on_each(await target.crowd(100), talk)
        await once_more()
