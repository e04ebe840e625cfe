"""Writes a project: all of its files, or none."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.new_project.errors import ProjectError
from app.new_project.naming import package_name
from app.new_project.rendering import render, template
from config.errors import reason, shown

FILES: dict[str, tuple[str, set[str]]] = {
    # A file of the project, its template, and the parts without which it isn't there.
    "README.md": ("README.md", set()),
    "Makefile": ("Makefile", set()),
    "pyproject.toml": ("pyproject.toml", set()),
    "application.conf": ("application.conf", set()),
    "logging.ini": ("logging.ini", set()),
    "{{package}}/__init__.py": ("init.py", set()),
    "{{package}}/application.py": ("application.py", set()),
    "{{package}}/routing.py": ("routing.py", {"routing"}),
    "{{package}}/sockets.py": ("sockets.py", {"echo"}),
    "{{package}}/commands.py": ("commands.py", {"chat", "sample"}),
    "tests/test_{{package}}.py": ("tests.py", set()),
    "Dockerfile": ("Dockerfile", set()),
    ".dockerignore": ("dockerignore", set()),
    ".gitignore": ("gitignore", set()),
}


@dataclass(frozen=True, slots=True)
class Project:
    """What people choose. `parts` are keys of PARTS, and `natter` is the URL of Natter."""

    name: str
    location: Path
    parts: frozenset[str]
    sample: bool
    natter: str

    @property
    def folder(self) -> Path:
        """The folder of the project."""
        return self.location / self.name

    def check(self) -> None:
        """ProjectError if the folder can't be made."""
        try:
            self._check_location()
        except OSError as error:
            raise ProjectError(f"can't use {shown(str(self.location))}: {reason(error)}") from None

    def _check_location(self) -> None:
        if not _is_folder(self.location):
            raise ProjectError(f"there is no folder {shown(str(self.location))}: create it, or choose another location")
        if not os.path.lexists(self.folder):
            return
        if self.folder.is_symlink() or not self.folder.is_dir() or any(self.folder.iterdir()):
            raise ProjectError(
                f"{shown(str(self.folder))} is there already, and not an empty folder: choose another name or location"
            )
        if self.folder.samefile("."):
            raise ProjectError(f"you are in {shown(self.name)}, which the project replaces: go to the folder above it")

    def texts(self) -> Iterator[tuple[str, str]]:
        """The files of the project, as path and text."""
        package = package_name(self.name)
        # In a Makefile, # begins a comment.
        values = {"name": self.name, "package": package, "natter": self.natter.replace("#", r"\#")}
        parts = self.parts | ({"sample"} if self.sample else set())
        parts |= {"commands"} if parts >= {"chat", "sample"} else set()
        parts |= {"configures"} if parts & {"routing", "echo", "commands"} else set()
        parts |= {"paths"} if parts & {"chat", "health"} or (self.sample and parts & {"routing", "echo"}) else set()
        for path, (name, needed) in FILES.items():
            if needed <= parts:
                yield render(path, values, parts), render(template(name), values, parts)


def _is_folder(path: Path) -> bool:
    """Whether a folder is there. OSError if we may not know."""
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False


def create(project: Project) -> None:
    """Write `project`. ProjectError if that isn't possible; then nothing is left behind."""
    project.check()
    try:
        temporary = Path(tempfile.mkdtemp(prefix=".natter-new-", dir=project.location))
        try:
            folder = temporary / project.name
            for path, text in project.texts():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_text(text, encoding="utf-8")
            folder.rename(project.folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise ProjectError(f"can't create {shown(str(project.folder))}: {reason(error)}") from None
