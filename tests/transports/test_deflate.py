"""permessage-deflate: messages are compressed on their own, once for everyone, and never inflated beyond the limit."""

from __future__ import annotations

import json
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, PerMessageDeflate
from websockets.frames import Frame as JudgedFrame
from websockets.frames import Opcode as JudgedOpcode
from websockets.sync.client import connect

from app.chat.closing import CloseCode
from app.transports.frames import (
    DEFLATE_TAIL,
    DEFLATED,
    MIN_DEFLATE_SIZE,
    FrameReader,
    Message,
    Opcode,
    ProtocolViolation,
    deflate,
    deflate_frame,
    encode_text,
)
from tests.clients import DEADLINE, Served, frame, serving

LIMIT = 10_000


def judge() -> PerMessageDeflate:
    """The library's side of a connection without context takeover."""
    return PerMessageDeflate(True, True, 15, 15)


def compressed(text: str, *, fragments: int = 1) -> bytes:
    """A message as the library compresses it, in `fragments` frames."""
    data = judge().encode(JudgedFrame(JudgedOpcode.TEXT, text.encode())).data
    size = -(-len(data) // fragments) or 1
    parts = [bytes(data[start : start + size]) for start in range(0, max(len(data), 1), size)]
    return b"".join(
        frame(Opcode.CONTINUATION if place else Opcode.TEXT | DEFLATED, part, fin=place == len(parts) - 1)
        for place, part in enumerate(parts)
    )


def read(data: bytes, *, inflates: bool = True) -> list[Message | ProtocolViolation]:
    found = FrameReader(LIMIT, inflates=inflates).read(data)
    return [one for one in found if isinstance(one, ProtocolViolation) or one.opcode != Opcode.CONTINUATION]


@given(st.text(max_size=300), st.integers(1, 6))
def test_what_the_library_compresses_is_read(text: str, fragments: int) -> None:
    data = compressed(text, fragments=fragments) + frame(Opcode.TEXT, b"plain") + compressed(text)
    assert read(data) == [(Opcode.TEXT, text), (Opcode.TEXT, "plain"), (Opcode.TEXT, text)]


@given(st.text(max_size=2000))
def test_what_is_compressed_the_library_reads(text: str) -> None:
    inflated = judge().decode(JudgedFrame(JudgedOpcode.TEXT, deflate(text.encode()), rsv1=True))
    assert bytes(inflated.data).decode() == text


def test_a_frame_is_compressed_only_if_that_makes_it_shorter() -> None:
    long, short = encode_text(b"ab" * 500), encode_text(b"x" * (MIN_DEFLATE_SIZE - 3))
    deflated = deflate_frame(long)
    assert deflate_frame(short) is short
    assert len(deflated) < len(long) / 20
    assert deflated[0] == 0x80 | DEFLATED | Opcode.TEXT
    assert read(frame(Opcode.TEXT | DEFLATED, deflated[2:])) == [(Opcode.TEXT, "ab" * 500)]
    noise = encode_text(bytes(33 + zlib.crc32(b"%d" % number) % 90 for number in range(70)))
    assert len(deflate_frame(noise)) <= len(noise)


def test_a_message_is_not_inflated_beyond_the_limit() -> None:
    assert read(compressed("x" * LIMIT)) == [(Opcode.TEXT, "x" * LIMIT)]
    bomb = deflate(bytes(100_000_000))
    assert len(bomb) > LIMIT
    for payload in (deflate(b"x" * (LIMIT + 1)), bomb[: LIMIT - 1]):
        [breach] = read(frame(Opcode.TEXT | DEFLATED, payload))
        assert isinstance(breach, ProtocolViolation)
        assert breach.code == CloseCode.TOO_BIG


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(frame(Opcode.TEXT | DEFLATED, b"\xff\xff\xff"), 1002, id="no deflate data"),
        pytest.param(frame(Opcode.PING | DEFLATED, b""), 1002, id="a control frame"),
        pytest.param(
            frame(Opcode.TEXT | DEFLATED, b"", fin=False) + frame(Opcode.CONTINUATION | DEFLATED, b""),
            1002,
            id="a later fragment",
        ),
        pytest.param(frame(Opcode.TEXT | 0x20, b""), 1002, id="another reserved bit"),
        pytest.param(frame(Opcode.TEXT | DEFLATED, deflate(b"\xff")), 1007, id="no UTF-8"),
    ],
)
def test_what_is_wrong_ends_the_connection(data: bytes, code: int) -> None:
    [*_, breach] = read(data)
    assert isinstance(breach, ProtocolViolation)
    assert breach.code == code


def test_nothing_may_be_compressed_where_it_was_not_agreed_on() -> None:
    [breach] = read(compressed("x"), inflates=False)
    assert breach == ProtocolViolation(CloseCode.PROTOCOL_ERROR, "reserved bit is set")


def test_an_empty_message_may_be_compressed() -> None:
    assert read(frame(Opcode.TEXT | DEFLATED, b"\0")) == [(Opcode.TEXT, "")]
    assert DEFLATE_TAIL not in deflate(b"")


class Seen:
    """Counts the compressed frames that a client gets."""

    def __init__(self, client: Any) -> None:
        self.compressed = 0
        [extension] = client.protocol.extensions
        self.decode, extension.decode = extension.decode, self._decoding

    def _decoding(self, frame: JudgedFrame, **named: Any) -> JudgedFrame:
        self.compressed += frame.rsv1
        decoded: JudgedFrame = self.decode(frame, **named)
        return decoded


def dial(server: Served, **named: Any) -> Any:
    return connect(server.ws + "/chat", open_timeout=DEADLINE, **named)


def test_a_server_that_is_told_to_compresses_for_those_who_offer_it() -> None:
    text = "again and again " * 100 + "."
    small_window = ClientPerMessageDeflateFactory(server_max_window_bits=9)
    with (
        serving("-P:app.websockets.deflate=true") as server,
        dial(server) as one,
        dial(server, compression=None) as two,
        dial(server, compression=None, extensions=[small_window]) as three,
        dial(server, subprotocols=["chat.v1.json"]) as four,
    ):
        answer = one.response.headers["Sec-WebSocket-Extensions"]
        assert "server_no_context_takeover" in answer
        assert "client_no_context_takeover" in answer
        assert "Sec-WebSocket-Extensions" not in two.response.headers
        for client in (one, two, three):
            client.recv(DEADLINE)
        seen = [Seen(client) for client in (one, three, four)]
        four.recv(DEADLINE)
        four.send(json.dumps({"t": "join", "room": "lobby"}))
        four.recv(DEADLINE)
        for number in range(3):
            one.send(f"{number} {text}")
            for client in (one, two, three):
                assert client.recv(DEADLINE) == f"[user0]: {number} {text}"
            while (got := json.loads(four.recv(DEADLINE)))["t"] != "msg":
                pass
            assert got["text"] == f"{number} {text}"
        assert [each.compressed for each in seen[:2]] == [3, 0], "a window of 9 is too small for what is made for all"
        assert seen[2].compressed > 3, "the answer to joining too, and who is there"


def test_a_server_compresses_nothing_unless_it_is_told_to() -> None:
    with serving() as server, dial(server) as client:
        assert "Sec-WebSocket-Extensions" not in client.response.headers
