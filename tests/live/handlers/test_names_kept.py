"""Names that the settings no longer allow: people keep what they have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.testing import Host, JsonClient, test_application
from tests.live.handlers.test_people import PASSWORD

LONG = "a-name-of-thirty-characters-30"
TURKISH = "Çağla"
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "a lower limit": (LONG, {}, {"chat.limits.name": 10}),
    "ASCII alone": (TURKISH, {"chat.names.unicode": True}, {"chat.names.unicode": False}),
}
"""A name, the settings with which someone has it, and those that forbid it."""


@contextmanager
def started(path: Path, settings: dict[str, Any]) -> Iterator[Host]:
    with test_application(store=path / "chat.db", overrides=settings) as chat:
        yield chat


@pytest.fixture(params=CASES.values(), ids=list(CASES))
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Host, str, str]]:
    """A chat whose settings forbid the name of a registered server operator, who owns the room `den`: the chat, the
    name, and the token."""
    name, before, after = request.param
    operators = {"chat.operators": [name]}
    with started(tmp_path, before | operators) as chat:
        client = chat.join(name, room="den")
        client.register(PASSWORD)
        token = client.token
    with started(tmp_path, after | operators) as chat:
        yield chat, name, token


@pytest.fixture(params=CASES.values(), ids=list(CASES))
def guest(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Host, str, str]]:
    """The same, of a guest, where someone else is the operator."""
    name, before, after = request.param
    operators = {"chat.operators": ["root"]}
    with started(tmp_path, before | operators) as chat:
        client = chat.join(name, room="den")
        client.say("hi")
        token = client.token
    with started(tmp_path, after | operators) as chat:
        yield chat, name, token


def works(client: JsonClient, name: str) -> None:
    """Check that someone can do what everyone can."""
    client.join("den")
    assert client.say("hi").name == name
    assert client.answer("room", room="den")["t"] == "room"
    assert client.answer("away", why="lunch")["t"] == "done"


def test_who_is_registered_comes_back_by_token_with_all_ranks(kept: tuple[Host, str, str]) -> None:
    chat, name, token = kept
    client = chat.connect(name, token=token)
    works(client, name)
    settings = client.answer("room", room="den")
    assert (settings["owner"], settings["rank"]) == (name, "server operator")


def test_who_is_registered_comes_back_by_password(kept: tuple[Host, str, str]) -> None:
    chat, name, _ = kept
    client = chat.connect()
    client.login(name.upper() if name.isascii() else name, PASSWORD)
    assert client.name == name
    works(client, name)


def test_others_can_name_who_has_the_name(kept: tuple[Host, str, str]) -> None:
    chat, name, token = kept
    client, bob = chat.join(token=token), chat.join("bob")
    bob.whisper(name, "psst")
    client.hears_whisper("psst")
    assert bob.answer("ignore", name=name)["t"] == "done"


def test_the_password_is_changed_as_ever(kept: tuple[Host, str, str]) -> None:
    chat, name, token = kept
    client = chat.connect(token=token)
    assert client.answer("password", old=PASSWORD, new="battery staple")["name"] == name


def test_a_guest_comes_back_and_can_register(guest: tuple[Host, str, str]) -> None:
    chat, name, token = guest
    client = chat.connect(token=token)
    works(client, name)
    client.register(PASSWORD)
    works(client, name)


def test_a_newcomer_can_not_have_such_a_name(kept: tuple[Host, str, str]) -> None:
    chat, name, _ = kept
    assert chat.connect().refused("nick", name=f"{name}x").code == "bad_name"
