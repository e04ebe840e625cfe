"""One process, whichever server runs the application."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

import pytest

from app import ConfigurationError, StartupError, create_app
from app.serving import workers
from app.serving.workers import program, refuse_second_worker
from tests.serving.test_any_server import started_by


@pytest.fixture(autouse=True)
def _another_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parent process that no other test has."""
    monkeypatch.setattr(os, "getppid", lambda: f"test-{os.getpid()}")
    monkeypatch.setattr(workers, "_first", [])


@pytest.mark.parametrize(
    ("command", "server"),
    [
        ("/usr/bin/hypercorn -w 2", "hypercorn"),
        ("/x/site-packages/uvicorn/__main__.py", "uvicorn"),
        ("/usr/bin/pytest -w 2", ""),
        ("/x/app/__main__.py", ""),
        ("", ""),
    ],
)
def test_the_server_is_known_by_its_command(command: str, server: str) -> None:
    assert program(command.split()) == server


@pytest.mark.parametrize(
    "command",
    ["hypercorn -w 2 x", "granian --workers 2", "gunicorn --workers=2", "gunicorn -w2 x", "uvicorn --workers 3"],
)
def test_the_second_worker_of_a_server_is_refused_and_the_first_is_not(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = command.split()
    refuse_second_worker(arguments)
    refuse_second_worker(arguments)
    first = workers._first
    monkeypatch.setattr(workers, "_first", [])
    with pytest.raises(StartupError, match=r'--workers = "[23]": expected 1: the chat lives in one process'):
        refuse_second_worker(arguments)
    first[0].close()


@pytest.mark.parametrize("command", ["hypercorn", "uvicorn --workers 1", "granian -w", "pytest -w 2"])
def test_a_single_worker_is_not_refused(command: str) -> None:
    refuse_second_worker(command.split())
    assert workers._first == []


def test_under_another_command_a_mistake_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = {"app.deployment.prot": 1}
    with pytest.raises(ConfigurationError):
        create_app(overrides=wrong)
    monkeypatch.setattr(sys, "argv", ["/usr/bin/gunicorn", "-k", "asgi"])
    with pytest.raises(SystemExit) as caught:
        create_app(overrides=wrong)
    assert caught.value.code == 3
    assert capsys.readouterr().err == "natter: overrides: app.deployment.prot: unknown key; did you mean port?\n"


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_failed_start_is_told_to_the_server_and_not_raised() -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    messages.put_nowait({"type": "lifespan.startup"})
    app = create_app(overrides={"chat.store": "/no/folder/chat.db"})
    await app({"type": "lifespan", "asgi": {"version": "3.0"}}, messages.get, send)
    assert [message["type"] for message in sent] == ["lifespan.startup.failed"]
    assert sent[0]["message"].startswith("/no/folder/chat.db: no such file or directory")


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_hypercorn_gets_no_chance_to_add_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Exit(BaseException):
        pass

    def leave(code: int) -> None:
        raise Exit(code)

    monkeypatch.setattr(os, "_exit", leave)
    messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    messages.put_nowait({"type": "lifespan.startup"})
    app = create_app(overrides={"chat.store": "/no/folder/chat.db"})
    with pytest.raises(Exit, match="3"):
        await app({"type": "lifespan", "asgi": {"version": "3.0"}}, messages.get, started_by("hypercorn"))
    line = capsys.readouterr().err
    assert line.startswith("natter: /no/folder/chat.db: no such file or directory")
    assert line.count("\n") == 1
