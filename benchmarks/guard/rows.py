"""The rows of the guard's table: what is compared, how far it may fall, and the verdict.

Each round gives a row two figures, one of the old build and one of the new, taken within seconds of each other. Only
their ratio counts, new to old, and of the ratios of all rounds the median. A row may put something else in the place of
the old build.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.report import table

LEAST, MOST = 0.95, 1.05
"""Bounds of a ratio, for a row where more is better and for one where less is."""


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    label: str
    cost: bool = False
    """Less is better."""
    most: float = MOST
    """The bound of a cost's ratio."""
    least: float = LEAST
    """The bound of the ratio where more is better."""
    beside: str = ""
    """What the new build is compared with, in place of the old one."""
    most_value: float | None = None
    """A bound of the new build's own figure, in place of one of the ratio."""

    @property
    def bound(self) -> str:
        """The bound in words."""
        if self.most_value is not None:
            return f"≤ {self.most_value:g} itself"
        return f"≤ {self.most:.2f}" if self.cost else f"≥ {self.least:.2f}"


ROWS = (
    Row("start", "seconds until it answers", cost=True),
    Row("bare", "seconds until it answers", cost=True, most=1.6, beside="a bare Starlette"),
    Row("rss", "MiB resident after start", cost=True, most=1.25),
    Row("handshakes", "handshakes per CPU second"),
    Row("connection", "KiB resident per idle connection", cost=True),
    Row("acks", "acknowledged messages per CPU second, 100 clients"),
    *(
        Row(f"room-{outstanding}", f"deliveries per CPU second, a room of 1,000, {outstanding} outstanding")
        for outstanding in (1, 8, 64)
    ),
    *(
        Row(f"rooms-{outstanding}", f"deliveries per CPU second, 1,000 rooms of 5, {outstanding:,} outstanding in all")
        for outstanding in (1, 64, 1000)
    ),
    Row("history", "pages of history per CPU second, 200,000 messages"),
    Row("search", "searches per CPU second, 200,000 messages"),
    Row("page", "KiB of the page's first load", cost=True, most_value=60),
)


@dataclass(frozen=True)
class Pair:
    """What one round measured: a figure of the old build, and one of the new."""

    old: float
    new: float

    @property
    def ratio(self) -> float:
        return self.new / self.old


@dataclass(frozen=True)
class Verdict:
    """What all rounds say about one row."""

    row: Row
    pairs: Sequence[Pair]

    @property
    def old(self) -> float:
        return statistics.median(pair.old for pair in self.pairs)

    @property
    def new(self) -> float:
        return statistics.median(pair.new for pair in self.pairs)

    @property
    def ratio(self) -> float:
        return statistics.median(pair.ratio for pair in self.pairs)

    @property
    def holds(self) -> bool:
        """Whether the row is within its bound."""
        if self.row.most_value is not None:
            return self.new <= self.row.most_value
        return self.ratio <= self.row.most if self.row.cost else self.ratio >= self.row.least

    @property
    def spread(self) -> str:
        """The median of the ratios, and the smallest and the largest of them."""
        ratios = [pair.ratio for pair in self.pairs]
        return f"{self.ratio:.3f} ({min(ratios):.3f}–{max(ratios):.3f})"


def judge(measured: Mapping[str, Sequence[Pair]]) -> list[Verdict]:
    """The verdicts on what was measured, by the name of a row, in the order of the table."""
    return [Verdict(row, measured[row.name]) for row in ROWS if row.name in measured]


def failed(first: Sequence[Verdict], again: Sequence[Verdict]) -> list[Verdict]:
    """The rows that were out of bounds in the first run, and again when they were measured anew."""
    held = {verdict.row.name for verdict in first if verdict.holds}
    return [verdict for verdict in again if not verdict.holds and verdict.row.name not in held]


def report(old: str, new: str, first: Sequence[Verdict], again: Sequence[Verdict]) -> str:
    """The table in Markdown. A row that was measured anew has both ratios."""
    second = {verdict.row.name: verdict for verdict in again}
    lines = []
    for verdict in first:
        name = verdict.row.name
        anew = second.get(name) if not verdict.holds else None
        result = "ok" if verdict.holds else "ok, measured anew" if anew and anew.holds else "**out of bounds**"
        spread = verdict.spread + (f", anew {anew.spread}" if anew else "")
        label = f"{verdict.row.label}, beside {verdict.row.beside}" if verdict.row.beside else verdict.row.label
        lines.append([name, label, number(verdict.old), number(verdict.new), spread, verdict.row.bound, result])
    return table(["row", "", old, new, "new ÷ old: median (least–most)", "bound", ""], lines)


def number(value: float) -> str:
    """Three digits or so that count, as in 0.512, 40.3, 2,924 and 157,000."""
    if value >= 10_000:
        return f"{round(value, -3):,.0f}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
