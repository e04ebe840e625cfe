from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.chat.dialects import JSON, TEXT
from app.chat.errors import Code, Refused
from app.chat.events import Event
from app.chat.frames import Ack, Error, History, Join, Message, Part, Say, Welcome, room_name, timestamp

EVENT = Event("lobby", 58, "a1", 1_700_000_000_123, 1, "ann", "hi", "c9")


@pytest.mark.parametrize(
    ("frame", "command"),
    [
        ({"t": "join", "room": "lobby"}, Join("lobby")),
        ({"t": "join", "rid": "x", "room": "lobby", "epoch": "e", "after": 5}, Join("lobby", "x", "e", 5)),
        ({"t": "part", "rid": 1, "room": "lobby"}, Part("lobby", 1)),
        ({"t": "msg", "room": "lobby", "cid": "c", "text": ""}, Say("lobby", "", "c")),
        (
            {"t": "history", "room": "lobby", "before": 9, "limit": 3, "unknown": [1]},
            History("lobby", before=9, limit=3),
        ),
    ],
)
def test_a_command(frame: Any, command: Any) -> None:
    assert JSON.decode(json.dumps(frame), "") == command


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
        ("[" * 50_000, Code.BAD_FRAME),
        ('{"t":' * 10_000, Code.BAD_FRAME),
    ],
)
def test_what_is_no_command(said: str, code: Code) -> None:
    with pytest.raises(Refused) as caught:
        JSON.decode(said, "")
    assert (caught.value.code, caught.value.retry) == (code, False)
    assert "\n" not in caught.value.message


def test_what_is_wrong_with_a_frame_is_told_with_its_own_ids() -> None:
    with pytest.raises(Refused) as caught:
        JSON.decode('{"t": "join", "rid": 7}', "")
    assert caught.value.rid == 7
    with pytest.raises(Refused) as caught:
        JSON.decode('{"t": "msg", "cid": "c", "room": "a"}', "")
    assert caught.value.cid == "c"


@given(
    st.text()
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    ).map(json.dumps)
)
def test_whatever_is_sent_is_a_command_or_refused(said: str) -> None:
    with suppress(Refused):
        assert isinstance(JSON.decode(said, ""), Join | Part | Say | History)


def test_frames() -> None:
    assert JSON.encode(Message.of(EVENT)) == (
        '{"t":"msg","room":"lobby","seq":58,"id":"a1","ts":"2023-11-14T22:13:20.123Z","from":"ann","text":"hi"}'
    )
    assert JSON.encode(Ack.of(EVENT)) == '{"t":"ack","cid":"c9","id":"a1","seq":58,"ts":"2023-11-14T22:13:20.123Z"}'


def test_the_text_dialect_says_everything_and_hears_only_what_it_has_words_for() -> None:
    assert TEXT.decode("{}", "lobby") == Say("lobby", "{}")
    assert TEXT.encode(Message.of(EVENT)) == "[ann]: hi"
    assert TEXT.encode(Error("x", "the store\ncan't answer", retry=True)) == "*** the store can't answer"
    assert TEXT.encode(Ack.of(EVENT)) is None
    assert TEXT.encode(Welcome("ann", "secret", "e", {})) is None


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
