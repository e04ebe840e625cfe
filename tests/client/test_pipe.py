"""The client in a pipe, as a process: every line arrives once and in order, and what went wrong is told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from threading import Thread
from typing import IO, Any

from tests.client.towns import Town
from tests.clients import DEADLINE, ROOT

NATTER = [sys.executable, "-m", "app", "chat"]
LINES = 10_000


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def run(*arguments: str, said: str | bytes = "", timeout: float = DEADLINE) -> subprocess.CompletedProcess[str]:
    """The client with `said` as its standard input."""
    said = said.encode() if isinstance(said, str) else said
    done = subprocess.run([*NATTER, *arguments], input=said, capture_output=True, env=environment(), timeout=timeout)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def start(*arguments: str, stdin: int = subprocess.PIPE) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*NATTER, *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )


def stored(town: Town, room: str = "lobby") -> list[Any]:
    """All that was said in a room, as a client is told it."""
    done = run(town.url, "--room", room, "--since", "0", "--json", "--name", "reader", timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_each_line_is_a_message(town: Town) -> None:
    done = run(town.url, "--room", "ops", said="hi\n/etc/passwd\n\nlast, without an end")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [event["text"] for event in stored(town, "ops")] == ["hi", "/etc/passwd", "", "last, without an end"]


def test_ten_thousand_lines_once_each_and_in_order_while_the_server_is_killed_twice(town: Town) -> None:
    said = [f"line {number}" for number in range(LINES)]
    follow = ("--follow", "--json", "--since", "0", "--name", "watcher")
    speaker = start(town.url, "--name", "speaker")
    watcher = start(town.url, *follow, stdin=subprocess.DEVNULL)
    assert speaker.stdin
    assert watcher.stdout
    feeder = Thread(target=feed, args=(speaker.stdin, said))
    feeder.start()
    heard: list[Any] = []
    for kill in (True, True, False):
        heard += [json.loads(watcher.stdout.readline()) for _ in range(LINES // 4 if kill else LINES - len(heard))]
        if kill:
            assert speaker.poll() is None, "there is more to say"
            town.kill()
            town.begin_again()
    feeder.join()
    assert speaker.wait(60) == 0
    assert [event["text"] for event in heard] == said
    assert [event["text"] for event in stored(town)] == said
    assert end(speaker).count("connected again") == 2
    watcher.send_signal(signal.SIGTERM)
    assert end(watcher).count("connected again") == 2


def feed(stdin: IO[str], lines: list[str]) -> None:
    stdin.write("".join(f"{line}\n" for line in lines))
    stdin.close()


def end(process: subprocess.Popen[str]) -> str:
    """Wait for the end of a process; what it said on standard error."""
    process.wait(DEADLINE)
    assert process.stderr
    assert process.stdout
    told = process.stderr.read()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream:
            stream.close()
    return told
