"""How every benchmark takes its flags and prints its figures: as JSON with `--json`, else in words."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with `--json`; the description is the docstring of a benchmark."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    return parser


def show(figures: Mapping[str, Any], flags: argparse.Namespace, words: str = "") -> None:
    """Print the figures: with `--json` as they are, else as `words`, or a line for each where there are none."""
    if flags.json:
        print(json.dumps(figures))
    else:
        print(words or "\n".join(f"{name.replace('_', ' '):24} {value:,}" for name, value in figures.items()))


def say(line: str) -> None:
    """Tell on standard error what goes on."""
    print(line, file=sys.stderr, flush=True)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows))


def write(page: Path, text: str, markers: tuple[str, str]) -> None:
    """Put tables between their markers in a page."""
    before, first, rest = page.read_text().partition(markers[0])
    _, last, after = rest.partition(markers[1])
    if not first or not last:
        raise SystemExit(f"{page}: expected the markers {markers[0]} and {markers[1]}")
    page.write_text(f"{before}{first}\n\n{text}\n\n{last}{after}")
