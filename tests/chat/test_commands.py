from __future__ import annotations

from contextlib import suppress
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from app.chat import frames
from app.chat.commands import NAMES, USAGES, parse
from app.chat.errors import Code, Refused
from app.chat.frames import Command

R = "lobby"


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("/whisper ann,bob hi", frames.Whisper(to=["ann", "bob"], text="hi")),
        ("/w @ann,@bob hi", frames.Whisper(to=["ann", "bob"], text="hi")),
        ("/w ann  two  spaces", frames.Whisper(to=["ann"], text=" two  spaces")),
        ("/msg\tann\none\n\ntwo ", frames.Whisper(to=["ann"], text="one\n\ntwo ")),
        ("/tell  ann hi", frames.Whisper(to=["ann"], text="hi")),
        ("/reply two  words", frames.Reply(text="two  words")),
        ("/r hi", frames.Reply(text="hi")),
        ("/me waves  a lot", frames.Say(room=R, text="waves  a lot", me=True)),
        ("/nick Ann", frames.Nick(name="Ann")),
        ("/nick  @Ann ", frames.Nick(name="Ann")),
        ("/join den", frames.Join(room="den")),
        ("/join #den", frames.Join(room="den")),
        ("/part", frames.Part(room=R)),
        ("/leave ", frames.Part(room=R)),
        ("/rooms", frames.Rooms()),
        ("/who", frames.Who(room=R)),
        ("/who #den", frames.Who(room="den")),
        ("/who #den ann", frames.Who(room="den", find="ann", limit=200)),
        ("/mentions All", frames.Mentions(room=R, who="all")),
        ("/mentions operators", frames.Mentions(room=R, who="operators")),
        ("/room", frames.DescribeRoom(room=R)),
        ("/topic", frames.Topic(room=R)),
        ("/topic  ", frames.Topic(room=R)),
        ("/topic on  holiday ", frames.Topic(room=R, text="on  holiday")),
        ("/topic -", frames.Topic(room=R, text="")),
        ("/topic - and more", frames.Topic(room=R, text="- and more")),
        ("/history", frames.History(room=R, fold=True)),
        ("/history 7", frames.History(room=R, limit=7, fold=True)),
        ("/search two words", frames.Search(words="two words")),
        ("/edit 57 new  text", frames.Edit(room=R, seq=57, text="new  text")),
        ("/edit new  text", frames.Edit(room=R, text="new  text")),
        ("/edit 5pm then", frames.Edit(room=R, text="5pm then")),
        ("/delete 57", frames.Delete(room=R, seq=57)),
        ("/delete", frames.Delete(room=R)),
        ("/ignore bob", frames.Ignore(name="bob")),
        ("/unignore @bob", frames.Unignore(name="bob")),
        ("/register correct horse", frames.Register(password="correct horse")),
        ("/register  correct horse \r\n", frames.Register(password=" correct horse ")),
        ("/login ann correct horse", frames.Login(name="ann", password="correct horse")),
        ("/login  ann  correct horse \n", frames.Login(name="ann", password=" correct horse ")),
        ("/logout", frames.Logout()),
        ("/away", frames.Away()),
        ("/away at  lunch", frames.Away(why="at  lunch")),
        ("/back", frames.Back()),
        ("/help", frames.Help()),
        ("/help /who", frames.Help(command="who")),
        ("/quit", frames.Quit()),
        ("/conversations", frames.Conversations()),
        ("/kick bob", frames.Kick(room=R, name="bob")),
        ("/kick @bob 10m of noise", frames.Kick(room=R, name="bob", why="10m of noise")),
        ("/ban bob", frames.Ban(room=R, name="bob")),
        ("/ban bob 30s", frames.Ban(room=R, name="bob", seconds=30)),
        ("/ban bob 10m two  words", frames.Ban(room=R, name="bob", seconds=600, why="two  words")),
        ("/ban bob noise 10m", frames.Ban(room=R, name="bob", why="noise 10m")),
        ("/ban bob permanently 10 times", frames.Ban(room=R, name="bob", why="10 times")),
        ("/ban bob forever", frames.Ban(room=R, name="bob")),
        ("/ban bob for good: noise", frames.Ban(room=R, name="bob", why="noise")),
        ("/ban bob 30 days cool off", frames.Ban(room=R, name="bob", seconds=2_592_000, why="cool off")),
        ("/ban bob 3650d", frames.Ban(room=R, name="bob", seconds=frames.MAX_SECONDS)),
        ("/unban bob", frames.Unban(room=R, name="bob")),
        ("/mute bob 2H", frames.Mute(room=R, name="bob", seconds=7_200)),
        ("/mute bob 7d noise", frames.Mute(room=R, name="bob", seconds=604_800, why="noise")),
        ("/unmute bob", frames.Unmute(room=R, name="bob")),
        ("/slow 30", frames.Slow(room=R, seconds=30)),
        ("/slow 0", frames.Slow(room=R, seconds=0)),
        ("/moderation", frames.ListModeration(room=R)),
        ("/bans", frames.ListModeration(room=R)),
        ("/unban #12", frames.Unban(room=R, user=12)),
        ("/ban #12 10m noise", frames.Ban(room=R, user=12, seconds=600, why="noise")),
        ("/op bob", frames.Op(room=R, name="bob")),
        ("/deop bob", frames.Deop(room=R, name="bob")),
        ("/invite bob", frames.Invite(room=R, name="bob")),
        ("/uninvite bob", frames.Uninvite(room=R, name="bob")),
        ("/private", frames.Private(room=R)),
        ("/public", frames.Public(room=R)),
        ("/WHO", frames.Who(room=R)),
        ("who", frames.Who(room=R)),
    ],
)
def test_a_line_is_a_command(line: str, command: Command) -> None:
    assert parse(line, R) == command


@pytest.mark.parametrize(
    ("typed", "seconds"),
    [
        ("1h30m", 5_400),
        ("1d 12h", 129_600),
        ("1d, 12 hours and 5 minutes", 129_900),
        ("1w", 604_800),
        ("4 Weeks", 2_419_200),
        ("90min", 5_400),
        ("2 hours", 7_200),
        ("2\u00a0hrs", 7_200),
        ("1.5h", 5_400),
        ("30 sec", 30),
        ("an hour", 3_600),
        ("half an hour", 1_800),
        ("two weeks", 1_209_600),
        ("thirty days", 2_592_000),
        ("ten secs", 10),
        ("fifteen mins", 900),
        ("a couple of hours", 7_200),
        ("for 10m", 600),
    ],
)
@pytest.mark.parametrize("why", ["", " noise", ": noise", ", 3 strikes", "  two  words"])
def test_a_time_is_read_as_people_write_it(typed: str, seconds: int, why: str) -> None:
    expected = frames.Mute(room=R, name="pete", seconds=seconds, why=why.lstrip(",: "))
    assert parse(f"/mute pete {typed}{why}", R) == expected


@pytest.mark.parametrize(
    "typed",
    [
        "10", "3 strikes", "1h30", "10m10m", "1 month", "a year", "1y", "10%", "1..5h", "1e5s", "3 sécondes", "٣d",
        "½ hour", "１０m", "-10m", "+1h", "for 10", "until friday", "till 5pm", "2030-01-01", "30d/spam",
        "(10m)", '"10m"', "=10m", "a few days", "twenty-five minutes", "one and a half hours", "several weeks",
        "for fourteen days", "a fortnight", "the weekend",
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", ["ban", "mute"])
def test_what_looks_like_a_time_and_is_none_is_refused_rather_than_for_good(command: str, typed: str) -> None:
    with pytest.raises(Refused) as caught:
        parse(f"/{command} pete {typed}", R)
    assert (caught.value.code, caught.value.values["reason"]) == (Code.BAD_COMMAND, "duration")
    assert "a time like 30s, 10m, 1h30m, 2 hours, 7d, or 4 weeks, got" in caught.value.message
    permanent = parse(f"/{command} pete permanently {typed}", R)
    assert isinstance(permanent, frames.Moderation)
    assert (permanent.why, permanent.seconds) == (typed, 0)


@pytest.mark.parametrize(
    "why",
    [
        "a second offence", "for spamming", "forevermore", "tilling", "noise 10m", "one too many", "hours of noise",
        "for good behaviour elsewhere", "#1 rule", "some people", "a few daylight crimes",
    ],
)  # fmt: skip
def test_a_reason_is_not_taken_for_a_time(why: str) -> None:
    assert parse(f"/ban pete {why}", R) == frames.Ban(room=R, name="pete", why=why)


@pytest.mark.parametrize(
    "line", ["/", "/ who", "/whoami", "/wh", "/dance a  b\nc", "//", "/@", "/who?", "/\u0000", "/ ", "/\n"]
)
def test_no_command_is_found_by_a_part_of_its_name(line: str) -> None:
    assert parse(line, R) == frames.SlashCommand(room=R, line=line)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("/whisper", "Expected at least 2 arguments, got none. Usage: /whisper NAME[,NAME…] TEXT"),
        ("/w ann", "Expected at least 2 arguments, got 1. Usage: /whisper NAME[,NAME…] TEXT"),
        ("/w ann  \n ", "Expected at least 2 arguments, got 1. Usage: /whisper NAME[,NAME…] TEXT"),
        ("/w ann,,bob hi", "Expected names separated by commas, got 'ann,,bob'. Usage: /whisper NAME[,NAME…] TEXT"),
        ("/w ann, bob", "Expected names separated by commas, got 'ann,'. Usage: /whisper NAME[,NAME…] TEXT"),
        ("/w @ hi", "Expected names separated by commas, got '@'. Usage: /whisper NAME[,NAME…] TEXT"),
        ("/reply  ", "Expected at least one argument, got none. Usage: /reply TEXT"),
        ("/nick", "Expected one argument, got none. Usage: /nick NAME"),
        ("/nick ann lee", "Expected one argument, got 2. Usage: /nick NAME"),
        ("/nick @", "Expected a name, got '@'. Usage: /nick NAME"),
        ("/join #", "Expected a room, got '#'. Usage: /join ROOM"),
        ("/part den", "Expected no arguments, got 1. Usage: /part"),
        ("/who a b c", "Expected at most 2 arguments, got 3. Usage: /who [ROOM [NAME]]"),
        ("/mentions me", "Expected all or operators, got 'me'. Usage: /mentions WHO"),
        ("/history 0", "Expected a number from 1 to 200, got '0'. Usage: /history [NUMBER]"),
        ("/history 201", "Expected a number from 1 to 200, got '201'. Usage: /history [NUMBER]"),
        ("/history ٣", "Expected a number from 1 to 200, got '٣'. Usage: /history [NUMBER]"),
        ("/history -1", "Expected a number from 1 to 200, got '-1'. Usage: /history [NUMBER]"),
        ("/search " + "x" * 501, "Expected at most 500 characters, got 501. Usage: /search WORDS"),
        ("/rooms " + "x" * 501, "Expected at most 500 characters, got 501. Usage: /rooms [PART]"),
        ("/who lobby " + "x" * 501, "Expected at most 500 characters, got 501. Usage: /who [ROOM [NAME]]"),
        ("/edit", "Expected at least one argument, got none. Usage: /edit [ID] TEXT"),
        ("/edit 5", "Expected a text after the ID, got none. Usage: /edit [ID] TEXT"),
        ("/delete five", "Expected a number from 0 to 9007199254740991, got 'five'. Usage: /delete [ID]"),
        (
            "/delete 9007199254740992",
            "Expected a number from 0 to 9007199254740991, got '9007199254740992'. Usage: /delete [ID]",
        ),
        (
            "/delete " + "9" * 9_999,
            f"Expected a number from 0 to 9007199254740991, got '{'9' * 40}…'. Usage: /delete [ID]",
        ),
        ("/login ann", "Expected at least 2 arguments, got 1. Usage: /login NAME PASSWORD"),
        ("/ban bob 0s", "Expected a time from 1s to 3650d, got '0s'. Usage: /ban NAME [FOR] [WHY]"),
        ("/ban bob 3651d", "Expected a time from 1s to 3650d, got '3651d'. Usage: /ban NAME [FOR] [WHY]"),
        (
            "/mute bob " + "9" * 9_999 + "s",
            f"Expected a time from 1s to 3650d, got '{'9' * 40}…'. Usage: /mute NAME [FOR] [WHY]",
        ),
        ("/unban #x", "Expected a name, or an id like #12, got '#x'. Usage: /unban NAME"),
        ("/unban #0", "Expected a name, or an id like #12, got '#0'. Usage: /unban NAME"),
        ("/unban #", "Expected a name, or an id like #12, got '#'. Usage: /unban NAME"),
        ("/slow 10m", "Expected a number from 0 to 315360000, got '10m'. Usage: /slow SECONDS"),
    ],
)
def test_a_malformed_command_is_told_how_it_is_used(line: str, message: str) -> None:
    with pytest.raises(Refused) as caught:
        parse(line, R)
    assert (caught.value.code, caught.value.message, caught.value.retry) == (Code.BAD_COMMAND, message, False)


def test_every_command_and_alias_has_a_usage_of_its_own() -> None:
    assert [usage.command for usage in USAGES] == list(dict.fromkeys(NAMES.values()))
    assert {alias: name for alias, name in NAMES.items() if alias != name} == {
        "w": "whisper", "msg": "whisper", "tell": "whisper", "r": "reply", "leave": "part", "bans": "moderation",
    }  # fmt: skip
    for usage in USAGES:
        assert usage.help
        assert all(len(part.splitlines()) <= 1 for part in (usage.command, usage.usage, usage.help))


SILENT = {frames.Read, frames.Typing, frames.Pong, frames.SlashCommand}
"""What only programs say, and what stands for every other command."""


def test_every_command_can_be_typed() -> None:
    lines = [f"/{usage.command} {arguments}" for usage in USAGES for arguments in ("", "5", "x", "5 x", "all")]
    typed = set()
    for line in lines:
        with suppress(Refused):
            typed.add(type(parse(line, R)))
    assert typed == set(get_args(Command)) - SILENT


words = st.sampled_from(["", " ", "\n", "#", "@", ",", "-", "ann", "10m", "9" * 30, "0s", "5", "x" * 600, "é", "\x00"])


@given(st.sampled_from(sorted(NAMES)), st.lists(words | st.text(max_size=5)).map("".join))
def test_whatever_is_typed_is_a_command_that_json_could_carry_or_refused(name: str, rest: str) -> None:
    try:
        command = parse(f"/{name} {rest}", R)
    except Refused as refused:
        assert refused.code == Code.BAD_COMMAND  # noqa: PT017
        assert len(refused.message.splitlines()) == 1  # noqa: PT017
        assert len(refused.message) < 600  # noqa: PT017
        return
    assert not isinstance(command, frames.SlashCommand)
    assert (getattr(command, "rid", UNSET), getattr(command, "cid", UNSET)) == (UNSET, UNSET)
    tagged = {**msgspec.to_builtins(command), "t": type(command).__struct_config__.tag}
    assert msgspec.convert(tagged, type(command)) == command


@given(st.text())
def test_any_line_is_a_command_or_refused(line: str) -> None:
    with suppress(Refused):
        assert isinstance(parse(f"/{line}", R), Command)
