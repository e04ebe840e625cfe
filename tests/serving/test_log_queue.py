"""A log that nobody reads holds up nobody."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import suppress

import pytest

from app.serving import log_queue
from app.serving.log_queue import QueuedHandler
from tests.clients import DEADLINE, ROOT, Raw, dial


class Pausing(logging.Handler):
    """A handler that writes nothing until it may."""

    def __init__(self) -> None:
        super().__init__()
        self.may_write, self.lines, self.all_there = threading.Event(), list[str](), threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.may_write.wait(DEADLINE)
        self.lines.append(self.format(record))
        if self.lines[-1] == "last":
            self.all_there.set()


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    logger = logging.Logger("own")
    yield logger
    logger.handlers.clear()


def test_a_handler_that_waits_holds_up_nobody_and_what_is_missing_is_counted(
    logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_queue, "MAX_QUEUED", 10)
    pausing = Pausing()
    queued = QueuedHandler(pausing)
    logger.addHandler(queued)
    for number in range(100):
        logger.warning("line %d", number)
    assert queued.dropped == 90
    pausing.may_write.set()
    assert queued.drained(float("inf"))
    logger.warning("last")
    assert pausing.all_there.wait(DEADLINE)
    assert [line for line in pausing.lines if "line " in line] == [f"line {number}" for number in range(10)]
    [missing] = [line for line in pausing.lines if "missing" in line]
    assert missing.startswith("90 lines are missing")


def test_a_line_says_what_was_true_when_it_was_logged(logger: logging.Logger) -> None:
    pausing, changing = Pausing(), ["before"]
    logger.addHandler(QueuedHandler(pausing))
    logger.warning("%s", changing)
    try:
        raise RuntimeError("a bug")
    except RuntimeError:
        logger.exception("failed")
    changing[0] = "after"
    logger.warning("last")
    pausing.may_write.set()
    assert pausing.all_there.wait(DEADLINE)
    assert pausing.lines[0] == "['before']"
    assert "RuntimeError: a bug" in pausing.lines[1]


def test_a_server_whose_log_is_a_full_pipe_chats_answers_probes_and_stops() -> None:
    reading, writing = os.pipe()
    environment = {**os.environ, "PORT": "0", "CHAT_STORE": ":memory:"}
    started = subprocess.Popen([sys.executable, "-m", "app"], cwd=ROOT, env=environment, stderr=writing)
    try:
        log = b""
        while b"Responding at" not in log or not log.endswith(b"\n"):
            log += os.read(reading, 4096)
        port = int(log.split(b"http://127.0.0.1:")[1].split()[0])
        fill(writing)
        for _ in range(3):
            with Raw(port) as one:
                assert one.status == 101
        with dial(f"ws://127.0.0.1:{port}/chat", subprotocols=["chat.v1.json"]) as client:
            client.send(json.dumps({"t": "join", "room": "lobby"}))
            client.send(json.dumps({"t": "msg", "room": "lobby", "cid": "c", "text": "hi"}))
            while json.loads(client.recv(DEADLINE))["t"] != "ack":
                pass
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=DEADLINE) as answer:
                assert answer.read() == b"ready\n"
        started.send_signal(signal.SIGTERM)
        assert started.wait(DEADLINE) == 0
    finally:
        started.kill()
        started.wait()
        os.close(reading)
        os.close(writing)


def fill(pipe: int) -> None:
    """Write to a pipe until it takes no more."""
    again = os.open(f"/proc/self/fd/{pipe}", os.O_WRONLY | os.O_NONBLOCK)
    for size in (4096, 1):
        with suppress(BlockingIOError):
            while True:
                os.write(again, bytes(size))
    os.close(again)
