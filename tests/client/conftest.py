"""A state directory and servers for clients."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.testing import JsonClient
from tests.client.servers import NO_LIMITS, Names, RestartableServer, other_user, serving
from tests.client.terminals import Terminal, terminal


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where clients keep names and tokens: a directory for each test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state/natter"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The chat of a server for all tests of a file, without rate limits."""
    with serving() as chat:
        yield chat


@pytest.fixture
def names(server: str, request: pytest.FixtureRequest) -> Names:
    """A room and names on that server that no other test uses."""
    return Names(server, str(request.node.name).partition("[")[0].removeprefix("test_"))


@pytest.fixture
def room(names: Names) -> str:
    return names.room


@pytest.fixture
def friend(names: Names) -> Iterator[JsonClient]:
    """Bob, who is in the room."""
    with other_user(names.chat, names.bob, names.room) as friend:
        yield friend


@pytest.fixture
def me(names: Names) -> Iterator[Terminal]:
    """Ann, who is in the room."""
    with terminal(names.url, "--name", names.ann) as me:
        me.shows(f"You're in {names.room}")
        me.prompt(f"{names.room}>")
        yield me


@pytest.fixture
def restartable(tmp_path: Path) -> Iterator[RestartableServer]:
    """A server that may be killed, without rate limits."""
    server = RestartableServer(tmp_path, *NO_LIMITS)
    yield server
    server.close()
