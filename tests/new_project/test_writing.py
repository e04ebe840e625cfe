"""A project is written as a whole, or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from app.new_project import rendering, writing
from app.new_project.errors import ProjectError
from tests.backends.test_embedded import as_nobody
from tests.new_project.projects import project


def contents(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_nothing_is_beside_a_new_project(tmp_path: Path) -> None:
    assert project(tmp_path) == tmp_path / "demo"
    assert contents(tmp_path) == ["demo"]
    umask = os.umask(0)
    os.umask(umask)
    assert (tmp_path / "demo").stat().st_mode & 0o777 == 0o777 & ~umask


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    assert (project(tmp_path) / "application.conf").is_file()


def a_folder_with_a_file(path: Path) -> None:
    path.mkdir()
    (path / "notes").write_text("mine")


def a_link_to_a_folder(path: Path) -> None:
    (path.parent / "elsewhere").mkdir()
    path.symlink_to("elsewhere")


@pytest.mark.parametrize(
    "there", [a_folder_with_a_file, Path.touch, a_link_to_a_folder, lambda path: path.symlink_to("gone")]
)
def test_what_is_there_already_is_left_alone(there: Callable[[Path], object], tmp_path: Path) -> None:
    there(tmp_path / "demo")
    before = contents(tmp_path)
    with pytest.raises(ProjectError, match=r"demo\" is there already, and not an empty folder: choose another name"):
        project(tmp_path)
    assert contents(tmp_path) == before


def test_the_folder_that_someone_is_in_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "demo").mkdir()
    monkeypatch.chdir(tmp_path / "demo")
    with pytest.raises(
        ProjectError, match=r'^you are in "demo", which the project replaces: go to the folder above it$'
    ):
        project(tmp_path)


@pytest.mark.parametrize("location", ["nowhere", "file", "file/below"])
def test_a_location_that_is_no_folder(location: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ProjectError, match=r"^there is no folder \".*\": create it, or choose another location$"):
        project(tmp_path / location)


def test_a_location_that_can_not_be_written() -> None:
    with tempfile.TemporaryDirectory() as name:  # the user nobody can't look into pytest's own directories
        location = Path(name) / "location"
        location.mkdir()
        Path(name).chmod(0o755)
        for closed, mode, problem in (
            (location, 0o555, f'can\'t create "{location}/demo"'),
            (Path(name), 0o444, f'can\'t use "{location}"'),
        ):
            closed.chmod(mode)
            with as_nobody(), pytest.raises(ProjectError, match=rf"^{problem}: permission denied$"):
                project(location)
            closed.chmod(0o755)
            assert contents(location) == []


def test_a_name_that_is_too_long_for_the_disk(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"file name too long$"):
        project(tmp_path, "a" * 300)
    assert contents(tmp_path) == []


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), SystemExit(1)]
)
def test_half_a_project_is_removed(error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    template = rendering.template

    def fails_in_the_middle(name: str) -> str:
        if len(written) == 5:
            raise error
        written.append(name)
        return template(name)

    monkeypatch.setattr(writing, "template", fails_in_the_middle)
    with pytest.raises(ProjectError if isinstance(error, OSError) else type(error)):
        project(tmp_path)
    assert len(written) == 5
    assert contents(tmp_path) == []
