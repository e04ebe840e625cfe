"""The lines of the text dialect, none of which can be forged."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.chat import frames, text
from app.chat.dialects import TEXT
from app.chat.events import Kind
from app.chat.frames import Changed, Frame, Message
from app.chat.presence import Person
from app.chat.safe_text import BASE, escaped

TS = "2026-11-24T06:38:12.345Z"
BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
SIGNS = [
    "[",
    "]",
    ":",
    "[bob]: ",
    "[bob → ann]: ",
    "*** ",
    "***\u00a0",
    " → ",
    ",",
    " ",
    "ann",
    "\x1b[2K",
    "\b",
    "\u202e",
]
INVISIBLE = ["\u200b", "\ufeff", "\x00", "\x7f", "\u00ad", "\ufe0f", "\u200d", "\U000e0020"]
UNSEEN = {*INVISIBLE, "\u202e"}
nasty = st.lists(st.sampled_from([*SIGNS, *BREAKS, *INVISIBLE]) | st.text(max_size=3), max_size=12).map("".join)


def message(words: str = "hi", **more: Any) -> Message:
    told = {"room": "lobby", "seq": 57, "id": "a1", "ts": TS, "sender": "ann", "user": 1, "text": words}
    return Message(**{**told, **more})


def changed(kind: str, **more: Any) -> Changed:
    return Changed(kind, more.pop("room", "lobby"), 58, "a2", TS, more.pop("sender", "ann"), 1, **more)


def lines(said: str) -> list[str]:
    return re.split(f"[{BREAKS}]", said)


def seen(line: str) -> str:
    """Return `line` without invisible characters. A tab is visible, since it indents."""
    unseen = {char for char in line if char in UNSEEN or unicodedata.category(char) in ("Cc", "Cs")} - {"\t"}
    return "".join(char for char in line if char not in unseen)


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (message(), "[ann]: hi"),
        (message(""), "[ann]: "),
        (message(" two\tlines\r\n  here \x07"), "[ann]:  two\tlines\r\n  here \\x07"),
        (message("waves", me=True), "[ann] waves"),
        (message(to=("bob",)), "[ann → bob]: hi"),
        (message(to=("bob", "cy")), "[ann → bob, cy]: hi"),
        (message("waves", me=True, to=("bob", "cy")), "[ann → bob, cy] waves"),
        (message(edited=True), "[ann]: hi (edited)"),
        (message("", deleted=True), "*** A message from ann was deleted"),
        (message("", deleted=True, me=True, to=("bob",)), "*** A message from ann was deleted"),
        (changed(Kind.EDIT, of=57, text="new\ntext"), "*** ann edited a message: new text"),
        (changed(Kind.DELETE, of=57), "*** ann deleted a message"),
        (changed(Kind.DELETE, of=57, whom="bob"), "*** A message from bob was deleted"),
        (changed(Kind.OWNER, whom="ann", sender="server"), "*** ann owns the room now"),
        (changed(Kind.TOPIC, text="tea  and\ncake"), "*** ann set the topic: tea and cake"),
        (changed(Kind.TOPIC, text=""), "*** ann cleared the topic"),
        (changed(Kind.PRIVATE),
            "*** ann made the room private. If it becomes public again, everyone can read what was said in it"),
        (changed(Kind.PUBLIC), "*** ann made the room public. Everyone can read what was said in it"),
        (changed(Kind.INVITE, whom="bob"), "*** ann invited bob"),
        (changed(Kind.UNINVITE, whom="bob"), "*** ann withdrew the invitation of bob"),
        (changed(Kind.OP, whom="bob"), "*** ann made bob an operator"),
        (changed(Kind.DEOP, whom="bob"), "*** ann removed bob as an operator"),
        (changed(Kind.KICK, whom="bob"), "*** ann kicked bob"),
        (changed(Kind.KICK, whom="bob", text="{who}"), "*** ann kicked bob: {who}"),
        (changed(Kind.INVITE, room="@1,2", whom="bob", text="den"), "*** ann invited you to den. /join den"),
        (changed(Kind.BAN, whom="bob"), "*** ann banned bob permanently"),
        (changed(Kind.BAN, whom="bob", text="why"), "*** ann banned bob permanently: why"),
        (changed(Kind.MUTE, whom="bob", text="why"), "*** ann muted bob permanently: why"),
        (changed(Kind.BAN, whom="bob", until=TS, text="why"), "*** ann banned bob until 2026-11-24 06:38 UTC: why"),
        (changed(Kind.UNBAN, whom="bob"), "*** ann unbanned bob"),
        (changed(Kind.MUTE, whom="bob", until=TS), "*** ann muted bob until 2026-11-24 06:38 UTC"),
        (changed(Kind.UNMUTE, whom="bob"), "*** ann unmuted bob"),
        (changed(Kind.SLOW, seconds=30), "*** ann turned on slow mode: one message every 30 s"),
        (changed(Kind.SLOW, seconds=0), "*** ann turned off slow mode"),
        (changed("dance"), None),
        (frames.Joined(room="lobby", epoch="e", head=5, recovered=True, members=3, topic="tea"),
            "You are connected! There are 3 users here."),
        (frames.Joined(room="lobby", epoch="e", head=5, recovered=True, members=1),
            "You are connected! There are 1 users here."),
        (frames.Joined(room="lobby", epoch="e", head=5, recovered=False, members=3),
            "You are connected! There are 3 users here.\n*** Some messages you missed are no longer kept"),
        (frames.Joined(room="@", epoch="e", head=5, recovered=True, members=1), None),
        (frames.Joined(room="@", epoch="e", head=5, recovered=False, members=1),
            "*** Some messages you missed are no longer kept"),
        (frames.Parted(room="lobby"), "*** You left lobby"),
        (frames.Parted(room="lobby", why="ann kicked you"), "*** You left lobby: ann kicked you"),
        (frames.Named(id=1, name="ann"), "*** You are ann now"),
        (frames.Page(room="lobby", events=[], more=False), "*** There is no history in lobby"),
        (frames.Page(
            room="lobby",
            events=[
                message("a\n[bob]: b"), message("waves", me=True), message(to=("bob",)), message(edited=True),
                message("", deleted=True), changed(Kind.TOPIC, text="tea"), changed("dance"),
            ],
            more=True,
        ),
            (
                "*** 57 2026-11-24 06:38 [ann]: a [bob]: b\n"
                "*** 57 2026-11-24 06:38 [ann] waves\n"
                "*** 57 2026-11-24 06:38 [ann → bob]: hi\n"
                "*** 57 2026-11-24 06:38 [ann]: hi (edited)\n"
                "*** 57 2026-11-24 06:38 A message from ann was deleted\n"
                "*** 58 2026-11-24 06:38 ann set the topic: tea"
            )),
        (frames.Found(room="lobby", words="hi  you", events=[message()], more=False),
            "*** 1 result for hi you\n*** 57 2026-11-24 06:38 [ann]: hi"),
        (frames.Found(room="lobby", words="hi", events=[], more=False), "*** No results for hi"),
        (frames.Found(
            words="hi",
            events=[message(), message(room="@1,2", to=("bob",)), message("waves", me=True)],
            more=True,
            marks=[[(0, 2)], [(0, 2)], []],
            next=57,
            partial=True,
            behind=1,
        ),
            (
                "*** 3 results for hi, and older ones\n"
                "*** 57 2026-11-24 06:38 #lobby [ann]: hi\n"
                "*** 57 2026-11-24 06:38 [ann → bob]: hi\n"
                "*** 57 2026-11-24 06:38 #lobby [ann] waves\n"
                "*** There may be older results. Narrow your search\n"
                "*** 1 recent message isn't searched yet"
            )),
        (frames.RoomList(rooms=[frames.RoomEntry("lobby", 2, "tea"), frames.RoomEntry("den", 1)]),
            "*** lobby: 2 users: tea\n*** den: 1 user"),
        (frames.RoomList(rooms=[]), "*** There are no rooms with people in them"),
        (frames.People(room="lobby", members=3, people=(Person(1, "ann"), Person(2, "bo", ""), Person(3, "cy", "tea"))),
            "*** lobby: 3 users\n*** ann\n*** bo is away\n*** cy is away: tea"),
        (frames.People(room="lobby", members=3000), "*** lobby: 3000 users"),
        (frames.RoomSettings(
            room="den", topic="tea", private=True, owner="ann", operators=("bob", "cy"), slow=5, members=1),
            (
                "*** den: 1 user, private\n"
                "*** Topic: tea\n"
                "*** Owner: ann\n"
                "*** Operators: bob, cy\n"
                "*** Slow mode: one message every 5 s"
            )),
        (frames.RoomSettings(room="den", topic="", private=False, owner="", operators=(), slow=0, members=2),
            "*** den: 2 users, public\n*** No topic\n*** No owner"),
        (frames.ModerationList(
            room="den",
            bans=[
                frames.ModerationEntry(2, "rob", "ann", TS, was="bob", why="noise", seq=7),
                frames.ModerationEntry(3, "cy", "ann", TS, until=TS),
            ],
            mutes=[frames.ModerationEntry(3, "cy", "ann", TS)],
            invitations=[frames.ModerationEntry(4, "dora", "ann", TS)],
            next=7,
        ),
            (
                "*** Banned permanently: #2 rob (was bob), by ann on 2026-11-24 06:38 UTC, ID 7: noise\n"
                "*** Banned until 2026-11-24 06:38 UTC: #3 cy, by ann on 2026-11-24 06:38 UTC\n"
                "*** Muted permanently: #3 cy, by ann on 2026-11-24 06:38 UTC\n"
                "*** Invited: #4 dora, by ann on 2026-11-24 06:38 UTC\n"
                "*** There are older ones"
            )),
        (frames.ModerationList(room="den", bans=[], mutes=[], invitations=[]),
            "*** Nobody is banned, muted or invited in den"),
        (frames.ConversationList(conversations=[
            frames.ConversationEntry("@1,2,3", ["bob", "cy"], 5), frames.ConversationEntry("@1", [], 6)]),
            "*** Conversation with bob, cy\n*** Conversation with yourself"),
        (frames.ConversationList(conversations=[]), "*** You have no conversations yet"),
        (frames.Commands([frames.Usage("who", "[ROOM]", "List people"), frames.Usage("quit", "", "Disconnect")]),
            "*** /who [ROOM]: List people\n*** /quit: Disconnect"),
        (frames.Notice(text="rolled\n6"), "*** rolled 6"),
        (frames.Error(code="x", message="the store\ncan't answer", retry=True), "*** the store can't answer"),
        (frames.Welcome(1, "ann", False, "secret", "e", {}), None),
        (frames.Ack("c", "a1", 5, TS), None),
        (frames.Done(), None),
        (frames.Done(note="You are away"), "*** You are away"),
        (frames.Presence("lobby", 3), None),
        (frames.TypingNow("lobby", "ann"), None),
        (frames.ReadUpTo("lobby", 5), None),
    ],
)  # fmt: skip
def test_how_a_frame_is_said(frame: Frame, said: str | None) -> None:
    assert TEXT.encode(frame) == said


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind not in (Kind.MSG, Kind.ME)])
def test_every_change_has_words(kind: Kind) -> None:
    assert TEXT.encode(changed(kind, text="words"))


def test_an_edit_whose_text_was_replaced_has_no_words() -> None:
    assert TEXT.encode(changed(Kind.EDIT)) is None


@given(nasty)
@example("hi\n[bob]: I give up")
@example("hi\r\n\u200b[bob]: I give up")
@example("hi\x85***\u00a0the server stops")
def test_no_message_holds_a_line_that_reads_as_another_or_as_a_notice(words: str) -> None:
    for frame, start in (
        (message(words), "[ann]: "),
        (message(words, to=("bob", "cy")), "[ann → bob, cy]: "),
        (message(words, me=True), "[ann] "),
        (message(words, me=True, to=("bob",)), "[ann → bob] "),
        (message(words, edited=True), "[ann]: "),
    ):
        said = TEXT.encode(frame)
        assert said is not None
        first, *rest = lines(said)
        assert first.startswith(start)
        assert not [line for line in rest if re.match(r"\[|\*\*\*(\s|$)", seen(line))]
        assert not [char for char in said if unicodedata.category(char) == "Cc" and char not in "\t\r\n"]
        assert "\r" not in said.replace("\r\n", "")
        left = re.sub(rf"\s|{BASE}", "", said)
        assert left.startswith(re.sub(rf"\s|{BASE}", "", start + escaped(words))), "nothing is taken away"


@given(st.text())
def test_a_message_of_one_line_is_unchanged(words: str) -> None:
    if not set(words) & set(BREAKS):
        assert text.message("ann", words) == f"[ann]: {escaped(words)}"


@given(nasty, nasty)
@example("bob]: hi\n[cy", "")
@example("ann]: hi", "")
@example("ann → cy", "")
def test_no_name_ends_before_it_ends(name: str, other: str) -> None:
    said = TEXT.encode(message("hi", sender=name, to=(other, "cy")))
    assert said is not None
    assert re.fullmatch(r"\[[^\s\[\]:,→]+ → [^\s\[\]:,→]+, cy\]: hi", said)
    assert TEXT.encode(message("hi", sender=name)) == said.partition(" ")[0] + "]: hi"
    assert not [char for char in said if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")]


@given(nasty, nasty, nasty)
def test_a_notice_has_the_lines_that_it_should_have_whatever_is_in_it(words: str, name: str, room: str) -> None:
    one: list[Frame] = [
        *(changed(kind, sender=name, whom=name, text=words, until=TS, seconds=3) for kind in Kind if kind > Kind.ME),
        message(words, sender=name, deleted=True),
        frames.Parted(room=room, why=words),
        frames.Named(id=1, name=name),
        frames.Notice(text=words),
        frames.Error(code="x", message=words, retry=False),
    ]
    two: list[Frame] = [
        frames.Found(room=room, words=words, events=[message(words, sender=name)], more=False),
        frames.Found(words=words, events=[message(words, sender=name, room=room)], more=False),
        frames.Page(room=room, events=[message(words, sender=name), changed(Kind.BAN, text=words)], more=False),
        frames.RoomList(rooms=[frames.RoomEntry(room, 2, words), frames.RoomEntry(room, 1)]),
        frames.People(room=room, members=1, people=(Person(1, name, words),)),
        frames.ModerationList(
            room=room,
            bans=[frames.ModerationEntry(2, name, name, TS, was=name, why=words)] * 2,
            mutes=[],
            invitations=[],
        ),
        frames.ConversationList(conversations=[frames.ConversationEntry(room, [name, name], 5)] * 2),
        frames.Commands([frames.Usage("x", words, words)] * 2),
    ]
    for many, some in ((1, one), (2, two)):
        for frame in some:
            said = TEXT.encode(frame)
            if said is None:
                assert isinstance(frame, Changed)
                continue
            assert len(lines(said)) == many
            assert all(line.startswith("*** ") for line in lines(said))
            assert not [char for char in said if unicodedata.category(char) in ("Cc", "Cs") and char != "\n"]
            assert not set("\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u200e\u200f") & set(said)
            said.encode()


@given(nasty, nasty)
def test_why_somebody_is_away_can_not_look_like_somebody_else(name: str, why: str) -> None:
    said = TEXT.encode(frames.People(room="lobby", members=2, people=(Person(1, name, why), Person(2, "bob"))))
    assert said is not None
    count, first, second = lines(said)
    assert (count, second) == ("*** lobby: 2 users", "*** bob")
    assert re.match(r"\*\*\* \S+ is away($|: )", first)


@given(nasty)
def test_the_settings_of_a_room_are_a_line_each(words: str) -> None:
    said = TEXT.encode(
        frames.RoomSettings(
            room=words, topic=words, private=False, owner=words or "ann", operators=(words,), slow=1, members=1
        )
    )
    assert said is not None
    assert len(lines(said)) == 5
    assert all(line.startswith("*** ") for line in lines(said))
