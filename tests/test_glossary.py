"""`docs/glossary.md` held against the code: every name in it exists, and everything that people can name is in it."""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple, get_args

import pytest

from app.chat import frames
from app.chat.commands import USAGES
from app.chat.dialects import TYPES
from app.chat.errors import Code
from app.chat.events import Kind
from app.chat.presence import Person
from tests.clients import ROOT
from tests.test_architecture import defined

GLOSSARY = (ROOT / "docs/glossary.md").read_text()
CATALOGUES = ("app/page/static/languages/en.json", "app/client/languages/en.json")
PROSE = ("README.md", "CHANGELOG.md", "application.conf")


class Row(NamedTuple):
    """A row of the glossary's table."""

    term: str
    meaning: str
    page: str
    text: str
    json: str
    codes: str
    code: str


def rows(glossary: str) -> list[Row]:
    table = glossary.partition("\n|---|---|---|---|---|---|---|\n")[2].partition("\n\n")[0]
    return [Row(*(cell.strip() for cell in line.strip("|").split("|"))) for line in table.splitlines()]


def quoted(cells: Iterator[str] | list[str]) -> list[str]:
    return re.findall(r"`([^`]+)`", " ".join(cells))


def problems(glossary: str) -> list[str]:
    """What is wrong with the table of a glossary."""
    table = rows(glossary)
    terms = [row.term for row in table]
    found = [] if terms == sorted(set(terms)) else ["the terms are not sorted, or one is there twice"]
    found += [f"{row.term}: no meaning" for row in table if not row.meaning.endswith(".")]
    found += _complete("command", quoted([row.text for row in table]), {f"/{usage.command}" for usage in USAGES})
    types = TYPES | {frame.__struct_config__.tag for frame in get_args(frames.Frame)} | set(Kind) - {Kind.ME}
    found += _complete("type", [name for name in quoted([row.json for row in table]) if name in types], types - {None})
    found += [
        f"there is no field {name}" for row in table for name in quoted([row.json]) if name not in types | fields()
    ]
    found += _complete("error code", quoted([row.codes for row in table]), set(Code))
    labels = page_labels()
    shown = re.findall(r"“(.+?)”", " ".join(row.page for row in table))
    found += [f"the page has no label {label!r}" for label in shown if label not in labels]
    for row in table:
        names = re.findall(r"`([\w.]+)` \(`([\w/]+\.py)`\)", row.code)
        found += [] if len(names) == 1 else [f"{row.term}: expected one name of the code"]
        found += [f"{path} has no {name}" for name, path in names if not exists(name, path)]
    return found


def _complete(what: str, shown: list[str], there: set[str]) -> list[str]:
    """What is missing, not there, or in two rows."""
    return [
        *(f"the {what} {name} is missing" for name in sorted(there - set(shown))),
        *(f"there is no {what} {name}" for name in sorted(set(shown) - there)),
        *(f"the {what} {name} is there twice" for name in sorted(set(shown)) if shown.count(name) > 1),
    ]


def fields() -> set[str]:
    structs = (*get_args(frames.Command), *get_args(frames.Frame), Person)
    return {"t"}.union(*(struct.__struct_encode_fields__ for struct in structs))


def page_labels() -> set[str]:
    return set(texts(json.loads((ROOT / CATALOGUES[0]).read_text())))


def texts(value: object) -> Iterator[str]:
    """The texts of a catalogue, however deep they are."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from texts(part)


def exists(name: str, path: str) -> bool:
    if not (ROOT / path).is_file():
        return False
    body: list[ast.stmt] = ast.parse((ROOT / path).read_text()).body
    for part in name.split("."):
        found = [node for node in body if part in defined(node)]
        if not found:
            return False
        body = getattr(found[0], "body", [])
    return True


def retired(glossary: str) -> list[str]:
    """The words that are not used."""
    table = glossary.partition("\n| not | but |\n|---|---|\n")[2]
    return re.findall(r"^\| ([^|]+?) \| [^|]+ \|$", table, re.M)


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """What a file says to people, with the line where it starts: of Python docstrings, comments and texts, of a
    catalogue its texts, of others everything."""
    source = path.read_text()
    if path.suffix == ".py":
        constants = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant))
        yield from ((node.lineno, node.value) for node in constants if isinstance(node.value, str))
        tokens = tokenize.generate_tokens(io.StringIO(source).readline)
        yield from ((token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT)
    elif path.suffix == ".json":
        yield from ((1, text) for text in texts(json.loads(source)))
    else:
        yield 1, source


def uses(words: list[str], path: Path) -> list[str]:
    """Where a file uses a word that is not used."""
    alternatives = "|".join(r"\s+".join(map(re.escape, word.split())) for word in words)
    pattern = re.compile(rf"\b(?:{alternatives})\b", re.IGNORECASE)
    return [
        f"{path}:{line + text[: found.start()].count(chr(10))}: {found[0]}"
        for line, text in prose(path)
        for found in pattern.finditer(text)
    ]


def files() -> list[Path]:
    code = chain(*((ROOT / folder).rglob("*.py") for folder in ("app", "config", "examples", "benchmarks")))
    docs = (path for path in (ROOT / "docs").rglob("*.md") if path.name != "glossary.md")
    return sorted([*code, *docs, *(ROOT / name for name in (*PROSE, *CATALOGUES))])


def test_the_glossary_agrees_with_the_code() -> None:
    assert problems(GLOSSARY) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("`/kick`", "`/remove`", "the command /kick is missing"),
        ("`/kick`", "`/remove`", "there is no command /remove"),
        ("`/topic`", "`/topic` `/kick`", "the command /kick is there twice"),
        ("`welcome`", "`hello`", "the type welcome is missing"),
        ("`welcome`", "`hello`", "there is no field hello"),
        ("`owner` | |", "| |", "the type owner is missing"),
        ("`bad_room` ", "", "the error code bad_room is missing"),
        ("`Hub` (", "`Nave` (", "app/live/hub.py has no Nave"),
        ("`RoomState.ban` (", "`RoomState.bar` (", "app/chat/state.py has no RoomState.bar"),
        ("“Kick”", "“Put out”", "the page has no label 'Put out'"),
        ("| shard |", "| part |", "the terms are not sorted, or one is there twice"),
    ],
)
def test_a_term_that_is_changed_is_found(old: str, new: str, problem: str) -> None:
    assert GLOSSARY.count(old) == 1
    assert problem in problems(GLOSSARY.replace(old, new))


def test_words_that_are_not_used_are_not() -> None:
    words = retired(GLOSSARY)
    assert len(words) > 10
    assert [use for path in files() for use in uses(words, path)] == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.py", '"""Whoever reads this."""\n'),
        ("a.py", "x = 1  # to be\n# had, or not: whoever knows\n"),
        ("a.py", 'problem = f"ask {name} or whoever is there"\n'),
        ("a.json", '{"a": [{"other": "Ask whoever is there"}]}'),
        ("a.md", "Ask\nwhoever is there.\n"),
    ],
)
def test_a_word_that_is_not_used_is_found(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert uses(["whoever"], path)
    assert not uses(["wherein"], path)
