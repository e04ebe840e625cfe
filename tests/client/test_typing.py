"""What is typed in a terminal arrives, or comes back into the field with the reason, and nobody hears a password."""

from __future__ import annotations

import socket
from functools import partial
from pathlib import Path
from typing import Any

from app.testing import JsonClient
from tests.client.servers import Names, RestartableServer, other_user
from tests.client.terminals import CTRL_C, CTRL_D, ENTER, ESCAPE, Terminal, terminal
from tests.clients import DEADLINE

UP = "\x1b[A"


def texts(friend: JsonClient, room: str) -> list[Any]:
    return [event["text"] for event in friend.answer("history", room=room)["events"] if event["t"] == "msg"]


# Passwords.


def test_a_login_after_a_blank_is_a_login(me: Terminal, friend: JsonClient, room: str) -> None:
    friend.register("correct horse")
    for number, blank in enumerate((" ", "\u00a0", "\u3000", "\u200b", "  \n"), 1):
        me.pastes(f"{blank}/login {friend.name} correct horse")
        if "\n" in blank:
            me.shows("You pasted 2 lines")
            me.types("y")
        else:
            me.types(ENTER)
        me.shows_times(f"You're {friend.name} now", number)
    assert texts(friend, room) == []
    assert not any("horse" in line for line in me.lines())


def test_what_looks_like_a_password_is_not_said(me: Terminal, friend: JsonClient, room: str) -> None:
    for line in (f"//login {friend.name} horse", "／register correct horse", f"/me /login {friend.name} horse"):
        me.types(line + ENTER)
        me.shows("*** This looks like a command with a password, so it wasn't sent.")
        me.prompt(f"{room}> {line}")
        me.types(CTRL_C + "/who" + ENTER)
        me.shows(f"*** {friend.name}")
        me.types("/search nothing" + ENTER)
        me.types("\x0c")
    assert texts(friend, room) == []


def test_a_password_is_asked_for_and_hidden(me: Terminal, friend: JsonClient, room: str, home: Path) -> None:
    me.types("/register" + ENTER)
    me.prompt("Password:")
    me.types("correct horse" + ENTER)
    me.prompt("Repeat the password:")
    me.types("correct hose" + ENTER)
    me.shows("*** You typed two different passwords. Nothing was changed.")
    me.types("/register" + ENTER)
    me.prompt("Password:")
    me.types("correct horse" + ENTER)
    me.prompt("Repeat the password:")
    me.types("correct horse" + ENTER)
    me.shows("A password protects your name.")
    me.types(f"/nick {friend.name}2" + ENTER)
    me.shows(f"You're {friend.name}2 now")
    friend.register("staple battery")
    me.types(f" /login {friend.name}" + ENTER)
    me.prompt("Password:")
    me.types("staple battery" + ENTER)
    me.shows(f"*** You're {friend.name} now")
    me.types(UP + "x")
    assert texts(friend, room) == []
    assert b"horse" not in me.raw
    assert b"staple" not in me.raw
    assert not any("horse" in file.read_text() or "/login" in file.read_text() for file in home.iterdir())


def is_told(me: Terminal, times: int) -> bool:
    """Whether it was told so many times that a password protects the name."""
    return " ".join(me.lines()).count("A password protects your name.") == times


def test_a_password_is_changed_with_the_old_one(me: Terminal, room: str) -> None:
    me.types("/register correct horse" + ENTER)
    me.shows("A password protects your name.")
    for number, (old, new) in enumerate((("correct horse", 'battery "\\'), ('battery "\\', "correct horse")), 2):
        me.types("/password" + ENTER)
        me.prompt("Present password:")
        me.types(old + ENTER)
        me.prompt("New password:")
        me.types(new + ENTER)
        me.prompt("Repeat the password:")
        me.types(new + ENTER)
        me.waits(partial(is_told, me, number), f"that a password protects the name, {number} times")
        me.prompt(f"{room}>")
    assert b"battery" not in me.raw


def test_a_password_need_not_be_given(me: Terminal, room: str) -> None:
    for key in (ESCAPE, CTRL_C, CTRL_D, ENTER):
        me.types("/login bob" + ENTER)
        me.prompt("Password:")
        me.types(key)
        me.prompt(f"{room}>")
    me.types("hello" + ENTER)
    me.shows("> hello")


def test_a_wrong_password_is_asked_for_again(me: Terminal, friend: JsonClient, room: str) -> None:
    friend.register("correct horse")
    me.types(f"/login {friend.name} wrong horse" + ENTER)
    me.shows("*** Wrong name or password")
    me.prompt(f"{room}> /login {friend.name}")
    me.types(ENTER)
    me.prompt("Password:")
    me.types("correct horse" + ENTER)
    me.shows(f"*** You're {friend.name} now")


def test_a_dumb_terminal_does_not_show_a_password(names: Names) -> None:
    with terminal(names.url, "--name", names.ann, TERM="dumb") as me:
        me.shows("You're in")
        me.types("/register\n")
        me.shows("Password:")
        me.types("correct horse\n")
        me.shows("Repeat the password:")
        me.types("correct horse\n")
        me.shows("A password protects your name.")
        me.types("hello\n")
        me.shows("> hello")
        assert b"horse" not in me.raw


# Blank lines.


def test_a_blank_line_is_not_said(me: Terminal, friend: JsonClient, room: str) -> None:
    for line in (" ", "\u200b", "\u3000\u00a0", "\u2800"):
        me.types(line + ENTER)
    me.types("something" + ENTER)
    me.shows("> something")
    assert texts(friend, room) == ["something"]


# What can't be sent.


def test_what_is_refused_comes_back(me: Terminal, friend: JsonClient, room: str) -> None:
    friend.register("correct horse")
    me.types("/topic mine" + ENTER)
    me.shows("*** Only operators of")
    me.prompt(f"{room}> /topic mine")
    me.types(CTRL_C + "/dance now" + ENTER)
    me.shows("*** There's no command /dance")
    me.prompt(f"{room}> /dance now")
    me.types(CTRL_C + "/history many" + ENTER)
    me.shows("*** Check the command. Usage: /history")
    me.prompt(f"{room}> /history many")
    me.types(CTRL_C + "/w nobody psst" + ENTER)
    me.shows("*** “psst” wasn't sent: Nobody here is called nobody")
    me.prompt(f"{room}> /w nobody psst")
    friend.answer("mute", room=room, name=me_of(friend, room), why="tea")
    me.types(CTRL_C + "hello" + ENTER)
    me.shows("*** “hello” wasn't sent: You're muted in")
    me.prompt(f"{room}> hello")


def me_of(friend: JsonClient, room: str) -> str:
    """The name of the other person in the room."""
    people = [person["name"] for person in friend.answer("who", room=room)["people"]]
    return next(str(name) for name in people if name != friend.name)


def test_up_brings_back_what_was_refused_while_something_else_was_typed(
    me: Terminal, friend: JsonClient, room: str
) -> None:
    friend.register("correct horse")
    friend.answer("mute", room=room, name=me_of(friend, room), why="tea")
    me.pastes("one\ntwo\nthree")
    me.shows("You pasted 3 lines")
    me.types("l")
    me.shows("*** “three” wasn't sent: You're muted in")
    me.prompt(f"{room}> one")
    me.types(CTRL_C + UP)
    me.prompt(f"{room}> two")
    me.types(CTRL_C + UP)
    me.prompt(f"{room}> three")


def test_in_its_own_room_comes_back_what_is_refused(me: Terminal, friend: JsonClient, room: str) -> None:
    friend.register("correct horse")
    me.types("/join elsewhere" + ENTER)
    me.prompt("elsewhere>")
    me.types(ESCAPE + "1")
    me.prompt(f"{room}>")
    friend.answer("mute", room=room, name=me_of(friend, room), why="tea")
    me.types("only for these" + ENTER + ESCAPE + "2")
    me.shows("*** “only for these” wasn't sent: You're muted in")
    me.prompt("elsewhere>")
    me.types("/who" + ENTER)
    me.shows("1 person in elsewhere")
    me.types(ESCAPE + "1")
    me.prompt(f"{room}>")
    me.types(UP)
    me.prompt(f"{room}> only for these")


def test_whatever_is_typed_while_away_is_done_on_return(restartable: RestartableServer) -> None:
    with terminal(restartable.url, "--name", "ann") as me:
        me.shows("You're in lobby")
        me.types("/register correct horse" + ENTER)
        me.shows("A password protects your name.")
        me.types("helo" + ENTER)
        me.shows("<ann> helo")
        restartable.kill()
        me.shows("What you type now will be sent")
        me.types(UP)
        me.waits(lambda: "helo" in me.screen.display[me.screen.cursor.y], "the message in the prompt")
        me.types("\x7flo" + ENTER + "/topic tea" + ENTER + "and more" + ENTER)
        me.shows("3 lines to send")
        me.types("/kick nobody" + ENTER)
        me.shows("4 lines to send")
        restartable.start_again()
        me.shows("<ann> and more")
        me.shows("ann edited a message: hello")
        me.shows("ann set the topic: tea")
        me.shows("*** Nobody here is called nobody")
        me.prompt("lobby> /kick nobody")
        with other_user(restartable.url, "cy", "lobby") as cy:
            assert texts(cy, "lobby") == ["hello", "and more"]


def test_what_is_typed_and_cannot_be_sent_any_more_is_shown_whole(restartable: RestartableServer) -> None:
    long = "a long text, " * 10 + "and its end"
    with terminal(restartable.url, "--name", "ann") as me:
        me.shows("You're in lobby")
        restartable.kill()
        me.shows("What you type now will be sent")
        me.types(long + ENTER + "/topic about tea" + ENTER)
        me.shows("2 lines to send")
        me.types(CTRL_D)
        assert me.ends() == 0
        me.waits(lambda: "and its end” wasn't" in " ".join(" ".join(me.lines()).split()), "the whole text")
        me.shows("*** “/topic about tea” wasn't sent: You left the chat")


def test_what_was_typed_before_there_was_a_server_is_shown() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(DEADLINE)
        with terminal(f"ws://127.0.0.1:{listener.getsockname()[1]}", "--name", "ann") as me:
            connection, _ = listener.accept()
            with connection:
                me.types("hello" + ENTER + "/login bob horse" + ENTER + "and")
                me.prompt("> and")
                connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                assert me.ends() == 4
            me.shows("*** This wasn't sent: “hello”")
            me.shows("*** This wasn't sent: “and”")
            assert b"horse\xe2" not in me.raw
