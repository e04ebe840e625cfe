"""A short run of the terminal benchmark prints every figure. How fast the client is, is not for tests."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.clients import DEADLINE, ROOT


def test_every_figure_is_told() -> None:
    command = [sys.executable, "-m", "benchmarks.terminal", "--runs=1", "--seconds=0.5", "--lines=100", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert {"start_seconds", "in_seconds", "echo_p99_ms", "pipe_lines_per_second"} <= set(figures)
    assert all(figure > 0 for figure in figures.values())
