"""Which requests the fast handshake takes, and that every request gets the answer uvicorn would give."""

from __future__ import annotations

import time
from typing import Any, cast

import httptools
import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from websockets.http11 import Request as TheirRequest
from websockets.server import ServerProtocol

from app.transports.opening import UpgradeRequest
from tests.clients import frame
from tests.transports.comparison import LINES, Script, Visit, both, conversation, echo, faults
from tests.transports.harness import HEAD, on_every_loop, until


def request(*more: bytes, target: bytes = b"/", without: bytes = b"", first: bytes = b"", **instead: bytes) -> bytes:
    """The usual request with other headers. `instead` names headers with an underscore for each hyphen."""
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
    assert UpgradeRequest.parse(said, config()) is not None


@rows(OTHER)
def test_any_other_is_left_to_uvicorn(said: bytes) -> None:
    assert UpgradeRequest.parse(said, config()) is None


def config(*, deflate: bool = False) -> uvicorn.Config:
    return uvicorn.Config(cast(Any, None), ws_per_message_deflate=deflate, log_config=None)


@pytest.mark.anyio
@on_every_loop
async def test_a_request_that_comes_in_two_pieces(caplog: pytest.LogCaptureFixture) -> None:
    def pieces(cut: int) -> Script:
        async def script(visit: Visit) -> None:
            visit.say(HEAD[:cut])
            await until(lambda: any(getattr(one, "_head_size", 0) for one in visit.application.state.connections))
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
    assert UpgradeRequest.parse(HEAD + early, config()) is None


@pytest.mark.anyio
@on_every_loop
@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("offer", [b"permessage-deflate", b"permessage-deflate; client_max_window_bits", b"x", b";;"])
async def test_deflate_is_uvicorns(offer: bytes, deflate: bool, caplog: pytest.LogCaptureFixture) -> None:
    said = request(b"Sec-WebSocket-Extensions: " + offer)
    await both(echo, conversation(said), caplog, deflate=deflate)
    assert (UpgradeRequest.parse(said, config(deflate=deflate)) is None) == deflate


@pytest.mark.anyio
@on_every_loop
async def test_who_offers_nothing_where_deflate_is_spoken(caplog: pytest.LogCaptureFixture) -> None:
    outcome = await both(echo, conversation(), caplog, deflate=True)
    assert outcome.frames[0] == (1, b"hello")
    assert UpgradeRequest.parse(HEAD, config(deflate=True)) is not None


class Reference:
    """A request as httptools parses it."""

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
    """The request as `websockets` parses it, if it would accept it."""
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
    """The usual request with edits: at each position some bytes are removed and others inserted."""
    said = HEAD
    for place, removed, put in edits:
        said = said[:place] + put + said[place + removed :]
    return said


@given(EDITS.map(edited) | st.sampled_from([*USUAL.values(), *OTHER.values()]))
def test_what_is_read_as_usual_is_read_the_same_by_uvicorns_parsers(said: bytes) -> None:
    read = UpgradeRequest.parse(said, config())
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
    """Backtracking would take seconds for 8 KiB; one pass takes about ten microseconds."""
    assert len(said) <= 8192
    began = time.process_time()
    assert UpgradeRequest.parse(said, config()) is None
    assert time.process_time() - began < 0.5
