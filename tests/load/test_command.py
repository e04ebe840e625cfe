"""`natter load`: what it prints, and the errors that it ends with."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

from tests.clients import DEADLINE, ROOT, Served, serving


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app", "load", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=6 * DEADLINE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_the_command_tells_it_in_json(server: Served) -> None:
    done = command(f"{server.ws}/chat", "--clients", "10", "--seconds", "0.2", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    figures = json.loads(done.stdout)
    assert figures["received"] == figures["expected"] == 10 * figures["sent"]


def test_the_command_tells_it_to_a_person(server: Served) -> None:
    done = command(f"{server.ws}/chat", "--clients=10", "--seconds=0.2", "--rate=20", f"--cpu-of={server.started.pid}")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^connected +10$", done.stdout, re.M)
    assert re.search(r"^\.\.\. 99th percentile +\d+\.\d\d$", done.stdout, re.M)


def refused(line: str, *arguments: str, code: int = 1) -> None:
    done = command(*arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1), done
    assert line in done.stderr


def test_a_server_with_limits_says_which_are_in_the_way() -> None:
    with serving() as server:
        refused("set chat.limits.rate to 0", f"{server.ws}/chat", "--clients", "10")
        refused("set app.websockets.connections-per-address to 0", f"{server.ws}/chat", "--clients", "150")
    with serving("-P:app.websockets.connections=5") as server:
        refused("set app.websockets.connections to 0", f"{server.ws}/chat", "--clients", "10")


def test_within_the_limits_it_works() -> None:
    with serving() as server:
        done = command(f"{server.ws}/chat", "--clients", "10", "--rate", "5", "--seconds", "0.5", "--json")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_report_that_can_not_be_written_is_one_line(server: Served) -> None:
    url = f"{server.ws}/chat"
    report = f"{sys.executable} -m app load {url} --clients 2 --seconds 0.1"
    problems = {">/dev/full": "no space left on device", ">&-": "standard output is closed: redirect it to a file"}
    for output, told in problems.items():
        done = subprocess.run(
            ["sh", "-c", f"exec {report} {output}"], cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE
        )
        assert (done.returncode, done.stderr) == (1, f"natter: {told}\n")
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        done = subprocess.run(
            report.split(), cwd=ROOT, stdout=closed, stderr=subprocess.PIPE, text=True, timeout=DEADLINE
        )
    assert (done.returncode, done.stderr) == (1, "")


def test_what_stands_in_the_way_is_one_line(server: Served) -> None:
    url = f"{server.ws}/chat"
    refused("refused with 404 Not Found", f"{server.ws}/none")
    refused("can't be a room", f"{url}?room=Red")
    refused("connection refused (is the server running?)", "ws://127.0.0.1:1/chat")
    refused("host no.such.host.invalid not found", "ws://no.such.host.invalid/chat")
    refused("expected ws://HOST:PORT/chat", "http://127.0.0.1/chat")
    refused("--cpu-of 999999999", url, "--cpu-of", "999999999")
    refused("closed the connection of a client that sends: 1009", url, "--clients", "3", "--size", "70000")
    refused("open files", url, "--clients", "1000000000")


def test_wrong_flags_are_one_line() -> None:
    refused("--clients: expected a number from 1, got '0'", "--clients", "0", code=2)
    refused("--size: expected a number from 17, got 'x'", "--size", "x", code=2)
    refused("--rate: not allowed with argument --outstanding", "--outstanding", "2", "--rate", "3", code=2)
    refused("--clients: expected at least as many", "--clients", "5", "--rooms", "6", code=2)
