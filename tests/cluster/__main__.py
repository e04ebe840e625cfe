"""What a cluster promises on bad days, at length.

    python -m tests.cluster [--only KIND …] [--times TIMES] [--write] [--json]

Each kind of fault happens to a cluster of its own, three NATS servers and two nodes, while clients move between the
nodes. Prints what the clients saw: see docs/reliability.md, where `--write` puts the table.

Exit codes: 0 if every promise was kept, 1 if one was not.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.report import say, table
from tests.clients import ROOT
from tests.cluster.kinds import KINDS
from tests.cluster.scene import Cluster
from tests.test_kill import use, violations

PAGE = ROOT / "docs/reliability.md"
MARKERS = "<!-- cluster -->", "<!-- end of cluster -->"
VIOLATIONS = ("lost", "doubled", "reordered", "leaked")
HEAD = ("while clients talk", "times", "seconds", "acknowledged", "sent again", "moves", "refusals", "longest pause")


def main() -> int:
    flags = parse()
    rows, figures, broken = [], {}, False
    for name in flags.only or KINDS:
        say(name)
        with tempfile.TemporaryDirectory() as folder:
            kind = KINDS[name]
            chat = kind.what(Path(folder), flags.times or kind.times)
            figures[name] = measured = measure(chat)
        for line in measured["wrong"][:20]:
            say(f"{name}: {line}")
        say(f"{name}: {measured['times']} times in {measured['seconds']} s, {len(measured['wrong'])} promises broken")
        broken = broken or bool(measured["wrong"])
        rows.append(row(chat, measured))
    words = table((*HEAD, *VIOLATIONS), rows)
    report.show(figures, flags, words)
    if flags.write:
        report.write(PAGE, words, MARKERS)
    return int(broken)


def measure(chat: Cluster) -> dict[str, Any]:
    """Disturb a cluster, and return what came of it."""
    began, wrong = time.monotonic(), list[str]()
    try:
        use(chat)
        wrong = violations(chat)
    except* (AssertionError, TimeoutError, EOFError, OSError) as failed:
        wrong = [f"failed: {error!r}" for error in failed.exceptions]
    found = Counter(line.partition(":")[0] for line in wrong)
    return {
        "times": chat.done,
        "seconds": round(time.monotonic() - began),
        "acknowledged": chat.acks,
        "sent_again": sum(client.retries for client in chat.everybody),
        "moves": chat.moves,
        "refusals": chat.refusals,
        "pause": round(chat.pause, 1),
        "violations": found,
        "wrong": wrong,
    }


def row(chat: Cluster, measured: dict[str, Any]) -> list[str]:
    """The row of a kind of fault."""
    cells = [chat.about, f"{chat.done}", f"{measured['seconds']}"]
    cells += [f"{measured[name]:,}" for name in ("acknowledged", "sent_again", "moves", "refusals")]
    cells.append(f"{chat.pause:.1f} s")
    return cells + [f"{measured['violations'][name]}" for name in VIOLATIONS]


def parse() -> argparse.Namespace:
    parser = report.parser(__doc__)
    parser.add_argument("--only", nargs="+", metavar="KIND", choices=KINDS, help=f"only these: {' '.join(KINDS)}")
    parser.add_argument("--times", type=int, help="how often each of them happens (20, 20, 10, 10, 3)")
    parser.add_argument("--write", action="store_true", help="put the table into docs/reliability.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
