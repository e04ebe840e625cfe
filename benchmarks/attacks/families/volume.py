"""Messages at the allowed rate, on as many connections as there may be."""

from __future__ import annotations

from itertools import count

from benchmarks.attacks.attack import Connection, Target, attack, on_each, once_more

LONG = "x" * 60_000


async def talk(target: Target, connection: Connection, text: str, *, burst: int, pause: float) -> None:
    """Send messages of one text: `burst` of them, and again after `pause` seconds."""
    await connection.ask(t="join", room="talk")
    for number in count(1):
        await connection.send(t="msg", room="talk", cid=f"{id(connection)}.{number}", text=text)
        if number % burst == 0:
            await target.pause(pause)


@attack("one user sends on 20 connections at once")
async def one_user(target: Target) -> None:
    while True:
        first = await target.connect(wants_token=True)
        others = await target.crowd(19, token=first.token)
        await on_each([first, *others], lambda one: talk(target, one, "x", burst=20, pause=1))
        await once_more()


@attack("100 connections send messages of 60 KB")
async def long_texts(target: Target) -> None:
    while True:
        await on_each(await target.crowd(100), lambda one: talk(target, one, LONG, burst=1, pause=0.1))
        await once_more()
