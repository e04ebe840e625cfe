"""`docs/operations.md`: the commands in it print what it shows."""

from __future__ import annotations

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
