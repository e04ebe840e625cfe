"""Whispers to people who never met the sender."""

from __future__ import annotations

from benchmarks.attacks.attack import Connection, Target, attack, on_each, once_more

LONG = "x" * 60_000


@attack("ten connections write into conversations of 6,000 people that nobody began")
async def made_up_conversations(target: Target) -> None:
    room = "@" + ",".join(str(number) for number in range(1, 6000))

    async def write(connection: Connection) -> None:
        while True:
            await connection.ask(t="msg", room=room, cid="c1", text="hello")
            await connection.send(t="typing", room=room)
            await target.pause(0.1)

    while True:
        await on_each(await target.crowd(10), write)
        await once_more()


@attack("ten connections whisper long texts to 20 people each, other people every time")
async def many_recipients(target: Target) -> None:
    people = await target.crowd(60, first=5)
    names = [f"user{number}" for number in range(1, len(people))]

    async def whisper(connection: Connection) -> None:
        number = 0
        while True:
            number += 1
            some = [names[(number + place) % len(names)] for place in range(0, len(names), 3)][:20]
            await connection.send(t="whisper", to=some, text=LONG, cid=f"w{number}")
            await target.pause(0.1)

    while True:
        await on_each(await target.crowd(10), whisper)
        await once_more()
