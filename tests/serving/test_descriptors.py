"""A server with few file descriptors says how many connections it accepts, and keeps some for health checks."""

from __future__ import annotations

import socket
import sys
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from app.serving import descriptors
from tests.clients import DEADLINE, ROOT, Process, Raw, Served

HARD = 300
ROOM = HARD - descriptors.REQUESTS - descriptors.FILES


COMMAND = f"{sys.executable} -m tests.with_files {HARD // 2} {HARD} -m app"


def served(*flags: str) -> Served:
    return Served(*flags, command=COMMAND)


def test_the_limit_is_raised_and_what_it_allows_is_told() -> None:
    with served() as server:
        told = "\n".join(server.log)
        only = f"this process may open only {HARD} files, so it accepts up to {ROOM} connections. Allow it 10160"
        assert f"app.websockets.connections is 10000, but {only}" in told
        assert "Accepting" not in told  # one line is enough


def test_without_a_limit_of_connections_the_one_of_the_system_is_told() -> None:
    with served("-P:app.websockets.connections=0") as server:
        assert f"Accepting up to {ROOM} connections: this process may open {HARD} files" in "\n".join(server.log)


def test_where_the_setting_decides_a_start_logs_one_line() -> None:
    with served(f"-P:app.websockets.connections={ROOM}") as server:
        assert [line for line in server.log if "connections" in line] == []
        assert server.log[-1].endswith(f"Responding at http://127.0.0.1:{server.port}")


def test_a_start_that_fails_tells_nothing_but_why(tmp_path: Path) -> None:
    environment = {"CHAT_STORE": f"{tmp_path}/none/chat.db", "PYTHONWARNINGS": "default"}
    with Process("-port=0", cwd=ROOT, command=COMMAND, environment=environment) as process:
        assert process.wait() == 1
    [line] = process.log
    assert line.startswith(f"natter: {tmp_path}/none/chat.db: no such file or directory")


def test_sockets_that_ask_for_nothing_keep_nobody_out() -> None:
    """More of them than the process can have, from more addresses than one."""
    with served("-P:app.deployment.requests-per-address=0") as server, ExitStack() as stack:
        for number in range(2 * HARD):
            silent = stack.enter_context(socket.socket())
            silent.settimeout(DEADLINE)
            silent.bind((f"127.0.1.{1 + number % 6}", 0))
            silent.connect(("127.0.0.1", server.port))
        assert httpx2.get(f"{server.http}/readyz", timeout=DEADLINE).status_code == 200
        with Raw(server.port) as ann:
            assert ann.status == 101
        assert server.stop() == 0


def test_where_no_file_can_be_opened_the_operator_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not descriptors.are_out()

    def fails(*_: object) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("os.open", fails)
    assert descriptors.are_out()


@pytest.mark.parametrize(("files", "accepted"), [(1024, 1024 - 160), (20_000, 19_840), (10, 1)])
def test_some_descriptors_are_kept(files: int, accepted: int) -> None:
    assert descriptors.websockets(files) == accepted
