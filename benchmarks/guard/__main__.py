"""Compare the speed and the size of the working tree with those of an older build.

    python -m benchmarks.guard [--against COMMIT] [--self] [--rows NAME …] [--rounds 5] [--json] [--quick]

Builds the older commit, and runs both builds in turn: the server on the first core, the load on the second. A row's
figure is the median of the ratios new to old over all rounds; a row that is out of bounds is measured anew before it
fails. The table is Markdown. benchmarks/README.md says what each row is. Needs a quiet machine.

Exit codes: 0 if all rows are within bounds, 1 if one is not, 2 if they could not be measured.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from app.load import LoadError
from benchmarks import report
from benchmarks.guard.builds import FOLDER, BuildError, of_commit, of_working_tree
from benchmarks.guard.rows import ROWS, Pair, Verdict, failed, judge
from benchmarks.guard.rows import report as table
from benchmarks.guard.scenes import QUICK, SCENES, Round, Scale
from benchmarks.report import say
from benchmarks.servers import Build, StartError, allow_all_files, warnings

BASE = "3f5716d"
"""The build that nothing may fall behind."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the guard; return its exit code."""
    flags = parse(arguments)
    allow_all_files()
    for warning in warnings():
        say(f"guard: {warning}")
    if "page" in flags.rows and shutil.which("chromium") is None:
        say("guard: the row page needs chromium: apt-get install chromium, or choose other --rows")
        return 2
    names = {"old": flags.against, "new": f"{flags.against} again" if flags.self else "working tree"}
    try:
        with ExitStack() as stack:
            old = of_commit(flags.against, flags.cache)
            new = old if flags.self else stack.enter_context(of_working_tree(flags.cache))
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            measure = measurer((old, new), folder, QUICK if flags.quick else Scale())
            first = judge(measure(flags.rows, flags.rounds))
            out = [verdict.row.name for verdict in first if not verdict.holds]
            again = judge(measure(out, flags.rounds)) if out else []
    except (BuildError, StartError, LoadError, ConnectionError, TimeoutError) as error:
        say(f"guard: {str(error) or 'the server did not answer in time'}")
        return 2
    below = failed(first, again)
    report.show(figures(first, again), flags, table(names["old"], names["new"], first, again))
    if below:
        say(f"guard: out of bounds twice: {', '.join(verdict.row.name for verdict in below)}")
    return 1 if below else 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    known = [row.name for row in ROWS]
    parser = report.parser(__doc__)
    parser.prog = "python -m benchmarks.guard"
    parser.add_argument("--against", default=BASE, metavar="COMMIT", help="the older build (%(default)s)")
    parser.add_argument("--self", action="store_true", help="compare the older build with itself, to see the noise")
    parser.add_argument("--rows", nargs="+", default=known, choices=known, metavar="NAME", help=", ".join(known))
    parser.add_argument("--rounds", type=int, default=5, help="how often each row is measured (%(default)s)")
    parser.add_argument("--cache", type=Path, default=FOLDER, metavar="FOLDER", help="where builds stay (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="try the guard itself: its figures mean nothing then")
    flags = parser.parse_args(arguments)
    if flags.rounds < 1:
        parser.error(f"--rounds: expected a number from 1, got {flags.rounds}")
    return flags


def measurer(
    builds: tuple[Build, Build], folder: Path, scale: Scale
) -> Callable[[Sequence[str], int], dict[str, list[Pair]]]:
    """A function that measures rows, by name, in some rounds."""

    def measure(names: Sequence[str], rounds: int) -> dict[str, list[Pair]]:
        pairs: dict[str, list[Pair]] = {}
        wanted = frozenset(names)
        for number in range(rounds):
            for scene, rows in SCENES.items():
                if not wanted & set(rows):
                    continue
                began = time.perf_counter()
                measured = scene(Round(number, builds, wanted, scale, folder))
                for name in wanted & set(measured):
                    pairs.setdefault(name, []).append(measured[name])
                ratios = ", ".join(f"{name} {pair.ratio:.3f}" for name, pair in measured.items())
                say(f"round {number + 1} of {rounds}: {ratios} ({time.perf_counter() - began:.0f} s)")
        return pairs

    return measure


def figures(first: Sequence[Verdict], again: Sequence[Verdict]) -> dict[str, object]:
    """Everything that was measured, for programs."""
    return {
        run: {
            verdict.row.name: {
                "ratio": verdict.ratio,
                "holds": verdict.holds,
                "rounds": [asdict(pair) for pair in verdict.pairs],
            }
            for verdict in verdicts
        }
        for run, verdicts in (("first", first), ("again", again))
    }


if __name__ == "__main__":
    sys.exit(main())
