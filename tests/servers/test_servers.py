"""The chat under every ASGI server that docs/servers.md describes."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from app.chat.closing import meaning
from app.chat.dialects import JSON_SUBPROTOCOL
from benchmarks.ports import free_port
from tests.clients import DEADLINE, ROOT, Process, Raw, dial

pytestmark = pytest.mark.slow("servers")

APPLICATION = "app.asgi:application"
COMMANDS = {
    "uvicorn": f"uvicorn {APPLICATION} --port PORT",
    "hypercorn": f"hypercorn {APPLICATION} --bind 127.0.0.1:PORT",
    "granian": f"granian {APPLICATION} --interface asgi --host 127.0.0.1 --port PORT",
    "gunicorn": f"gunicorn {APPLICATION} --worker-class asgi --bind 127.0.0.1:PORT",
    "gunicorn with uvicorn": f"gunicorn {APPLICATION} -k uvicorn_worker.UvicornWorker --bind 127.0.0.1:PORT",
    "daphne": f"daphne {APPLICATION} -b 127.0.0.1 -p PORT",
}
LISTENS = r"Uvicorn running on|Running on http|Started worker|Listening at: http|Listening on TCP"
WITHOUT_PINGS = ["hypercorn", "granian", "gunicorn"]
WITHOUT_STATUS = ["gunicorn", "daphne"]
CUTS_OFF = ["granian"]
"""Servers that may cut a client off before it is told anything."""
WITH_WORKERS = [server for server in COMMANDS if server != "daphne"]


class Server(Process):
    """A server process that has worker processes, so it has to stop by itself."""

    def kill(self) -> None:
        if self.started.poll() is None:
            self.stop()


Start = Callable[..., tuple[Process, str]]


@pytest.fixture
def start(installed: Path, tmp_path: Path) -> Start:
    """Starts a server with `options`. Returns its process, and the address of the chat."""

    def start(server: str, options: str = "", *, store: str = ":memory:") -> tuple[Process, str]:
        port = free_port()
        command = f"exec {installed}/{COMMANDS[server]} {options} >&2".replace("PORT", str(port))
        environment = {"CHAT_STORE": store, "HOME": str(tmp_path)}
        process = Server("-c", command, cwd=tmp_path, command="/bin/sh", environment=environment)
        return process, f"ws://127.0.0.1:{port}/chat"

    return start


def listens(process: Process, url: str) -> None:
    """Wait until a server listens. Granian says so a moment before."""
    process.line(LISTENS)
    until = monotonic() + DEADLINE
    while True:
        try:
            socket.create_connection(("127.0.0.1", int(re.findall(r":(\d+)/", url)[0])), DEADLINE).close()
        except ConnectionRefusedError:
            assert monotonic() < until
        else:
            return


def ended(client: ClientConnection) -> int:
    """The code that a client is closed with, whatever it gets before. 1006 if there is none."""
    try:
        while True:
            client.recv(DEADLINE)
    except ConnectionClosed as closed:
        return int(closed.rcvd.code) if closed.rcvd else 1006


@pytest.mark.parametrize("server", COMMANDS)
def test_people_talk_are_refused_closed_and_told_of_a_restart(server: str, start: Start, tmp_path: Path) -> None:
    process, url = start(server, store=str(tmp_path / "chat.db"))
    with process:
        listens(process, url)
        origin: Any = url.replace("ws:", "http:").removesuffix("/chat")
        with dial(url, origin=origin) as ann, dial(url) as bob:
            for one in (ann, bob):
                assert str(one.recv(DEADLINE)).startswith("You are connected!")
            bob.send("hello")
            assert [one.recv(DEADLINE) for one in (ann, bob)] == ["[user1]: hello"] * 2
            for path, options, status in (("?room=No", {}, 400), ("", {"origin": "https://evil.com"}, 403)):
                with pytest.raises(InvalidStatus) as refusal:
                    dial(url + path, **options)
                assert refusal.value.response.status_code == (403 if server in WITHOUT_STATUS else status)
            bob.send("x" * 70_000)
            assert meaning(ended(bob)) == 1009
            process.started.terminate()
            assert meaning(ended(ann)) in ([1012, 1006] if server in CUTS_OFF else [1012])
        process.wait()
        log = "\n".join(process.log)
        assert server == "hypercorn" or "Traceback" not in log, log
        assert (server in log and "sends no pings" in log) == (server in WITHOUT_PINGS), log
    process, url = start(server, store=str(tmp_path / "chat.db"))
    with process:
        listens(process, url)
        with dial(f"{url}?after=0") as ann:
            assert str(ann.recv(DEADLINE)).startswith("You are connected!")
            assert ann.recv(DEADLINE) == "[user1]: hello"
        process.stop()


@pytest.mark.parametrize("server", WITHOUT_PINGS)
def test_a_client_that_falls_silent_leaves_the_room(server: str, start: Start, tmp_path: Path) -> None:
    (tmp_path / "application.conf").write_text("app.websockets { ping-period = 300ms, timeout = 300ms }")
    process, url = start(server)
    with process:
        listens(process, url)
        with dial(url, subprotocols=[JSON_SUBPROTOCOL]) as ann, dial(url, subprotocols=[JSON_SUBPROTOCOL]) as bob:
            bob.send('{"t":"pong"}')
            assert meaning(ended(bob)) == 1011
            ann.send('{"t":"join","rid":1,"room":"lobby"}')
            while (frame := json.loads(ann.recv(DEADLINE)))["t"] != "joined":
                pass
            assert frame["members"] == 1
        process.stop()


def test_hypercorn_drops_silent_clients_of_the_text_dialect_with_its_own_options(start: Start) -> None:
    process, url = start("hypercorn", "--websocket-ping-interval 1 --read-timeout 3")
    with process:
        listens(process, url)
        port = int(re.findall(r":(\d+)/", url)[0])
        with dial(url) as ann, Raw(port) as silent:
            assert ann.recv(DEADLINE) == "You are connected! There are 1 users here."
            assert silent.ended()
            ann.send("/who")
            assert str(ann.recv(DEADLINE)).startswith("*** lobby: 1 user")
        process.stop()


@pytest.mark.parametrize("server", WITH_WORKERS)
@pytest.mark.parametrize("store", [":memory:", "chat.db"])
def test_of_two_workers_the_second_ends_with_one_line(server: str, store: str, start: Start, tmp_path: Path) -> None:
    process, _ = start(server, "--workers 2", store=store if store == ":memory:" else str(tmp_path / store))
    with process:
        code = process.wait()
        log = "\n".join(process.log)
        assert log.count("the chat lives in one process") == 1, log
        assert "Traceback" not in log, log
        assert code or server in ("uvicorn", "hypercorn")


def test_the_table_has_the_versions_that_are_tested() -> None:
    page = (ROOT / "docs/servers.md").read_text()
    (row,) = re.findall(r"^\| version \| (.*) \|$", page, re.M)
    pins = dict(re.findall(r"^([\w-]+)==(\S+)", (ROOT / "tests/servers/requirements.txt").read_text(), re.M))
    assert row.split(" | ") == [pins[name] for name in ("uvicorn", "hypercorn", "granian", "gunicorn", "daphne")]
