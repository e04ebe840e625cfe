"""The examples of docs/testing.md and of the README, run as the tests that they are."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.testing import test_application
from tests.clients import PATIENCE, ROOT


def blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.S)


def test_the_examples_pass(tmp_path: Path) -> None:
    (helper,) = [block for block in blocks("README.md") if 'speaker("helper")' in block]
    (tmp_path / "helper.py").write_text(helper)
    tests = [block for page in ("README.md", "docs/testing.md") for block in blocks(page) if "def test_" in block]
    for number, block in enumerate(tests):
        (tmp_path / f"test_{number}.py").write_text(block)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "app.testing.plugin", "-W", "error"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    passed = sum(block.count("def test_") for block in tests) + 1  # one of them runs in both dialects
    assert f"{passed} passed" in done.stdout
    assert len(tests) == len(blocks("docs/testing.md")) + 1


def test_the_failure_that_is_shown(tmp_path: Path) -> None:
    """A wait that fails says what the page says that it says."""
    (shown,) = re.findall(r"```text\n(AssertionError: .*?)```", (ROOT / "docs/testing.md").read_text(), re.S)
    first, line = shown.removeprefix("AssertionError: ").splitlines()
    with test_application(overrides={"chat.presence.period": "1h"}) as chat:
        ann, bob = chat.join("ann"), chat.join("bob")
        ann.say("hello")
        chat.settle()
        bob.socket.deadline = 0.1
        with pytest.raises(AssertionError) as failed:
            bob.hears("hello ann")
    expected = re.escape(f"{first.replace('10 s', '0.1 s')}\n{line}").replace("…", ".*")
    assert re.fullmatch(expected, str(failed.value))
