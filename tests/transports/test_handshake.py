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
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

import httptools
import pytest
import trustme
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.server import ServerState
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

on_uvloop = pytest.mark.parametrize("anyio_backend", LOOPS[1:])
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
        self.held, self.release = asyncio.Event(), asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        self.scopes.append(comparable(scope))
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
            await send({"type": "http.response.body", "body": b"two words"})
            return None
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
    rest: bytes = b""
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
        try:
            while True:
                await self.hear()
        except asyncio.IncompleteReadError as cut:
            self.outcome.rest = cut.partial
        except ConnectionError:
            pass
        self.outcome.ended = True


Script = Callable[[Visit], Awaitable[None]]


def conversation(said: bytes = HEAD, early: int = 0) -> Script:
    """Say it, and after a handshake something of every kind, step by step. `said` has `early` messages in it."""

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
    deflate: bool,
) -> Outcome:
    caplog.clear()
    caplog.set_level(logging.INFO, "uvicorn.error")
    outcome, application = Outcome(), Application(behave)
    with suppress(ConnectionError):  # of who closes what was cut off already
        async with (
            server(application, tls.ours if tls else None, way, deflate=deflate) as port,
            client(port, b"", tls.theirs if tls else None) as one,
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


def rows(*tables: dict[str, bytes]) -> pytest.MarkDecorator:
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


@pytest.mark.anyio
@on_every_loop
async def test_a_request_that_comes_in_two_pieces(caplog: pytest.LogCaptureFixture) -> None:
    def pieces(cut: int) -> Script:
        async def script(visit: Visit) -> None:
            visit.say(HEAD[:cut])
            await until(lambda: any(getattr(one, "_head", 0) for one in visit.application.state.connections))
            await conversation(HEAD[cut:])(visit)

        return script

    for cut in (*range(1, len(HEAD), 9), *range(len(HEAD) - 4, len(HEAD))):
        outcome = await both(echo, pieces(cut), caplog)
        assert outcome.status.startswith(b"HTTP/1.1 101 ")
        assert not faults(outcome)


@pytest.mark.anyio
@on_every_loop
async def test_what_comes_with_the_request_is_no_part_of_it(caplog: pytest.LogCaptureFixture) -> None:
    early = frame(1, b"one") + frame(1, b"two")
    outcome = await both(echo, conversation(HEAD + early, early=2), caplog)
    assert [text for _, text in outcome.frames[:3]] == [b"one", b"two", b"hello"]
    assert Request.read(HEAD + early, config()) is None


@pytest.mark.anyio
@on_every_loop
@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("offer", [b"permessage-deflate", b"permessage-deflate; client_max_window_bits", b"x", b";;"])
async def test_deflate_is_uvicorns(offer: bytes, deflate: bool, caplog: pytest.LogCaptureFixture) -> None:
    said = request(b"Sec-WebSocket-Extensions: " + offer)
    await both(echo, conversation(said), caplog, deflate=deflate)
    assert (Request.read(said, config(deflate=deflate)) is None) == deflate


@pytest.mark.anyio
@on_every_loop
async def test_who_offers_nothing_where_deflate_is_spoken(caplog: pytest.LogCaptureFixture) -> None:
    outcome = await both(echo, conversation(), caplog, deflate=True)
    assert outcome.frames[0] == (1, b"hello")
    assert Request.read(HEAD, config(deflate=True)) is not None


@pytest.fixture(scope="module")
def tls() -> Tls:
    authority = trustme.CA()
    both = Tls(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context())
    authority.issue_cert("127.0.0.1").configure_cert(both.ours)
    authority.configure_trust(both.theirs)
    return both


# What is read as usual uvicorn would have read the same way: its two parsers are the reference.


class Reference:
    """What httptools reads of a request."""

    def __init__(self, said: bytes) -> None:
        self.target, self.headers, self.whole = b"", list[tuple[bytes, bytes]](), False
        self.parser = httptools.HttpRequestParser(self)
        try:
            self.parser.feed_data(said)
        except httptools.HttpParserUpgrade as upgrade:
            self.whole = upgrade.args[0] == len(said)
        except httptools.HttpParserError:
            pass

    def on_url(self, part: bytes) -> None:
        self.target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))


def let_in(said: bytes) -> TheirRequest | None:
    """The request as websockets reads it, if it would let that in."""
    protocol = ServerProtocol()
    protocol.receive_data(said)
    read = [one for one in protocol.events_received() if isinstance(one, TheirRequest)]
    return read[0] if read and protocol.accept(read[0]).status_code == 101 else None


PIECES = st.sampled_from(
    [b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b",", b"/", b"?", b"#", b"\x00", b"\x7f", b"\x80", b"=", b"A",
     b"a: b\r\n", b"\r\n ", b"\r\n\r\n", b"HTTP/1.1", b"Content-Length: 1\r\n", b"Transfer-Encoding: chunked\r\n",
     b"Upgrade: h2c\r\n", b"Sec-WebSocket-Protocol: a, b\r\n", b"Sec-WebSocket-Protocol: a b\r\n",
     b"Host: y\r\n", b"keep-alive, "]
)  # fmt: skip
EDITS = st.lists(st.tuples(st.integers(0, len(HEAD)), st.integers(0, 3), PIECES | st.binary(max_size=3)), max_size=3)


def edited(edits: list[tuple[int, int, bytes]]) -> bytes:
    """The usual request, changed: at each place some bytes are taken away, and others put there."""
    said = HEAD
    for place, removed, put in edits:
        said = said[:place] + put + said[place + removed :]
    return said


@given(EDITS.map(edited) | st.sampled_from([*USUAL.values(), *OTHER.values()]))
def test_what_is_read_as_usual_is_read_the_same_by_uvicorns_parsers(said: bytes) -> None:
    read = Request.read(said, config())
    if read is None:
        return
    reference, theirs = Reference(said), let_in(said)
    assert reference.whole
    assert (read.target, read.headers) == (reference.target, [(n, v.strip(b" \t")) for n, v in reference.headers])
    assert theirs is not None
    assert read.target.decode() == theirs.path
    assert read.key.decode() == theirs.headers["Sec-WebSocket-Key"]


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"GET /" + b"/" * 8000, id="a target without an end"),
        pytest.param(b"GET / HTTP/1.1\r\n" + b"a" * 8000, id="a name without an end"),
        pytest.param(b"GET / HTTP/1.1\r\na:" + b" " * 8000 + b"\n", id="blanks without an end"),
        pytest.param(b"GET / HTTP/1.1\r\n" + b"a:\r\n" * 2000 + b"a", id="headers without an end"),
        pytest.param(request(b"Sec-WebSocket-Protocol: " + b"a," * 3900 + b"/"), id="protocols and a wrong one"),
        pytest.param(request(b"Sec-WebSocket-Protocol: a" + b" " * 7800 + b"a"), id="blanks in a protocol"),
        pytest.param(request(b"Sec-WebSocket-Protocol: " + b"a" * 7800 + b"/"), id="a long protocol"),
    ],
)
def test_hostile_bytes_take_no_time(said: bytes) -> None:
    """What goes back over its steps takes seconds for 8 KiB; a pass over them takes some ten microseconds."""
    assert len(said) <= 8192
    began = time.process_time()
    assert Request.read(said, config()) is None
    assert time.process_time() - began < 0.5


# Applications.


async def with_headers(call: Call) -> None:
    headers = [
        (b"X-One", b"1"),
        (b"set-cookie", b"a=b"),
        (b"set-cookie", b"c=d"),
        (b"x-latin", b"\xe9"),
        (b"x-none", b""),
    ]
    await call.receive()
    await call.send("websocket.accept", subprotocol="chat", headers=headers)
    await echoing(call)


async def without_connect(call: Call) -> None:
    await call.send("websocket.accept")
    await echoing(call)


async def without_receive(call: Call) -> None:
    await call.send("websocket.accept")
    await call.send("websocket.send", text="welcome")
    await call.send("websocket.close", code=4001, reason="bye")


async def greets_and_echoes(call: Call) -> None:
    await call.receive()
    await call.send("websocket.accept")
    await call.send("websocket.send", text="x" * 1_000_000)
    await echoing(call)


async def closes(call: Call) -> None:
    await call.receive()
    await call.send("websocket.accept")
    await call.receive()
    await call.send("websocket.close", code=4001, reason="bye")
    await call.receive()


async def refuses(call: Call) -> None:
    await call.receive()
    await call.send("websocket.close", code=4001, reason="no")


async def refuses_and_says_more(call: Call) -> None:
    await refuses(call)
    await call.send("websocket.accept")


async def denies(call: Call) -> None:
    await call.receive()
    headers = [(b"content-type", b"text/html"), (b"x-a", b"1"), (b"x-a", b"2")]
    await call.send("websocket.http.response.start", status=418, headers=headers)
    for part, more in ((b"one ", True), (b"", True), (b"two", False)):
        await call.send("websocket.http.response.body", body=part, more_body=more)


async def denies_without_a_word(call: Call) -> None:
    await call.send("websocket.http.response.start", status=401)
    await call.send("websocket.http.response.body", body=b"")


async def denies_by_no_status(call: Call) -> None:
    await call.send("websocket.http.response.start", status=99)


async def raises_at_once(call: Call) -> None:
    raise ValueError("at once")


async def raises_before_accept(call: Call) -> None:
    await call.receive()
    raise ValueError("before accept")


async def raises_after_accept(call: Call) -> None:
    await call.receive()
    await call.send("websocket.accept")
    raise ValueError("after accept")


async def raises_later(call: Call) -> None:
    await raises_late(call, "after a message")


async def raises_late(call: Call, why: str) -> None:
    await call.receive()
    await call.send("websocket.accept")
    await call.receive()
    raise ValueError(why)


async def returns_at_once(call: Call) -> None:
    await call.receive()


async def returns_after_accept(call: Call) -> None:
    await call.receive()
    await call.send("websocket.accept")


async def returns_something(call: Call) -> object:
    await call.receive()
    await call.send("websocket.accept")
    return 1


async def accepts_twice(call: Call) -> None:
    await returns_after_accept(call)
    await call.send("websocket.accept")


async def sends_before_accept(call: Call) -> None:
    await call.receive()
    await call.send("websocket.send", text="too early")


async def sends_what_is_unknown(call: Call) -> None:
    await call.receive()
    await call.send("websocket.unknown")


async def splits_the_answer(call: Call) -> None:
    await call.receive()
    await call.send("websocket.accept", headers=[(b"x-a", b"a\r\nset-cookie: b")])


async def splits_the_answer_by_its_subprotocol(call: Call) -> None:
    await call.receive()
    await call.send("websocket.accept", subprotocol="a\r\nset-cookie: b")


async def hands_over(call: Call) -> None:
    await call.receive()
    await call.send("websocket.accept", headers=[(b"x-one", b"1")])
    take_over(call)


def take_over(call: Call) -> None:
    """Echo every text through a line."""

    class Echo(Ear):
        def heard(self, text: str) -> None:
            line.put(Batch([Frame(text)]))

    line = cast(Line, call.hand_over())
    line.put(Batch([Frame("welcome")]))
    line.begin(Echo())


async def raises_after_the_hand_over(call: Call) -> None:
    await hands_over(call)
    raise ValueError("after the hand-over")


async def sends_after_the_hand_over(call: Call) -> None:
    await hands_over(call)
    await call.send("websocket.send", text="x")


async def hands_over_too_early(call: Call) -> None:
    assert call.hand_over() is None
    await call.receive()
    assert call.hand_over() is None
    await hands_over_late(call)


async def hands_over_late(call: Call) -> None:
    await call.send("websocket.accept")
    await call.send("websocket.send", text="through ASGI")
    take_over(call)


async def hands_over_who_was_refused(call: Call) -> None:
    await refuses(call)
    assert call.hand_over() is None


async def hands_over_a_refusal_that_is_under_way(call: Call) -> None:
    await call.send("websocket.http.response.start", status=401)
    assert call.hand_over() is None
    await call.send("websocket.http.response.body", body=b"no")


AT_NO_FAULT = [
    echo, with_headers, without_connect, without_receive, greets_and_echoes, closes, refuses, denies,
    denies_without_a_word, returns_after_accept, hands_over, hands_over_too_early, hands_over_who_was_refused,
    hands_over_a_refusal_that_is_under_way,
]  # fmt: skip
AT_FAULT = [
    refuses_and_says_more, denies_by_no_status, raises_at_once, raises_before_accept,
    raises_after_accept, raises_later, returns_at_once, returns_something, accepts_twice, sends_before_accept,
    sends_what_is_unknown, splits_the_answer, splits_the_answer_by_its_subprotocol, raises_after_the_hand_over,
    sends_after_the_hand_over,
]  # fmt: skip


def talk(*steps: bytes) -> Script:
    """Say each, and hear one frame for it, until one is a close, which is answered; then read to the end."""

    async def script(visit: Visit) -> None:
        visit.say(HEAD)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await visit.answer()
            for step in steps:
                visit.say(step)
                await visit.hear()
                if visit.outcome.frames[-1][0] == Opcode.CLOSE:
                    visit.say(b"" if step == GOODBYE else GOODBYE)
                    break
            await visit.end()
        visit.outcome.ended = True

    return script


@pytest.mark.anyio
@on_every_loop
@pytest.mark.parametrize("behave", [*AT_NO_FAULT, *AT_FAULT], ids=lambda behave: str(behave.__name__))
async def test_an_application_is_served_as_uvicorn_serves_it(
    behave: Behaviour, caplog: pytest.LogCaptureFixture
) -> None:
    greeted = behave in (greets_and_echoes, hands_over, raises_after_the_hand_over, sends_after_the_hand_over)
    steps = [b"", frame(1, b"hello")] if greeted else [frame(1, b"hello")]
    outcome = await both(behave, talk(*steps, GOODBYE), caplog)
    assert outcome.status
    assert outcome.ended
    assert bool(faults(outcome)) == (behave in AT_FAULT)


# Clients that leave, and those that speak too early.


@pytest.mark.anyio
@on_every_loop
async def test_over_tls_all_is_the_same(tls: Tls, caplog: pytest.LogCaptureFixture) -> None:
    outcome = await both(echo, conversation(), caplog, tls)
    assert outcome.scopes[0]["scheme"] == "wss"
    outcome = await both(hands_over, talk(b"", frame(1, b"hello"), GOODBYE), caplog, tls)
    assert outcome.frames == [(1, b"welcome"), (1, b"hello"), (8, b"\x03\xe8")]
    assert not faults(outcome)


async def asks_on(call: Call) -> None:
    await call.receive()
    call.application.held.set()
    await call.receive()


async def waits_to_ask(call: Call) -> None:
    await call.hold()
    await call.receive()
    await call.receive()


async def waits_to_accept(call: Call) -> None:
    await call.receive()
    await call.hold()
    await call.send("websocket.accept")


async def waits_to_accept_and_catches(call: Call) -> None:
    with suppress(OSError):
        await waits_to_accept(call)
    assert call.hand_over() is None
    await call.receive()
    assert call.hand_over() is None


async def accepts_and_waits_to_ask(call: Call) -> None:
    await returns_after_accept(call)
    await call.hold()
    await call.receive()
    assert call.hand_over() is None


async def accepts_and_waits_to_send(call: Call) -> None:
    await returns_after_accept(call)
    await call.hold()
    assert call.hand_over() is None
    await call.send("websocket.send", text="x")


async def waits_to_raise(call: Call) -> None:
    await call.hold()
    raise ValueError("after the client has left")


async def leave(visit: Visit) -> None:
    """Go while the application is held."""
    visit.say(HEAD)
    await until(visit.application.held.is_set)
    visit.client.writer.close()
    await until(lambda: not visit.application.state.connections)
    visit.application.release.set()
    await until(lambda: not visit.application.state.tasks)


LEFT = [
    (asks_on, 1006), (waits_to_ask, 1006), (waits_to_accept, None), (waits_to_accept_and_catches, 1006),
    (accepts_and_waits_to_ask, 1005), (accepts_and_waits_to_send, None), (waits_to_raise, None),
]  # fmt: skip


@pytest.mark.anyio
@on_every_loop
@pytest.mark.parametrize(("behave", "code"), LEFT, ids=[behave.__name__ for behave, _ in LEFT])
async def test_a_client_leaves_in_its_handshake(
    behave: Behaviour, code: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    outcome = await both(behave, leave, caplog)
    told = [one["code"] for one in outcome.seen if isinstance(one, dict) and one["type"] == "websocket.disconnect"]
    assert told == ([code] if code else [])
    assert bool(faults(outcome)) == (behave is waits_to_raise)


async def waits_and_echoes(call: Call) -> None:
    await waits_to_accept(call)
    assert call.hand_over() is None
    await echoing(call)


async def accepts_waits_and_echoes(call: Call) -> None:
    await returns_after_accept(call)
    await call.hold()
    assert call.hand_over() is None
    await echoing(call)


@pytest.mark.anyio
@on_every_loop
@pytest.mark.parametrize("behave", [waits_and_echoes, accepts_waits_and_echoes], ids=["before", "after"])
async def test_what_comes_before_the_application_listens_waits_for_it(
    behave: Behaviour, caplog: pytest.LogCaptureFixture
) -> None:
    async def script(visit: Visit) -> None:
        visit.say(HEAD)
        await until(visit.application.held.is_set)
        visit.say(frame(1, b"one") + frame(1, b"two"))
        await until(lambda: any(arrived(one) for one in visit.application.state.connections))
        visit.application.release.set()
        await conversation(b"", early=2)(visit)

    outcome = await both(behave, script, caplog)
    assert [text for _, text in outcome.frames[:3]] == [b"one", b"two", b"hello"]
    assert [one["type"] for one in outcome.seen if isinstance(one, dict)].count("websocket.connect") == 1
    assert not faults(outcome)


def arrived(connection: Any) -> bool:
    """Whether what a client said after its request has come to the server."""
    return isinstance(connection, FastProtocol) and connection.early


# The answer goes out at once, whatever the application does next.


async def accepts_and_waits(call: Call) -> None:
    await returns_after_accept(call)
    await call.hold()


async def hands_over_and_waits(call: Call) -> None:
    await returns_after_accept(call)
    line = cast(Line, call.hand_over())
    await call.hold()
    line.begin(Ear())


@pytest.mark.anyio
@on_every_loop
@pytest.mark.parametrize("behave", [accepts_and_waits, hands_over_and_waits])
async def test_the_answer_is_not_held_back(behave: Behaviour) -> None:
    """The kernel would hold it for 200 ms each time; a busy machine is late now and then."""
    application = Application(behave)
    took = []
    async with server(application) as port:
        for _ in range(10):
            async with client(port, HEAD) as one:
                began = time.monotonic()
                assert b" 101 " in await one.head()
                took.append(time.monotonic() - began)
                application.release.set()
                application.release = asyncio.Event()
            if min(took) < 0.15:
                break
        application.release.set()
    assert min(took) < 0.15


# The server's side.


async def stop(visit: Visit) -> None:
    """What uvicorn does to all connections as it stops."""
    for connection in list(visit.application.state.connections):
        connection.shutdown()


async def stopped_in_silence(visit: Visit) -> None:
    await until(lambda: visit.application.state.connections)
    await stop(visit)
    await visit.end()


async def stopped_in_its_handshake(visit: Visit) -> None:
    visit.say(HEAD)
    await until(visit.application.held.is_set)
    await stop(visit)
    await visit.answer()
    visit.application.release.set()


async def stopped_after_accept(visit: Visit) -> None:
    visit.say(HEAD)
    await visit.answer()
    await until(visit.application.held.is_set)
    await stop(visit)
    await visit.end()
    visit.application.release.set()


async def stopped_after_a_message(visit: Visit) -> None:
    visit.say(HEAD)
    await visit.answer()
    visit.say(frame(1, b"hello"))
    await visit.hear()
    await stop(visit)
    await visit.hear()
    visit.say(GOODBYE)
    await visit.end()


RESTARTING = (8, b"\x03\xf4")
STOPPED = [
    (stopped_in_silence, echo, []),
    (stopped_in_its_handshake, waits_to_ask, []),
    (stopped_in_its_handshake, waits_to_accept, []),
    (stopped_after_accept, accepts_and_waits, [RESTARTING]),
    (stopped_after_accept, accepts_and_waits_to_ask, [RESTARTING]),
    (stopped_after_a_message, echo, [(1, b"hello"), RESTARTING]),
    (stopped_after_a_message, hands_over, [(1, b"welcome"), RESTARTING]),
]


@pytest.mark.anyio
@on_every_loop
@pytest.mark.parametrize(
    ("script", "behave", "frames"),
    STOPPED,
    ids=[f"{script.__name__}-{behave.__name__}" for script, behave, _ in STOPPED],
)
async def test_the_server_stops(
    script: Script, behave: Behaviour, frames: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    outcome = await both(behave, script, caplog)
    assert outcome.frames == frames
    assert outcome.ended
    assert (b" 500 " in outcome.status) == (script is stopped_in_its_handshake)
    assert not faults(outcome)


@pytest.mark.anyio
@on_every_loop
@pytest.mark.parametrize("behave", [waits_to_accept, accepts_and_waits, echo, hands_over])
async def test_whoever_asks_is_told_when_a_connection_is_gone(behave: Behaviour) -> None:
    application = Application(behave)
    async with server(application) as port:
        async with client(port):
            await until(lambda: application.seen)
            [connection] = cast("set[Any]", application.state.connections)
            gone = connection.gone()
            assert not gone.done()
        await until(gone.done)
        application.release.set()


@pytest.mark.anyio
@on_every_loop
@pytest.mark.parametrize(
    "said", [b"", HEAD[:1], HEAD[:-1], b"\r\n"], ids=["nothing", "a byte", "all but one", "a line"]
)
async def test_who_sends_no_request_is_cut_off(
    said: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for module in (opening, strict):
        monkeypatch.setattr(module, "REQUEST_DEADLINE", 0.05)

    async def script(visit: Visit) -> None:
        visit.say(said)
        await visit.end()

    outcome = await both(echo, script, caplog)
    assert outcome == Outcome(ended=True)


@pytest.mark.anyio
@on_every_loop
async def test_a_request_in_time_ends_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    application = Application(echo)
    async with server(application) as port, client(port) as there:
        monkeypatch.setattr(opening, "REQUEST_DEADLINE", 0.05)
        async with client(port) as one:
            assert b" 101 " in await one.head()
            async with client(port, b"") as silent:
                with suppress(ConnectionError):
                    assert await silent.end() == b""
            for client_ in (there, one):
                client_.writer.write(frame(9, b"there?"))
        assert b" 101 " in await there.head()
        assert await there.frame() == (Opcode.PONG, b"there?")


# Nothing is left to the garbage collector: it would have to look at everything that thousands of connections hold.


@pytest.fixture
def uncollected() -> Iterator[None]:
    """References alone are counted."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def kept() -> list[Any]:
    """What served a connection and was not freed."""
    return [one for one in gc.get_objects() if type(one) in (Opening, Handshake, Line, FastProtocol)]


async def raises_for_who_left(call: Call) -> None:
    await call.receive()
    await call.hold()
    await call._send({"type": "websocket.accept"})


async def hands_over_to_an_ear(call: Call) -> None:
    await returns_after_accept(call)
    line = cast(Line, call.hand_over())
    line.put(Batch([Frame("welcome")]))
    line.begin(Ear())


LEAVES_NOTHING = [
    waits_to_ask,
    raises_for_who_left,
    accepts_and_waits,
    accepts_and_waits_to_ask,
    hands_over_and_waits,
]


@pytest.mark.anyio
@on_uvloop
@pytest.mark.parametrize("behave", LEAVES_NOTHING)
async def test_a_client_that_leaves_in_its_handshake_leaves_nothing(behave: Behaviour, uncollected: None) -> None:
    application = Application(behave)
    async with server(application) as port:
        async with client(port) as one:
            await until(application.held.is_set)
            one.writer.close()
            if behave is not hands_over_and_waits:  # whose line reads nothing before it begins
                await until(lambda: not application.state.connections)
        application.release.set()
        await until(lambda: not application.state.tasks)
        await until(lambda: not kept())


@pytest.mark.anyio
@on_uvloop
async def test_who_was_handed_over_leaves_nothing(uncollected: None) -> None:
    application = Application(hands_over_to_an_ear)
    async with server(application) as port:
        async with client(port) as one:
            assert b" 101 " in await one.head()
            assert await one.frame() == (Opcode.TEXT, b"welcome")
            await until(lambda: [type(each) for each in kept()] == [Line])
        await until(lambda: not kept())


@pytest.mark.anyio
@on_uvloop
async def test_who_says_nothing_leaves_nothing(uncollected: None) -> None:
    application = Application(echo)
    async with server(application) as port:
        async with client(port, b""):
            await until(lambda: application.state.connections)
            assert len(kept()) == 1
        await until(lambda: not kept())
