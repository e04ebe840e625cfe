"""Names and passwords: names taken in advance, passwords guessed, and the work of hashing them."""

from __future__ import annotations

import asyncio
from itertools import count
from secrets import token_hex

from benchmarks.attacks.attack import Connection, Target, attack, on_each

PASSWORD = "correct horse"
VICTIM = "victim"
GUESSERS = 40
PAUSE = 0.02
"""Seconds after a handshake that was refused: the attacker's core is for what the server does."""


async def arrive(target: Target, path: str = "/chat", address: int = 0) -> Connection | None:
    """Connect, or wait a little if that is refused."""
    try:
        return await target.connect(address, path=path)
    except ConnectionError:
        await asyncio.sleep(PAUSE)
        return None


@attack("one address takes a name and leaves, again and again, so that nobody else can have any of them")
async def held_names(target: Target) -> None:
    while True:
        if connection := await arrive(target, f"/chat?name=n{token_hex(8)}"):
            connection.transport.abort()


@attack("one address registers one name after the other")
async def registered_names(target: Target) -> None:
    while True:
        if connection := await arrive(target, f"/chat?name=n{token_hex(8)}"):
            try:
                await connection.ask(t="register", password=PASSWORD)
            except ConnectionError:
                continue
            connection.transport.abort()


async def register_the_victim(target: Target) -> None:
    connection = await target.connect(GUESSERS, path=f"/chat?name={VICTIM}")
    await connection.ask(t="register", password=PASSWORD)


@attack("40 addresses guess the password of one account", prepare=register_the_victim)
async def guessed_passwords(target: Target) -> None:
    async def guess(connection: Connection) -> None:
        for number in count():
            answer = await connection.ask(t="login", name=VICTIM, password=f"wrong horse {number}")
            await asyncio.sleep(min(1.0, answer.get("after", 0) / 1000))

    await on_each(await target.crowd(GUESSERS, addresses=GUESSERS), guess)


@attack("95 connections of one address ask for passwords to be hashed, as fast as they get an answer")
async def hashed_passwords(target: Target) -> None:
    async def register(connection: Connection) -> None:
        for number in count():
            answer = await connection.ask(t="register", password=f"{PASSWORD} {number}")
            await asyncio.sleep(min(1.0, answer.get("after", 0) / 1000))

    await on_each(await target.crowd(95), register)


@attack("95 connections of one address want passwords of 1,000 letters with accents, as fast as they get an answer")
async def accented_passwords(target: Target) -> None:
    async def register(connection: Connection) -> None:
        while True:
            answer = await connection.ask(t="register", password="\u00e9" * 1000)
            await asyncio.sleep(min(1.0, answer.get("after", 0) / 1000))

    await on_each(await target.crowd(95), register)


@attack("names that look like that of an account are asked for", prepare=register_the_victim)
async def lookalikes(target: Target) -> None:
    connection = await target.connect()
    while True:
        for name in ("vict1m", "victlm", "vIctim", "victim_", "victim.", "victim-"):
            await connection.ask(t="nick", name=name)
            await target.pause(0.1)
