"""What a stranger can do to everyone else: each attack on a fresh server, beside a bystander.

    python -m benchmarks.attacks [--only NAME …] [--slices 6] [--seconds 1.5] [--write] [--json] [--quick]

Every attack gets a server of its own with its default limits, on the first core. A bystander says something 50 times a
second. In every second slice the attacker, a process with other addresses, does what it can. Prints the time until the
bystander's acknowledgements with and without the attack, the server's memory, the lines in its log, what happened to
the attacker, and the verdict: see docs/reliability.md, where `--write` puts the table.

Exit codes: 0 if every attack was held, 1 if one was not, 2 if one could not be measured.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import uvloop

from benchmarks import report
from benchmarks.attacks.attack import ATTACKS, Attack
from benchmarks.attacks.families import load
from benchmarks.attacks.scene import Figures, measure
from benchmarks.past import write
from benchmarks.readers import Language
from benchmarks.report import say, table
from benchmarks.servers import ROOT, StartError, allow_all_files, natter, serve, warnings

QUICK_PAST = 1000
LANGUAGE = Language()
MARKERS = "<!-- attacks -->", "<!-- end of attacks -->"
HEAD = (
    "attack",
    "p50 ms",
    "p99 ms",
    "max ms",
    "p99 ÷ without",
    "MiB before, most",
    "log lines",
    "the attacker is",
    "verdict",
)


def main() -> int:
    load()
    flags = parse()
    allow_all_files()
    for warning in warnings():
        say(f"attacks: {warning}")
    measured: dict[str, Figures] = {}
    for name in flags.only or ATTACKS:
        say(name)
        try:
            measured[name] = run(ATTACKS[name], flags)
        except (StartError, ConnectionError, TimeoutError) as error:
            say(f"attacks: {name}: {str(error) or 'no answer in time'}")
            return 2
        say(f"{name}: {measured[name].verdict}")
    words = table(HEAD, [row(ATTACKS[name], one) for name, one in measured.items()])
    report.show(
        {
            name: {**asdict(one), "outcomes": dict(one.outcomes), "verdict": one.verdict}
            for name, one in measured.items()
        },
        flags,
        words,
    )
    if flags.write:
        report.write(ROOT / "docs/reliability.md", words, MARKERS)
    return int(any(one.verdict != "holds" for one in measured.values()))


def run(attack: Attack, flags: argparse.Namespace) -> Figures:
    """Measure one attack on a server of its own."""
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "chat.db"
        if attack.past:
            past = min(attack.past, QUICK_PAST) if flags.quick else attack.past
            uvloop.run(write(store, past, lambda number: ("lobby", LANGUAGE.message(number)[1])))
        with serve(natter(store=store, limits=True)) as server:
            return uvloop.run(measure(attack, server, slices=flags.slices, seconds=flags.seconds))


def row(attack: Attack, one: Figures) -> list[str]:
    """The row of an attack. Where there are two figures, the first is without it."""
    return [
        attack.about,
        f"{one.alone['p50_ms']:.2f}, {one.beside['p50_ms']:.2f}",
        f"{one.alone['p99_ms']:.2f}, {one.beside['p99_ms']:.2f}",
        f"{one.most_alone:.0f}, {one.most_beside:.0f}",
        f"{one.ratio:.2f}",
        f"{one.mib_before:,.0f}, {one.mib:,.0f}",
        f"{one.lines}",
        ", ".join(f"{what} ({count:,})" for what, count in one.outcomes.most_common(3)) or "–",
        one.verdict,
    ]


def parse() -> argparse.Namespace:
    parser = report.parser(__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=ATTACKS, help=f"only these: {' '.join(ATTACKS)}")
    parser.add_argument("--slices", type=int, default=6, help="how often the attack is on (6)")
    parser.add_argument("--seconds", type=float, default=1.5, help="the length of a slice (1.5)")
    parser.add_argument("--write", action="store_true", help="put the table into docs/reliability.md")
    parser.add_argument("--quick", action="store_true", help="a little of everything: the figures mean nothing then")
    flags = parser.parse_args()
    if flags.quick:
        flags.slices, flags.seconds = 1, 0.3
    return flags


if __name__ == "__main__":
    sys.exit(main())
