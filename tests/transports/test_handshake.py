"""The handshake for the usual request, and what becomes of a connection that is not usual.

The judge is uvicorn: whatever a client says and whatever an application does, `Opening` must be told from uvicorn's own
way (`HttpProtocol`, then `FastProtocol`) by nobody. `both` compares the two: the answer, the frames, what the
application is called with and told, and what is logged.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import ssl
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, cast

import httptools
import pytest
import trustme
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.server import ServerState
from websockets.frames import Frame as TheirFrame
from websockets.http11 import Request as TheirRequest
from websockets.server import ServerProtocol

from app.transports import Batch, Frame, opening, strict
from app.transports.fast import FastProtocol
from app.transports.framing import Opcode
from app.transports.handshake import Handshake, Request
from app.transports.line import HANDOVER, Line
from app.transports.opening import Opening
from app.transports.strict import HttpProtocol
from tests.clients import frame
from tests.transports.test_fast import HEAD, LIMIT, LOOPS, Client, Ear, client, on_every_loop, server, until

GOODBYE = frame(8, b"\x03\xe8")
NOT_COMPARED = {b"date"}
LINES = {
    b"Host": b"x",
    b"Upgrade": b"websocket",
    b"Connection": b"Upgrade",
    b"Sec-WebSocket-Version": b"13",
    b"Sec-WebSocket-Key": b"AAAAAAAAAAAAAAAAAAAAAA==",
}


# An application: a function of a call.


class Call:
    """One call of an application, and all that it is told."""

    def __init__(self, scope: Any, receive: Any, send: Any, application: Application) -> None:
        self.scope, self._receive, self._send, self.application = scope, receive, send, application

    async def receive(self) -> Any:
        message = await self._receive()
        self.application.seen.append(message)
        return message

    async def send(self, kind: str, **more: Any) -> None:
        try:
            await self._send({"type": kind, **more})
        except Exception as error:
            self.application.seen.append(f"{type(error).__name__}: {error}")
            raise

    def hand_over(self) -> Line | None:
        line = cast("Line | None", self.scope["extensions"][HANDOVER](LIMIT, 30.0))
        self.application.seen.append(f"a line: {line is not None}")
        return line

    async def hold(self) -> None:
        """Wait until the test says `release`."""
        self.application.held.set()
        await self.application.release.wait()


Behaviour = Callable[[Call], Awaitable[object]]


class Application:
    """An application that does with each WebSocket what `behave` says, and answers a request with two words."""

    def __init__(self, behave: Behaviour) -> None:
        self.behave = behave
        self.state = ServerState()
        self.scopes: list[dict[str, Any]] = []
        self.seen: list[Any] = []
        self.handshakes: list[weakref.ref[Any]] = []
        self.held, self.release = asyncio.Event(), asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        self.scopes.append(comparable(scope))
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
            await send({"type": "http.response.body", "body": b"two words"})
            return None
        self.handshakes.append(weakref.ref(scope["extensions"][HANDOVER].__self__))
        return await self.behave(Call(scope, receive, send, self))


def comparable(scope: dict[str, Any]) -> dict[str, Any]:
    """A scope without what no two connections have in common."""
    same = {**scope, "client": scope["client"][:1], "server": scope["server"][:1]}
    if "extensions" in same:
        same["extensions"] = sorted(same["extensions"])
    return same


async def echo(call: Call) -> None:
    await call.receive()
    await call.send("websocket.accept", subprotocol=next(iter(call.scope["subprotocols"]), None))
    await echoing(call)


async def echoing(call: Call) -> None:
    while (message := await call.receive())["type"] == "websocket.receive":
        await call.send("websocket.send", text=message.get("text"), bytes=message.get("bytes"))


# A client, and the judge.


@dataclass
class Outcome:
    """All that can be told of a visit from outside."""

    status: bytes = b""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    frames: list[tuple[int, bytes]] = field(default_factory=list)
    ended: bool = False
    scopes: list[dict[str, Any]] = field(default_factory=list)
    seen: list[Any] = field(default_factory=list)
    logged: list[str] = field(default_factory=list)


class Visit:
    """A client that keeps what it is told."""

    def __init__(self, one: Client, application: Application, outcome: Outcome) -> None:
        self.client, self.application, self.outcome = one, application, outcome

    def say(self, data: bytes) -> None:
        self.client.writer.write(data)

    async def answer(self) -> None:
        """Read the answer: its head, and its body if it is a refusal."""
        head = (await self.client.head())[:-4]
        self.outcome.status, *lines = head.split(b"\r\n")
        pairs = [line.split(b": ", 1) for line in lines]
        self.outcome.headers = sorted(
            (name.lower(), value) for name, value in pairs if name.lower() not in NOT_COMPARED
        )
        headers = dict(self.outcome.headers)
        if b" 101 " not in self.outcome.status:
            if b"content-length" in headers:
                self.outcome.body = await self.client.reader.readexactly(int(headers[b"content-length"]))
            if headers.get(b"connection") == b"close":
                await self.end()

    async def hear(self) -> None:
        self.outcome.frames.append(await self.client.frame())

    async def end(self) -> None:
        """Read to the end; to be cut off is one too."""
        with suppress(ConnectionError):
            while not self.client.reader.at_eof():
                await self.hear()
        self.outcome.ended = True


Script = Callable[[Visit], Awaitable[None]]


def conversation(said: bytes = HEAD, early: int = 0) -> Script:
    """Say it, and after a handshake something of every kind, a step at a time. `early` messages are a part of `said`."""

    async def script(visit: Visit) -> None:
        visit.say(said)
        try:
            await visit.answer()
            if b" 101 " in visit.outcome.status:
                for _ in range(early):
                    await visit.hear()
                for step in (frame(1, b"hello"), frame(2, b"\xff\x00"), frame(9, b"there?"), GOODBYE):
                    visit.say(step)
                    await visit.hear()
                await visit.end()
        except (asyncio.IncompleteReadError, ConnectionError):
            visit.outcome.ended = True

    return script


async def visited(
    way: Any,
    behave: Behaviour,
    script: Script,
    caplog: pytest.LogCaptureFixture,
    tls: Tls | None,
    deflate: bool,  # noqa: FBT001
) -> Outcome:
    caplog.clear()
    caplog.set_level(logging.INFO, "uvicorn.error")
    outcome, application = Outcome(), Application(behave)
    with suppress(ConnectionError):  # of who closes what was cut off already
        async with (
            server(application, tls and tls.ours, way, deflate=deflate) as port,
            client(port, b"", tls and tls.theirs) as one,
        ):
            await script(Visit(one, application, outcome))
    with suppress(ConnectionError):
        await until(lambda: not application.state.connections and not application.state.tasks)
    outcome.scopes, outcome.seen = application.scopes, application.seen
    outcome.logged = [
        record.getMessage().partition(" - ")[2] or record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.WARNING or '"WebSocket' in record.getMessage()
    ]
    return outcome


@dataclass
class Tls:
    """What both sides of a connection need for TLS."""

    ours: ssl.SSLContext
    theirs: ssl.SSLContext


async def both(
    behave: Behaviour,
    script: Script,
    caplog: pytest.LogCaptureFixture,
    tls: Tls | None = None,
    *,
    deflate: bool = False,
) -> Outcome:
    """The outcome of a visit, which is the same whichever way the connection is served."""
    ours, uvicorns = [await visited(way, behave, script, caplog, tls, deflate) for way in (Opening, HttpProtocol)]
    assert ours == uvicorns
    return ours


def faults(outcome: Outcome) -> list[str]:
    return [line for line in outcome.logged if not line.startswith('"WebSocket')]


# Requests.


def request(*more: bytes, target: bytes = b"/", without: bytes = b"", first: bytes = b"", **instead: bytes) -> bytes:
    """The usual request with other lines. `instead` names headers with an underscore for each hyphen."""
    changed = {name.replace("_", "-").encode(): value for name, value in instead.items()}
    lines = [name + b": " + changed.get(name, value) for name, value in LINES.items() if name != without]
    return b"\r\n".join((first or b"GET " + target + b" HTTP/1.1", *lines, *more, b"", b""))


def test_the_usual_request_is_the_one_of_the_other_tests() -> None:
    assert request() == HEAD


USUAL = {
    "as it is": request(),
    "query": request(target=b"/chat?room=a&b=%20"),
    "empty query": request(target=b"/chat?"),
    "two question marks": request(target=b"/chat?a?b"),
    "percent": request(target=b"/a%20b%2Fc/%25"),
    "percent, UTF-8": request(target=b"/caf%C3%A9"),
    "percent, not UTF-8": request(target=b"/caf%E9"),
    "percent, half": request(target=b"/a%2/%zz%"),
    "two slashes": request(target=b"//x/../y"),
    "fragment": request(target=b"/a#b?c#d"),
    "odd signs in the path": request(target=b"/!\"$&'()*+,-.:;<=>@[\\]^_`{|}~"),
    "protocol": request(b"Sec-WebSocket-Protocol: chat"),
    "protocols": request(b"Sec-WebSocket-Protocol: chat, superchat"),
    "protocols, blanks": request(b"Sec-WebSocket-Protocol: \t chat ,\tsuperchat,v2 "),
    "browser": request(
        b"Origin: http://x",
        b"User-Agent: Mozilla/5.0 (X11)",
        b"Cookie: a=b; c=d",
        b"Pragma: no-cache",
        b"Accept-Encoding: gzip, deflate",
        Connection=b"keep-alive, Upgrade",
    ),
    "names in capitals": request().upper().replace(b"X\r\n", b"x\r\n"),
    "names in small letters": request()
    .lower()
    .replace(b"get", b"GET")
    .replace(b"http/", b"HTTP/")
    .replace(b"aaaaaaaaaaaaaaaaaaaaaa", b"AAAAAAAAAAAAAAAAAAAAAA"),
    "values with blanks around": request(b"X-A: \t a\tb  c \t ", b"X-B:a", Sec_WebSocket_Version=b"\t13 "),
    "empty values": request(b"X-A:", b"X-B: ", b"X-C:\t"),
    "latin-1 values": request(b"X-A: caf\xe9 \xff\x80", b"X-B: \xa0"),
    "colons in a value": request(b"X-A: :a:b:"),
    "every sign of a name": request(b"!#$%&'*+-.^_`|~09azAZ: a"),
    "no host": request(without=b"Host"),
    "another key": request(Sec_WebSocket_Key=b"dGhlIHNhbXBsZSBub25jZQ=="),
    "100 headers": request(*(b"X-%d: a" % number for number in range(95))),
    "8 KiB": request(b"X-A: " + b"a" * (8192 - len(request()) - 7)),
    "deflate offered in vain": request(b"Sec-WebSocket-Extensions: permessage-deflate"),
    "nonsense offered in vain": request(b"Sec-WebSocket-Extensions: ;;"),
}
OTHER = {
    "absolute": request(target=b"http://x/chat?a"),
    "absolute, nothing after": request(target=b"ws://x"),
    "no slash": request(target=b"chat"),
    "asterisk": request(target=b"*"),
    "authority": request(target=b"x:80"),
    "query only": request(target=b"?a"),
    "latin-1 in the path": request(target=b"/caf\xe9"),
    "no target": request(first=b"GET  HTTP/1.1"),
    "three words before the version": request(first=b"GET / / HTTP/1.1"),
    "tab in the first line": request(first=b"GET\t/\tHTTP/1.1"),
    "protocols in two headers": request(b"Sec-WebSocket-Protocol: chat", b"Sec-WebSocket-Protocol: superchat"),
    "protocols, empty ones": request(b"Sec-WebSocket-Protocol: ,a,, b ,"),
    "protocol with a blank": request(b"Sec-WebSocket-Protocol: a b"),
    "protocol of other signs": request(b"Sec-WebSocket-Protocol: a/b"),
    "protocol of latin-1": request(b"Sec-WebSocket-Protocol: \xe9"),
    "protocol, empty": request(b"Sec-WebSocket-Protocol: "),
    "protocol, comma": request(b"Sec-WebSocket-Protocol: ,"),
    "a header twice": request(b"X-A: a", b"x-a: b"),
    "host twice": request(b"Host: y"),
    "origin twice": request(b"Origin: http://x", b"Origin: http://y"),
    "key twice": request(b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="),
    "version twice": request(b"Sec-WebSocket-Version: 13"),
    "version 8": request(Sec_WebSocket_Version=b"8"),
    "versions": request(Sec_WebSocket_Version=b"13, 8"),
    "no version": request(without=b"Sec-WebSocket-Version"),
    "no key": request(without=b"Sec-WebSocket-Key"),
    "no upgrade": request(without=b"Upgrade"),
    "no connection": request(without=b"Connection"),
    "another upgrade": request(Upgrade=b"h2c"),
    "two upgrades": request(Upgrade=b"websocket, h2c"),
    "another connection": request(Connection=b"close"),
    "a connection more": request(Connection=b"Upgrade, keep-alive"),
    "key too short": request(Sec_WebSocket_Key=b"AAAAAAAAAAAAAAAAAAAA"),
    "key too long": request(Sec_WebSocket_Key=b"AAAAAAAAAAAAAAAAAAAAAAAA"),
    "key of 17 bytes": request(Sec_WebSocket_Key=b"AAAAAAAAAAAAAAAAAAAAAAA="),
    "key without its end": request(Sec_WebSocket_Key=b"AAAAAAAAAAAAAAAAAAAAAA"),
    "key of other signs": request(Sec_WebSocket_Key=b"AAAAAAAAAAAAAAAAAAAA-_=="),
    "empty key": request(Sec_WebSocket_Key=b""),
    "content-length": request(b"Content-Length: 3") + b"abc",
    "content-length 0": request(b"Content-Length: 0"),
    "chunked": request(b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "content-length and chunked": request(b"Content-Length: 5", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "expect": request(b"Expect: 100-continue"),
    "HTTP/1.0": request(first=b"GET / HTTP/1.0"),
    "HTTP/1.10": request(first=b"GET / HTTP/1.10"),
    "HTTP/2.0": request(first=b"GET / HTTP/2.0"),
    "http": request(first=b"GET / http/1.1"),
    "POST": request(first=b"POST / HTTP/1.1"),
    "get": request(first=b"get / HTTP/1.1"),
    "plain": b"GET /a%20b?c HTTP/1.1\r\nHost: x\r\n\r\n",
    "plain, no header": b"GET / HTTP/1.1\r\n\r\n",
    "blank line before": b"\r\n" + request(),
    "folded": request(b"X-A: a\r\n b"),
    "folded at once": request(first=b"GET / HTTP/1.1\r\n X-A: a"),
    "bare line feeds": request().replace(b"\r\n", b"\n"),
    "a bare line feed": request(b"X-A: a\nX-B: b"),
    "a bare carriage return": request(b"X-A: a\rX-B: b"),
    "no colon": request(b"X-A"),
    "no name": request(b": a"),
    "blank before the colon": request(b"X-A : a"),
    "blank before the name": request(b" X-A: a"),
    "blank in the name": request(b"X A: a"),
    "latin-1 in the name": request(b"X-\xe9: a"),
    "NUL in a value": request(b"X-A: a\x00b"),
    "NUL in a name": request(b"X-\x00: a"),
    "control byte in a value": request(b"X-A: a\x0bb"),
    "DEL in a value": request(b"X-A: a\x7fb"),
    "NUL in the path": request(target=b"/\x00"),
    "101 headers": request(*(b"X-%d: a" % number for number in range(96))),
    "200 headers": request(*(b"X-%d: a" % number for number in range(195))),
    "over 8 KiB": request(b"X-A: " + b"a" * (8192 - len(request()) - 6)),
    "12 KiB in two": request(b"X-A: " + b"a" * 6000, b"X-B: " + b"b" * 6000),
    "16 KiB": request(b"X-A: " + b"a" * 16384),
    "no request": b"\x16\x03\x01\x00\x00\r\n\r\n",
}  # fmt: skip


def rows(*tables: dict[str, bytes]) -> Any:
    return pytest.mark.parametrize(
        "said", [pytest.param(said, id=name) for table in tables for name, said in table.items()]
    )


@pytest.mark.anyio
@on_every_loop
@rows(USUAL, OTHER)
async def test_a_request_is_answered_as_uvicorn_answers_it(said: bytes, caplog: pytest.LogCaptureFixture) -> None:
    outcome = await both(echo, conversation(said), caplog)
    assert outcome.status or outcome.ended
    if said in USUAL.values():
        assert outcome.frames == [(1, b"hello"), (2, b"\xff\x00"), (10, b"there?"), (8, b"\x03\xe8")]
        assert outcome.ended
        assert not faults(outcome)


@rows(USUAL)
def test_the_usual_request_is_read(said: bytes) -> None:
    assert Request.read(said, config()) is not None


@rows(OTHER)
def test_any_other_is_left_to_uvicorn(said: bytes) -> None:
    assert Request.read(said, config()) is None


def config(*, deflate: bool = False) -> uvicorn.Config:
    return uvicorn.Config(cast(Any, None), ws_per_message_deflate=deflate, log_config=None)
