"""Tests that need no browser: tests/page/browser/unit, run by node."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.clients import PATIENCE, ROOT
from tests.conftest import need

UNITS = Path(__file__).parent / "unit"


@pytest.mark.slow("programs")
def test_units() -> None:
    node = need("node")
    files = sorted(str(path.relative_to(ROOT)) for path in UNITS.rglob("*.test.*js"))
    assert files
    done = subprocess.run([node, "--test", *files], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
