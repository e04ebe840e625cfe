"""The examples, as they are meant to be used: next to a configuration file that says what their first lines say.

They import nothing but what the authors of modules import: `app` and `app.testing`.
"""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from app import ConfigurationError, Unavailable, chat_of
from app.testing import Host, Refusal, test_application

FOLDER = Path(__file__).parent.parent / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))
NAMES = [path.stem for path in EXAMPLES]
SECRET = "correct horse"


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", SECRET)


@contextmanager
def served(directory: Path, name: str, overrides: Mapping[str, Any] = {}, *, lifespan: bool = True) -> Iterator[Host]:
    """A chat with one example, listed as its first lines say."""
    shutil.copy(FOLDER / f"{name}.py", directory)
    docstring = ast.get_docstring(ast.parse((directory / f"{name}.py").read_text())) or ""
    lines = re.findall(r"^    (.*)$", docstring, re.M)
    (directory / "my.conf").write_text("\n".join([*lines, ""]))
    with test_application(config=directory / "my.conf", overrides=overrides, lifespan=lifespan) as chat:
        yield chat


def refuse_to_start(directory: Path, name: str, overrides: Mapping[str, Any] = {}) -> None:
    with served(directory, name, overrides):
        pytest.fail("it started")


def test_there_are_three_and_each_is_explained() -> None:
    assert NAMES == ["dice", "webhook", "wordfilter"]
    page = (FOLDER / "README.md").read_text()
    assert re.findall(r"\]\(([^)]*\.py)\)", page) == ["dice.py", "wordfilter.py", "webhook.py"]


@pytest.mark.parametrize("path", EXAMPLES, ids=NAMES)
def test_an_example_is_short_and_uses_what_any_module_may(path: Path) -> None:
    source = path.read_text()
    assert len(source.splitlines()) <= 75
    assert not re.search(r"\w\._\w|import _[a-z]|from app\.modules", source)


@pytest.mark.parametrize("name", NAMES)
def test_a_setting_that_there_is_not(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=rf"^overrides: {name}\.nmae: unknown key"):
        refuse_to_start(tmp_path, name, {f"{name}.nmae": "x"})


# dice


def test_who_rolls_with_the_command_is_told_alone(tmp_path: Path) -> None:
    with served(tmp_path, "dice") as chat:
        ann, bob = chat.join(), chat.join()
        for dice, pattern in (
            ("2d6", r"2d6: ([1-6]) \+ ([1-6]) = ([0-9]+)"),
            ("", "1d6: [1-6]"),
            ("D1", "1d1: 1"),
            ("20d1", r"20d1: (1 \+ ){19}1 = 20"),
        ):
            answer = ann.command(f"/roll {dice}")
            assert re.fullmatch(pattern, answer), answer
        for dice in ("21d6", "0d6", "d0", "two", "1d6 1d6", "d99999", "-1d6", "٣d6", "9" * 5000 + "d6"):
            assert ann.command(f"/roll {dice}") == "expected dice such as d6 or 2d6, 20 at most"
        bob.expect_nothing()


def test_who_rolls_aloud_is_answered_in_the_room(tmp_path: Path) -> None:
    with served(tmp_path, "dice", {"dice.name": "croupier"}) as chat:
        ann, bob = chat.join("ann", dialect="text"), chat.join()
        for line in ("!rolling", "/me !roll", "!roll 3d1"):
            ann.send(line)
        assert [ann.receive() for _ in range(3)] == ["[ann]: !rolling", "[ann] !roll", "[ann]: !roll 3d1"]
        assert ann.receive() == "[croupier]: ann, 3d1: 1 + 1 + 1 = 3"
        assert [bob.hears().text for _ in range(4)][-1] == "ann, 3d1: 1 + 1 + 1 = 3"
        ann.send("/nick croupier")
        assert ann.receive().startswith("*** The name croupier is taken")


def test_what_is_said_again_is_answered_once(tmp_path: Path) -> None:
    with served(tmp_path, "dice") as chat:
        ann = chat.join()
        for _ in range(2):
            ann.ask("msg", room="lobby", cid="1", text="!roll x")
        frames = [ann.receive() for _ in range(4)]
        assert sorted(frame["t"] for frame in frames) == ["ack", "ack", "msg", "msg"]
        ann.say("done")
        ann.expect_nothing()


# wordfilter


def test_words_are_refused_wherever_they_are_said(tmp_path: Path) -> None:
    with served(tmp_path, "wordfilter") as chat:
        ann, bob = chat.join(), chat.join()
        for text in ("darn", "Oh DARN!", "good grief", "Good\n grief, ann"):
            with pytest.raises(Refusal) as refusal:
                ann.say(text)
            assert (refusal.value.code, refusal.value.message) == ("refused", "mind your language")
        seq = ann.say("darned darning is a good thing").seq
        assert bob.receive()["text"] == "darned darning is a good thing"
        for t, fields in (("edit", {"seq": seq, "text": "darn it"}), ("topic", {"text": "what the darn"})):
            with pytest.raises(Refusal) as refusal:
                ann.answer(t, room="lobby", **fields)
            assert refusal.value.code == "refused"
        with pytest.raises(Refusal) as refusal:
            ann.whisper(bob, "darn")
        assert refusal.value.code == "refused"
        bob.expect_nothing()


def test_words_may_be_of_any_signs(tmp_path: Path) -> None:
    words = {"wordfilter.words": ["c++", ".*", "größe"]}
    with served(tmp_path, "wordfilter", words) as chat:
        ann = chat.join(dialect="text")
        for text in ("I like C++.", ".*", "GRÖSSE is not it but GRÖßE is"):
            ann.send(text)
            assert ann.receive() == "*** mind your language"
        ann.send("c is fine")
        assert ann.receive() == "[user0]: c is fine"


@pytest.mark.parametrize("words", [[], [" "]])
def test_a_filter_without_words(words: list[str], tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"wordfilter\.words = .*: expected one or more words$"):
        refuse_to_start(tmp_path, "wordfilter", {"wordfilter.words": words})


# webhook

AUTHORIZED = {"Authorization": f"Bearer {SECRET}"}


def test_what_is_posted_is_said_in_the_room(tmp_path: Path) -> None:
    with served(tmp_path, "webhook") as chat:
        ann, bob = chat.join(), chat.join(dialect="text")
        response = chat.http.post("/hooks/lobby", json={"text": "it wörks", "more": 1}, headers=AUTHORIZED)
        event = ann.receive()
        assert (response.status_code, response.json()) == (202, {"room": "lobby", "seq": event["seq"]})
        assert (event["from"], event["text"]) == ("webhook", "it wörks")
        assert bob.receive() == "[webhook]: it wörks"


def test_without_a_lifespan_it_works_too(tmp_path: Path) -> None:
    with served(tmp_path, "webhook", {"webhook.name": "ci"}, lifespan=False) as chat:
        ann = chat.join()
        assert chat.http.post("/hooks/lobby", json={"text": "hi"}, headers=AUTHORIZED).status_code == 202
        assert ann.receive()["from"] == "ci"


def test_the_same_key_is_posted_once(tmp_path: Path) -> None:
    with served(tmp_path, "webhook") as chat:
        ann = chat.join()
        headers = {**AUTHORIZED, "Idempotency-Key": "build 7"}
        first, again = (chat.http.post("/hooks/lobby", json={"text": "x"}, headers=headers) for _ in range(2))
        assert first.json() == again.json()
        assert ann.receive()["text"] == "x"
        ann.expect_nothing()


@pytest.mark.parametrize(
    "header", [None, "", SECRET, f"Bearer {SECRET}x", f"Bearer {SECRET[:-1]}", f"Basic {SECRET}", "Bearer ü"]
)
def test_who_does_not_know_the_secret(header: str | None, tmp_path: Path) -> None:
    headers = {} if header is None else {b"Authorization": header.encode()}
    with served(tmp_path, "webhook") as chat:
        response = chat.http.post("/hooks/lobby", json={"text": "x"}, headers=headers)
        assert (response.status_code, response.text) == (401, "expected Authorization: Bearer SECRET")
        assert response.headers["WWW-Authenticate"] == "Bearer"


def test_a_secret_of_any_letters(tmp_path: Path) -> None:
    with served(tmp_path, "webhook", {"webhook.secret": "größe"}) as chat:
        headers = {b"Authorization": "Bearer größe".encode()}
        assert chat.http.post("/hooks/lobby", json={"text": "x"}, headers=headers).status_code == 202


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
    with served(tmp_path, "webhook", {"chat.limits.message": 16}) as chat:
        ann = chat.join()
        chat_of(chat.app).refuse(lambda draft: "no spam" if draft.text == "spam" else None)
        response = chat.http.post(f"/hooks/{room}", content=body, headers=AUTHORIZED)
        assert response.status_code == status, response.text
        assert told in response.text
        assert "\n" not in response.text
        ann.expect_nothing()


def test_a_key_that_is_too_long(tmp_path: Path) -> None:
    with served(tmp_path, "webhook") as chat:
        headers = {**AUTHORIZED, "Idempotency-Key": "k" * 65}
        response = chat.http.post("/hooks/lobby", json={"text": "x"}, headers=headers)
        assert (response.status_code, response.text) == (
            422,
            "A cid can have at most 64 characters, and this one has 65",
        )


def test_another_method(tmp_path: Path) -> None:
    with served(tmp_path, "webhook") as chat:
        assert chat.http.get("/hooks/lobby").status_code == 405


def test_a_store_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(draft: object) -> None:
        raise Unavailable("the store can't be written: database or disk is full")

    with served(tmp_path, "webhook") as chat:
        monkeypatch.setattr(chat_of(chat.app).backend, "append", full)
        response = chat.http.post("/hooks/lobby", json={"text": "x"}, headers=AUTHORIZED)
        assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
        assert response.text == "the store can't be written: database or disk is full"


def test_a_webhook_without_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOOK_SECRET")
    with pytest.raises(ConfigurationError, match="HOOK_SECRET"):
        refuse_to_start(tmp_path, "webhook")
    with pytest.raises(ConfigurationError, match=r"webhook\.secret = \"\": expected a text that nobody can guess"):
        refuse_to_start(tmp_path, "webhook", {"webhook.secret": ""})
