"""How long the server takes until it answers, and what it holds when idle, beside a bare Starlette on the same uvicorn.

    python -m benchmarks.startup [--runs 10] [--json]

Start: from the start of the process to its first answer. Memory: the proportional set size of the process (Linux), half
a second later. Medians, with the smallest and the largest.
"""

from __future__ import annotations

import statistics
import time

from benchmarks import report
from benchmarks.servers import Program, bare, natter, serve

SETTLE = 0.5


def measure(program: Program) -> tuple[float, float]:
    """Seconds until it answers, and MiB held when idle, of one run."""
    with serve(program, pinned=False) as server:
        time.sleep(SETTLE)
        return server.seconds_to_start, server.process.kib() / 1024


def main() -> None:
    parser = report.parser(__doc__)
    parser.add_argument("--runs", type=int, default=10)
    flags = parser.parse_args()
    programs = {"natter": natter(), "bare": bare()}
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in programs}
    for number in range(flags.runs + 1):
        for name, program in programs.items():
            measured = measure(program)
            if number:  # the first run of each warms the file cache
                runs[name].append(measured)
    figures: dict[str, list[float]] = {}
    for name, measurements in runs.items():
        for figure, values in zip(("seconds", "mib"), zip(*measurements, strict=True), strict=True):
            figures[f"{name}_{figure}"] = [round(f(values), 3) for f in (statistics.median, min, max)]
    lines = []
    for figure, unit in (("seconds", "s until it answers"), ("mib", "MiB when idle")):
        ours, other = figures[f"natter_{figure}"], figures[f"bare_{figure}"]
        lines.append(
            f"{unit:20} natter {ours[0]:.2f} ({ours[1]:.2f}–{ours[2]:.2f})   "
            f"bare Starlette {other[0]:.2f} ({other[1]:.2f}–{other[2]:.2f})   ratio {ours[0] / other[0]:.2f}"
        )
    report.show(figures, flags, "\n".join(lines))


if __name__ == "__main__":
    main()
