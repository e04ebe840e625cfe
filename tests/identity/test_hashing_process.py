"""The password process: it is started again when it is killed, ends with the server, and tells nobody a password."""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from select import POLLIN, poll
from threading import current_thread

import pytest
from websockets.typing import Subprotocol

from app.chat.dialects import JSON_SUBPROTOCOL
from app.chat.errors import Code, Refused
from app.identity.hashing import Argon2id, HashingError
from app.identity.hashing_client import HashingProcess
from app.identity.preparing import prepare
from app.live.service import chat_of
from app.testing import test_application
from tests.clients import DEADLINE, ROOT, Served, serving

PASSWORD = "correct horse"
STORED = Argon2id(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
"""A hash that costs nothing to check."""

BROKEN = """
import sys
sys.path[:] = sys.argv[5:]
from app.identity import hashing_process
from app.identity.hashing import Argon2id
Argon2id.matches = lambda hasher, hashed, password: {}[password]
hashing_process.main()
"""
"""What runs instead of the process that is started: it can't check a password."""


@pytest.fixture
def hashing() -> Iterator[HashingProcess]:
    hashing = HashingProcess()
    yield hashing
    hashing.rest()
    assert not hashing.pid


@pytest.fixture
def started(hashing: HashingProcess) -> HashingProcess:
    """One whose process runs."""
    assert hashing.matches(STORED, PASSWORD)
    return hashing


def kill(hashing: HashingProcess) -> None:
    os.kill(hashing.pid, signal.SIGKILL)


def held(hashing: HashingProcess, asking: ThreadPoolExecutor) -> Future[bool]:
    """Ask for a check that the process has got, but doesn't answer."""
    os.kill(hashing.pid, signal.SIGSTOP)
    return asking.submit(hashing.matches, STORED, PASSWORD)


def has_ended(pid: int, within: float = DEADLINE) -> bool:
    """Wait for a process to end, for some seconds."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    ending = poll()
    ending.register(handle, POLLIN)
    try:
        return bool(ending.poll(1000 * within))
    finally:
        os.close(handle)


def test_what_it_hashed_matches(hashing: HashingProcess) -> None:
    hashed = hashing.hash("  пароль\u00a0")
    assert hashed.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert hashing.matches(hashed, "  пароль\u00a0")
    assert not hashing.matches(hashed, PASSWORD)
    assert not hashing.matches("", PASSWORD)
    assert not hashing.matches("no hash", PASSWORD)
    assert not hashing.matches(STORED, "\ud800")


def test_it_prepares_passwords(hashing: HashingProcess) -> None:
    assert hashing.prepare("correct horse") == "correct horse"
    assert not hashing.pid
    for typed in ("cafe\u0301", "пароль", "correct\u00a0horse"):
        assert hashing.prepare(typed) == prepare(typed)
    for wrong in ("a\tb", "\u200dx", "\ud800"):
        with pytest.raises(Refused, match="can't have control characters") as refused:
            hashing.prepare(wrong)
        assert refused.value.code == Code.BAD_PASSWORD


def test_an_error_in_it_concerns_its_caller_alone(hashing: HashingProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.processes.child._BOOT", BROKEN)
    with pytest.raises(RuntimeError, match="the password process met an error: KeyError") as met:
        hashing.matches(STORED, PASSWORD)
    assert PASSWORD not in str(met.value)
    pid = hashing.pid
    assert hashing.hash(PASSWORD)
    assert hashing.pid == pid


def test_it_gives_way_to_the_server(started: HashingProcess) -> None:
    assert os.sched_getscheduler(started.pid) == os.SCHED_IDLE
    assert os.sched_getscheduler(0) != os.SCHED_IDLE


def test_a_password_longer_than_a_pipe_holds(started: HashingProcess) -> None:
    assert not started.matches(STORED, "x" * 200_000)


def test_a_killed_process_costs_nobody_an_answer(started: HashingProcess, caplog: pytest.LogCaptureFixture) -> None:
    kill(started)
    assert started.matches(STORED, PASSWORD)
    with ThreadPoolExecutor(1) as asking:
        waiting = held(started, asking)
        kill(started)
        assert waiting.result(DEADLINE)
    assert [record.getMessage() for record in caplog.records] == [
        "the password process ended (signal 9); it is started again"
    ] * 2


def test_a_process_that_always_ends(
    hashing: HashingProcess, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("app.processes.child._BOOT", "raise SystemExit(3)")
    for _ in range(3):
        with pytest.raises(HashingError):
            hashing.hash(PASSWORD)
    assert [record.getMessage() for record in caplog.records] == [
        "the password process ended (exit status 3); it is started again",
        "the password process ended (exit status 3); passwords are refused for 0.5 s",
    ]


def test_a_process_that_can_not_be_started(
    hashing: HashingProcess, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("app.processes.child.FIRST_PAUSE", 0.0)
    with monkeypatch.context() as missing:
        missing.setattr(sys, "executable", "/nowhere/python")
        with pytest.raises(HashingError):
            hashing.hash(PASSWORD)
    assert "the password process can't be started: No such file or directory; passwords are refused" in caplog.text
    assert HashingProcess().pid == hashing.pid == 0
    hashing._refused_until = 0.0
    assert hashing.matches(STORED, PASSWORD)


def test_without_memory_no_password_is_called_wrong(started: HashingProcess, caplog: pytest.LogCaptureFixture) -> None:
    hashed = Argon2id().hash(PASSWORD)
    taken = int(Path(f"/proc/{started.pid}/statm").read_text().split()[0]) * resource.getpagesize()
    resource.prlimit(started.pid, resource.RLIMIT_AS, (taken + (8 << 20), taken + (8 << 20)))
    with pytest.raises(HashingError, match="Memory allocation error"):
        started.matches(hashed, PASSWORD)
    assert "a password can't be hashed: Memory allocation error; passwords are refused for 0.5 s" in caplog.text


def test_an_end_interrupts_it(started: HashingProcess, caplog: pytest.LogCaptureFixture) -> None:
    with ThreadPoolExecutor(1) as asking:
        waiting = held(started, asking)
        started.interrupt()
        with pytest.raises(HashingError, match="the server stops"):
            waiting.result(DEADLINE)
    started.rest()
    assert started.matches(STORED, PASSWORD)
    assert not caplog.records


def test_signals_to_the_whole_group_do_not_end_it(started: HashingProcess) -> None:
    pid = started.pid
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(pid, number)
    assert started.matches(STORED, PASSWORD)
    assert started.pid == pid


def test_nobody_else_sees_a_password(started: HashingProcess, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "kept-from-others"
    started.hash(secret)
    process = Path(f"/proc/{started.pid}")
    for shown in ("cmdline", "environ", "comm"):
        assert secret.encode() not in (process / shown).read_bytes()
    kill(started)
    started.hash(secret)
    assert secret not in caplog.text


def register(server: Served) -> None:
    with server.connect("/chat?name=ann", subprotocols=[Subprotocol(JSON_SUBPROTOCOL)]) as client:
        client.send(json.dumps({"t": "register", "rid": 1, "password": PASSWORD}))
        while json.loads(client.recv(DEADLINE)).get("rid") != 1:
            pass


def of_server(pid: int) -> int:
    """The process that hashes for a server."""
    children = [
        child for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]
    (found,) = [one for one in children if b"hashing_process" in Path(f"/proc/{one}/cmdline").read_bytes()]
    return int(found)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_the_server(number: int) -> None:
    with serving() as server:
        register(server)
        pid = of_server(server.started.pid)
        assert not has_ended(pid, within=0)
        assert server.stop(number) == (0 if number == signal.SIGTERM else -number)
        assert has_ended(pid)


def test_the_server_prepares_no_password_itself() -> None:
    """The tables of other scripts take the loop's time to load, and so does every password in them."""
    script = (
        "import asyncio, sys\n"
        "from app.clock import Clock\n"
        "from app.identity.passwords import Passwords\n"
        "async def main():\n"
        "    passwords, who = Passwords(Clock()), dict(account=1, network='here')\n"
        "    await passwords.check('', await passwords.prepare('пароль', **who), **who)\n"
        "try:\n"
        "    asyncio.run(main())\n"
        "except Exception as refused:\n"
        "    print(refused, 'precis_i18n' in sys.modules, 'argon2' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE)
    assert (done.stdout, done.stderr) == ("Wrong name or password False False\n", "")


class Watched(Argon2id):
    """Notes the threads in which passwords are prepared."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.threads: list[str] = []

    def prepare(self, password: str) -> str:
        self.threads.append(current_thread().name)
        return super().prepare(password)


def test_new_passwords_are_prepared_in_turn() -> None:
    with test_application() as chat:
        chat_of(chat.app).passwords.hasher = hasher = Watched()
        ann = chat.connect("ann")
        assert ann.refused("register", password="\u200dпароль").code == Code.BAD_PASSWORD
        ann.register("cafe\u0301 пароль")
        ann.answer("password", old="caf\u00e9 пароль", new="пароль пароль")
        chat.connect("bob").login("ann", "пароль пароль")
        assert hasher.threads == ["passwords"] * 3


def test_a_person_registers_and_logs_in_while_it_is_killed() -> None:
    with test_application() as chat:
        hashing = chat_of(chat.app).passwords.hasher = HashingProcess()
        ann = chat.connect("ann")
        ann.register(PASSWORD)
        kill(hashing)
        bob = chat.connect("bob")
        bob.login("ann", PASSWORD)
        first = hashing.pid
    assert not hashing.pid
    assert has_ended(first)


def test_who_can_not_be_checked_is_told_to_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with test_application() as chat:
        chat_of(chat.app).passwords.hasher = HashingProcess()
        ann = chat.connect("ann")
        monkeypatch.setattr("app.processes.child._BOOT", "raise SystemExit(3)")
        error = ann.refused("register", password=PASSWORD)
        assert error.code == Code.UNAVAILABLE
        assert error.message == "Passwords can't be checked at the moment. Try again in some seconds"
