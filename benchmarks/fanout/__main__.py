"""What a message to many clients costs: Natter, other chats and the kernel's floor, measured in turn by the same load.

    python -m benchmarks.fanout [--json] [--write] [--quick] [--only NAME …] [--folder FOLDER]
    python -m benchmarks.fanout --small [--rounds 5] [--together] [and the same]

Each server runs alone, on the first core; the load (app.load) on the second. Servers by others are installed into a
temporary folder, or into `--folder`, where the next run finds them; what can't be installed is named and left out.
`--write` puts the tables into the README. Compare figures of one run only, never of different runs or machines.

`--small` measures many small rooms and one large one alone, in several rounds, and prints Natter's ratios to the
floors and to uWebSockets. It ends with exit code 1 if a server was left out, as one is that loses a copy.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.load import LoadError
from benchmarks import report
from benchmarks.fanout import small
from benchmarks.fanout.contenders import Contender, Unavailable, find
from benchmarks.fanout.measure import QUICK, Scale, measure
from benchmarks.fanout.tables import MARKERS, SMALL_MARKERS, tables
from benchmarks.report import say
from benchmarks.servers import ROOT, StartError, allow_all_files, warnings


def main() -> int:
    flags = parse()
    allow_all_files()
    for warning in warnings():
        say(f"fanout: {warning}")
    only = flags.only or (["ours", "naive"] if flags.quick else small.REQUIRED if flags.small else None)
    with tempfile.TemporaryDirectory() as name:
        contenders, left_out = find(flags.folder or Path(name), Path(name), only)
        results = {} if flags.small else by_number_of_clients(contenders, left_out, QUICK if flags.quick else Scale())
        scale = dataclasses.replace(
            small.QUICK if flags.quick else small.Scale(), rounds=flags.rounds, together=flags.together
        )
        with_rooms = [one for one in contenders if one.rooms and one.name not in left_out]
        rounds = small.Rounds(with_rooms, scale)
        rounds.run()
    figures = rounds.figures
    names = {contender.key: contender.name for contender in contenders}
    left_out |= {names[key]: problem for key, problem in rounds.problems.items()}
    for contender_name, reason in left_out.items():
        say(f"left out: {contender_name}: {reason}")
    words = {MARKERS: tables(results, left_out, QUICK if flags.quick else Scale())} if results else {}
    words[SMALL_MARKERS] = small.table_of_deliveries(names, figures, scale)
    in_words = [*words.values(), small.table_of_ratios(names, figures, scale)]
    ratios = {row: {key: vars(one) for key, one in some.items()} for row, some in small.ratios(figures).items()}
    measured = {"servers": results, "small": figures, "ratios": ratios, "left_out": left_out}
    report.show(measured, flags, "\n\n".join(filter(None, in_words)))
    if flags.write:
        for markers, text in words.items():
            report.write(ROOT / "README.md", text, markers)
    return 1 if flags.small and left_out else 0


def parse() -> argparse.Namespace:
    parser = report.parser(__doc__)
    parser.add_argument("--write", action="store_true", help="put the tables into README.md")
    parser.add_argument("--quick", action="store_true", help="a little of everything, and nothing that is installed")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="floor, ours, uvicorn, naive, websockets, picows, …")
    parser.add_argument("--folder", type=Path, help="where servers by others are, or are installed")
    parser.add_argument("--small", action="store_true", help="many small rooms and a large one, beside the goals")
    parser.add_argument("--rounds", type=int, help="how often these are measured (5 with --small, else 1)")
    parser.add_argument("--together", action="store_true", help="in the large room, send messages together there")
    flags = parser.parse_args()
    if flags.rounds is None:
        flags.rounds = small.Scale().rounds if flags.small and not flags.quick else 1
    if flags.rounds < 1:
        parser.error(f"--rounds: expected a number from 1, got {flags.rounds}")
    return flags


def by_number_of_clients(contenders: Sequence[Contender], left_out: dict[str, str], scale: Scale) -> dict[str, Any]:
    """Measure each server, from few clients to many. Those that can't be measured go to `left_out`."""
    results: dict[str, Any] = {}
    for contender in contenders:
        began = time.perf_counter()
        try:
            results[contender.key] = {"name": contender.name, **measure(contender, scale)}
        except (LoadError, StartError, Unavailable) as error:
            left_out[contender.name] = str(error)
        say(f"{contender.name}: {time.perf_counter() - began:.0f} s")
    return results


if __name__ == "__main__":
    sys.exit(main())
