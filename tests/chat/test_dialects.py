from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from app.chat import frames
from app.chat.dialects import JSON, TEXT, TYPES, WRITERS
from app.chat.errors import Code, Refused
from app.chat.events import PLAIN, Detail, Event, Kind, User
from app.chat.frames import Ack, Command, History, Join, Part, Reply, Say, SlashCommand, Whisper, event_frame
from app.chat.logs import room_name
from app.chat.timestamps import timestamp

SILENT = {frames.Welcome, frames.Ack, frames.Presence, frames.TypingNow, frames.ReadUpTo, frames.Ping}
EVENT = Event("lobby", 58, "a1", 1_700_000_000_123, 1, "ann", "hi", "c9")


@pytest.mark.parametrize(
    ("frame", "command"),
    [
        ({"t": "join", "room": "lobby"}, Join(room="lobby")),
        (
            {"t": "join", "rid": "x", "room": "lobby", "epoch": "e", "after": 5},
            Join(room="lobby", rid="x", epoch="e", after=5),
        ),
        ({"t": "part", "rid": 1, "room": "lobby"}, Part(room="lobby", rid=1)),
        ({"t": "msg", "room": "lobby", "cid": "c", "text": ""}, Say(room="lobby", text="", cid="c")),
        ({"t": "msg", "room": "lobby", "cid": "c", "text": "/who"}, Say(room="lobby", text="/who", cid="c")),
        ({"t": "whisper", "to": ["ann"], "cid": "c", "text": "hi"}, Whisper(to=["ann"], text="hi", cid="c")),
        ({"t": "reply", "cid": "c", "text": "hi"}, Reply(text="hi", cid="c")),
        (
            {"t": "command", "rid": 2, "room": "lobby", "line": "/dance"},
            SlashCommand(room="lobby", line="/dance", rid=2),
        ),
        (
            {"t": "ban", "room": "lobby", "name": "bob", "seconds": 60},
            frames.Ban(room="lobby", name="bob", seconds=60),
        ),
        (
            {"t": "history", "room": "lobby", "before": 9, "limit": 3, "unknown": [1]},
            History(room="lobby", before=9, limit=3),
        ),
    ],
)
def test_a_command(frame: Any, command: Any) -> None:
    assert JSON.decode(json.dumps(frame), "") == command


def test_every_command_has_a_type_of_its_own() -> None:
    assert len(TYPES) == len(get_args(Command))
    assert {"msg", "whisper", "room", "command"} <= TYPES


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("", Code.BAD_FRAME),
        ("{", Code.BAD_FRAME),
        ("5", Code.BAD_FRAME),
        ("[]", Code.BAD_FRAME),
        ("{}", Code.BAD_FRAME),
        ('{"t": 5}', Code.BAD_FRAME),
        ('{"t": "dance"}', Code.UNKNOWN_TYPE),
        ('{"t": "welcome"}', Code.UNKNOWN_TYPE),
        ('{"t": "join"}', Code.BAD_FRAME),
        ('{"t": "join", "room": 5}', Code.BAD_FRAME),
        ('{"t": "join", "room": "a", "after": -1}', Code.BAD_FRAME),
        ('{"t": "join", "room": "a", "after": 1e400}', Code.BAD_FRAME),
        ('{"t": "msg", "room": "a", "text": "x"}', Code.BAD_FRAME),
        ('{"t": "msg", "room": "a", "text": "x", "cid": ""}', Code.BAD_FRAME),
        ('{"t": "msg", "room": "a", "text": null, "cid": "c"}', Code.BAD_FRAME),
        (json.dumps({"t": "msg", "room": "a", "text": "x", "cid": "c" * 65}), Code.BAD_FRAME),
        ('{"t": "history", "room": "a", "limit": 201}', Code.BAD_FRAME),
        ('{"t": "history", "room": "a", "limit": 0}', Code.BAD_FRAME),
        ('{"t": "whisper", "to": ["ann"], "text": "x"}', Code.BAD_FRAME),
        ('{"t": "whisper", "to": "ann", "text": "x", "cid": "c"}', Code.BAD_FRAME),
        ('{"t": "reply", "text": "x"}', Code.BAD_FRAME),
        ('{"t": "ban", "room": "a", "name": "b", "seconds": -1}', Code.BAD_FRAME),
        ('{"t": "ban", "room": "a", "name": "b", "seconds": 1e400}', Code.BAD_FRAME),
        (f'{{"t": "rooms", "rid": {"9" * 5_000}}}', Code.BAD_FRAME),
        ('{"t": "rooms", "rid": NaN}', Code.BAD_FRAME),
        ('{"t": "rooms", "rid": Infinity}', Code.BAD_FRAME),
        ('{"t": "rooms", "rid": 1.5}', Code.BAD_FRAME),
        ('{"t": "rooms", "t": "who", "room": "a"}', Code.BAD_FRAME),
        ('{"t": "who", "room": "\\ud800"}', Code.BAD_FRAME),
        ('{"t": "who", "room": "\\udc00x"}', Code.BAD_FRAME),
        ('{"t": "who", "room": "\\ud800\\u0041"}', Code.BAD_FRAME),
        ('{"t": "who", "room": "\\ud800\\ud800"}', Code.BAD_FRAME),
        ('{"t": "who", "room": "\ud800"}', Code.BAD_FRAME),
        ('{"t": "dan\\nce\\u2028\\u202e"}', Code.UNKNOWN_TYPE),
        ("[" * 50_000, Code.BAD_FRAME),
        ('{"t": "rooms", "x": ' + "[" * 50_000 + "]" * 50_000 + "}", Code.BAD_FRAME),
        ('{"t":' * 10_000, Code.BAD_FRAME),
    ],
)
def test_what_is_no_command(said: str, code: Code) -> None:
    with pytest.raises(Refused) as caught:
        JSON.decode(said, "")
    assert (caught.value.code, caught.value.retry) == (code, False)
    assert len(caught.value.message.splitlines()) == 1
    caught.value.message.encode()


@pytest.mark.parametrize(
    ("said", "rid", "cid"),
    [
        ('{"t": "join", "rid": 7}', 7, None),
        ('{"t": "join", "rid": "x", "room": 5}', "x", None),
        ('{"t": "msg", "cid": "c", "room": "a"}', None, "c"),
        ('{"t": "msg", "rid": 7, "room": "a", "text": "x"}', 7, None),
        ('{"t": "whisper", "rid": 7, "cid": [], "to": [], "text": "x"}', 7, None),
        ('{"t": "msg", "rid": 1.5, "cid": "c", "room": "a"}', None, "c"),
        ('{"t": "dance", "rid": 7, "cid": "c"}', 7, "c"),
        ('{"t": 5, "rid": 7}', 7, None),
        ('{"rid": 7}', 7, None),
        (json.dumps({"t": "join", "rid": "x" * 65}), None, None),
    ],
)
def test_what_is_wrong_with_a_frame_is_told_with_its_own_ids(said: str, rid: Any, cid: Any) -> None:
    with pytest.raises(Refused) as caught:
        JSON.decode(said, "")
    assert caught.value.rid == (UNSET if rid is None else rid)
    assert caught.value.cid == (UNSET if cid is None else cid)


anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.sampled_from(["\ud800", "a", "lobby"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
FIELDS = sorted({field for command in get_args(Command) for field in command.__struct_encode_fields__})
nearly = st.tuples(st.sampled_from(sorted(TYPES)), st.dictionaries(st.sampled_from(FIELDS), anything)).map(
    lambda parts: {"t": parts[0], **parts[1]}
)


@given(
    st.text() | (nearly | anything).map(json.dumps) | nearly.map(lambda frame: json.dumps(frame, ensure_ascii=False))
)
def test_whatever_is_sent_is_a_command_that_utf_8_can_carry_or_refused(said: str) -> None:
    try:
        command = JSON.decode(said, "")
    except Refused as refused:
        answer = frames.Error(code=refused.code, message=refused.message, retry=False, rid=refused.rid, cid=refused.cid)
        assert JSON.encode(answer)
        assert len(refused.message.splitlines()) == 1  # noqa: PT017
    else:
        assert isinstance(command, Command)
        assert msgspec.json.encode(command)


@given(st.binary())
def test_bytes_that_were_read_as_text_are_a_command_or_refused(said: bytes) -> None:
    with suppress(Refused):
        JSON.decode(said.decode(errors="surrogateescape"), "")


def test_frames() -> None:
    assert JSON.encode(event_frame(EVENT)) == (
        '{"t":"msg","room":"lobby","seq":58,"id":"a1","ts":"2023-11-14T22:13:20.123Z","from":"ann","user":1,"text":"hi"}'
    )
    assert JSON.encode(Ack.of(EVENT)) == '{"t":"ack","cid":"c9","id":"a1","seq":58,"ts":"2023-11-14T22:13:20.123Z"}'
    whom = Detail(whom=User(2, "bob"), until=1_700_000_060_000)
    ban = Event("lobby", 59, "a2", 1_700_000_000_123, 1, "ann", "noise", kind=Kind.BAN, detail=whom)
    assert JSON.encode(event_frame(ban)) == (
        '{"t":"ban","room":"lobby","seq":59,"id":"a2","ts":"2023-11-14T22:13:20.123Z","from":"ann","user":1,'
        '"text":"noise","whom":"bob","about":2,"until":"2023-11-14T22:14:20.000Z"}'
    )
    owner = Event("lobby", 60, "a3", 1_700_000_000_123, 0, "*", "", kind=Kind.OWNER, detail=Detail(whom=User(2, "bob")))
    assert JSON.encode(event_frame(owner)) == (
        '{"t":"owner","room":"lobby","seq":60,"id":"a3","ts":"2023-11-14T22:13:20.123Z","from":"*","user":0,'
        '"whom":"bob","about":2}'
    ), "0 is told: the server is nobody, and not unknown"


names = st.text(min_size=1, max_size=8) | st.sampled_from(["user7", "ann", "a b", "*", "[x]", "é"])
words = st.text(max_size=200) | st.sampled_from(["hi", "[ann]: hi", "two\n*** lines", "half \ud800 pair"])
details = st.sampled_from(
    [PLAIN, Detail(), Detail(to=("bob",)), Detail(edited=True), Detail(deleted=True), Detail(whom=User(2, "bob"))]
)
events = st.builds(
    Event,
    st.sampled_from(["lobby", "@1,2"]),
    st.integers(1, 2**53),
    st.just("a1"),
    st.integers(0, 2**41),
    st.integers(0, 9),
    names,
    words,
    st.just("c9"),
    st.sampled_from(list(Kind)),
    st.integers(0, 9),
    details,
)


@given(events)
def test_an_event_is_encoded_like_its_frame(event: Event) -> None:
    said = TEXT.encode(event_frame(event))
    assert TEXT.encode_event(event) == (None if said is None else said.encode("utf-8", "surrogatepass"))
    assert TEXT.encode_ack(event) is None
    try:
        encoded = JSON.encode(event_frame(event))
    except UnicodeEncodeError:  # no store takes such a text
        return
    assert (JSON.encode_event(event) or b"").decode() == encoded
    assert (JSON.encode_ack(event) or b"").decode() == JSON.encode(Ack.of(event))


@pytest.mark.parametrize(
    ("said", "command"),
    [
        ("{}", Say(room="lobby", text="{}")),
        ("", Say(room="lobby", text="")),
        (" /who", frames.Who(room="lobby")),
        (" /dance", Say(room="lobby", text=" /dance")),
        ("//who", Say(room="lobby", text="/who")),
        ("///", Say(room="lobby", text="//")),
        ("/who", frames.Who(room="lobby")),
        ("/me waves", Say(room="lobby", text="waves", me=True)),
        ("/dance now", SlashCommand(room="lobby", line="/dance now")),
    ],
)
def test_a_line_is_said_or_is_a_command(said: str, command: Command) -> None:
    assert TEXT.decode(said, "lobby") == command


@given(st.text())
def test_only_a_line_that_starts_with_a_slash_is_a_command(said: str) -> None:
    if "/" not in said:
        assert TEXT.decode(said, "lobby") == Say(room="lobby", text=said)
    assert TEXT.decode(f"//{said}", "lobby") == Say(room="lobby", text=f"/{said}")


def test_the_text_dialect_knows_every_frame_there_is() -> None:
    """A type that is in neither set is new: give it a line, or list it as having none."""
    assert set(WRITERS) | SILENT == set(get_args(frames.Frame))
    assert not set(WRITERS) & SILENT


@pytest.mark.parametrize("name", ["lobby", "a", "0", "a.b-c_d", "x" * 64])
def test_names_of_rooms(name: str) -> None:
    assert room_name(name) == name


@pytest.mark.parametrize("name", ["", "A", "-a", ".a", "@1", "a b", "é", "a\n", "x" * 65, "а"])
def test_what_can_not_be_a_room(name: str) -> None:
    with pytest.raises(Refused, match="can't be a room"):
        room_name(name)


def test_times_are_utc() -> None:
    assert timestamp(0) == "1970-01-01T00:00:00.000Z"
    assert timestamp(1_009) == "1970-01-01T00:00:01.009Z"
