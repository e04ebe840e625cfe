from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import create_app
from config import ConfigurationError, load


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for a configuration file with modules next to it. After the test, the modules are unloaded."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if name.startswith("mine"):
            del sys.modules[name]


def refused(project: Path, modules: str, source: str | None = None) -> str:
    if source is not None:
        (project / "mine.py").write_text(source)
    (project / "x.conf").write_text(f"app.modules = [{modules}]")
    with pytest.raises(ConfigurationError) as caught:
        create_app(load([project / "x.conf"], environment={}))
    line = str(caught.value)
    assert line.startswith(f'{project}/x.conf:1: app.modules = "')
    assert "\n" not in line
    return line


def test_modules_run_in_list_order_each_once(project: Path) -> None:
    (project / "mine.py").write_text(
        "def first(app): app.state.ran = [1]\ndef second(app): app.state.ran += [2]\nclass Third:\n"
        "    @staticmethod\n    def module(app): app.state.ran += [3]\nthird = Third.module\n"
    )
    (project / "x.conf").write_text("app.modules = [mine.first, mine:second, mine.third]")
    assert create_app(load([project / "x.conf"], environment={})).state.ran == [1, 2, 3]


def test_a_module_that_is_missing(project: Path) -> None:
    line = refused(project, "mine_absent.module")
    assert "there is no Python module mine_absent next to the configuration file (" in line
    assert str(project) in line


def test_a_function_that_is_missing(project: Path) -> None:
    assert "mine has no function modul; did you mean module?" in refused(project, "mine.modul", "def module(app): ...")


def test_a_package_that_has_no_such_module(project: Path) -> None:
    assert "there is no Python module app.modules.chatt" in refused(project, "app.modules.chatt.module")


@pytest.mark.parametrize("name", ["module", '"mine."', '"1.x"', '"mine:"', '"a b.c"'])
def test_what_is_no_name_of_a_function(project: Path, name: str) -> None:
    assert "expected the name of a function, such as package.module.function" in refused(project, name)


def test_a_module_that_can_not_be_called(project: Path) -> None:
    assert "expected a function, but mine.module is of type int" in refused(project, "mine.module", "module = 5")


def test_an_async_function(project: Path) -> None:
    assert "expected a plain function" in refused(project, "mine.module", "async def module(app): ...")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("1 / 0", "importing mine raised ZeroDivisionError: division by zero ({}/mine.py, line 1)"),
        (
            "\nimport mine_absent",
            "importing mine raised ModuleNotFoundError: No module named 'mine_absent' ({}/mine.py, line 2)",
        ),
        ("def module(app:\n    pass", "importing mine raised SyntaxError: "),
        (
            "def module(app):\n    raise ValueError('no such\\ntoken')",
            "raised ValueError: no such token ({}/mine.py, line 2)",
        ),
        ("def module(): ...", "raised TypeError: module() takes 0 positional arguments but 1 was given"),
    ],
)
def test_an_error_of_its_own_is_shown(project: Path, source: str, told: str) -> None:
    assert told.format(project) in refused(project, "mine.module", source)


@pytest.mark.parametrize("again", ["mine.module", '"mine:module"', "mine.alias"])
def test_a_module_listed_twice(project: Path, again: str) -> None:
    line = refused(project, f"mine.module, {again}", "def module(app): ...\nalias = module")
    assert "listed twice: each module runs once" in line


def test_a_configuration_error_of_a_module_is_its_own(project: Path) -> None:
    (project / "mine.py").write_text("def module(app): app.property('mine.token')")
    (project / "x.conf").write_text("app.modules = [mine.module]")
    with pytest.raises(ConfigurationError, match=r"^x\.conf: mine\.token: missing, and it has no default$"):
        create_app(load([project / "x.conf"], environment={}))
