"""A new project with an environment of its own, and the steps of its Dockerfile. Everything comes from PyPI, but for
Natter itself."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from benchmarks.ports import free_port
from tests.clients import DEADLINE, PATIENCE, ROOT, Process, dial
from tests.conftest import need
from tests.new_project.projects import made_to_run

"""Seconds for what installs packages."""

pytestmark = pytest.mark.slow("packages")


def make(folder: Path, target: str) -> str:
    """Run a target of a project, and return what it prints. It must print nothing on standard error."""
    environment = {**os.environ, "PYTHONPATH": "", "PYTHON": sys.executable}
    done = subprocess.run(
        [need("make"), target], cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def new(natter: list[str], folder: Path, name: str, **environment: str) -> Path:
    """Run `natter new`. Returns the folder of the project."""
    command = [*natter, "new", name]
    subprocess.run(command, cwd=folder, env={**os.environ, **environment}, check=True, timeout=DEADLINE)
    return folder / name


def source_of(project: Path) -> str:
    (url,) = re.findall(r"^NATTER \?= (.*)$", (project / "Makefile").read_text(), re.M)
    return str(url)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh clone of a project that the checkout made in an empty folder."""
    folder = tmp_path_factory.mktemp("empty")
    made = new([sys.executable, "-m", "app"], folder, "demo", PYTHONPATH=str(ROOT))
    as_someone = ["-c", "user.name=ann", "-c", "user.email=ann@example.com"]
    for command in (
        ["init", "--quiet", "."],
        ["add", "."],
        [*as_someone, "commit", "--quiet", "--message", "Begin"],
        ["clone", "--quiet", ".", str(folder / "clone/demo")],
    ):
        subprocess.run(["git", *command], cwd=made, check=True, timeout=DEADLINE)
    return folder / "clone/demo"


@pytest.fixture(scope="module")
def image(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the first stage of its Dockerfile installs, with a folder in place of `/opt/demo`."""
    make(project, "wheel")
    (step,) = instructions(project, "RUN pip")
    target, context = tmp_path_factory.mktemp("image"), tmp_path_factory.mktemp("context")
    for name in ("pyproject.toml", "wheels", "demo"):
        copy = shutil.copytree if (project / name).is_dir() else shutil.copy
        copy(project / name, context / name)
    step = step.replace("/opt/demo", str(target)).replace("python -m venv", f"{sys.executable} -m venv", 1)
    subprocess.run(
        ["/bin/sh", "-euc", step],
        cwd=context,
        env={**os.environ, "PYTHONPATH": ""},
        check=True,
        timeout=PATIENCE,
        stdout=subprocess.DEVNULL,
    )
    return target


def instructions(project: Path, name: str) -> list[str]:
    """The arguments of the Dockerfile's instructions called `name`; `RUN pip` is a RUN with pip in it."""
    text = (project / "Dockerfile").read_text().replace("\\\n", "")
    name, _, word = name.partition(" ")
    return [value for value in re.findall(rf"^{name} (.*)$", text, re.M) if word in value]


def test_make_run_and_make_test_are_all_it_takes(project: Path) -> None:
    assert " 7 passed" in make(project, "test")
    port = free_port()
    with made_to_run(project, PORT=str(port), PYTHONPATH="", CHAT_STORE="chat.db") as process:
        process.line(rf"Application - Responding at http://127\.0\.0\.1:{port}$")
        talk(port)
        assert get(port, "/hello") == "Hello, world!\n"
        assert get(port, "/livez") == "live\n"
        assert "<!doctype html>" in get(port, "/").lower()
    assert (project / "chat.db").stat().st_size > 0


def test_the_image_serves(image: Path, project: Path, tmp_path: Path) -> None:
    for name in instructions(project, "COPY")[-1].split()[:-1]:
        shutil.copy(project / name, tmp_path)
    (command,) = instructions(project, "CMD")
    port = free_port()
    environment = {"PORT": str(port), "PYTHONPATH": ""}
    assert not (image / "bin/pip").exists()
    with Process(cwd=tmp_path, command=f"{image}/bin/{json.loads(command)[0]}", environment=environment) as process:
        process.line(rf"Responding at http://127\.0\.0\.1:{port}$")
        talk(port)
        assert get(port, "/hello") == "Hello, world!\n"
        (check,) = re.findall(r"^    CMD (\[.*\])$", (project / "Dockerfile").read_text(), re.M)
        healthy = [image / "bin/python", *json.loads(check)[1:]]
        subprocess.run(healthy, env={**os.environ, **environment}, check=True, timeout=DEADLINE)
        assert process.stop() == 0


def test_a_project_gets_natter_from_where_its_maker_was_installed(image: Path, project: Path, tmp_path: Path) -> None:
    """The environment of the project has it from the checkout, and the image from a wheel."""
    make(project, ".venv/installed.stamp")
    from_checkout = new([str(project / ".venv/bin/natter")], tmp_path, "one", PYTHONPATH="")
    assert source_of(from_checkout) == source_of(project) == ROOT.as_uri()
    (wheel,) = (project / "wheels").iterdir()
    record = json.loads(next(image.glob("lib/*/site-packages/natter_chat-*/direct_url.json")).read_text())
    assert record["url"].endswith(f"/wheels/{wheel.name}")
    assert source_of(new([str(image / "bin/natter")], tmp_path, "two", PYTHONPATH="")) == record["url"]
    shutil.rmtree(Path(record["url"].removeprefix("file://")).parent)
    done = subprocess.run(
        [image / "bin/natter", "new", "three"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"natter: this Natter was installed from {record['url']}, which can't be used now: ")


def talk(port: int) -> None:
    """Two clients chat with each other."""
    url = f"ws://127.0.0.1:{port}/chat"
    with dial(f"{url}?name=ann") as ann:
        assert ann.recv(DEADLINE) == "You are connected! There are 1 users here."
        with dial(f"{url}?name=bob") as bob:
            assert bob.recv(DEADLINE) == "You are connected! There are 2 users here."
            ann.send("hi bob")
            assert [ann.recv(DEADLINE), bob.recv(DEADLINE)] == ["[ann]: hi bob"] * 2


def get(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=DEADLINE) as answer:
        return str(answer.read().decode())
