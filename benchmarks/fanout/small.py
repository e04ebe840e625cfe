"""Many small rooms and one large one: servers that take turns in short slices, so that their ratios can be trusted.

A round starts the servers anew, on the first core, as many at a time as the limit of open files allows. They take turns
in slices: there and back, for each number of messages outstanding. What changes slowly in the machine changes all of
them. A server's figure is the median over all rounds, and so is the ratio of two servers, of one round each.
"""

from __future__ import annotations

import resource
import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import uvloop

from app.load import Crowd, LoadError
from benchmarks.fanout.contenders import Contender
from benchmarks.fanout.tables import thousands
from benchmarks.report import say, table
from benchmarks.servers import Server, StartError, serve
from benchmarks.talk import LEVELS, talk

OWN_FILES = 500
"""Files that the load may need besides its connections."""
OURS = "ours"
REQUIRED = ("floor", "floor-commit", OURS, "uwebsockets")
"""The servers that the goals need."""
GOALS = {
    ("rooms-1", "floor-commit"): 0.6,
    ("rooms-64", "uwebsockets"): 0.85,
    ("rooms-1000", "uwebsockets"): 0.85,
    ("room-1", "floor"): 0.9,
    ("room-8", "uwebsockets"): 1.1,
    ("room-64", "uwebsockets"): 9.0,
}
"""What our deliveries per CPU second should be at least, as a multiple of another server's."""

Figures = dict[str, dict[str, list[float]]]
"""Deliveries per CPU second in each round, by the server's key and by row, such as rooms-64."""


@dataclass(frozen=True)
class Scale:
    """How much is measured."""

    rounds: int = 5
    clients: int = 1000
    """In the one room."""
    rooms: int = 1000
    members: int = 5
    seconds: float = 0.5
    """Of a slice."""
    warm: float = 0.2
    together: bool = False
    """In the one room, all outstanding messages come at once, as in the guard, and not each when one has arrived."""

    def scenes(self) -> dict[str, tuple[int, int]]:
        """The number of rooms and that of clients."""
        return {"rooms": (self.rooms, self.rooms * self.members), "room": (1, self.clients)}


QUICK = Scale(rounds=1, clients=20, rooms=4, seconds=0.2, warm=0.1)


class Rounds:
    """All rounds. A server that loses a copy or doesn't start is measured no further: `problems` says why, by key."""

    def __init__(self, contenders: Sequence[Contender], scale: Scale) -> None:
        self.problems: dict[str, str] = {}
        self._contenders, self._scale = contenders, scale
        self._figures: Figures = {contender.key: {} for contender in contenders}

    @property
    def figures(self) -> Figures:
        """The figures of the servers without problems."""
        return {key: rows for key, rows in self._figures.items() if key not in self.problems}

    def run(self) -> None:
        for number in range(self._scale.rounds):
            for scene, (rooms, clients) in self._scale.scenes().items():
                present = [contender for contender in self._contenders if contender.key not in self.problems]
                for group in groups(present, clients):
                    with ExitStack() as stack:
                        uvloop.run(self._take_turns(self._started(stack, group), scene, rooms, clients))
            say(f"small rooms: round {number + 1} of {self._scale.rounds}")

    def _started(self, stack: ExitStack, contenders: Sequence[Contender]) -> list[tuple[Contender, Server]]:
        servers = []
        for contender in contenders:
            try:
                servers.append((contender, stack.enter_context(serve(contender.program))))
            except StartError as error:
                self.problems[contender.key] = str(error)
        return servers

    async def _take_turns(
        self, servers: Sequence[tuple[Contender, Server]], scene: str, rooms: int, clients: int
    ) -> None:
        """Measure a scene of one round."""
        crowds: dict[str, Crowd] = {}
        for contender, server in servers:
            crowd = Crowd(server.ws, rooms=rooms, envelope=contender.envelope, process=server.process.pid)
            try:
                await crowd.grow(clients, measure=False)
                if contender.practice:
                    await crowd.talk(outstanding=8, seconds=contender.practice, warm=0)
                crowds[contender.key] = crowd
            except LoadError as error:
                self.problems[contender.key] = str(error)
        for level in LEVELS[scene]:
            slices: dict[str, list[float]] = {}
            for key in (*crowds, *reversed(crowds)):
                if key not in self.problems:
                    await self._slice(key, crowds[key], scene, level, slices.setdefault(key, []))
            for key, some in slices.items():
                self._figures[key].setdefault(f"{scene}-{level}", []).append(statistics.mean(some or [0]))
        for crowd in crowds.values():
            await crowd.leave()

    async def _slice(self, key: str, crowd: Crowd, scene: str, level: int, measured: list[float]) -> None:
        scale, together = self._scale, self._scale.together and scene == "room"
        try:
            talked = await talk(crowd, level, together=together, seconds=scale.seconds, warm=scale.warm)
            measured.append(talked.deliveries_per_cpu_second or 0)
        except LoadError as error:
            self.problems[key] = f"{scene}-{level}: {error}"


def groups(contenders: Sequence[Contender], clients: int) -> Iterator[Sequence[Contender]]:
    """As many servers at a time as this process may have connections, those that are compared first."""
    at_once = max(1, (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - OWN_FILES) // clients)
    ordered = sorted(contenders, key=lambda one: one.key not in REQUIRED[1:])
    for first in range(0, len(ordered), at_once):
        yield ordered[first : first + at_once]


@dataclass(frozen=True)
class Ratio:
    """Our deliveries per CPU second as a multiple of another server's: the median of all rounds, and the extremes."""

    median: float
    least: float
    most: float
    goal: float | None

    def __str__(self) -> str:
        verdict = (
            "" if self.goal is None else f"; goal {self.goal:g}, {'ok' if self.median >= self.goal else '**short**'}"
        )
        return f"{self.median:.2f} ({self.least:.2f}–{self.most:.2f}){verdict}"


def ratios(figures: Figures) -> dict[str, dict[str, Ratio]]:
    """Ours to each required server, by row and the key of the other. Empty if there is none of ours."""
    found: dict[str, dict[str, Ratio]] = {}
    for row, ours in figures.get(OURS, {}).items():
        for key in REQUIRED:
            if key != OURS and key in figures:
                some = [mine / max(theirs, 1) for mine, theirs in zip(ours, figures[key][row], strict=True)]
                goal = GOALS.get((row, key))
                found.setdefault(row, {})[key] = Ratio(statistics.median(some), min(some), max(some), goal)
    return found


DELIVERIES = """\
{rooms:,} rooms of {members}, each sent to in turn, and one room of {clients:,}: thousands of deliveries per CPU \
second of the server, by messages outstanding over all rooms:"""
RATIOS = "Natter's deliveries per CPU second ÷ those of another: median of the rounds (least–most):"


def table_of_deliveries(names: dict[str, str], figures: Figures, scale: Scale) -> str:
    """What each server delivers, in Markdown: the median of the rounds."""
    rows = [f"{scene}-{level}" for scene in scale.scenes() for level in LEVELS[scene]]
    body = [[names[key], *(thousands(statistics.median(some[row])) for row in rows)] for key, some in figures.items()]
    return f"{DELIVERIES.format(**vars(scale))}\n\n{table(['', *labels(scale)], body)}"


def table_of_ratios(names: dict[str, str], figures: Figures, scale: Scale) -> str:
    """Ours beside the required servers, in Markdown, with the goals."""
    found = ratios(figures)
    if not found:
        return ""
    others = [key for key in REQUIRED if key != OURS and key in figures]
    body = [
        [label, *(str(row[key]) for key in others)] for label, row in zip(labels(scale), found.values(), strict=True)
    ]
    return f"{RATIOS}\n\n{table(['', *(names[key] for key in others)], body)}"


def labels(scale: Scale) -> list[str]:
    """The rows of all scenes in words."""
    return [
        f"{rooms:,} room{'s' if rooms > 1 else ''}, {level:,}"
        for scene, (rooms, _) in scale.scenes().items()
        for level in LEVELS[scene]
    ]
