"""What `pip install .` installs, what a release contains, and every step of the Dockerfile that needs no engine."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import app
from app.new_project.writing import FILES
from tests.clients import DEADLINE, PATIENCE, ROOT, Process, dial, serving
from tests.conftest import need

INSTRUCTIONS = re.findall(r"^(?!\s*#)(\w+) (.*)$", (ROOT / "Dockerfile").read_text().replace("\\\n", ""), re.M)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The `bin` of a fresh environment with the project and its dependencies in it."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=True)
    pip = [folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*map(str, pip), str(ROOT)], check=True, timeout=PATIENCE)
    yield folder / "bin"
    shutil.rmtree(folder)


@pytest.mark.slow("packages")
def test_the_console_script_serves_what_was_shipped(installed: Path, tmp_path: Path) -> None:
    with Process("-port=0", cwd=tmp_path, command=str(installed / "natter"), environment={"PYTHONPATH": ""}) as process:
        port = int(process.line(r"Responding at http://127\.0\.0\.1:(\d+)$")[1])
        chats(port)
        assert process.stop() == 0


@pytest.mark.slow("packages")
def test_uvicorn_serves_the_factory(installed: Path, tmp_path: Path) -> None:
    command = f"{installed}/uvicorn app:create_app --factory --no-proxy-headers --no-access-log --port 0"
    with Process(cwd=tmp_path, command=command, environment={"PYTHONPATH": ""}) as process:
        port = int(process.line(r"Uvicorn running on http://127\.0\.0\.1:(\d+)")[1])
        chats(port)
        process.stop()


@pytest.mark.slow("packages")
def test_the_distribution_is_natter_chat_and_the_command_natter(installed: Path) -> None:
    """PyPI's `natter` is another project."""
    program = (
        "import importlib.metadata as m; d = m.distribution('natter-chat'); "
        "print(d.version, *(entry.name for entry in d.entry_points.select(group='console_scripts')))"
    )
    done = subprocess.run(
        [installed / "python", "-c", program], capture_output=True, text=True, timeout=DEADLINE, check=True
    )
    assert done.stdout == f"{app.__version__} natter\n"


@pytest.mark.slow("packages")
def test_a_release_can_be_built_from_its_source_archive(installed: Path, tmp_path: Path) -> None:
    """The wheel built from the sdist holds the packages, the shipped configuration and the page, and nothing else."""
    python = str(installed / "python")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--target", str(tmp_path / "tools"), "hatchling"], check=True, timeout=PATIENCE)
    build = [python, "-m", "hatchling", "build", "--directory", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "tools")}
    subprocess.run([*build, "--target", "sdist"], cwd=ROOT, env=environment, check=True, timeout=PATIENCE)
    name = f"natter_chat-{app.__version__}"
    with tarfile.open(tmp_path / f"{name}.tar.gz") as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(tmp_path)
    subprocess.run([*build, "--target", "wheel"], cwd=tmp_path / name, env=environment, check=True, timeout=PATIENCE)
    with zipfile.ZipFile(tmp_path / f"{name}-py3-none-any.whl") as wheel:
        files = {file for file in wheel.namelist() if ".dist-info/" not in file}
    packages = {
        str(path.relative_to(ROOT))
        for package in ("app", "config")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert files == packages | {"config/application.conf", "config/logging.ini"}
    assert {f"app/new_project/templates/{name}.in" for name, _ in FILES.values()} <= files


@pytest.mark.slow("packages")
def test_make_installs_without_a_word_with_the_pip_of_debian_12(tmp_path: Path) -> None:
    folder = tmp_path / "venv"
    venv.create(folder, with_pip=True)
    old = [folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "pip==23.0.1"]
    subprocess.run([*map(str, old), "setuptools==66.1.1"], check=True, timeout=PATIENCE)
    (folder / "python.stamp").touch()
    make = ["make", "--silent", f"VENV={folder}", str(folder / "run.stamp")]
    done = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_make_says_that_it_installs(tmp_path: Path) -> None:
    fails = tmp_path / "python3"
    fails.write_text('#!/bin/sh\n[ "$1" = -c ]\n')  # new enough, but makes no environment
    fails.chmod(0o755)
    make = [need("make"), "run", f"PYTHON={fails}", f"VENV={tmp_path}/venv"]
    done = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode != 0
    assert done.stdout == f"Installing Natter's packages in {tmp_path}/venv; this may take a minute\n"


def test_every_pin_is_hashed_and_names_no_host() -> None:
    for name in ("requirements.txt", "requirements-dev.txt", "tests/servers/requirements.txt"):
        text = (ROOT / name).read_text()
        assert "://" not in text
        assert "--index" not in text
        pins = re.findall(r"^([\w-]+)==\S+(?:.*)\\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", text, re.M)
        assert len(pins) == len(re.findall(r"^[\w-]+==", text, re.M)) > 5


def test_the_pins_hold_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for name, wanted in (
        ("requirements.txt", project["dependencies"] + project["optional-dependencies"]["nats"]),
        ("requirements-dev.txt", project["optional-dependencies"]["dev"]),
    ):
        pinned = set(re.findall(r"^([\w-]+)==", (ROOT / name).read_text(), re.M))
        assert {re.split(r"[ <>=]", requirement)[0] for requirement in wanted} <= pinned


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the last stage of the Dockerfile copies from the build context."""
    folder = tmp_path_factory.mktemp("image")
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line.startswith("!")}
    for value in values("COPY"):
        *sources, target = value.split()
        for source in sources if not value.startswith("--from") else []:
            assert source in allowed, f".dockerignore keeps {source} out of the build"
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, folder / target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / source, folder)
    return folder


def values(name: str) -> list[str]:
    """The arguments of the Dockerfile's instructions called `name`."""
    return [" ".join(value.split()) for instruction, value in INSTRUCTIONS if instruction == name]


class TestDockerfile:
    """Tests can't rely on a container engine, so each instruction is carried out by hand: files are copied to a folder,
    packages are installed in an environment, and the commands run there."""

    def test_the_context_is_only_what_is_copied(self) -> None:
        lines = (ROOT / ".dockerignore").read_text().split()
        copied = {part for value in values("COPY") if "--from" not in value for part in value.split()[:-1]}
        assert lines[0] == "*"
        assert {line[1:] for line in lines if line.startswith("!")} == copied

    @pytest.mark.slow("packages")
    def test_the_install_step(self, image: Path, tmp_path: Path) -> None:
        """The RUN of the first stage, with a folder in place of `/opt/natter`, then the CMD in the result."""
        (step,) = [value for value in values("RUN") if "pip install" in value]
        target = tmp_path / "natter"
        step = step.replace("/opt/natter", str(target)).replace("python -m venv", f"{sys.executable} -m venv", 1)
        subprocess.run(["/bin/sh", "-euc", step], cwd=image, check=True, timeout=PATIENCE, stdout=subprocess.DEVNULL)
        assert not (target / "bin/pip").exists()
        (command,) = values("CMD")
        program = [str(target / "bin/python"), *json.loads(command)[1:]]
        with Process(cwd=image, command=" ".join(program), environment={"PORT": "0", "PYTHONPATH": ""}) as process:
            chats(int(process.line(r"Responding at http://127\.0\.0\.1:(\d+)$")[1]))
            assert process.stop() == 0

    def test_the_health_check_follows_the_port(self) -> None:
        (check,) = values("HEALTHCHECK")
        command = json.loads(check.partition("CMD ")[2])
        with serving() as server:
            environment = {**os.environ, "PORT": str(server.port)}
            subprocess.run([sys.executable, *command[1:]], env=environment, check=True, timeout=DEADLINE)
        done = subprocess.run([sys.executable, *command[1:]], env=environment, capture_output=True, timeout=DEADLINE)
        assert done.returncode == 1
        assert "or '8080'" in check

    def test_it_says_how_it_is_configured(self, image: Path) -> None:
        command = "docker exec natter python -m app config --origin chat.store"
        (line,) = re.findall(rf"^\$ {command}\n(.*)$", (ROOT / "README.md").read_text(), re.M)
        variables = dict(pair.split("=", 1) for value in values("ENV") for pair in value.split())
        done = subprocess.run(
            [sys.executable, *command.split()[4:]],
            cwd=image,
            env={**os.environ, "PYTHONPATH": "", "CHAT_STORE": variables["CHAT_STORE"]},
            capture_output=True,
            text=True,
            timeout=DEADLINE,
        )
        pattern = re.sub(r"\d+$", r"\\d+", re.escape(line))
        assert re.fullmatch(f"{pattern}\n", done.stdout), done.stdout + done.stderr

    def test_it_does_not_run_as_root_and_keeps_data_in_a_volume(self) -> None:
        assert values("USER") == ["natter"]
        assert values("VOLUME") == ["/data"]
        assert any("CHAT_STORE=/data/chat.db" in value for value in values("ENV"))
        (step,) = [value for value in values("RUN") if "useradd" in value]
        assert "install -d -o natter -g natter /data" in step
        assert [name for name, _ in INSTRUCTIONS].index("USER") < [name for name, _ in INSTRUCTIONS].index("VOLUME")


def chats(port: int) -> None:
    with dial(f"ws://127.0.0.1:{port}/chat") as client:
        assert client.recv(DEADLINE) == "You are connected! There are 1 users here."
        client.send("x")
        assert client.recv(DEADLINE) == "[user0]: x"
