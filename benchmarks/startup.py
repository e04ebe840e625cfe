"""How long the server takes until it answers, and what it holds when idle, beside a bare Starlette on the same uvicorn.

    python -m benchmarks.startup [--runs 10] [--json]

Start: from the start of the process to its last line (`Responding at`; uvicorn's `running on` for the bare one).
Memory: the proportional set size of the process (Linux), half a second later. Medians, with the smallest and largest.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
BARE = """
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

app = Starlette(routes=[Route("/", lambda request: PlainTextResponse("hello"))])
"""
SETTLE = 0.5


def measure(command: Sequence[str], cwd: str, mark: str) -> tuple[float, float]:
    """One run: seconds until the line with `mark`, and MiB held when idle."""
    environment = {**os.environ, "PORT": "0", "PYTHONPATH": str(ROOT)}
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=cwd, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    line = next((line for line in process.stderr if mark in line), None)
    if line is None:
        raise SystemExit(f"{' '.join(command)} ended before it said: {mark}")
    seconds = time.perf_counter() - started
    time.sleep(SETTLE)
    rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    kib = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    process.terminate()
    process.communicate(timeout=10)
    return seconds, kib / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "bare.py").write_text(BARE)
        contenders = {
            "natter": ([sys.executable, "-m", "app"], "Responding at"),
            "bare": ([sys.executable, "-m", "uvicorn", "bare:app", "--port", "0"], "running on"),
        }
        runs: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
        for number in range(flags.runs + 1):
            for name, (command, mark) in contenders.items():
                result = measure(command, folder, mark)
                if number:  # the first run of each warms the file cache
                    runs[name].append(result)
    figures: dict[str, list[float]] = {}
    for name, measured in runs.items():
        for index, figure in enumerate(("seconds", "mib")):
            values = [run[index] for run in measured]
            figures[f"{name}_{figure}"] = [round(f(values), 3) for f in (statistics.median, min, max)]
    if flags.json:
        print(json.dumps(figures))
        return
    for figure, unit in (("seconds", "s until it answers"), ("mib", "MiB when idle")):
        ours, bare = figures[f"natter_{figure}"], figures[f"bare_{figure}"]
        print(
            f"{unit:20} natter {ours[0]:.2f} ({ours[1]:.2f}–{ours[2]:.2f})   "
            f"bare Starlette {bare[0]:.2f} ({bare[1]:.2f}–{bare[2]:.2f})   ratio {ours[0] / bare[0]:.2f}"
        )


if __name__ == "__main__":
    main()
