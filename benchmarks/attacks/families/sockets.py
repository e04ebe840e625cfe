"""Sockets, requests and handshakes: what a stranger does before a WebSocket is open."""

from __future__ import annotations

from benchmarks.attacks.attack import Connection, Target, attack, on_each, once_more, until_closed

GARBAGE = b"\x16\x03\x01garbage\r\n\r\n"


@attack("one address opens 1,100 sockets and sends nothing")
async def silent_sockets(target: Target) -> None:
    while True:
        for _ in range(1100):
            with until_closed():
                await target.dial()
        await target.pause(1)


@attack("100 requests of one address have a body that never ends")
async def dripping_bodies(target: Target) -> None:
    head = b"POST /chat HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\n"

    async def drip(connection: Connection) -> None:
        while True:
            await connection.write(b"x")
            await target.pause(0.2)

    while True:
        await on_each([await target.dial(request=head) for _ in range(100)], drip)
        await once_more()


@attack("one address connects and leaves as fast as it can")
async def handshakes(target: Target) -> None:
    while True:
        with until_closed():
            (await target.connect()).transport.abort()
        await once_more()


@attack("one address sends garbage instead of requests")
async def garbage(target: Target) -> None:
    while True:
        with until_closed():
            connection = await target.dial(request=GARBAGE)
            await connection.ended.wait()
            target.outcomes["closed"] += 1


@attack("one address asks for the page as fast as it can, on 20 connections")
async def page_requests(target: Target) -> None:
    host = f"{target.host}:{target.port}"
    request = f"GET / HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: gzip\r\n\r\n".encode()

    async def ask(connection: Connection) -> None:
        while True:
            connection.heard.clear()
            await connection.write(request)
            await connection.heard.wait()

    while True:
        await on_each([await target.dial(http=True) for _ in range(20)], ask)
        await once_more()


@attack("100 connections to /echo send as fast as the server answers")
async def echo(target: Target) -> None:
    async def shout(connection: Connection) -> None:
        while True:
            await connection.send(text="x" * 100)

    while True:
        await on_each(await target.crowd(100, path="/echo", json=False), shout)
        await once_more()
