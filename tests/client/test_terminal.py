"""The client in a terminal, as a person sees it."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from app.chat.frames import Changed, Found
from app.client.languages.catalogue import english
from app.client.sanitize import safe_lines
from app.client.terminal.attention import Attention
from app.client.terminal.formatting import Formatter
from app.client.terminal.style import Style
from app.testing import JsonClient
from benchmarks.ports import free_port
from tests.client.servers import Names, RestartableServer, other_user, serving, text_server
from tests.client.terminals import CTRL_C, CTRL_D, ENTER, ESCAPE, TAB, Terminal, terminal
from tests.client.test_sanitize import CORPUS, said

UP = "\x1b[A"
TS = "2026-01-31T12:00:00Z"


def test_typing_while_messages_arrive(me: Terminal, friend: JsonClient, room: str) -> None:
    me.types("half of ")
    me.prompt(f"{room}> half of")
    for number in range(40):
        friend.say(f"number {number}")
    me.shows("number 39")
    me.prompt(f"{room}> half of")
    me.types("a line" + ENTER)
    me.shows("> half of a line")
    me.prompt(f"{room}>")
    said = [line for line in me.lines() if "number " in line]
    assert [line.rpartition(" ")[2] for line in said] == [str(number) for number in range(40)]
    assert friend.answer("history", room=room, limit=1)["events"][0]["text"] == "half of a line"


def test_names_commands_and_rooms_are_completed(me: Terminal, friend: JsonClient, room: str) -> None:
    friend.say("here I am")
    me.shows("here I am")
    me.types(friend.name[:4] + TAB)
    me.prompt(f"{room}> @{friend.name}:")
    me.types(CTRL_C)
    me.types("/whi" + TAB)
    me.prompt(f"{room}> /whisper")
    me.types(friend.name[:4] + TAB)
    me.prompt(f"{room}> /whisper {friend.name}")
    me.types(CTRL_C + "/join " + room[:3] + TAB)
    me.prompt(f"{room}> /join {room}")
    me.types(CTRL_C + "/wh" + TAB)
    me.shows("/whisper  /who")
    me.types(TAB)
    me.prompt(f"{room}> /whisper")
    me.types(TAB)
    me.prompt(f"{room}> /who")


def test_own_messages_are_completed_to_be_changed(me: Terminal, friend: JsonClient, room: str) -> None:
    me.types("helo" + ENTER)
    me.shows("> helo")
    me.types("/edit " + TAB)
    me.waits(lambda: "helo" in me.screen.display[me.screen.cursor.y], "the message in the prompt")
    me.types("\x7flo" + ENTER)
    me.shows("edited a message: hello")
    assert friend.answer("history", room=room, limit=2)["events"][0]["text"] == "hello"


def test_own_messages_stay_ones_own_and_the_name_may_be_somebody_elses(
    me: Terminal, friend: JsonClient, names: Names, room: str
) -> None:
    me.types("mine" + ENTER)
    me.shows("> mine")
    me.types(f"/nick {names.cy}" + ENTER)
    me.shows(f"You're {names.cy} now")
    friend.nick(names.ann)
    friend.say("not mine")
    me.shows(f"<{names.ann}> not mine")
    friend.say(f"@{names.cy}, look")
    me.shows(f"!<{names.ann}> @{names.cy}, look")
    me.types("/edit " + TAB)
    me.waits(lambda: "mine" in me.screen.display[me.screen.cursor.y], "the message in the prompt")
    me.types(" and edited" + ENTER)
    me.shows(f"{names.cy} edited a message: mine and edited")
    me.types("/quit" + ENTER)
    with terminal(names.url, "--name", names.cy) as again:
        again.shows("mine and edited (edited)")
        again.types("/edit " + TAB)
        again.waits(lambda: "mine and" in again.screen.display[again.screen.cursor.y], "the message in the prompt")


def test_history_counts_messages_and_shows_edits_in_them(me: Terminal, friend: JsonClient, names: Names) -> None:
    room = names.room
    for text in ("one", "two", "three"):
        friend.say(text)
    me.shows("three")
    seq = friend.answer("history", room=room, limit=1)["events"][0]["seq"]
    for number in range(40):
        friend.answer("edit", room=room, seq=seq, text=f"three {number}")
    me.shows("edited a message: three 39")
    me.types("/history 3" + ENTER)
    me.shows(f"<{friend.name}> three 39 (edited)")
    shown = [line.partition(f"<{friend.name}> ")[2] for line in me.lines() if f" *** {seq}" in line or " *** " in line]
    assert [line for line in shown if line][-3:] == ["one", "two", "three 39 (edited)"]
    with terminal(names.url, "--name", names.cy) as cy:
        cy.shows("three 39 (edited)")
        assert [line.partition("> ")[2] for line in cy.lines() if f"<{friend.name}>" in line] == [
            "one",
            "two",
            "three 39 (edited)",
        ]


def test_up_changes_the_last_message(me: Terminal, friend: JsonClient, room: str) -> None:
    me.types("helo" + ENTER)
    me.shows("> helo")
    me.types(UP)
    me.waits(lambda: "/edit" in me.screen.display[me.screen.cursor.y], "the message in the prompt")
    me.types("\x7flo" + ENTER)
    me.shows("edited a message: hello")
    me.types(UP)
    me.waits(lambda: me.screen.display[me.screen.cursor.y].rstrip().endswith(" hello"), "the text as it is now")
    me.types(CTRL_C + "/delete " + TAB)
    me.waits(lambda: me.screen.display[me.screen.cursor.y].rstrip()[-1] in "0123456789", "the ID in the prompt")
    me.types(ENTER)
    me.shows("A message from")
    me.types(UP)
    me.waits(lambda: "/delete" in me.screen.display[me.screen.cursor.y], "the last line, since there is no message")
    me.types(CTRL_C + "/edit" + ENTER)
    me.shows("*** Check the command. Usage: /edit")
    me.shows("*** Press Tab where the ID belongs")


def test_where_no_room_is_named_it_is_the_servers() -> None:
    with serving(chat__room="hall") as url, terminal(url, "--name", "ann") as me:
        me.shows("You're in hall")
        me.prompt("hall>")


def test_whispers_are_shown_as_such(me: Terminal, friend: JsonClient, names: Names) -> None:
    friend.whisper(names.ann, "psst")
    me.shows(f"<{friend.name} → you> psst")
    me.types("/r what?" + ENTER)
    me.shows(f"<you → {friend.name}> what?")
    me.types(f"/w {friend.name} listen" + ENTER)
    me.shows(f"<you → {friend.name}> listen")
    me.types("/w nobody listen" + ENTER)
    me.shows("*** “listen” wasn't sent: Nobody here is called nobody")


def test_an_invitation_is_told_and_leads_into_the_room(names: Names, friend: JsonClient) -> None:
    den = f"{names.room}.den"
    friend.register("correct horse")
    friend.join(den)
    friend.answer("private", room=den)
    with terminal(names.url, "--name", names.ann, "--bell") as me:
        me.shows("You're in")
        friend.answer("invite", room=den, name=names.ann)
        me.shows(f"*** {friend.name} invited you to {den}. Type /join")
        me.waits(lambda: b"\a" in me.raw, "bell")
        me.types(f"/join {den[:-1]}" + TAB)
        me.waits(lambda: me.screen.display[me.screen.cursor.y].rstrip().endswith(den), "the room in the prompt")
        me.types(ENTER)
        me.prompt(f"{den}>")


def test_a_ban_says_how_long_it_is(me: Terminal, friend: JsonClient, names: Names, room: str) -> None:
    friend.register("correct horse")
    with other_user(names.chat, names.cy, room):
        friend.answer("mute", room=room, name=names.cy, seconds=3600)
        me.shows(f"*** {friend.name} muted {names.cy} until ")
        friend.answer("ban", room=room, name=names.cy, why="noise")
        me.shows(f"*** {friend.name} banned {names.cy} permanently: noise")


def test_rooms_and_what_happens_in_them(me: Terminal, friend: JsonClient, names: Names, room: str) -> None:
    me.types("/join elsewhere" + ENTER)
    me.prompt("elsewhere>")
    friend.say("one")
    friend.say(f"two, @{names.ann}!")
    me.shows(f"1:{room} (2!)")
    assert not any("> one" in line for line in me.lines())
    me.types("half" + ESCAPE + "1")
    me.prompt(f"{room}> half")
    me.shows(f"── {room} ──")
    me.shows(f"<{friend.name}> one")
    me.shows(f"!<{friend.name}> two")
    me.types(CTRL_C + "/part" + ENTER)
    me.prompt("elsewhere>")
    me.types("/part" + ENTER)
    me.shows("*** You left elsewhere")
    me.types("hello" + ENTER)
    me.shows("*** You're not in a room. Join one with /join ROOM.")


def test_the_table_of_commands_is_the_servers(me: Terminal, friend: JsonClient, names: Names) -> None:
    me.types("/help kick" + ENTER)
    me.shows("*** /kick NAME [WHY]: Remove someone from the room (operators)")
    me.types("/dance" + ENTER)
    me.shows("*** There's no command /dance. Type /help for a list")
    me.types(CTRL_C + "/kick" + ENTER)
    me.shows("*** Check the command. Usage: /kick NAME [WHY]")
    me.types(CTRL_C + "/topic all about tea" + ENTER)
    me.shows("set the topic: all about tea")
    me.shows(f"{friend.room} · Connected as {names.ann} · all about tea")
    me.types("/who" + ENTER)
    me.shows(f"*** {friend.name}")
    me.types("/me waves" + ENTER)
    me.shows(f"* {names.ann} waves")


def test_what_is_pasted_is_asked_about(me: Terminal, friend: JsonClient, room: str) -> None:
    me.pastes("one line only\n")
    me.prompt(f"{room}> one line only")
    me.types(CTRL_C + "see: ")
    me.pastes("first\nsecond")
    me.shows("You pasted 2 lines")
    me.types("n")
    me.prompt(f"{room}> see:")
    for no in (ESCAPE, CTRL_C):
        me.pastes("first\nsecond")
        me.shows("You pasted 2 lines")
        me.types(no)
        me.prompt(f"{room}> see:")
    me.pastes("first\nsecond")
    me.types("y")
    me.shows("> see: first")
    me.prompt(f"{room}>")
    assert friend.answer("history", room=room)["events"][0]["text"] == "see: first\nsecond"
    me.pastes("third\nfourth")
    me.types("l")
    me.shows("> fourth")
    said = [event["text"] for event in friend.answer("history", room=room)["events"]]
    assert said[1:] == ["third", "fourth"]


def test_the_screen_gets_smaller_and_larger(me: Terminal, friend: JsonClient, room: str) -> None:
    me.types("half of a line")
    me.prompt(f"{room}> half of a line")
    me.resize(len(room) + 30, 10)
    friend.say("still here?")
    me.shows("still here?")
    me.prompt(f"{room}> half of a line")
    me.resize(120, 30)
    friend.say("and now?")
    me.shows("and now?")
    me.prompt(f"{room}> half of a line")
    me.shows_times(f"{room}> ", 1)


def test_lines_break_between_words_and_hang_under_the_text(names: Names, room: str) -> None:
    with other_user(names.chat, "bo", room) as bo, terminal(names.url, "--name", names.ann) as me:
        me.shows("You're in")
        me.resize(40, 24)
        bo.say("The quick brown fox jumps over the lazy dog\nagain")
        bo.say("今日はとても良い天気ですね、散歩に行きましょう。")
        me.shows("散歩に行きましょう。")
        lines = [line for line in me.lines() if line]
        first = lines.index(next(line for line in lines if "<bo>" in line))
        assert [line[5:] for line in lines[first : first + 5]] == [
            " <bo> The quick brown fox jumps",
            "      over the lazy dog",
            "      again",
            " <bo> 今日はとても良い天気ですね、",
            "      散歩に行きましょう。",
        ]
        bo.say("end")
        me.resize(80, 24)
        bo.say("The quick brown fox jumps over the lazy dog, which sleeps")
        me.shows("<bo> The quick brown fox jumps over the lazy dog, which sleeps")


def test_ctrl_c_and_ctrl_d(me: Terminal, room: str) -> None:
    me.types("drop this" + CTRL_C)
    me.prompt(f"{room}>")
    me.types("x" + CTRL_D)
    me.prompt(f"{room}> x")
    me.types(CTRL_C + CTRL_D)
    assert me.ends() == 0


def test_ctrl_z_types_nothing(me: Terminal, friend: JsonClient, room: str) -> None:
    me.types("half\x1a of it")
    me.prompt(f"{room}> half of it")
    me.pastes("one\ntwo")
    me.shows("You pasted 2 lines")
    me.types("\x1an" + ENTER)
    me.shows("> half of it")
    assert friend.answer("history", room=room)["events"][0]["text"] == "half of it"


JOB = """
import os, signal, sys
child = os.fork()
if not child:
    os.setpgid(0, 0)
    os.execv(sys.executable, [sys.executable, "-m", "app.client", *sys.argv[1:]])
while os.WIFSTOPPED(status := os.waitpid(child, os.WUNTRACED)[1]):
    print("It is suspended", flush=True)
    os.killpg(child, signal.SIGCONT)
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""A shell with job control that does `fg` at once."""


def test_ctrl_z_suspends(names: Names) -> None:
    with terminal(names.url, "--name", names.ann, code=JOB) as me:
        me.prompt(f"{names.room}>")
        me.types("half\x1a")
        me.shows("It is suspended")
        me.prompt(f"{names.room}> half")
        me.types(" of it" + ENTER)
        me.shows("> half of it")
        me.types(CTRL_D)
        assert me.ends() == 0


def test_ctrl_c_on_an_empty_line(me: Terminal) -> None:
    me.types(CTRL_C)
    assert me.ends() == 130


def test_what_was_typed_is_remembered_without_passwords(names: Names, room: str, home: Path) -> None:
    arguments = (names.url, "--name", names.ann)
    with terminal(*arguments) as me:
        me.shows("You're in")
        me.types("first" + ENTER + "/register correct horse" + ENTER)
        me.shows(f"*** You're {names.ann} now")
        me.types("second" + ENTER)
        me.shows("> second")
        me.types("/quit" + ENTER)
        assert me.ends() == 0
    with terminal(*arguments) as me:
        me.shows("> second")
        me.prompt(f"{room}>")
        me.types(UP * 3)
        me.prompt(f"{room}> second")
        me.types("\x1b[A")
        me.prompt(f"{room}> first")
        me.types("\x1b[A")
        me.types("!")
        me.prompt(f"{room}> first!")
    for file in home.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
        assert "horse" not in file.read_text()


def test_the_name_is_asked_for_and_a_taken_one_again(names: Names, friend: JsonClient, tmp_path: Path) -> None:
    new = names.cy
    with terminal(names.url) as me:
        me.prompt("Your name:")
        me.types("/quit" + ENTER)
        assert me.ends() == 0
    with terminal(names.url) as me:
        me.prompt("Your name:")
        me.types(friend.name + ENTER)
        me.shows(f"*** “{friend.name}” is taken")
        me.prompt("Your name:")
        me.types(new + ENTER)
        me.shows(f"Connected as {new}")
    with terminal(names.url) as again:
        again.shows(f"Connected as {new}")
    (tmp_path / "file").touch()
    with terminal(names.url, XDG_STATE_HOME=str(tmp_path / "file")) as unnamed:
        unnamed.prompt("Your name:")
        unnamed.types(ENTER)
        unnamed.shows("*** Your name and token were not saved: ")
        unnamed.shows("Connected as user")


def test_all_rooms_and_whispers_are_searched(me: Terminal, friend: JsonClient, names: Names) -> None:
    room, other = names.room, f"{names.room}2"
    me.resize(160, 24)
    friend.join(other)
    me.types(f"/join {other}" + ENTER)
    me.prompt(f"{other}>")
    friend.say("the green tea", room=room)
    friend.say("tea in the other room", room=other)
    friend.whisper(names.ann, "tea for you")
    me.shows("tea for you")
    me.types("/search TEA" + ENTER)
    me.shows("*** 3 messages with “TEA”")
    me.shows(f"#{room} <{friend.name}> the green tea")
    me.shows(f"#{other} <{friend.name}> tea in the other room")
    me.shows(f"<{friend.name} → {names.ann}> tea for you")
    assert me.raw.count(b"\x1b[1;4mtea") == 3
    me.types("/search nothing" + ENTER)
    me.shows("*** No messages with “nothing”")


class OlderServer:
    """A server whose searches need a room, and mark nothing."""

    async def carry(self, connection: ServerConnection) -> None:
        limits = {"rate": 0, "burst": 20, "message": 65_536}
        await self.send(connection, "welcome", id=1, name="ann", registered=False, token="t", epoch="e", limits=limits)
        async for text in connection:
            asked = json.loads(text)
            rid, room = asked.get("rid"), asked.get("room", "")
            match asked["t"]:
                case "join":
                    await self.send(
                        connection, "joined", room=room, epoch="e", head=0, recovered=True, members=1, rid=rid
                    )
                case "search" if room:
                    event = {"t": "msg", "room": room, "seq": 1, "id": "a", "ts": TS, "from": "bob", "text": "old tea"}
                    await self.send(connection, "found", room=room, words="tea", events=[event], more=False, rid=rid)
                case _:
                    message = "Object missing required field `room`"
                    await self.send(connection, "error", code="bad_frame", message=message, retry=False, rid=rid)

    async def send(self, connection: ServerConnection, t: str, **fields: object) -> None:
        await connection.send(json.dumps({"t": t, **fields}))


def test_an_older_server_searches_the_current_room() -> None:
    def converse(url: str) -> None:
        with terminal(url, "--name", "ann") as me:
            me.prompt("lobby>")
            me.types("/search tea" + ENTER)
            me.shows("*** 1 message with “tea”")
            me.shows("<bob> old tea")
            me.types("/quit" + ENTER)
            assert me.ends() == 0

    async def main() -> None:
        async with serve(OlderServer().carry, "127.0.0.1", 0, subprotocols=[Subprotocol("chat.v1.json")]) as server:
            (socket,) = server.sockets
            await asyncio.to_thread(converse, f"ws://127.0.0.1:{socket.getsockname()[1]}/chat")

    asyncio.run(main())


def test_without_colours(names: Names, friend: JsonClient) -> None:
    friend.say("what was before")
    for flags, value in ((("--no-color",), ""), ((), "1")):
        with terminal(names.url, "--name", names.cy, *flags, NO_COLOR=value) as me:
            me.shows(f"<{friend.name}> what was before")
            assert not re.search(rb"\x1b\[[0-9;]*[34][0-7]m", me.raw)
    with terminal(names.url, "--name", names.cy) as me:
        me.shows(f"<{friend.name}> what was before")
        assert re.search(rb"\x1b\[[39][1-6]m" + friend.name.encode(), me.raw)


def test_a_dumb_terminal_gets_lines(names: Names, friend: JsonClient, tmp_path: Path) -> None:
    with terminal(names.url, "--name", names.cy, TERM="dumb") as me:
        me.shows("You're in")
        friend.say("hello")
        me.shows(f"<{friend.name}> hello")
        me.types("hi\n")
        me.shows("> hi")
        me.types(CTRL_D)
        assert me.ends() == 0
        assert b"\x1b" not in me.raw
    with terminal(names.chat, TERM="dumb", XDG_STATE_HOME=str(tmp_path / "nobody")) as me:
        me.shows("Your name:")
        me.types(names.bob + "\n")
        me.shows(f"*** “{names.bob}” is taken")
        me.types(names.bob + "2\n")
        me.shows("You're in lobby")
        assert sum("Your name:" in line for line in me.lines()) == 2


def test_it_rings_on_a_mention_if_asked(names: Names, friend: JsonClient) -> None:
    ann = names.ann
    with terminal(names.url, "--name", ann, "--bell") as me:
        me.shows("You're in")
        friend.say(f"@{ann}son is another")
        me.shows("is another")
        assert b"\a" not in me.raw
        friend.say(f"{ann} and mail to {ann}@example.org")
        me.shows("example.org")
        assert b"\a" not in me.raw
        friend.say(f"hey @{ann.upper()}.")
        me.shows(f"!<{friend.name}> hey")
        me.waits(lambda: b"\a" in me.raw, "bell")


def test_it_rings_when_everyone_is_called(names: Names, friend: JsonClient, room: str) -> None:
    friend.register("correct horse")
    with terminal(names.url, "--name", names.ann, "--bell") as me:
        me.shows("You're in")
        friend.say("@everyone: tea")
        me.shows(f"!<{friend.name}> @everyone: tea")
        me.waits(lambda: b"\a" in me.raw, "bell")


def test_a_name_without_a_sign_counts_if_wanted(names: Names, friend: JsonClient) -> None:
    with terminal(names.url, "--name", names.ann, "--bare-names") as me:
        me.shows("You're in")
        friend.say(f"{names.ann}: tea")
        me.shows(f"!<{friend.name}> {names.ann}: tea")


HASTENED = """
import sys
from datetime import datetime, timedelta
from app.client.terminal import launch
class Hastened(datetime):
    start, calls = datetime.now(), 0
    @classmethod
    def now(cls):
        cls.calls += 1
        return cls.start + timedelta(minutes=cls.calls)
launch.datetime = Hastened
from app.client.main import entry
entry(sys.argv[1:])
"""
"""The client with a clock on which a minute passes between any two looks at it."""


def test_each_notice_has_the_time_at_which_it_is_shown(names: Names) -> None:
    with terminal(names.url, "--name", names.ann, code=HASTENED) as me:
        me.shows("You're in")
        for _ in range(3):
            me.types("/conversations" + ENTER)
        me.shows_times("No whispers yet", 3)
        assert len({line[:5] for line in me.lines() if " *** " in line}) == 4


def test_the_server_is_killed_and_comes_back(restartable: RestartableServer) -> None:
    with terminal(restartable.url, "--name", "ann") as me, other_user(restartable.url, "bob", "lobby") as bob:
        me.shows("You're in lobby")
        bob.say("before")
        me.shows("<bob> before")
        restartable.kill()
        me.shows("What you type now will be sent")
        me.types("typed meanwhile" + ENTER)
        me.shows("1 line to send")
        me.types("half")
        restartable.start_again()
        me.shows("*** Reconnected")
        me.shows("<ann> typed meanwhile")
        me.prompt("lobby> half")
        with other_user(restartable.url, "cy", "lobby") as cy:
            said = [event["text"] for event in cy.answer("history", room="lobby")["events"]]
        assert said == ["before", "typed meanwhile"]


def test_what_others_write_does_nothing_but_be_shown(me: Terminal, friend: JsonClient, room: str) -> None:
    me.types("half")
    me.prompt(f"{room}> half")
    title, before = me.screen.title, len(me.raw)
    evil = [text for text in CORPUS.values() if text != CORPUS["half a character"]]
    for number, text in enumerate(evil):
        friend.say(f"{number} {text} end{number}")
    friend.answer("topic", room=room, text="".join(evil)[:300])
    me.shows(f"end{len(evil) - 1}")
    for number, text in enumerate(evil):
        shown = "".join(me.lines())
        assert all(part.strip()[:30] in shown for part in safe_lines(f"{number} {text}")), text
        assert text.encode() not in me.raw[before:].replace(b"\r\n", b"\n") or "\n" in text
    me.prompt(f"{room}> half")
    assert me.screen.title == title
    assert not any(code in me.raw[before:] for code in (b"\x07", b"\x1b]", b"\x1bP", b"\x1b[2J", b"\x1bc", b"\x0e"))
    assert not any(mark.encode() in me.raw[before:] for mark in "\u202e\u2066\u200f\u2028\x9b\x9d")


def test_what_was_missed_is_told(restartable: RestartableServer) -> None:
    with terminal(restartable.url, "--name", "ann") as me:
        me.shows("You're in lobby")
        me.process.send_signal(signal.SIGSTOP)
        restartable.kill()
        restartable.start_again()
        with other_user(restartable.url, "bob", "lobby") as bob:
            for number in range(3):
                bob.say(f"while you were away {number}")
            me.process.send_signal(signal.SIGCONT)
            me.shows("<bob> while you were away 2")
            me.shows("*** You missed 3 messages in lobby")
            bob.register("correct horse")
            bob.answer("ban", room="lobby", name="ann", why="coffee")
            me.shows("*** bob banned ann permanently: coffee")
            me.shows("*** You're no longer in lobby")
    with terminal(restartable.url, "--name", "ann") as me:
        me.shows("*** You're banned from lobby permanently: coffee")


def test_a_server_that_restarts_says_so(restartable: RestartableServer) -> None:
    with terminal(restartable.url, "--name", "ann") as me:
        me.shows("You're in lobby")
        restartable.process.stop()
        me.shows("*** The server is restarting")
        me.types("too late" + ENTER)
        me.shows("1 line to send")
        me.types(CTRL_D)
        assert me.ends() == 0
        me.shows("*** “too late” wasn't sent: You left the chat")


def test_at_the_start_somebody_has_to_be_there(names: Names) -> None:
    url = f"ws://127.0.0.1:{free_port()}/chat"
    with terminal(url, "--name", "ann") as me:
        assert me.ends() == 3
        me.shows("Connection refused: no server")
        assert not any(">" in line for line in me.lines()), "the prompt is taken away"
    with terminal(names.chat.replace("/chat", "/livez"), "--name", "ann") as me:
        assert me.ends() == 4
        me.shows("/livez: Not a chat server: it answered")


def test_sigterm_ends_it_and_leaves_the_terminal_as_it_was(me: Terminal) -> None:
    me.types("half")
    me.process.terminate()
    assert me.ends() == 143
    assert me.raw.rstrip().endswith(b"\x1b[?25h") or b"\x1b[?2004l" in me.raw[-200:]


def test_a_login_makes_one_somebody_else_in_the_same_rooms(me: Terminal, friend: JsonClient, room: str) -> None:
    friend.register("correct horse")
    me.types("/join elsewhere" + ENTER)
    me.prompt("elsewhere>")
    me.types(f"/login {friend.name} correct horse" + ENTER)
    me.shows(f"*** You're {friend.name} now")
    assert not any("horse" in line for line in me.lines())
    me.types("/join " + room + ENTER + "as my friend" + ENTER)
    me.shows(f"<{friend.name}> as my friend")


def test_a_server_of_text() -> None:
    async def work() -> None:
        async with text_server() as server:

            def chat() -> None:
                with terminal(server.url, "--name", "ann") as me:
                    me.shows("You are connected! There are 1 users here.")
                    me.types("hello" + ENTER + "/help" + ENTER)
                    me.shows("<user0> hello")
                    me.shows("<user0> /help")
                    me.types("/quit" + ENTER)
                    assert me.ends() == 0

            await asyncio.to_thread(chat)

    asyncio.run(work())


def test_a_day_begins_with_its_date() -> None:
    formatter = Formatter(Style(on=False), english(), UTC)
    at = [f"2026-01-{day}T23:59:00Z" for day in (30, 30, 31)]
    lines = [line for ts in at for line in formatter.message(said("ops", "ann", "hi", ts=ts), "me", own=False)]
    assert lines == [
        "── Friday 2026-01-30 ──",
        "23:59 <ann> hi",
        "23:59 <ann> hi",
        "── Saturday 2026-01-31 ──",
        "23:59 <ann> hi",
    ]


def mentioned(text: str, *names: str, bare_names: bool = False, live: bool = True, **fields: Any) -> bool:
    """Whether a message mentions Ann, among people with these names."""
    attention = Attention(bare_names=bare_names)
    attention.named("Ann", 1)
    return attention.is_mentioned(said("ops", "bob", text, **fields), names, live=live)


def test_who_is_mentioned() -> None:
    assert mentioned("@ann: hi")
    assert mentioned("hi @ANN.")
    assert mentioned("请@ann看")
    for text in ("ann: hi", "@annie", "@ann-", "@joann", "ann@example.com", "`@ann`"):
        assert not mentioned(text), text
    assert not mentioned("@ann.", "ann.")
    assert mentioned("ann: hi", bare_names=True)
    assert not mentioned("joann: hi", bare_names=True)
    assert not mentioned("@ann", deleted=True)


def test_everyone_is_mentioned_where_the_server_says_so() -> None:
    assert not mentioned("@everyone and @here")
    assert mentioned("@everyone", notify="everyone", live=False)
    assert mentioned("@here", notify="here")
    assert not mentioned("@here", notify="here", live=False)


def test_what_is_about_you_is_told_by_your_id() -> None:
    attention = Attention(bare_names=False)
    attention.named("ann", 1)
    kick = Changed("kick", "ops", 1, "a", TS, "bob", 2, whom="ann")
    assert attention.is_about_you(kick)
    assert not attention.is_about_you(structs.replace(kick, about=3))
    assert attention.is_about_you(structs.replace(kick, whom="anna", about=1))


def test_a_message_that_mentions_you_is_marked() -> None:
    formatter, message = Formatter(Style(on=False), english(), UTC), said("ops", "bob", "@ann hi")
    assert [formatter.message(message, "ann", own=False, mentions=mark)[-1][5] for mark in (True, False)] == ["!", " "]


def shown(found: Found, *, on: bool = False) -> list[str]:
    """The lines of a search, without the time in front."""
    at = datetime(2026, 1, 31, 12, tzinfo=UTC)
    lines = Formatter(Style(on=on), english(), UTC).sentences(found, at)
    return [re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "TIME", line.removeprefix("12:00 *** ")) for line in lines[1:]]


def test_each_result_of_a_search_names_its_room_or_its_people() -> None:
    events = [said("ops", "bob", "tea"), said("@1,2", "bob", "tea", to=("ann",)), said("ops", "bob", "drinks", me=True)]
    everywhere = Found("tea", [*events], more=True, partial=True, behind=2)
    assert shown(everywhere) == [
        "3 messages with “tea”, and older ones",
        "1 TIME #ops <bob> tea",
        "1 TIME <bob → ann> tea",
        "1 TIME #ops * bob drinks",
        "There may be older results. Narrow your search",
        "2 recent messages aren't searched yet",
    ]
    assert shown(Found("tea", [events[0]], more=False, room="ops"))[1] == "1 TIME <bob> tea"


@pytest.mark.parametrize(
    ("text", "marks", "expected"),
    [
        ("tea", [(0, 3)], "<tea>"),
        ("🍵 tea, tea", [(2, 5), (7, 10)], "🍵 <tea>, <tea>"),
        ("no hits", [], "no hits"),
        ("a\n\x1b[2Jb", [(1, 4)], "a<\\n\\x1b[>2Jb"),
        ("edited", [(0, 6)], "<edited>"),
        ("overlap", [(0, 4), (2, 7)], "<over><lap>"),
        ("\0 tea \0", [(2, 5)], "\\x00 <tea> \\x00"),
        ("odd", [(9, 2), (-5, 1), (5, 9)], "odd"),
    ],
)
@pytest.mark.parametrize("edited", [False, True])
def test_the_hits_of_a_search_stand_out(text: str, marks: list[tuple[int, int]], expected: str, edited: bool) -> None:
    line = shown(Found("x", [said("ops", "bob", text, edited=edited)], more=False, marks=[marks]), on=True)[1]
    plain = re.sub(r"\x1b\[1;4m(.*?)\x1b\[0m", "<\\1>", line)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", plain)
    assert plain.partition("<bob> ")[2] == expected + (" (edited)" if edited else "")


def test_somebody_has_one_colour_under_every_name() -> None:
    formatter = Formatter(Style(on=True), english(), UTC)
    colours = [
        formatter.message(said("ops", name, "hi", user=user), "me", own=False)[-1].partition("<")[2][:5]
        for name, user in (("ann", 1), ("anna", 1), ("ann", 2))
    ]
    assert colours[0] == colours[1] != colours[2]
    assert len({Style(on=True).name("ann", user=user) for user in range(1, 13)}) == 12
