"""The examples, as they are meant to be used: beside a configuration file that says what their first lines say."""

from __future__ import annotations

import ast
import re
import shutil
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from app import create_app
from app.backends import statements
from app.chat.events import Draft
from config import ConfigurationError, load
from tests.clients import ROOT, hear
from tests.talking import connected

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
NAMES = [path.stem for path in EXAMPLES]
SECRET = "correct horse"


@pytest.fixture(autouse=True)
def _apart(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Modules beside a configuration file are forgotten after the test."""
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in NAMES:
        sys.modules.pop(name, None)


def configured(directory: Path, name: str, **overrides: Any) -> TestClient:
    """A client of an application with one example, named as its first lines say."""
    shutil.copy(ROOT / f"examples/{name}.py", directory)
    docstring = ast.get_docstring(ast.parse((directory / f"{name}.py").read_text())) or ""
    lines = re.findall(r"^    (.*)$", docstring, re.M)
    (directory / "my.conf").write_text("\n".join([*lines, 'chat { store = ":memory:", limits.rate = 0 }', ""]))
    return TestClient(create_app(load([directory / "my.conf"], overrides)))


@contextmanager
def served(directory: Path, name: str, **overrides: Any) -> Iterator[TestClient]:
    with configured(directory, name, **overrides) as client:
        yield client


def test_there_are_three_and_each_is_explained() -> None:
    assert NAMES == ["dice", "webhook", "wordfilter"]
    page = (ROOT / "examples/README.md").read_text()
    assert re.findall(r"\]\(([^)]*\.py)\)", page) == ["dice.py", "wordfilter.py", "webhook.py", "../app/service.py"]


@pytest.mark.parametrize("path", EXAMPLES, ids=NAMES)
def test_an_example_is_short_and_uses_what_any_module_may(path: Path) -> None:
    source = path.read_text()
    assert len(source.splitlines()) <= 75
    assert not re.search(r"\w\._\w|import _[a-z]|from app\.modules", source)


@pytest.mark.parametrize("name", NAMES)
def test_a_setting_that_there_is_not(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=rf"^overrides: {name}\.nmae: unknown key"):
        configured(tmp_path, name, **{f"{name}.nmae": "x"})


# dice


def test_who_rolls_with_the_command_is_told_alone(tmp_path: Path) -> None:
    with served(tmp_path, "dice") as client, connected(client) as ann, connected(client) as bob:
        ann.join()
        bob.join()
        for dice, pattern in (
            ("2d6", r"2d6: ([1-6]) \+ ([1-6]) = ([0-9]+)"),
            ("", "1d6: [1-6]"),
            ("D1", "1d1: 1"),
            ("20d1", r"20d1: (1 \+ ){19}1 = 20"),
        ):
            answer = ann.answer("command", room="lobby", line=f"/roll {dice}")
            assert re.fullmatch(pattern, answer["text"]), answer
        for dice in ("21d6", "0d6", "d0", "two", "1d6 1d6", "d99999", "-1d6", "٣d6", "9" * 5000 + "d6"):
            answer = ann.answer("command", room="lobby", line=f"/roll {dice}")
            assert answer["text"] == "expected dice such as d6 or 2d6, 20 at most"
        bob.quiet()


def test_who_rolls_aloud_is_answered_in_the_room(tmp_path: Path) -> None:
    with (
        served(tmp_path, "dice", **{"dice.name": "croupier"}) as client,
        client.websocket_connect("/chat?name=ann") as ann,
        connected(client) as bob,
    ):
        hear(ann)
        bob.join()
        for line in ("!rolling", "/me !roll", "!roll 3d1"):
            ann.send_text(line)
        assert [hear(ann) for _ in range(3)] == ["[ann]: !rolling", "[ann] !roll", "[ann]: !roll 3d1"]
        assert hear(ann) == "[croupier]: ann, 3d1: 1 + 1 + 1 = 3"
        assert bob.texts(4)[-1] == "ann, 3d1: 1 + 1 + 1 = 3"
        ann.send_text("/nick croupier")
        assert hear(ann).startswith("*** The name croupier is taken")


def test_what_is_said_again_is_answered_once(tmp_path: Path) -> None:
    with served(tmp_path, "dice") as client, connected(client) as ann:
        ann.join()
        for _ in range(2):
            ann.ask("msg", room="lobby", cid="1", text="!roll x")
        frames = [ann.next() for _ in range(4)]
        assert sorted(frame["t"] for frame in frames) == ["ack", "ack", "msg", "msg"]
        ann.say("done", "2")
        ann.quiet()


# wordfilter


def test_words_are_refused_wherever_they_are_said(tmp_path: Path) -> None:
    with served(tmp_path, "wordfilter") as client, connected(client) as ann, connected(client) as bob:
        ann.join()
        bob.join()
        for number, text in enumerate(("darn", "Oh DARN!", "good grief", "Good\n grief, ann")):
            ann.ask("msg", room="lobby", cid=str(number), text=text)
            error = ann.next()
            assert (error["code"], error["message"]) == ("refused", "mind your language")
        seq = ann.say("darned darning is a good thing", "5")[0]["seq"]
        assert bob.texts(1) == ["darned darning is a good thing"]
        assert ann.refused("edit", room="lobby", seq=seq, text="darn it") == "refused"
        assert ann.refused("topic", room="lobby", text="what the darn") == "refused"
        ann.ask("whisper", to=[bob.name], cid="6", text="darn")
        assert ann.next()["code"] == "refused"
        bob.quiet()


def test_words_may_be_of_any_signs(tmp_path: Path) -> None:
    words = {"wordfilter.words": ["c++", ".*", "größe"]}
    with served(tmp_path, "wordfilter", **words) as client, client.websocket_connect("/chat") as ann:
        hear(ann)
        for text in ("I like C++.", ".*", "GRÖSSE is not it but GRÖßE is"):
            ann.send_text(text)
            assert hear(ann) == "*** mind your language"
        ann.send_text("c is fine")
        assert hear(ann) == "[user0]: c is fine"


@pytest.mark.parametrize("words", [[], [" "]])
def test_a_filter_without_words(words: list[str], tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"wordfilter\.words = .*: expected one word or more$"):
        configured(tmp_path, "wordfilter", **{"wordfilter.words": words})


# webhook

AUTHORIZED = {"Authorization": f"Bearer {SECRET}"}


def test_what_is_posted_is_said_in_the_room(tmp_path: Path) -> None:
    with served(tmp_path, "webhook") as client, connected(client) as ann, client.websocket_connect("/chat") as bob:
        ann.join()
        hear(bob)
        response = client.post("/hooks/lobby", json={"text": "it wörks", "more": 1}, headers=AUTHORIZED)
        event = ann.next()
        assert (response.status_code, response.json()) == (202, {"room": "lobby", "seq": event["seq"]})
        assert (event["from"], event["text"]) == ("webhook", "it wörks")
        assert hear(bob) == "[webhook]: it wörks"


def test_without_a_lifespan_it_works_too(tmp_path: Path) -> None:
    client = configured(tmp_path, "webhook", **{"webhook.name": "ci"})
    with connected(client) as ann:
        ann.join()
        assert client.post("/hooks/lobby", json={"text": "hi"}, headers=AUTHORIZED).status_code == 202
        assert ann.next()["from"] == "ci"


def test_the_same_key_is_posted_once(tmp_path: Path) -> None:
    with served(tmp_path, "webhook") as client, connected(client) as ann:
        ann.join()
        headers = {**AUTHORIZED, "Idempotency-Key": "build 7"}
        first, again = (client.post("/hooks/lobby", json={"text": "x"}, headers=headers) for _ in range(2))
        assert first.json() == again.json()
        assert ann.texts(1) == ["x"]
        ann.quiet()


@pytest.mark.parametrize(
    "header", [None, "", SECRET, f"Bearer {SECRET}x", f"Bearer {SECRET[:-1]}", f"Basic {SECRET}", "Bearer ü"]
)
def test_who_does_not_know_the_secret(header: str | None, tmp_path: Path) -> None:
    headers = {} if header is None else {b"Authorization": header.encode()}
    with served(tmp_path, "webhook") as client:
        response = client.post("/hooks/lobby", json={"text": "x"}, headers=headers)
        assert (response.status_code, response.text) == (401, "expected Authorization: Bearer SECRET")
        assert response.headers["WWW-Authenticate"] == "Bearer"


def test_a_secret_of_any_letters(tmp_path: Path) -> None:
    with served(tmp_path, "webhook", **{"webhook.secret": "größe"}) as client:
        headers = {b"Authorization": "Bearer größe".encode()}
        assert client.post("/hooks/lobby", json={"text": "x"}, headers=headers).status_code == 202


@pytest.mark.parametrize(
    ("room", "body", "status", "told"),
    [
        ("lobby", b"", 400, 'expected {"text": "…"} in JSON: Input data was truncated'),
        ("lobby", b'{"text": 5}', 400, "Expected `str`, got `int`"),
        ("lobby", b'{"word": "x"}', 400, "missing required field `text`"),
        ("lobby", b'["x"]', 400, "Expected `object`, got `array`"),
        ("lobby", b'{"text": "\xff"}', 400, "can't decode byte 0xff"),
        ("lobby", b'{"text": "\\ud800"}', 400, "expected"),
        ("lobby", b'{"deep": ' + b"[" * 50_000, 400, "expected"),
        ("lobby", b'{"text": "' + b"x" * 65_537 + b'"}', 413, "expected 65536 bytes at most"),
        ("lobby", b'{"text": "12345678901234567"}', 413, "A message can have at most 16 bytes, and this one has 17"),
        ("No%20Room", b'{"text": "x"}', 422, "'No Room' can't be a room"),
        ("lobby", b'{"text": "spam"}', 422, "no spam"),
    ],
)
def test_what_can_not_be_posted(room: str, body: bytes, status: int, told: str, tmp_path: Path) -> None:
    with served(tmp_path, "webhook", **{"chat.limits.message": 16}) as client, connected(client) as ann:
        ann.join()
        client.app.state.chat.refuse(lambda draft: "no spam" if draft.text == "spam" else None)  # type: ignore[attr-defined]
        response = client.post(f"/hooks/{room}", content=body, headers=AUTHORIZED)
        assert response.status_code == status, response.text
        assert told in response.text
        assert "\n" not in response.text
        ann.quiet()


def test_a_key_that_is_too_long(tmp_path: Path) -> None:
    with served(tmp_path, "webhook") as client:
        headers = {**AUTHORIZED, "Idempotency-Key": "k" * 65}
        response = client.post("/hooks/lobby", json={"text": "x"}, headers=headers)
        assert (response.status_code, response.text) == (
            422,
            "A cid can have at most 64 characters, and this one has 65",
        )


def test_another_method(tmp_path: Path) -> None:
    with served(tmp_path, "webhook") as client:
        assert client.get("/hooks/lobby").status_code == 405


def test_a_store_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(connection: sqlite3.Connection, drafts: Sequence[Draft]) -> Any:
        raise sqlite3.OperationalError("database or disk is full")

    with served(tmp_path, "webhook") as client:
        monkeypatch.setattr(statements, "append", full)
        response = client.post("/hooks/lobby", json={"text": "x"}, headers=AUTHORIZED)
        assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
        assert response.text == "the store can't be written: database or disk is full"


def test_a_webhook_without_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOOK_SECRET")
    with pytest.raises(ConfigurationError, match="HOOK_SECRET"):
        configured(tmp_path, "webhook")
    with pytest.raises(ConfigurationError, match=r"webhook\.secret = \"\": expected a text that nobody guesses"):
        configured(tmp_path, "webhook", **{"webhook.secret": ""})
