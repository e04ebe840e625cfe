"""FrameReader, checked against the `websockets` library's parser, and against RFC 6455 case by case.

The cases are those of Autobahn's fuzzing client: groups 1 (framing), 2 (pings), 3 (reserved bits), 4 (opcodes),
5 (fragments), 6 (UTF-8), 7 (closing) and 10 (one message in many pieces). Its numbers are the tests' ids. What needs a
connection (pings are answered, a close is echoed) is in `tests/contracts/test_channels.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.frames import Frame as JudgedFrame
from websockets.protocol import Side, State
from websockets.server import ServerProtocol

from app.chat.closing import CloseCode
from app.transports.frames import (
    FrameReader,
    Message,
    Opcode,
    ProtocolViolation,
    WholeTexts,
    decode_text,
    encode_close,
    encode_frame,
    encode_text,
    split_frames,
)
from tests.clients import frame

TEXT, BINARY, CLOSE, PING, PONG = Opcode.TEXT, Opcode.BINARY, Opcode.CLOSE, Opcode.PING, Opcode.PONG
CONT = Opcode.CONTINUATION
LIMIT = 70_000
SIZES = [0, 1, 2, 124, 125, 126, 127, 128, 65_535, 65_536, 65_537]
HEADER = 14
Outcome = tuple[list[Message], int]
"""The messages, and the close code of a violation or 0."""


def read(data: bytes, cuts: list[int] | None = None, limit: int = LIMIT) -> Outcome:
    """What readers make of `data` in pieces, asked as a SocketChannel asks them. Checks that they buffer at most a
    message and a frame of it."""
    texts, messages, code = WholeTexts(limit), list[Message](), 0
    reader = texts.reader()
    edges = [0, *sorted({cut for cut in cuts or () if 0 < cut < len(data)}), len(data)]
    for start, stop in pairwise(edges):
        piece = data[start:stop]
        text = texts.read(piece) if reader.idle else None
        for found in reader.read(piece) if text is None else [Message(TEXT, text)]:
            assert not code, "something was read after the end"
            if isinstance(found, ProtocolViolation):
                code = found.code
                assert found.reason
                assert len(found.reason.encode()) <= 123
            elif found.opcode != CONT:
                messages.append(found)
        assert reader.buffered <= limit + 125 + HEADER
        if reader.idle:
            assert not reader.buffered
            reader = texts.reader()
    return messages, code


class Judge(ServerProtocol):
    """The library's parser without two rules of its own, which RFC 6455 (5.4, 5.5.1) doesn't have: it counts a control
    frame as part of the message around it, and treats a close in the middle of a message as an error. And without a
    rule that we don't apply: a close frame needs no mask. But with one of RFC 6455 (5.2, 5.5) that it doesn't apply:
    the length of a control frame is one byte."""

    @property
    def side(self) -> Side:
        """Which side it is, as it asks before each frame: the client is the one whose peer sends without a mask."""
        head = self.reader.buffer[:2]
        return Side.CLIENT if len(head) == 2 and head[0] & 0x0F == CLOSE and head[1] < 0x80 else Side.SERVER

    @side.setter
    def side(self, side: Side) -> None:
        """It sets its own at the start."""

    @property
    def max_message_size(self) -> int | None:
        """The limit, as it asks for it before each frame."""
        head = self.reader.buffer[:2]
        if not head or not head[0] & 0x08:
            return self._most
        if len(head) == 2 and head[1] & 0x7F > 125:
            raise ProtocolError("control frame too long")
        return None

    @max_message_size.setter
    def max_message_size(self, most: int | None) -> None:
        self._most = most

    def recv_frame(self, frame: JudgedFrame) -> None:
        if int(frame.opcode) == CLOSE:
            self.current_size = None
        super().recv_frame(frame)


def judged(data: bytes, limit: int = LIMIT) -> Outcome:
    """What the library makes of `data`. It doesn't check that text is UTF-8, so this does."""
    judge = Judge(state=State.OPEN, max_size=limit)
    judge.receive_data(data)
    messages: list[Message] = []
    opcode, fragments = 0, b""
    for event in judge.events_received():
        assert isinstance(event, JudgedFrame)
        payload = bytes(event.data)
        kind = int(event.opcode)
        if kind >= CLOSE:
            messages.append(Message(kind, payload))
            if kind == CLOSE:
                return messages, 0
            continue
        opcode = opcode if kind == CONT else kind
        fragments += payload
        if event.fin:
            try:
                messages.append(Message(opcode, fragments.decode() if opcode == TEXT else fragments))
            except UnicodeDecodeError:
                return messages, 1007
            fragments = b""
    if judge.parser_exc is None:
        return messages, 0
    assert judge.close_sent is not None
    return messages, judge.close_sent.code


@dataclass(frozen=True)
class Say:
    """One frame, valid or not."""

    opcode: int
    payload: bytes = b""
    fin: bool = True
    masked: bool = True
    reserved: int = 0

    @property
    def data(self) -> bytes:
        """Its bytes. `frame` masks a byte at a time, which is too slow for hypothesis."""
        size = len(self.payload)
        head = frame(self.opcode, fin=self.fin, masked=self.masked, reserved=self.reserved)[0]
        lengths = bytes((size,)) if size < 126 else b"\x7e" + size.to_bytes(2) if size < 65_536 else None
        lengths = lengths or b"\x7f" + size.to_bytes(8)
        if not self.masked:
            return bytes((head,)) + lengths + self.payload
        mask = (b"\x01\x02\x03\x04" * (size // 4 + 1))[:size]
        masked = (int.from_bytes(mask) ^ int.from_bytes(self.payload)).to_bytes(size)
        return bytes((head, lengths[0] | 0x80)) + lengths[1:] + b"\x01\x02\x03\x04" + masked


texts = st.one_of(
    st.text(max_size=40),
    st.builds(lambda size, letter: (letter * size)[:size], st.sampled_from(SIZES), st.sampled_from("xy")),
    st.builds(lambda size: "é" * (size // 2), st.sampled_from(SIZES)),
    st.sampled_from(["κόσμε", "🙂" * 40, "\ufffe\uffff\U0010ffff", "\0"]),
)
bad_texts = st.sampled_from(
    [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"ok\x80", b"\xce\xba\xe1\xbd", b"\xf0\x9f\x99"]
)
controls = st.builds(Say, st.sampled_from([PING, PONG]), st.binary(max_size=125))


@st.composite
def messages(draw: st.DrawFn, payloads: st.SearchStrategy[bytes]) -> list[Say]:
    """A message in one frame or several, with control frames in between."""
    payload, opcode = draw(payloads), draw(st.sampled_from([TEXT, TEXT, BINARY]))
    cuts = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=4)))
    pieces = [payload[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(payload)], strict=True)]
    said: list[Say] = []
    for number, piece in enumerate(pieces):
        said += draw(st.lists(controls, max_size=2)) if number else []
        said.append(Say(CONT if number else opcode, piece, fin=number == len(pieces) - 1))
    return said


good = messages(texts.map(str.encode))
closes = st.one_of(
    st.builds(
        lambda code, reason: [Say(CLOSE, code.to_bytes(2, "big") + reason.encode()[:123])],
        st.one_of(st.integers(990, 1020), st.integers(2990, 5010), st.integers(0, 65_535)),
        st.text("abcé", max_size=80).filter(lambda reason: len(reason.encode()) <= 123),
    ),
    st.just([Say(CLOSE)]),
    st.builds(lambda code: [Say(CLOSE, code.to_bytes(2, "big"), masked=False)], st.integers(999, 1016)),
)
faults = st.one_of(
    st.builds(lambda said: [Say(said.opcode, said.payload, masked=False)], controls),
    st.builds(lambda text: [Say(TEXT, text.encode(), masked=False)], st.text(max_size=200)),
    st.builds(lambda said, bits: [Say(said.opcode, said.payload, reserved=bits)], controls, st.integers(1, 7)),
    st.builds(lambda text, bits: [Say(TEXT, text.encode(), reserved=bits)], st.text(max_size=99), st.integers(1, 7)),
    st.builds(lambda opcode, payload: [Say(opcode, payload)], st.sampled_from([3, 4, 5, 6, 7, 11, 15]), st.binary()),
    messages(bad_texts),
    st.just([Say(CLOSE, b"\x03")]),
    st.builds(lambda bad: [Say(CLOSE, b"\x03\xe8" + bad)], bad_texts),
    st.just([Say(CONT, b"of nothing")]),
    st.just([Say(CONT, b"of nothing", fin=False)]),
    st.just([Say(TEXT, b"a", fin=False), Say(TEXT, b"b")]),
    st.just([Say(BINARY, b"a", fin=False), Say(PING), Say(BINARY, b"b", fin=False)]),
    st.just([Say(PING, b"x", fin=False)]),
    st.builds(lambda size: [Say(PONG, bytes(size))], st.sampled_from([126, 300, 65_536])),
    st.builds(lambda over: [Say(TEXT, bytes(LIMIT + over))], st.integers(1, 3)),
    st.builds(lambda at: [Say(TEXT, bytes(at), fin=False), Say(CONT, bytes(LIMIT + 1 - at))], st.integers(0, LIMIT)),
)
conversations = st.builds(
    lambda before, fault, after: [said for one in [*before, *fault, *after] for said in one],
    st.lists(good, max_size=4),
    st.one_of(st.just([]), st.lists(st.one_of(faults, closes), min_size=1, max_size=1)),
    st.lists(good, max_size=2),
)
cuts = st.lists(st.integers(0, 200) | st.integers(0, 150_000), max_size=12)


@given(conversations, cuts, st.sampled_from([0, 0, 0, 1, 2, 3, 7]))
@settings(max_examples=400, deadline=None)
def test_the_judge_reads_the_same(said: list[Say], cuts: list[int], missing: int) -> None:
    data = b"".join(one.data for one in said)
    whole = read(data, cuts)
    assert whole == judged(data)
    short = data[: len(data) - missing]
    messages, code = read(short, cuts)
    assert messages == judged(short)[0]
    assert code in (0, whole[1]), "an error is reported no later than by the library, and it is the same one"


@given(st.lists(st.binary(max_size=300), max_size=6), st.integers(0, 300))
@settings(max_examples=400, deadline=None)
def test_bytes_at_random_raise_nothing_and_take_no_memory(pieces: list[bytes], limit: int) -> None:
    data = b"".join(pieces)
    edges = [sum(map(len, pieces[:number])) for number in range(len(pieces))]
    messages, code = read(data, edges, limit)
    assert (messages, code) == read(data, list(range(len(data))), limit), "the pieces make no difference"
    agree(messages, code, data, limit)


@given(conversations, st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=3), cuts)
@example([Say(PONG, bytes(126))], [(3, 0)], [])
@settings(max_examples=300, deadline=None)
def test_frames_with_bytes_flipped_raise_nothing(
    said: list[Say], flips: list[tuple[int, int]], cuts: list[int]
) -> None:
    data = bytearray(b"".join(one.data for one in said))
    for at, byte in flips:
        if at < len(data):
            data[at] = byte
    messages, code = read(bytes(data), cuts)
    agree(messages, code, bytes(data), LIMIT)


def agree(messages: list[Message], code: int, data: bytes, limit: int) -> None:
    """Check that the library reads the same. It may notice an error later, once the frame is complete, and of two
    errors in one frame it may report the other."""
    theirs, judgement = judged(data, limit)
    assert messages == theirs
    if judgement:
        assert code == judgement or {code, judgement} <= {1002, 1007, 1009}


def test_the_judge_minds_sizes_itself() -> None:
    judge = Judge(state=State.OPEN, max_size=10)
    judge.receive_data(frame(TEXT, bytes(11)))
    assert isinstance(judge.parser_exc, PayloadTooBig)


def test_the_judge_minds_how_the_length_of_a_control_frame_is_written() -> None:
    assert judged(frame(PING) + b"\x89\xfe\0\x02\0\0\0\0ok") == ([Message(PING, b"")], 1002)


def text(payload: str) -> Message:
    return Message(TEXT, payload)


def row(number: str, *said: Say, got: list[Message] | None = None, code: int = 0) -> Any:
    return pytest.param(said, got or [], code, id=number)


def group_1() -> Iterator[Any]:
    sizes = [0, 125, 126, 127, 128, 65_535, 65_536]
    for number, size in enumerate(sizes, 1):
        yield row(f"1.1.{number}", Say(TEXT, b"*" * size), got=[text("*" * size)])
        yield row(f"1.2.{number}", Say(BINARY, b"\xfe" * size), got=[Message(BINARY, b"\xfe" * size)])


def group_2() -> Iterator[Any]:
    payloads = [b"", b"Hello, world!", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", b"\xfe" * 125]
    for number, payload in enumerate(payloads, 1):
        yield row(f"2.{number}", Say(PING, payload), got=[Message(PING, payload)])
    yield row("2.5", Say(PING, b"\xfe" * 126), code=1002)
    yield row("2.7", Say(PONG), got=[Message(PONG, b"")])
    yield row("2.8", Say(PONG, b"unsolicited"), got=[Message(PONG, b"unsolicited")])
    yield row("2.9", Say(PONG, b"un"), Say(PING, b"ping"), got=[Message(PONG, b"un"), Message(PING, b"ping")])
    ten = [Say(PING, b"payload-%d" % number) for number in range(10)]
    yield row("2.10", *ten, got=[Message(PING, one.payload) for one in ten])


def group_3() -> Iterator[Any]:
    hello = Say(TEXT, b"Hello, world!")
    yield row("3.1", Say(TEXT, b"Hello, world!", reserved=1), code=1002)
    for number, bits in ((2, 2), (3, 3), (4, 4)):
        wrong = Say(TEXT, b"Hello, world!", reserved=bits)
        yield row(f"3.{number}", hello, wrong, Say(PING), got=[text("Hello, world!")], code=1002)
    yield row("3.5", Say(BINARY, b"\0\xff", reserved=5), code=1002)
    yield row("3.6", Say(PING, b"Hello, world!", reserved=6), code=1002)
    yield row("3.7", Say(CLOSE, reserved=7), code=1002)


def group_4() -> Iterator[Any]:
    hello = Say(TEXT, b"Hello, world!")
    for group, opcodes in (("4.1", [3, 4, 5, 6, 7]), ("4.2", [11, 12, 13, 14, 15])):
        yield row(f"{group}.1", Say(opcodes[0]), code=1002)
        yield row(f"{group}.2", Say(opcodes[1], b"reserved opcode payload"), code=1002)
        for number, opcode in enumerate(opcodes[2:], 3):
            payload = b"reserved opcode payload" if number % 2 == 0 else b""
            yield row(
                f"{group}.{number}", hello, Say(opcode, payload), Say(PING), got=[text("Hello, world!")], code=1002
            )


def group_5() -> Iterator[Any]:
    one, two = Say(TEXT, b"fragment1", fin=False), Say(CONT, b"fragment2")
    both, ping = text("fragment1fragment2"), Message(PING, b"ping payload")
    pinged = Say(PING, b"ping payload")
    yield row("5.1", Say(PING, b"fragment1", fin=False), two, code=1002)
    yield row("5.2", Say(PONG, b"fragment1", fin=False), two, code=1002)
    yield row("5.3-5.5", one, two, got=[both])
    yield row("5.6-5.8", one, pinged, two, got=[ping, both])
    for number, fin in (("5.9-5.11", True), ("5.12-5.14", False)):
        yield row(number, Say(CONT, b"non-continuation payload", fin=fin), Say(TEXT, b"Hello"), code=1002)
    yield row("5.15", one, two, Say(CONT, b"fragment3", fin=False), Say(TEXT, b"x"), got=[both], code=1002)
    again = [Say(CONT, b"fragment1", fin=False), Say(TEXT, b"fragment2", fin=False), Say(CONT, b"fragment3")]
    yield row("5.16", *again, *again, code=1002)
    yield row("5.17", Say(CONT, b"fragment1"), *again[1:], code=1002)
    yield row("5.18", one, Say(TEXT, b"fragment2"), code=1002)
    five = [one, Say(CONT, b"fragment2", fin=False), pinged, Say(CONT, b"fragment3", fin=False)]
    five += [Say(CONT, b"fragment4", fin=False), pinged, Say(CONT, b"fragment5")]
    yield row("5.19-5.20", *five, got=[ping, ping, text("".join(f"fragment{n}" for n in range(1, 6)))])


VALID = {
    "6.2": "Hello-µ@ßöäüàá-UTF-8!!",
    "6.5": "κόσμε",
    "6.6": "\x00\x7f\x80\u07ff\u0800\uffff\U00010000\U0010ffff",
    "6.7": "\0",
    "6.9": "\x7f\u07ff\uffff\U0010ffff",
    "6.11": "\ud7ff\ue000\ufffd\U0010ffff",
    "6.22": "".join(chr(0x10000 * plane + low) for plane in range(17) for low in (0xFFFE, 0xFFFF)),
    "6.23": "\ufff9\ufffa\ufffb\ufffc\ufffd",
}
INVALID = {
    "6.3": b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80\x65\x64\x69\x74\x65\x64",
    "6.4": b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80\x65\x64\x69\x74\x65\x64",
    "6.6 cut after 1": b"\xce",
    "6.6 cut after 3": b"\xce\xba\xe1",
    "6.8 five bytes": b"\xf8\x88\x80\x80\x80",
    "6.8 six bytes": b"\xfc\x84\x80\x80\x80\x80",
    "6.10 too high": b"\xf7\xbf\xbf\xbf",
    "6.12 one continuation": b"\x80",
    "6.12 the last continuation": b"\xbf",
    "6.12 many": b"\x80\xbf" * 3,
    "6.13 two": b"\xc0 \xc1 \xdf ",
    "6.13 three": b"\xe0 \xef ",
    "6.13 four": b"\xf0 \xf7 ",
    "6.13 five": b"\xf8 \xfb ",
    "6.13 six": b"\xfc \xfd ",
    "6.14 two": b"\xc0",
    "6.14 three": b"\xe0\x80",
    "6.14 four": b"\xf0\x80\x80",
    "6.15": b"\xc0\xe0\x80\xf0\x80\x80\xf8\x80\x80\x80",
    "6.16 fe": b"\xfe",
    "6.16 ff": b"\xff",
    "6.17": b"\xc0\xaf",
    "6.17 three": b"\xe0\x80\xaf",
    "6.18": b"\xc1\xbf",
    "6.18 three": b"\xe0\x9f\xbf",
    "6.18 four": b"\xf0\x8f\xbf\xbf",
    "6.19": b"\xc0\x80",
    "6.20 first": b"\xed\xa0\x80",
    "6.20 last": b"\xed\xbf\xbf",
    "6.21": b"\xed\xa0\x80\xed\xb0\x80",
    "6.21 last": b"\xed\xaf\xbf\xed\xbf\xbf",
}


def group_6() -> Iterator[Any]:
    yield row("6.1.1", Say(TEXT), got=[text("")])
    yield row("6.1.2", Say(TEXT, fin=False), Say(CONT, fin=False), Say(CONT), got=[text("")])
    middle = [Say(TEXT, fin=False), Say(CONT, b"middle frame payload", fin=False), Say(CONT)]
    yield row("6.1.3", *middle, got=[text("middle frame payload")])
    for number, words in VALID.items():
        payload = words.encode()
        each = [Say(CONT if at else TEXT, payload[at : at + 1], fin=False) for at in range(len(payload))]
        yield row(number, Say(TEXT, payload), got=[text(words)])
        yield row(f"{number} byte by byte", *each, Say(CONT), got=[text(words)])
    for number, payload in INVALID.items():
        each = [Say(CONT if at else TEXT, payload[at : at + 1], fin=False) for at in range(len(payload))]
        yield row(number, Say(TEXT, payload), Say(TEXT, b"after"), code=1007)
        yield row(f"{number} byte by byte", *each, Say(CONT), code=1007)
        yield row(f"{number} as binary", Say(BINARY, payload), got=[Message(BINARY, payload)])


def group_7() -> Iterator[Any]:
    bye, hello = Say(CLOSE, b"\x03\xe8bye"), Say(TEXT, b"Hello")
    closed = Message(CLOSE, b"\x03\xe8bye")
    yield row("7.1.1", hello, bye, got=[text("Hello"), closed])
    yield row("7.1.2", bye, bye, got=[closed])
    yield row("7.1.3", bye, Say(PING), got=[closed])
    yield row("7.1.4", bye, hello, got=[closed])
    yield row("7.1.5", Say(TEXT, b"fragment1", fin=False), bye, Say(CONT, b"fragment2"), got=[closed])
    large = Say(TEXT, b"BAsd7&jh23" * 6_500)
    yield row("7.1.6", large, bye, Say(PING), got=[text("BAsd7&jh23" * 6_500), closed])
    yield row("7.3.1", Say(CLOSE), got=[Message(CLOSE, b"")])
    yield row("7.3.2", Say(CLOSE, b"a"), code=1002)
    yield row("7.3.3", Say(CLOSE, b"\x03\xe8"), got=[Message(CLOSE, b"\x03\xe8")])
    yield row("7.3.4", Say(CLOSE, b"\x03\xe8Hello World!"), got=[Message(CLOSE, b"\x03\xe8Hello World!")])
    longest = b"\x03\xe8" + b"*" * 123
    yield row("7.3.5", Say(CLOSE, longest), got=[Message(CLOSE, longest)])
    yield row("7.3.6", Say(CLOSE, longest + b"*"), code=1002)
    yield row("7.5.1", Say(CLOSE, b"\x03\xe8" + INVALID["6.3"]), code=1007)
    codes = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999]
    for number, code in enumerate(codes, 1):
        payload = code.to_bytes(2, "big")
        yield row(f"7.7.{number}", Say(CLOSE, payload), got=[Message(CLOSE, payload)])
    for number, code in enumerate([0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999], 1):
        yield row(f"7.9.{number}", Say(CLOSE, code.to_bytes(2, "big")), code=1002)
    for number, code in enumerate([5000, 65_535], 1):
        yield row(f"7.13.{number}", Say(CLOSE, code.to_bytes(2, "big") + b"why"), code=1002)
    yield row("5.1 no mask", Say(TEXT, b"x", masked=False), code=1002)
    going_away = b"\x03\xe9reload"
    yield row("5.1 no mask, a close", Say(CLOSE, going_away, masked=False), got=[Message(CLOSE, going_away)])
    yield row("5.1 no mask, an empty close", Say(CLOSE, masked=False), got=[Message(CLOSE, b"")])
    yield row("5.1 no mask, a close of half a code", Say(CLOSE, b"\x03", masked=False), code=1002)


def group_10() -> Iterator[Any]:
    payload = b"*" * 65_536
    pieces = [Say(CONT if at else TEXT, payload[at : at + 1300], fin=False) for at in range(0, len(payload), 1300)]
    yield row("10.1.1", *pieces, Say(CONT), got=[text(payload.decode())])


ROWS = [*group_1(), *group_2(), *group_3(), *group_4(), *group_5(), *group_6(), *group_7(), *group_10()]


@pytest.mark.parametrize(("said", "got", "code"), ROWS)
def test_the_rows_of_autobahn(said: tuple[Say, ...], got: list[Message], code: int) -> None:
    data = b"".join(one.data for one in said)
    assert read(data) == (got, code)
    assert read(data, list(range(0, len(data), 997))) == (got, code)  # 5.4, 5.5, 5.20 and others: in pieces
    assert read(data, list(range(300)) + list(range(len(data) - 300, len(data)))) == (got, code)


def test_a_length_that_needs_63_bits_or_is_written_too_long_is_judged_by_its_value() -> None:
    assert read(b"\x81\xff" + b"\xff" * 8 + bytes(4)) == ([], 1009)
    assert read(b"\x81\xff" + (LIMIT + 1).to_bytes(8, "big")) == ([], 1009)
    assert read(b"\x81\xfe\0\x02\0\0\0\0ok") == ([text("ok")], 0)
    assert read(b"\x89\xfe\0\x02\0\0\0\0ok") == ([], 1002)


def test_all_fragments_of_a_message_count_and_control_frames_do_not() -> None:
    half = [Say(TEXT, bytes(LIMIT // 2), fin=False), Say(PING, bytes(125)), Say(CONT, bytes(LIMIT // 2))]
    data = b"".join(one.data for one in half)
    messages, code = read(data + data)
    assert [message.opcode for message in messages] == [PING, TEXT, PING, TEXT]
    assert code == 0
    over = frame(TEXT, bytes(LIMIT), fin=False) + frame(PING) + frame(CONT, b"x", fin=False)
    assert read(over) == ([Message(PING, b"")], 1009)
    assert read(over[:-5]) == ([Message(PING, b"")], 1009), "its header is enough"
    assert read(frame(TEXT, bytes(LIMIT), fin=False) + frame(CONT)) == ([text("\0" * LIMIT)], 0)


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_message_without_end_and_without_content_takes_no_memory(opcode: int) -> None:
    reader = FrameReader(LIMIT)
    assert [*reader.read(frame(opcode, b"x", fin=False))] == [Message(CONT, b"x")]
    empty = frame(CONT, fin=False) * 1000
    for _ in range(200):
        assert {*reader.read(empty)} == {Message(CONT, b"")}
        assert reader.buffered == 1
    assert [*reader.read(frame(CONT))] == [Message(opcode, "x" if opcode == TEXT else b"x")]
    assert reader.buffered == 0


class Counting(FrameReader):
    """A FrameReader that counts the bytes that it parses or copies."""

    __slots__ = ("looked_at",)

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.looked_at = 0

    def _join(self, data: bytes) -> bytes | None:
        joined = super()._join(data)
        self.looked_at += len(data) if joined is None else len(joined)
        return joined


@pytest.mark.parametrize("fragment", [0, 1000, 100])
def test_work_is_in_proportion_to_the_bytes_however_small_the_pieces(fragment: int) -> None:
    """One mebibyte, in one frame or many, a byte at a time."""
    size = 2**20
    payload = b"x" * size
    whole = frame(TEXT, payload)
    if fragment:
        piece = frame(CONT, payload[:fragment], fin=False)
        whole = frame(TEXT, b"", fin=False) + piece * (size // fragment) + frame(CONT, payload[: size % fragment])
    reader = Counting(size)
    found = [one for byte in whole for one in reader.read(bytes((byte,))) if one[0] != CONT]
    assert found == [text(payload.decode())]
    assert reader.looked_at < 3 * len(whole)


def test_nothing_is_kept_or_read_after_the_end() -> None:
    for end in (frame(CLOSE), frame(3), frame(CLOSE, b"\x03")):
        reader = FrameReader(LIMIT)
        assert len([*reader.read(frame(TEXT, b"a", fin=False) + end + frame(TEXT, b"b") + b"\x81")]) == 2
        assert not [*reader.read(frame(TEXT, b"c"))]
        assert reader.buffered == 0


@given(st.binary(max_size=300), st.sampled_from(list(Opcode)))
def test_a_frame_is_what_the_library_would_send(payload: bytes, opcode: Opcode) -> None:
    if opcode >= CLOSE:
        payload = payload[:125]
    for sent in (payload, payload * 300) if opcode < CLOSE else (payload,):
        theirs = JudgedFrame(opcode, sent)  # type: ignore[arg-type]
        assert encode_frame(opcode, sent) == theirs.serialize(mask=False)


@given(st.integers(1000, 4999), st.text(max_size=200))
def test_a_close_frame_has_as_much_of_the_reason_as_fits(code: int, reason: str) -> None:
    sent = encode_close(CloseCode.POLICY if code % 2 else code, reason)
    assert sent[0] == 0x88
    assert sent[1] == len(sent) - 2 <= 125
    assert reason.startswith(sent[4:].decode())
    assert len(reason.encode()) > 123 or sent[4:].decode() == reason


@given(st.lists(st.text(max_size=40) | st.sampled_from(["x" * size for size in SIZES]) | st.just("\ud800"), max_size=5))
def test_texts_are_split_and_decoded_again(texts: list[str]) -> None:
    payloads = [text.encode("utf-8", "surrogatepass") for text in texts]
    sent = [encode_text(payload) for payload in payloads]
    assert sent == [encode_frame(TEXT, payload) for payload in payloads]
    assert split_frames(b"".join(sent)) == sent
    assert [decode_text(one) for one in sent] == texts
