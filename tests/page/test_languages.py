"""The message catalogues: English is complete, and another language is one more file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.chat.commands import USAGES
from app.chat.events import Kind
from app.page import languages
from app.page.names import DOCUMENTS, STATIC
from tests.live.test_errors import CASES, Case

ENGLISH: dict[str, Any] = json.loads((STATIC / "languages" / "en.json").read_text())
GROUPS = {key.partition(".")[0] for key in ENGLISH}
SCRIPTS = {path: path.read_text() for path in STATIC.rglob("*.js") if "vendor" not in path.parts}
KEY = r"[a-z_]+(?:\.[a-z0-9_]+)+"
FAMILIES = re.compile(r"`([a-z_]+)\.\$\{")
"""The start of a key that the code puts together when it runs."""
UNSHOWN = {Kind.MSG, Kind.ME, Kind.EDIT, Kind.DELETE}
"""Events that are messages, or change one."""
WORDS = {"bad_frame", "refused", "unavailable"}
"""Errors that are shown in the server's words, since only the server knows what is wrong."""


def forms(message: Any) -> list[str]:
    """The texts of a message: one, or one for each plural category and each item of a list."""
    if isinstance(message, str):
        return [message]
    return [form for part in (message.values() if isinstance(message, dict) else message) for form in forms(part)]


def values_of(text: str) -> set[str]:
    """The names of the values that a text needs."""
    return set(re.findall(r"\{(\w+)\}", text))


def balanced(text: str, start: int) -> int:
    """The index of the bracket that closes the one at `start`."""
    depth = 0
    for at in range(start, len(text)):
        depth += {"(": 1, "{": 1, "[": 1, ")": -1, "}": -1, "]": -1}.get(text[at], 0)
        if depth == 0:
            return at
    raise AssertionError(f"not closed: {text[start : start + 80]}")


def split(text: str) -> list[str]:
    """The parts between the commas outside of brackets."""
    parts, begin, at = [], 0, 0
    while at < len(text):
        if text[at] in "({[":
            at = balanced(text, at)
        elif text[at] == ",":
            parts.append(text[begin:at])
            begin = at + 1
        at += 1
    return [part.strip() for part in [*parts, text[begin:]] if part.strip()]


def calls() -> Iterator[tuple[str, str]]:
    """The arguments of each call that looks up a message, and the name of its file."""
    for path, script in SCRIPTS.items():
        for found in re.finditer(r"(?<![\w.])(?:t|rich)\(", script):
            start = found.end() - 1
            yield script[start + 1 : balanced(script, start)], path.name


def literals(text: str) -> set[str]:
    keys = set(re.findall(rf'"({KEY})"', text)) - set(DOCUMENTS)
    return {key for key in keys if key.partition(".")[0] in GROUPS}


def test_every_message_that_the_code_looks_up_exists() -> None:
    named = {key for arguments, _ in calls() for key in re.findall(rf'"({KEY})"', split(arguments)[0])}
    assert len(named) > 150
    assert named - set(ENGLISH) == set()
    assert {key for script in SCRIPTS.values() for key in literals(script)} - set(ENGLISH) == set()


def test_every_message_of_the_catalogue_is_used() -> None:
    used = {key for script in SCRIPTS.values() for key in literals(script)}
    used |= {key for name in DOCUMENTS for key in languages.PLACEHOLDER.findall((STATIC / name).read_text())}
    families = {family for script in SCRIPTS.values() for family in FAMILIES.findall(script)} & GROUPS
    assert families == {"command", "done", "error", "event", "refused"}
    assert {key for key in ENGLISH if key.partition(".")[0] not in families} - used == set()


def test_every_message_gets_its_values() -> None:
    checked = 0
    for arguments, name in calls():
        key, *rest = split(arguments)
        if not rest or not rest[0].startswith("{"):
            continue
        given = {re.split(r"\W", part)[0] for part in split(rest[0][1:-1])}
        for message in re.findall(rf'"({KEY})"', key):
            needed = min((values_of(form) for form in forms(ENGLISH[message])), key=len)
            assert needed <= given, (name, message)
            assert set().union(*map(values_of, forms(ENGLISH[message]))) <= given | {"reason"}, (name, message)
            checked += 1
    assert checked > 40


def test_every_event_has_a_sentence() -> None:
    sentences = {key.split(".")[1] for key in ENGLISH if key.startswith("event.")}
    assert sentences == set(Kind) - UNSHOWN


def test_every_command_is_described() -> None:
    described = {key.split(".")[1] for key in ENGLISH if key.startswith("command.")}
    assert described == {usage.command for usage in USAGES}


@pytest.mark.parametrize("case", CASES, ids=map(str, CASES))
def test_every_error_has_a_sentence_that_its_values_fill(case: Case) -> None:
    key = key_of(case)
    if key is None:
        assert case.code in WORDS
        return
    derived = {"limit": {"count", "interval"}, "after": {"wait"}}
    given = set(case.values).union(*(derived.get(name, set()) for name in case.values))
    filled = [form for form in forms(ENGLISH[key]) if values_of(form) <= given]
    # Without a room it may also be an older server, which sends no values: then the page shows its words.
    assert bool(filled) == (case.code != "not_joined" or "room" in case.values)


def key_of(case: Case) -> str | None:
    detail = case.values.get("reason", case.values.get("what"))
    return next((key for key in (f"error.{case.code}.{detail}", f"error.{case.code}") if key in ENGLISH), None)


def test_no_sentence_is_for_an_error_that_does_not_exist() -> None:
    assert {key for key in ENGLISH if key.startswith("error.")} - {key_of(case) for case in CASES} == set()


@pytest.mark.parametrize("tag", languages.read(STATIC))
def test_a_language_has_the_messages_of_english_with_their_values(tag: str) -> None:
    catalogue = json.loads((STATIC / "languages" / f"{tag}.json").read_text())
    assert set(catalogue) <= set(ENGLISH)
    for key, message in catalogue.items():
        english, own = (set().union(*map(values_of, forms(one))) for one in (ENGLISH[key], message))
        assert own <= english, key
    assert catalogue["language.direction"] in ("ltr", "rtl")


def test_what_a_language_lacks_is_in_english(tmp_path: Path) -> None:
    (tmp_path / "languages").mkdir()
    (tmp_path / "languages/en.json").write_text('{"a": "one", "b": "two"}')
    (tmp_path / "languages/de.json").write_text('{"a": "eins"}')
    assert languages.read(tmp_path) == {"de": {"a": "eins", "b": "two"}, "en": {"a": "one", "b": "two"}}


def test_english_is_in_two_parts_of_which_the_first_script_has_what_it_shows() -> None:
    first = {"banner.retry", "settings.title"}
    files = languages.files({"en": {"banner.retry": "a", "join.title": "b", "refused.full": "c"}}, first)
    assert {name: content for name, content in files.items() if content is not None} == {
        languages.ENGLISH: b'export const ENGLISH = {"banner.retry":"a","refused.full":"c"};\n',
        languages.REST: b'export const REST = {"join.title":"b"};\n',
    }


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("de.json", "{}", r"expected en\.json"),
        ("en.json", "{", r"en\.json: expected JSON: "),
        ("en.json", "[]", r"en\.json: expected an object of messages"),
    ],
)
def test_a_catalogue_that_can_not_be_read_is_an_error(tmp_path: Path, name: str, content: str, problem: str) -> None:
    (tmp_path / "languages").mkdir()
    (tmp_path / "languages" / name).write_text(content)
    with pytest.raises(ValueError, match=problem):
        languages.read(tmp_path)


@pytest.mark.parametrize(
    ("accepted", "tag"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("fr, de;q=0.5", "de"),
        ("en;q=0.5, DE;q=0.7", "de"),
        ("de;q=0, en", "en"),
        ("zh-Hant-TW", "zh-Hant"),
        ("zh-Hans", "en"),
        ("*", "en"),
        ("de;quality=1", "en"),
        (";;,=,q=1", "en"),
    ],
)
def test_the_best_language_that_there_is_is_chosen(accepted: str, tag: str) -> None:
    assert languages.negotiate(accepted, ["de", "en", "zh-Hant"]) == tag
