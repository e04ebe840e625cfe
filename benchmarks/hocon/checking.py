"""Reads documents that hypothesis made, and checks that they mean what they should."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings

from benchmarks.hocon.documents import ENVIRONMENT, Document, damaged, documents
from config import ConfigurationError
from config.hocon import Reader

BATCH = 1_000
"""Examples that hypothesis makes before it starts anew: it remembers each of them."""


def same(ours: Any, theirs: Any) -> bool:
    """Whether two values are the same: text is text, true is not "true", but 1 and 1.0 are the same number."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    numbers = [isinstance(value, int | float) and not isinstance(value, bool) for value in (ours, theirs)]
    return bool(ours == theirs) if all(numbers) else type(ours) is type(theirs) and bool(ours == theirs)


def check_documents(count: int, *, chance: bool = True) -> int:
    """Read `count` documents, each with its includes. AssertionError for one that means something else. They are others
    each time, unless there is no `chance` in it."""
    checked = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        @_examples(count, chance=chance)
        @given(documents())
        def check(document: Document) -> None:
            nonlocal checked
            checked += 1
            for old in folder.iterdir():
                old.unlink()
            for file, text in document.files.items():
                (folder / file).write_bytes(text.encode())
            reader = Reader(ENVIRONMENT)
            reader.file(folder / "x.conf", "x.conf")
            tree = reader.finish()
            assert same(tree.values, document.value), (document, tree.values)
            assert all(origin.line and origin.place in document.files for origin in tree.origins.values())

        while checked < count:
            check()
    return checked


def check_damaged(count: int, *, chance: bool = True) -> int:
    """Read `count` damaged documents. AssertionError for an error that isn't one line, and any other error as it is."""
    checked = 0

    @_examples(count, chance=chance)
    @given(damaged())
    def check(text: str) -> None:
        nonlocal checked
        checked += 1
        problem = refused(text)
        assert not problem or (problem.startswith("x.conf") and problem.isprintable()), problem

    while checked < count:
        check()
    return checked


def refused(text: str) -> str:
    """The error that `text` ends in, or an empty text if it can be read."""
    reader = Reader(ENVIRONMENT)
    try:
        reader.text(text, "x.conf")
        reader.finish()
    except ConfigurationError as error:
        return str(error)
    return ""


def _examples(count: int, *, chance: bool) -> Callable[[Any], Any]:
    most = min(count, BATCH)
    return settings(
        max_examples=most, deadline=None, database=None, derandomize=not chance, suppress_health_check=list(HealthCheck)
    )
