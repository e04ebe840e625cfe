"""The projects that come out of the templates."""

from __future__ import annotations

import configparser
import re
import subprocess
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pytest

from app.new_project.parts import PARTS, chosen
from app.new_project.rendering import render
from app.new_project.writing import FILES
from app.testing import test_application
from tests.clients import DEADLINE, PATIENCE, ROOT, dial
from tests.conftest import need
from tests.new_project.projects import check_style, check_types, made_to_run, pretend_installed, project

TEMPLATES = ROOT / "app/new_project/templates"


class Choice(NamedTuple):
    modules: str
    sample: bool

    @property
    def name(self) -> str:
        """A name for a project with these parts."""
        return "-".join(["p", *self.modules.split(","), *(["sample"] if self.sample else [])])


def choices() -> Iterator[Choice]:
    """All that can be chosen."""
    for picked in product((True, False), repeat=len(PARTS)):
        modules = ",".join(name for name, taken in zip(PARTS, picked, strict=True) if taken)
        if modules and not ("page" in modules and "chat" not in modules):
            yield from (Choice(modules, sample) for sample in (True, False))


ALL = list(choices())


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[Choice, Path]:
    """A project for each choice."""
    location = tmp_path_factory.mktemp("projects")
    return {one: project(location, one.name, one.modules, sample=one.sample) for one in ALL}


def test_every_template_is_used() -> None:
    assert sorted(path.name for path in TEMPLATES.iterdir()) == sorted(f"{name}.in" for name, _ in FILES.values())
    assert len(ALL) == 46


@pytest.mark.parametrize("choice", ALL, ids=[one.name for one in ALL])
def test_each_project_starts_and_has_what_was_chosen(choice: Choice, folders: dict[Choice, Path]) -> None:
    folder = folders[choice]
    for path in folder.rglob("*"):
        if path.is_file():
            text = path.read_text()
            assert "{{" not in text.replace("{{{", ""), path
            assert text.endswith("\n"), path
            assert not text.endswith("\n\n"), path
            assert not re.search(r"[ \t]$", text, re.M), path
    modules, sample = set(choice.modules.split(",")), choice.sample
    with test_application(config=folder / "application.conf") as host:
        routes = {getattr(route, "path", "") for route in host.app.routes}
        assert ("/chat" in routes) == ("chat" in modules)
        assert ("/" in routes) == ("page" in modules)
        assert ("/livez" in routes) == ("health" in modules)
        assert ("/hello" in routes) == ("routing" in modules and sample)
        assert ("/echo" in routes) == ("echo" in modules and sample)
        assert host.http.get("/nowhere").status_code == 404
    package = folder / folder.name.replace("-", "_")
    functions = set(re.findall(r"^def (\w+)", "".join(path.read_text() for path in package.glob("*.py")), re.M))
    named = {"routing": "configure_routing", "echo": "configure_sockets"}
    assert functions & set(named.values()) == {named[name] for name in modules & set(named)}
    for served in re.findall(r"^\| (`.*?`) \|", (folder / "README.md").read_text(), re.M):
        assert set(re.findall("`(.*?)`", served)) <= routes


def test_all_of_them_are_in_good_style(folders: dict[Choice, Path]) -> None:
    check_style(next(iter(folders.values())).parent)


def test_types_are_strict(tmp_path: Path, folders: dict[Choice, Path]) -> None:
    """In the projects with the most and the least code."""
    check_types([folders[Choice(",".join(PARTS), sample)] for sample in (True, False)], tmp_path)


@pytest.mark.parametrize("modules", ["all", "routing,echo"])
def test_a_new_project_tests_and_serves_itself(modules: str, tmp_path: Path) -> None:
    """With its own Makefile, and nothing to install."""
    make = need("make")
    folder = project(tmp_path, modules=modules)
    pretend_installed(folder)
    done = subprocess.run([make, "test"], cwd=folder, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    tests = len(re.findall("^def test_", (folder / "tests/test_demo.py").read_text(), re.M))
    assert f"{tests} passed" in done.stdout
    assert tests == {"all": 7, "routing,echo": 3}[modules]
    with made_to_run(folder, PORT="0") as process:
        port = int(process.line(r"Application - Responding at http://127\.0\.0\.1:(\d+)$")[1])
        with dial(f"ws://127.0.0.1:{port}/echo") as client:
            assert client.recv(DEADLINE) == "You are connected!"
            client.send("hi")
            assert client.recv(DEADLINE) == "You said: hi"


@pytest.mark.parametrize("name", ["true", "null", "include", "on", "e5-x"])
def test_a_name_that_means_something_in_hocon(name: str, tmp_path: Path) -> None:
    folder = project(tmp_path, name, "routing")
    with test_application(config=folder / "application.conf") as host:
        assert host.http.get("/hello").status_code == 200


def test_a_python_that_is_too_old_is_one_line(tmp_path: Path) -> None:
    old = tmp_path / "python3.9"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo Python 3.9.2\n[ "$1" = -V ]\n')
    old.chmod(0o755)
    done = subprocess.run(
        [need("make"), "run", f"PYTHON={old}"], cwd=project(tmp_path), capture_output=True, text=True, timeout=DEADLINE
    )
    said = done.stderr.splitlines()[0]
    assert said == f"demo: {old} is Python 3.9.2: expected Python 3.11 or later (make PYTHON=python3.12 …)"
    assert not (tmp_path / "demo/.venv").exists()


@pytest.mark.parametrize("modules", ["all", "routing"])
def test_git_ignores_the_store_of_a_chat(modules: str, tmp_path: Path) -> None:
    """Also in a project that has none yet: the tutorial adds it later."""
    folder = project(tmp_path, modules=modules)
    for name in ("chat.db", "chat.db-log0", "notes.db"):
        (folder / name).touch()
    subprocess.run([need("git"), "init", "--quiet", "."], cwd=folder, check=True, timeout=DEADLINE)
    done = subprocess.run(
        ["git", "status", "--porcelain", "--", "*.db*"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=True,
    )
    assert done.stdout == "?? notes.db\n"


def test_make_says_that_it_installs(tmp_path: Path) -> None:
    fails = tmp_path / "python3"
    fails.write_text('#!/bin/sh\n[ "$1" = -c ]\n')  # new enough, but makes no environment
    fails.chmod(0o755)
    make = [need("make"), "run", f"PYTHON={fails}"]
    done = subprocess.run(make, cwd=project(tmp_path), capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode != 0
    assert done.stdout == "Installing Natter and demo in .venv; this may take a minute\n"


def test_make_help_lists_the_targets(tmp_path: Path) -> None:
    done = subprocess.run(
        [need("make"), "help"], cwd=project(tmp_path), capture_output=True, text=True, timeout=DEADLINE, check=True
    )
    targets = [line.partition(":")[0] for line in done.stdout.splitlines()]
    assert targets == ["run", "test", "wheel", "image", "clean", "help"]


def test_the_log_is_configured_as_ours(tmp_path: Path) -> None:
    own, shipped = configparser.RawConfigParser(), configparser.RawConfigParser()
    own.read(project(tmp_path) / "logging.ini")
    shipped.read(ROOT / "logging.ini")
    assert {name: dict(own[name]) for name in own} == {name: dict(shipped[name]) for name in shipped}


def test_the_image_gets_only_what_it_copies(tmp_path: Path) -> None:
    folder = project(tmp_path)
    dockerfile = (folder / "Dockerfile").read_text()
    copied = {name for line in re.findall(r"^COPY (?!--from)(.*) \S+$", dockerfile, re.M) for name in line.split()}
    lines = (folder / ".dockerignore").read_text().split()
    assert lines[0] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == copied
    assert {name for name in copied if not (folder / name).exists()} == {"wheels"}  # which `make wheel` makes


def test_sections_of_a_template() -> None:
    text = "a\n{{#x}}\nb {{v}}\n{{^y}}\nc\n{{/y}}\n{{/x}}\n{{^x}}\nd\n{{/x}}\n"
    values = {"v": "{{#x}}"}
    assert render(text, values, {"x"}) == "a\nb {{#x}}\nc\n"
    assert render(text, values, {"x", "y"}) == "a\nb {{#x}}\n"
    assert render(text, values, set()) == "a\nd\n"
    for wrong in ("{{#x}}\n", "{{#x}}\n{{/y}}\n"):
        with pytest.raises(AssertionError):
            render(wrong, {}, set())
    assert chosen("all") == set(PARTS)
