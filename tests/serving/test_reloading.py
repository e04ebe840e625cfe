"""The reloader: nothing that is saved is missed, whenever it is saved."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from app.serving.reloading import Reload


class Child:
    """The server process. `at` is what happens while it starts or stops."""

    def __init__(self) -> None:
        self.at: dict[str, Callable[[], object]] = {}
        self.pid = 1

    def start(self) -> None:
        self.at.pop("start", lambda: None)()

    def terminate(self) -> None:
        self.at.pop("stop", lambda: None)()

    def join(self) -> None:
        """It has ended."""


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch) -> Child:
    child = Child()
    monkeypatch.setattr("uvicorn.supervisors.basereload.get_subprocess", lambda **_: child)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    return child


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "greet.py"
    file.write_text("1")
    os.utime(file, (1000, 1000))
    return file


@pytest.fixture
def reload(tmp_path: Path) -> Reload:
    return Reload(lambda _: None, [], [tmp_path], delay=0)


def test_a_file_saved_while_the_server_starts_is_not_missed(child: Child, reload: Reload, file: Path) -> None:
    child.at["start"] = lambda: file.write_text("2")
    reload.startup()
    assert reload.should_restart() == [file]
    assert reload.should_restart() is None


@pytest.mark.parametrize("when", ["stop", "start"])
def test_a_file_saved_while_the_server_restarts_is_not_missed(
    when: str, child: Child, reload: Reload, file: Path
) -> None:
    reload.startup()
    file.write_text("22")
    assert reload.should_restart() == [file]
    child.at[when] = lambda: file.write_text("333")
    reload.restart()
    assert reload.should_restart() == [file]
    assert reload.should_restart() is None


def test_a_file_that_is_new_removed_or_replaced_by_an_older_one_counts(
    child: Child, reload: Reload, file: Path, tmp_path: Path
) -> None:
    reload.startup()
    new = tmp_path / "part" / "new.py"
    new.parent.mkdir()
    new.write_text("1")
    assert reload.should_restart() == [new]
    new.unlink()
    assert reload.should_restart() == [new]
    os.utime(file, (500, 500))
    assert reload.should_restart() == [file]


def test_what_nobody_edits_does_not_count(child: Child, reload: Reload, tmp_path: Path) -> None:
    reload.startup()
    for name in (".venv/x.py", "__pycache__/x.py", "node_modules/x.py", "chat.db", "x.pyc"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("1")
    assert reload.should_restart() is None


def test_a_file_elsewhere_counts_if_it_was_read(child: Child, file: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "empty"
    elsewhere.mkdir()
    reload = Reload(lambda _: None, [], [elsewhere], [file], delay=0)
    reload.startup()
    file.write_text("22")
    assert reload.should_restart() == [file]
