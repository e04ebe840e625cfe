"""`natter load`: it counts every copy, whatever pieces they come in, and says what stands in its way."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest

from app import load
from app.load import NEVER, Bar, Crowd, LoadError, Plan, Process, frame, run
from tests.clients import DEADLINE, ROOT, Served, serving

NO_LIMITS = [f"-P:chat.limits.{name}=0" for name in ("rate", "connections", "connections-per-address")]


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with serving(*NO_LIMITS) as server:
        yield server


def plan(server: Served, **fields: Any) -> Plan:
    return Plan(**{"url": f"{server.ws}/chat", "clients": 20, "seconds": 0.2, **fields})


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app", "load", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=6 * DEADLINE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"outstanding": 8},
        {"rate": 50.0},
        {"publishers": 12, "outstanding": 3},
        {"rooms": 5},
        {"rooms": 3, "rate": 50.0, "size": 300},
        {"stopped": 2, "outstanding": 4},
        {"size": 20_000, "outstanding": 8},
    ],
    ids=str,
)
def test_every_copy_is_counted_once(server: Served, fields: dict[str, Any]) -> None:
    report = run(plan(server, **fields))
    talk = report.talk
    assert talk is not None
    assert (report.entry.connected, report.entry.failed, report.problems, talk.closed) == (20, 0, {}, 0)
    readers = 20 - fields.get("stopped", 0)
    rooms = fields.get("rooms", 1)
    assert talk.received == talk.expected > 0
    if rooms == 1:
        assert talk.expected == talk.sent * readers
    else:
        assert talk.sent * (20 // rooms) <= talk.expected <= talk.sent * -(-20 // rooms)
    assert 0 < (talk.p50_ms or 0) <= (talk.p99_ms or 0) <= (talk.max_ms or 0)


def test_what_the_server_used_is_told(server: Served) -> None:
    report = run(plan(server, process=server.started.pid))
    assert report.talk is not None
    figures = report.figures()
    assert figures["handshakes_per_cpu_second"] > 0
    assert figures["deliveries_per_cpu_second"] > 0
    assert "kib_per_connection" in figures
    assert len(report.lines()) == len(figures)


def test_idle_clients_only_stay(server: Served) -> None:
    report = run(plan(server, idle=True, process=server.started.pid))
    assert report.talk is None
    assert report.idle_cpu_percent is not None
    assert report.figures()["connected"] == 20


def test_it_talks_in_a_room_of_its_own(server: Served) -> None:
    with server.connect("/chat") as client, server.connect("/chat?room=red") as red:
        for one in (client, red):
            one.recv(DEADLINE)
        run(plan(server))
        report = run(plan(server, url=f"{server.ws}/chat?room=red", rate=10.0))
        assert report.talk is not None
        client.send("only I")
        assert re.fullmatch(r"\[user\d+\]: only I", str(client.recv(DEADLINE)))
        assert re.fullmatch(r"\[user\d+\]: ~0{16}", str(red.recv(DEADLINE)))


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
        refused("chat.limits.rate is in the way", f"{server.ws}/chat", "--clients", "10")
        refused("chat.limits.connections-per-address is in the way", f"{server.ws}/chat", "--clients", "150")
    with serving("-P:chat.limits.connections=5") as server:
        refused("chat.limits.connections is in the way", f"{server.ws}/chat", "--clients", "10")


def test_within_the_limits_it_works() -> None:
    with serving() as server:
        done = command(f"{server.ws}/chat", "--clients", "10", "--rate", "5", "--seconds", "0.5", "--json")
    assert (done.returncode, done.stderr) == (0, "")


def test_what_stands_in_the_way_is_one_line(server: Served) -> None:
    url = f"{server.ws}/chat"
    refused("refused with 404 Not Found", f"{server.ws}/none")
    refused("can't be a room", f"{url}?room=Red")
    refused("connection refused: does the server run there?", "ws://127.0.0.1:1/chat")
    refused("there is no host no.such.host.invalid", "ws://no.such.host.invalid/chat")
    refused("expected ws://HOST:PORT/chat", "http://127.0.0.1/chat")
    refused("--cpu-of 999999999", url, "--cpu-of", "999999999")
    refused("closed the connection of who speaks: 1009", url, "--clients", "3", "--size", "70000")
    refused("open files", url, "--clients", "1000000000")


def test_wrong_flags_are_one_line() -> None:
    refused("--clients: expected a number from 1, got '0'", "--clients", "0", code=2)
    refused("--size: expected a number from 17, got 'x'", "--size", "x", code=2)
    refused("--rate: not allowed with argument --outstanding", "--outstanding", "2", "--rate", "3", code=2)
    refused("--clients: expected at least as many", "--clients", "5", "--rooms", "6", code=2)


def test_the_end_of_the_server_is_told() -> None:
    with serving(*NO_LIMITS) as server:

        def end(what: str, part: float, /) -> None:
            if what == "talking":
                server.started.terminate()

        with pytest.raises(LoadError, match="closed the connection of who speaks: 1012"):
            run(plan(server, seconds=DEADLINE), end)


class Transport:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol


def server_frame(payload: bytes, opcode: int = 1) -> bytes:
    """Like a client's, without its mask."""
    masked = frame(payload, opcode)
    return masked[:1] + bytes([masked[1] & 0x7F]) + masked[2 : len(masked) - len(payload) - 4] + payload


@pytest.mark.parametrize("size", [50, 300], ids=["short", "long"])
def test_pieces_of_any_length_are_counted_right(size: int) -> None:
    ours = server_frame(b"[user0]: " + b"x" * size + b"~%016x" % 7)
    stream = (
        ours * 3
        + server_frame(b"you", 9)
        + ours
        + server_frame(b"[user5]: what somebody else says")
        + server_frame(b"*** nothing is wrong")
        + ours * 2
    )
    for cut in range(1, len(stream)):
        crowd, transport = Crowd("ws://127.0.0.1/chat"), Transport()
        crowd.size, crowd.mark, crowd.due = len(ours), len(ours) - 17, NEVER
        crowd.admit(cast(Any, transport), 0, b"")
        for start, end in pairwise((0, cut, min(cut + 70, len(stream)), len(stream))):
            load._BUFFER[: end - start] = stream[start:end]
            if end > start:
                transport.protocol.buffer_updated(end - start)
        assert crowd.received == 6, cut
        assert transport.written == [frame(b"you", 10)]


def test_the_bar_is_for_terminals() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream, shows in ((Terminal(), True), (io.StringIO(), False)):
        with Bar(stream) as bar:
            bar("talking", 0.5)
        assert ("###" in stream.getvalue()) is shows
        assert stream.getvalue().endswith("\r\x1b[K") is shows


def test_a_process_is_counted_with_its_children() -> None:
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1, flush=True); input()'])"
    parent = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdin
    assert parent.stdout
    with parent:
        parent.stdout.readline()
        (child,) = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
        assert Process(parent.pid).kib() > Process(int(child)).kib() > 0
        parent.stdin.close()
