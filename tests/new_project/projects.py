"""Projects for tests."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from app.new_project.parts import ALL, chosen
from app.new_project.writing import Project, create
from tests.clients import PATIENCE, ROOT, Process
from tests.conftest import need

NATTER = ROOT.as_uri()
RULES = "A,ASYNC,B,BLE,C4,E,ERA,F,FBT,I,ISC,N,PERF,PIE,PT,PTH,PYI,RET,RUF,SIM,T10,T20,UP,W"


def project(location: Path, name: str = "demo", modules: str = ALL, *, sample: bool = True) -> Path:
    """Make a project. Returns its folder."""
    made = Project(name, location, chosen(modules), sample, NATTER)
    create(made)
    return made.folder


def pretend_installed(folder: Path) -> None:
    """Let the Makefile of a project find an environment in which everything is installed: this one, with the checkout
    on Python's path."""
    programs = folder / ".venv/bin"
    programs.mkdir(parents=True)
    start = f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} exec {shlex.quote(sys.executable)}{{}} "$@"\n'
    for program, arguments in (("python", ""), ("natter", " -m app")):
        (programs / program).write_text(start.format(arguments))
        (programs / program).chmod(0o755)
    stamp = folder / ".venv/installed.stamp"
    stamp.touch()
    newest = max((folder / name).stat().st_mtime for name in ("Makefile", "pyproject.toml"))
    os.utime(stamp, (newest + 1, newest + 1))


@contextmanager
def made_to_run(folder: Path, **environment: str) -> Iterator[Process]:
    """`make run` in a project. At the end, make passes SIGTERM on to the server, as it wouldn't SIGKILL."""
    process = Process(cwd=folder, command=f"{need('make')} run", environment=environment)
    try:
        yield process
    finally:
        if process.started.poll() is None:
            process.stop()


def check_style(location: Path) -> None:
    """Fail if ruff would change something in one of the projects in a folder."""
    rules = ["check", "--select", RULES, "--ignore", "E501", "--config", 'src = ["*"]']
    for arguments in (rules, ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *arguments, "--isolated", "--no-cache", "--quiet", "."]
        done = subprocess.run(ruff, cwd=location, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stdout + done.stderr


def check_types(folders: Sequence[Path], cache: Path) -> None:
    """Fail if mypy isn't content with some projects."""
    files = [str(path) for folder in folders for path in folder.rglob("*.py")]
    mypy = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(cache), "--follow-imports", "silent"]
    done = subprocess.run(
        [*mypy, "--explicit-package-bases", *files],
        cwd=cache,
        env={"MYPYPATH": ":".join(map(str, [*folders, ROOT])), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout + done.stderr
