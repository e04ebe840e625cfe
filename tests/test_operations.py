"""`docs/operations.md`: the commands in it print what it shows. `docs/cluster.md`: the lines in it are those of the
code."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys

from config.secrets import is_secret
from tests.clients import DEADLINE, ROOT

PAGE = (ROOT / "docs/operations.md").read_text()
CONTAINER = "docker exec natter python "


def test_what_is_configured_in_a_container() -> None:
    """In the folder that the Dockerfile makes: with application.conf in the working directory."""
    (block,) = [block for block in re.findall(r"```console\n(.*?)```", PAGE, re.S) if CONTAINER in block]
    command, *shown = block.splitlines()
    done = subprocess.run(
        [sys.executable, *command.removeprefix(f"$ {CONTAINER}").split()],
        cwd=ROOT,
        env={**os.environ, "PORT": "9000", "HOST": ""},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [without_line(line) for line in done.stdout.splitlines()] == [without_line(line) for line in shown]


def without_line(text: str) -> str:
    """The page shows line numbers as an example: those of application.conf change."""
    return re.sub(r"application\.conf:\d+$", "application.conf:…", text)


def test_the_words_that_make_a_secret_are_those_of_the_page() -> None:
    (item,) = re.findall(r"- the value of a key that has (.*?) as its last word", PAGE, re.S)
    words = re.findall(r"`(\w+)`", item)
    assert len(words) == 12
    assert all(is_secret(word) for word in words)
    assert not is_secret("value")


def test_the_lines_of_the_log_are_those_that_nodes_write() -> None:
    """Apart from numbers and names, which are examples."""
    page = (ROOT / "docs/cluster.md").read_text()
    texts = [text for file in (ROOT / "app/backends/nats").glob("*.py") for text in strings(file.read_text())]
    lines = [line for row in re.findall(r"^\| (`.*?) \|", page, re.M) for line in re.findall("`(.*?)`", row)]
    assert len(lines) > 8
    for line in lines:
        for part in re.split(r"\bnatter-snapshot\b-?|\bnatter\b|[0-9]+|, and |: this node stops$", line):
            assert any(part.strip(" ,") in text for text in texts), line


def strings(source: str) -> list[str]:
    """The texts in the code, with a blank for each value in them."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            found.append("".join(str(part.value) if isinstance(part, ast.Constant) else " " for part in node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
    return found
