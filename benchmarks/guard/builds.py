"""The builds that the guard compares: a commit of this repository, and the working tree as it is now.

Each is a copy of the source and an environment with the packages of its `requirements.txt`, by hash. Commits and
environments stay in a folder, so that the next run finds them; builds with the same requirements share an environment.

    BuildError      a build can't be made; the message says why, in one line
"""

from __future__ import annotations

import hashlib
import io
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.report import say
from benchmarks.servers import ROOT, Build

FOLDER = ROOT / ".venv" / "guard"


class BuildError(Exception):
    """A build can't be made."""


def of_commit(name: str, folder: Path = FOLDER, repository: Path = ROOT) -> Build:
    """The build of a commit. BuildError if the repository doesn't have it, as in a shallow clone."""
    try:
        commit = git(repository, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").decode().strip()
    except BuildError:
        problem = f"commit {name} is not in this clone; if it is a shallow one, run: git fetch --unshallow"
        raise BuildError(problem) from None
    source = folder / f"source-{commit[:12]}"
    if not source.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            with tarfile.open(fileobj=io.BytesIO(git(repository, "archive", "--format=tar", commit))) as archive:
                archive.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.2 of Debian 12 has none
                archive.extractall(Path(temporary) / "source")
            (Path(temporary) / "source").rename(source)  # complete, or not there
    return Build(source, environment(source / "requirements.txt", folder))


@contextmanager
def of_working_tree(folder: Path = FOLDER, repository: Path = ROOT) -> Iterator[Build]:
    """The build of a copy of the working tree, with what isn't committed yet, for the length of a block."""
    folder.mkdir(parents=True, exist_ok=True)
    files = git(repository, "ls-files", "-z", "--cached", "--others", "--exclude-standard").decode().split("\0")
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        source = Path(temporary) / "source"
        for file in filter(None, files):
            if (repository / file).is_file():
                (source / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(repository / file, source / file)
        yield Build(source, environment(source / "requirements.txt", folder))


def environment(requirements: Path, folder: Path) -> Path:
    """The Python of an environment with these packages, made unless it is there."""
    key = hashlib.sha256(platform.python_version().encode() + requirements.read_bytes()).hexdigest()[:12]
    place = folder / f"environment-{key}"
    python, stamp = place / "bin" / "python", place / "complete"
    if not stamp.exists():
        say(f"installing the packages of {requirements} into {place}")
        shutil.rmtree(place, ignore_errors=True)
        run(sys.executable, "-m", "venv", place)
        pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes")
        run(*pip, "-r", requirements)
        stamp.touch()
    return python


def git(repository: Path, *arguments: str) -> bytes:
    """What a git command prints."""
    return run("git", "-C", repository, *arguments)


def run(*command: str | Path) -> bytes:
    """What a command prints. BuildError, with the last line that it wrote, if it fails."""
    try:
        done = subprocess.run(list(map(str, command)), capture_output=True)
    except OSError as error:
        raise BuildError(f"{command[0]}: {(error.strerror or str(error)).lower()}") from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise BuildError(f"{command[0]} failed: {lines[-1] if lines else f'exit code {done.returncode}'}")
    return done.stdout
