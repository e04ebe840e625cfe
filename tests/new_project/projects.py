"""Projects for tests."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from app.new_project.parts import ALL, chosen
from app.new_project.writing import Project, create
from tests.clients import ROOT

NATTER = ROOT.as_uri()


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
