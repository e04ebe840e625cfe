"""Names, passwords and accounts."""

from __future__ import annotations

from contextlib import suppress

from benchmarks.attacks.attack import Connection, Target, attack, on_each, once_more

PASSWORD = "a long password"


async def account(target: Target) -> None:
    """Register the account that is attacked."""
    connection = await target.connect(150)
    await connection.ask(t="nick", name="victim")
    await connection.ask(t="register", password=PASSWORD)
    connection.transport.abort()


@attack("95 connections register again and again")
async def registrations(target: Target) -> None:
    async def register(connection: Connection) -> None:
        number = 0
        while True:
            number += 1
            await connection.ask(t="nick", name=f"r{id(connection) % 1_000_000}x{number}")
            await connection.ask(t="register", password=f"{PASSWORD} {number}")

    while True:
        await on_each(await target.crowd(95), register)
        await once_more()


@attack("40 addresses try passwords of one account", prepare=account)
async def passwords(target: Target) -> None:
    async def guess(connection: Connection) -> None:
        number = 0
        while True:
            number += 1
            answer = await connection.ask(t="login", name="victim", password=f"guess number {number}")
            if answer.get("code") == "wrong_password":
                target.outcomes["tried a password"] += 1

    while True:
        await on_each(await target.crowd(40, 40), guess)
        await once_more()


@attack("one address takes a name, leaves and takes another one")
async def squatting(target: Target) -> None:
    number = 0
    while True:
        number += 1
        with suppress(ConnectionError):
            connection = await target.connect()
            named = await connection.ask(t="nick", name=f"squat{number}")
            target.outcomes["took a name"] += named["t"] == "named"
            connection.transport.abort()
        await once_more()


@attack("names that look like that of an account are taken", prepare=account)
async def lookalikes(target: Target) -> None:
    names = ("vict1m", "victlm", "vIctim", "victim_", "victim.", "victim-")
    connection = await target.connect()
    for name in names:
        named = await connection.ask(t="nick", name=name)
        target.outcomes["took a name"] += named["t"] == "named"
        await target.pause(0.1)
