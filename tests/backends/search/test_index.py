"""The index: it is resumed or rebuilt when it is opened, and what is deleted leaves its file."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from app.backends.search import tokens
from app.backends.search.engine import Engine
from app.backends.search.index import Index
from tests.backends.search.stores import Searched


def reopened(searched: Searched, epoch: str = "an epoch") -> Index:
    searched.index.close()
    return Index(searched.index.path, epoch)


def test_an_index_is_resumed(tmp_path: Path) -> None:
    searched = Searched(tmp_path / "index")
    searched.store.say_all([f"word {number}" for number in range(30)])
    searched.engine.step(batch=10)
    index = reopened(searched)
    assert index.indexed == 10
    progress = Engine(index, searched.store.connection).step(batch=10)
    assert (progress.indexed, progress.last, progress.done) == (20, 30, False)
    index.close()


@pytest.mark.parametrize("change", ["unicode", "format", "epoch", "damage", "later"])
def test_an_index_that_was_made_otherwise_is_rebuilt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    searched = Searched(tmp_path / "index")
    searched.store.say("word")
    searched.catch_up()
    assert searched.index.indexed == 1
    if change == "unicode":
        monkeypatch.setattr(unicodedata, "unidata_version", "99.0.0")
    elif change == "format":
        monkeypatch.setattr("app.backends.search.index.FORMAT", tokens.FORMAT + 1)
    elif change == "later":
        execute = searched.index.connection.execute
        execute("UPDATE words_config SET v = 99 WHERE k = 'version'")
    index = reopened(searched, "another" if change == "epoch" else "an epoch")
    if change == "damage":
        index.close()
        with (tmp_path / "index").open("r+b") as file:
            file.write(b"x" * 8000)
        index = reopened(searched)
    assert index.indexed == 0
    progress = Engine(index, searched.store.connection).step()
    assert (progress.indexed, progress.done) == (1, True)
    index.close()


def test_an_index_has_one_writer(tmp_path: Path) -> None:
    searched = Searched(tmp_path / "index")
    with pytest.raises(Exception, match="locked"):
        Index(searched.index.path, "an epoch")
    reopened(searched).close()


def test_not_everyone_may_read_it(tmp_path: Path) -> None:
    searched = Searched(tmp_path / "index")
    assert (tmp_path / "index").stat().st_mode & 0o777 == 0o600
    searched.index.close()


def test_what_is_deleted_leaves_the_files(tmp_path: Path) -> None:
    searched = Searched(tmp_path / "index")
    store, index = searched.store, searched.index
    for number in range(0, 3000, 100):
        store.say_all([f"secret{value} common" for value in range(number, number + 100)], f"hidden{number}")
        searched.catch_up()
    store.remove(*range(1, 3001, 2))
    for pos in range(2, 3001, 4):
        store.edit(pos, "common")
    assert not index.purging
    searched.catch_up()
    assert index.purging
    while index.purge():
        pass
    assert not index.purging
    data = (tmp_path / "index").read_bytes() + (tmp_path / "index-wal").read_bytes()
    left = {f"secret{pos - 1}".encode() for pos in range(4, 3001, 4)}
    assert {word for word in (f"secret{value}".encode() for value in range(3000)) if _has(data, word)} <= left
    assert len(searched.texts("common", *(f"hidden{number}" for number in range(0, 3000, 100)))) == 1500
    index.close()


def _has(data: bytes, word: bytes) -> bool:
    """Whether a word is in a file, with no further digit after it."""
    start = data.find(word)
    while start >= 0:
        if not data[start + len(word) : start + len(word) + 1].isdigit():
            return True
        start = data.find(word, start + 1)
    return False
