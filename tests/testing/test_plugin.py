"""The fixtures for pytest, what they cost where nobody uses them, and what is said where a package is missing."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

from tests.clients import PATIENCE, ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TEST = """
import pytest
from app import Application
from app.testing import Host, test_application  # which pytest must not collect


@pytest.fixture
def chat(start_chat):
    return start_chat(lambda app: None, overrides={"chat.room": "den"})


def test_the_chat_can_be_replaced(chat):
    assert isinstance(chat, Host)
    assert chat.join("ann").room == "den"


def test_several(start_chat):
    one, two = start_chat(), start_chat(server=True)
    assert (one.join().name, two.join().name) == ("user0", "user0")
"""
DEFAULT = """
def test_the_default(chat):
    ann, bob = chat.join("ann"), chat.join("bob")
    ann.say("hi")
    bob.hears("hi")
"""


def run(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    # Where the project is installed pytest knows its plugin; to name it a second time is no mistake.
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **environment}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, timeout=PATIENCE)


def pytest_run(folder: Path, *arguments: str, **environment: str) -> str:
    done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments, cwd=folder, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_fixtures_where_the_project_is_installed(tmp_path: Path) -> None:
    """pytest finds the plugin by the metadata of the distribution, here beside the tests."""
    metadata = tmp_path / "site" / "natter_chat-0.dist-info"
    metadata.mkdir(parents=True)
    points: Mapping[str, Mapping[str, str]] = PROJECT["entry-points"]
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points[group].items()) for group in points
    ]
    (metadata / "entry_points.txt").write_text("".join(lines))
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: natter-chat\nVersion: 0\n")
    (tmp_path / "test_mine.py").write_text(TEST)
    output = pytest_run(tmp_path, "test_mine.py", PYTHONPATH=f"{tmp_path / 'site'}{os.pathsep}{ROOT}")
    assert "2 passed" in output


def test_the_fixtures_in_a_checkout(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["app.testing.plugin"]\n')
    (tmp_path / "test_mine.py").write_text(DEFAULT)
    assert "1 passed" in pytest_run(tmp_path)


def test_the_plugin_loads_nothing_until_a_fixture_is_used() -> None:
    loaded = (
        "import pytest, sys; before = set(sys.modules); import app.testing.plugin; print(*set(sys.modules) - before)"
    )
    done = run("-c", loaded, cwd=ROOT)
    assert set(done.stdout.split()) == {"app", "app.testing", "app.testing.plugin"}


def test_a_package_that_is_missing_is_named_in_one_line() -> None:
    start = """
import sys
sys.modules["httpx2"] = sys.modules["httpx"] = None
from app.testing import test_application
try:
    with test_application({}) as chat:
        chat.http
except ImportError as error:
    print(error)
"""
    for how in ("", "server=True"):
        done = run("-c", start.format(how), cwd=ROOT)
        assert done.stdout == ("app.testing needs httpx2 (and so does Starlette's TestClient): pip install httpx2\n"), (
            done.stderr
        )
    assert PROJECT["optional-dependencies"]["testing"] == ["httpx2"]


def test_a_server_needs_no_package_for_tests() -> None:
    start = """
import sys
sys.modules["httpx2"] = sys.modules["httpx"] = sys.modules["pytest"] = None
from app.testing import test_application
with test_application(server=True) as chat:
    ann, bob = chat.join("ann"), chat.join("bob")
    ann.say("hi")
    print(bob.hears("hi").name)
"""
    done = run("-c", start, cwd=ROOT)
    assert done.stdout == "ann\n", done.stderr
