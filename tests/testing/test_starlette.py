"""Starlette's TestClient on `create_app()`, as anybody writes it: each run of a test sees the same names and writes
nothing. The tests that are run here have a folder of their own, and nothing of this project's configuration."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from starlette.testclient import TestClient

from app import create_app
from config import load
from tests.clients import PATIENCE, ROOT, serving

A_LOOP_FOR_EACH_SESSION = """
from starlette.testclient import TestClient
from app import create_app


def test_names():
    client = TestClient(create_app())
    with client.websocket_connect("/chat") as one:
        assert one.receive_text() == "You are connected! There are 1 users here."
        with client.websocket_connect("/chat") as two:
            assert two.receive_text() == "You are connected! There are 2 users here."
            one.send_text("hi")
            assert one.receive_text() == two.receive_text() == "[user0]: hi"
            two.send_text("hello")
            assert one.receive_text() == two.receive_text() == "[user1]: hello"
"""
IN_ONE_LOOP = """
from starlette.testclient import TestClient
from app import create_app


def test_names():
    with TestClient(create_app()) as client, client.websocket_connect("/chat") as one:
        assert one.receive_text() == "You are connected! There are 1 users here."
        one.send_text("hi")
        assert one.receive_text() == "[user0]: hi"
"""
AT_IMPORT = """
from app import create_app
from starlette.testclient import TestClient

client = TestClient(create_app())


def test_names():
    with client.websocket_connect("/chat") as one:
        one.receive_text()
        one.send_text("hi")
        assert one.receive_text() == "[user0]: hi"
"""
WITHOUT_PYTEST = """
import unittest
from starlette.testclient import TestClient
from app import create_app


class TestNames(unittest.TestCase):
    def test_names(self):
        with TestClient(create_app()) as client, client.websocket_connect("/chat") as one:
            one.receive_text()
            one.send_text("hi")
            self.assertEqual(one.receive_text(), "[user0]: hi")
"""
OWN_CONFIGURATION = 'chat { store = "mine.db" }\n'


def run(folder: Path, module: str) -> None:
    """Run the tests in `folder` as somebody would who has the project, and set nothing."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("CHAT_", "PYTEST_"))}
    environment |= {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", module, *(["-q", "-p", "no:cacheprovider"] if module == "pytest" else [])]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_run_sees_the_same_names_and_writes_nothing(tmp_path: Path) -> None:
    sources = {
        "test_a_loop_for_each_session.py": A_LOOP_FOR_EACH_SESSION,
        "test_in_with.py": IN_ONE_LOOP,
        "test_at_import.py": AT_IMPORT,
    }
    for name, source in sources.items():
        (tmp_path / name).write_text(source)
    for _ in range(2):
        run(tmp_path, "pytest")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(sources)


@pytest.mark.parametrize("configuration", ["", OWN_CONFIGURATION], ids=["no configuration", "its own"])
def test_so_it_is_without_pytest_and_with_a_configuration_file(configuration: str, tmp_path: Path) -> None:
    """A store that the configuration file names is the server's, and no test's."""
    (tmp_path / "test_chat.py").write_text(WITHOUT_PYTEST)
    if configuration:
        (tmp_path / "application.conf").write_text(configuration)
    for _ in range(2):
        run(tmp_path, "unittest")
    assert {path.name for path in tmp_path.iterdir()} <= {"application.conf", "test_chat.py"}


def name_of_a_guest(client: TestClient) -> str:
    with client.websocket_connect("/chat", subprotocols=["chat.v1.json"]) as session:
        return str(session.receive_json()["name"])


@pytest.mark.parametrize("how", ["mapping", "text", "settings"])
def test_a_store_that_the_test_chooses_is_used(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = []
    for _ in range(2):
        if how == "settings":
            (tmp_path / "my.conf").write_text(OWN_CONFIGURATION)
            app = create_app(load([tmp_path / "my.conf"]))
        else:
            app = create_app(overrides={"chat.store": "mine.db"} if how == "mapping" else ["chat.store=mine.db"])
        with TestClient(app) as client:
            names.append(name_of_a_guest(client))
    assert names == ["user0", "user1"]
    assert (tmp_path / "mine.db").exists()


def test_a_server_keeps_its_store_in_a_file(tmp_path: Path) -> None:
    with serving(cwd=tmp_path, environment={"CHAT_STORE": "chat.db"}) as server, server.connect() as client:
        client.recv(10)
    assert (tmp_path / "chat.db").exists()


def test_a_server_that_breaks_the_specification_does_too(tmp_path: Path) -> None:
    """Its scopes lack `asgi`, as those of the TestClient do, which it has not imported."""
    program = """
import asyncio
from app import create_app

messages = iter(({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}))

async def receive():
    return next(messages)

async def send(message):
    assert message["type"].endswith(".complete"), message

asyncio.run(create_app()({"type": "lifespan"}, receive, send))
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CHAT_")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "chat.db").exists()


def test_another_server_does_too_even_after_a_test_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program may look into its application with a TestClient, and then serve it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHAT_STORE")
    app = create_app()
    assert TestClient(app).get("/livez").status_code == 200

    async def lifespan() -> None:
        messages = iter(({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}))

        async def receive() -> dict[str, str]:
            return next(messages)

        async def send(message: object) -> None:
            assert (tmp_path / "chat.db").exists()

        await app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)

    anyio.run(lifespan)
