"""The client in a pipe, as a process: every line arrives once and in order, and every problem is reported."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.cli import main as natter
from app.client.main import main
from benchmarks.ports import free_port
from tests.client.servers import Names, RestartableServer, other_user, serving, text_server
from tests.clients import DEADLINE, ROOT

NATTER = [sys.executable, "-m", "app", "chat"]
LINES = 10_000


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def run(*arguments: str, said: str | bytes = "", timeout: float = DEADLINE) -> subprocess.CompletedProcess[str]:
    """Run the client with `said` as its standard input."""
    said = said.encode() if isinstance(said, str) else said
    done = subprocess.run([*NATTER, *arguments], input=said, capture_output=True, env=environment(), timeout=timeout)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


STARTED: list[subprocess.Popen[str]] = []


def start(*arguments: str, stdin: int = subprocess.PIPE) -> subprocess.Popen[str]:
    """The client as a process. It ends with the test, if not earlier."""
    process = subprocess.Popen(
        [*NATTER, *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    STARTED.append(process)
    return process


@pytest.fixture(autouse=True)
def _ended() -> Iterator[None]:
    yield
    while STARTED:
        process = STARTED.pop()
        process.kill()
        end(process)


def stored(server: RestartableServer | Names, room: str = "") -> list[Any]:
    """The events of a room, as the client prints them."""
    rooms = ("--room", room) if room else ()
    done = run(server.url, *rooms, "--since", "0", "--json", timeout=DEADLINE)
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_each_line_is_a_message_unless_it_is_blank(names: Names) -> None:
    done = run(names.chat, "--room", names.room, said="hi\n/etc/passwd\n\n \t\n\u3000\u200b\n\r\nlast, without an end")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [event["text"] for event in stored(names)] == ["hi", "/etc/passwd", "last, without an end"]


def test_a_line_that_looks_like_a_password_is_not_said(names: Names) -> None:
    done = run(names.url, said="one\n /login ann horse\n\n//register horse\ntwo")
    problem = "This looks like a command with a password, so it wasn't sent."
    assert done.stderr.splitlines() == [f"natter chat: Line {number}: {problem}" for number in (2, 4)]
    assert done.returncode == 1
    assert [event["text"] for event in stored(names)] == ["one", "two"]


@pytest.mark.slow("faults")
def test_ten_thousand_lines_once_each_and_in_order_while_the_server_is_killed_twice(
    restartable: RestartableServer,
) -> None:
    said = [f"line {number}" for number in range(LINES)]
    follow = ("--follow", "--json", "--since", "0", "--name", "watcher")
    speaker = start(restartable.url, "--name", "speaker")
    watcher = start(restartable.url, *follow, stdin=subprocess.DEVNULL)
    assert speaker.stdin
    assert watcher.stdout
    heard: list[Any] = []
    for part in range(3):
        speaker.stdin.write("".join(f"{line}\n" for line in said[part * LINES // 3 : (part + 1) * LINES // 3]))
        speaker.stdin.flush()
        if part < 2:  # it is killed while the rest of the part is on its way
            heard += [json.loads(watcher.stdout.readline()) for _ in range(LINES // 4)]
            restartable.kill()
            restartable.start_again()
    speaker.stdin.close()
    heard += [json.loads(watcher.stdout.readline()) for _ in range(LINES - len(heard))]
    assert speaker.wait(DEADLINE) == 0
    assert [event["text"] for event in heard] == said
    assert [event["text"] for event in stored(restartable)] == said
    assert end(speaker).count("Reconnected") == 2
    watcher.send_signal(signal.SIGTERM)
    assert "Reconnected" in end(watcher)


def end(process: subprocess.Popen[str]) -> str:
    """Wait for the end of a process, and return its standard error."""
    process.wait(DEADLINE)
    assert process.stderr
    told = "" if process.stderr.closed else process.stderr.read()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream:
            stream.close()
    return told


def test_the_rate_of_the_server_is_kept(tmp_path: Path) -> None:
    server = RestartableServer(
        tmp_path, "-P:chat.limits.rate=50", "-P:chat.limits.burst=10", "-P:chat.limits.strikes=3"
    )
    said = [str(number) for number in range(30)]
    done = run(server.url, said="\n".join(said))
    assert (done.returncode, done.stderr) == (0, "")
    assert [event["text"] for event in stored(server)] == said
    server.close()


def test_a_slow_room_keeps_its_order(names: Names) -> None:
    with other_user(names.chat, names.ann, names.room) as ann:
        ann.register("correct horse")
        ann.answer("slow", room=names.room, seconds=1)
    done = run(names.url, said="one\ntwo\nthree\n")
    assert done.returncode == 0
    assert "Slow mode is on: one message every 1 second" in done.stderr
    assert [event["text"] for event in stored(names) if event["t"] == "msg"] == ["one", "two", "three"]


def test_whispers(names: Names) -> None:
    with other_user(names.chat, names.ann, names.room) as ann:
        done = run(names.url, "--to", names.ann, "--name", names.bob, said="psst\n")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert ann.hears_whisper().text == "psst"
    talking = start(names.url, "--to", f"{names.ann},nobody")
    assert talking.stdin
    talking.stdin.write("psst\n")
    talking.stdin.flush()
    assert talking.wait(DEADLINE) == 1, "it does not wait for the next line"
    assert end(talking) == "natter chat: Nobody here is called nobody\n"
    done = run(names.url, "--to", f"{names.ann},nobody", said="psst\n" * 256)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "natter chat: Nobody here is called nobody"
    assert len(done.stderr.splitlines()) <= 2


def test_a_question_and_its_answer(names: Names) -> None:
    with other_user(names.chat, names.ann, names.room) as ann:
        asking = start(names.url, "--once", "--name", names.bob)
        assert asking.stdin
        assert asking.stdout
        asking.stdin.write("how are you?\n")
        asking.stdin.close()
        assert ann.hears().text == "how are you?"
        ann.say("fine,\nthanks")
        assert asking.stdout.read() == f"[{names.ann}]: fine,\\nthanks\n"
        assert asking.wait(DEADLINE) == 0
        assert end(asking) == ""


def test_what_was_said_before(names: Names) -> None:
    run(names.url, "--name", names.ann, said="one\ntwo\nthree\n")
    first, _, last = [event["seq"] for event in stored(names)]
    assert run(names.url, "--since", str(first)).stdout == f"[{names.ann}]: two\n[{names.ann}]: three\n"
    assert run(names.url, "--since", str(last)).stdout == ""
    done = run(names.url, "--since", "99")
    assert (done.returncode, done.stderr) == (
        0,
        f"natter chat: Messages after 99 in {names.room} are no longer available\n",
    )


def test_who_one_was_is_kept_for_nobody_else_to_read(restartable: RestartableServer, home: Path) -> None:
    run(restartable.url, said="as user0\n")
    run(restartable.url, "--name", "bob", said="as bob\n")
    run(restartable.url, said="as user0 again\n")
    assert [event["from"] for event in stored(restartable)] == ["user0", "bob", "user0"]
    assert {file.name: stat.S_IMODE(file.stat().st_mode) for file in home.iterdir()} == {
        "servers.json": 0o600,
        "servers.lock": 0o600,
    }
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_what_is_wrong_with_a_line_is_told_and_the_others_are_said(names: Names) -> None:
    said = b"one\n" + b"\xff\xfe\n" + b"x" * 70_000 + b"\n" + b"y" * 2_000_000 + b"\nfour"
    done = run(names.url, said=said)
    problems = ("It isn't UTF-8", "Your message is too long. Shorten it to 65536 bytes.")
    assert done.stderr.splitlines()[:2] == [f"natter chat: Line {n}: {why}" for n, why in enumerate(problems, 2)]
    assert done.stderr.splitlines()[2].startswith("natter chat: Line 4: Your message is too long")
    assert done.returncode == 1
    assert [event["text"] for event in stored(names)] == ["one", "four"]


def test_a_message_as_long_as_may_be_does_not_end_the_connection(names: Names) -> None:
    """The frame around a message has a limit of its own."""
    done = run(names.url, said="one\n!" + "\x01" * 60_000 + "\nthree\n")
    assert (done.returncode, [event["text"] for event in stored(names)]) == (1, ["one", "three"])
    assert re.search("Line 2: The message takes 3600.. bytes to send, .* accepts 65536 at most", done.stderr)


def test_where_no_room_is_named_it_is_the_servers_and_lines_are_as_long_as_it_reads() -> None:
    with serving(chat__room="hall", chat__limits__message=0, app__websockets__max_frame_size="1KiB") as url:
        done = run(url, said=f"one\n{'x' * 1_024}\ntwo\n")
        assert done.returncode == 1
        assert re.fullmatch(r"natter chat: Line 2: The message takes \d+ bytes to send, .* 1024 at most\n", done.stderr)
        with other_user(url, "bob", "hall") as bob:
            assert [event["text"] for event in bob.answer("history", room="hall")["events"]] == ["one", "two"]


def test_who_is_kicked_ends(names: Names) -> None:
    with other_user(names.chat, names.ann, names.room) as ann:
        ann.register("correct horse")
        following = start(names.url, "--follow", "--name", names.bob)
        while names.bob not in [person["name"] for person in ann.answer("who", room=names.room)["people"]]:
            ann.hint("presence")
        ann.answer("kick", room=names.room, name=names.bob, why="coffee")
        assert following.wait(DEADLINE) == 7
        assert end(following) == f"natter chat: You're no longer in {names.room}: kicked by {names.ann}: coffee\n"
        ann.answer("ban", room=names.room, name=names.bob, why="tea")
        done = run(names.url, "--name", names.bob, said="hi")
        assert (done.returncode, done.stderr) == (7, f"natter chat: You're banned from {names.room} permanently: tea\n")


def test_the_name_is_taken(names: Names) -> None:
    with other_user(names.chat, names.ann, names.room):
        done = run(names.url, "--name", names.ann, said="hi")
    assert (done.returncode, done.stderr) == (6, f"natter chat: “{names.ann}” is taken. Choose another name.\n")


def test_nobody_is_there() -> None:
    done = run(url := f"ws://127.0.0.1:{free_port()}/chat", said="hi")
    problem = f"natter chat: {url}: Connection refused: no server is listening there\n"
    assert (done.returncode, done.stderr) == (3, problem)


def test_what_answers_is_no_chat_and_speaks_no_tls(names: Names) -> None:
    page = names.chat.replace("ws", "http").replace("/chat", "/livez")
    problem = "Not a chat server: it answered with HTTP 404"
    assert run(page).stderr == f"natter chat: {page.replace('http', 'ws')}: {problem}\n"
    assert run(page).returncode == 4
    assert run(names.url.replace("ws", "wss")).returncode == 5


def test_it_gives_up(names: Names) -> None:
    done = run(names.url, "--follow", "--timeout", "0.5")
    assert (done.returncode, done.stderr) == (3, "natter chat: Not done within 0.5 s\n")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            ["ftp://host"],
            "argument URL: 'ftp://host' is not a chat address: use ws://, wss://, http:// or https://",
        ),
        (
            ["ws://host:99999"],
            "argument URL: 'ws://host:99999' is not a chat address: the port must be from 0 to 65535",
        ),
        (
            ["--room", "Red"],
            (
                "argument --room: 'Red' can't be a room: "
                "use 1 to 64 characters of a-z, 0-9 and . _ -, with a letter or digit first"
            ),
        ),
        (["--to", "ann,"], "argument --to: expected names separated by commas, got 'ann,'"),
        (["--since", "-1"], "argument --since: expected a position, 0 or more, got '-1'"),
        (["--timeout", "soon"], "argument --timeout: expected a number of seconds above 0, got 'soon'"),
        (["--folow"], "unrecognized arguments: --folow"),
    ],
)
@pytest.mark.parametrize("command", [main, lambda arguments: natter(["chat", *arguments])])
def test_wrong_arguments(
    command: Callable[[list[str]], int], arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        command(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr() == ("", f"natter chat: {problem}; see natter chat --help\n")


def test_who_reads_it_may_have_read_enough(names: Names) -> None:
    run(names.url, "--name", names.ann, said="one\n" * 100)
    reading = start(names.url, "--since", "0", "--follow")
    assert reading.stdout
    assert reading.stdout.readline() == f"[{names.ann}]: one\n"
    reading.stdout.close()
    run(names.url, "--name", names.bob, said="more\n" * 10)
    assert reading.wait(DEADLINE) == 1
    assert end(reading) == ""


def test_ctrl_c_and_what_was_not_acknowledged(names: Names) -> None:
    talking = start(names.url, "--follow", "--name", names.ann)
    assert talking.stdin
    assert talking.stdout
    talking.stdin.write("one\n")
    talking.stdin.flush()
    assert talking.stdout.readline() == f"[{names.ann}]: one\n"
    talking.send_signal(signal.SIGINT)
    assert talking.wait(DEADLINE) == 130
    assert end(talking) == ""


def first_line(url: str, said: str) -> str:
    """Send a line with --follow, and return the first line that the client prints."""
    following = start(url, "--follow")
    assert following.stdin
    assert following.stdout
    following.stdin.write(said)
    following.stdin.flush()
    line = following.stdout.readline()
    following.terminate()
    end(following)
    return line


def test_a_server_of_text(tmp_path: Path) -> None:
    async def work() -> None:
        async with text_server() as server:
            done = await asyncio.to_thread(run, server.url, said="one\n/two\n\nfour")
            assert (done.returncode, done.stdout, server.received) == (0, "", ["one", "/two", "four"])
            assert done.stderr == "natter chat: You are connected! There are 1 users here.\n"
            assert await asyncio.to_thread(first_line, server.url, "five\n") == "[user1]: five\n"
            done = await asyncio.to_thread(run, server.url, "--to", "bob", said="psst")
            assert done.stderr.endswith("speaks only the text dialect, which has no whispers\n")
            assert done.returncode == 1

    asyncio.run(work())
