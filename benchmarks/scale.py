"""What a message costs as rooms, members and nodes grow: the figures of docs/scale.md.

    python -m benchmarks.scale [--seconds 2] [--rounds 3] [--json] [--quick]

Clients of the text dialect are in rooms of some size, and 64 messages are under way over all rooms. They are served by
a server with a store of its own; by one node; and by two, where half of each room is on each. The nodes have three NATS
servers, which sync every message. All of them share the machine, so the figures are times of processors and not of
clocks: deliveries per second of the processor that the busiest server takes, and microseconds per message of that
server, and of the three NATS servers together. The servers of a round are there together, and take turns.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvloop

from app.load import Crowd, Process
from benchmarks import report
from benchmarks.report import say
from benchmarks.servers import Server, natter, serve
from benchmarks.talk import talk
from config import Size
from tests.nats.servers import PASSWORD, USER, Servers, running

LAYOUTS = ((1, 100), (1, 1000), (200, 5), (1000, 5))
"""Rooms, and members of each."""
OUTSTANDING = 64
WARM = 0.5


@dataclass(frozen=True)
class Contender:
    """Servers that are measured together."""

    name: str
    servers: Sequence[Server]
    nats: Sequence[Process]


@contextmanager
def contenders(nats: Servers) -> Iterator[list[Contender]]:
    """One server with a store of its own, one node, and two nodes."""
    processes = [Process(server.pid) for server in nats]
    with ExitStack() as stack:

        def start(*flags: str) -> Server:
            return stack.enter_context(serve(natter(*flags), pinned=False))

        def nodes(stream: str, count: int) -> list[Server]:
            settings = nats.settings(stream=stream, max_bytes=Size(4 << 30))
            flags = [
                "-P:chat.backend=nats",
                f"-P:chat.nats.servers=[{', '.join(map(repr, settings.servers)).replace(chr(39), chr(34))}]",
                f"-P:chat.nats.user={USER}",
                f"-P:chat.nats.password={PASSWORD}",
                f"-P:chat.nats.stream={stream}",
                f"-P:chat.nats.max-bytes={int(settings.max_bytes)}",
            ]
            return [start(*flags) for _ in range(count)]

        yield [
            Contender("embedded", [start()], []),
            Contender("one node", nodes("one", 1), processes),
            Contender("two nodes", nodes("two", 2), processes),
        ]


async def measure(contender: Contender, rooms: int, members: int, seconds: float) -> dict[str, float]:
    """Deliveries per CPU second of the busiest server, and the CPU time per message of that and of NATS."""
    first, *others = contender.servers
    ports = [urlsplit(other.ws).port or 0 for other in others]
    crowd = Crowd(first.ws, rooms=rooms, ports=ports)
    try:
        await crowd.grow(rooms * members, measure=False)
        await talk(crowd, OUTSTANDING, seconds=0.1, warm=WARM, together=rooms == 1)
        own = [server.process.cpu_seconds() for server in contender.servers]
        nats = sum(process.cpu_seconds() for process in contender.nats)
        figures = await talk(crowd, OUTSTANDING, seconds=seconds, warm=0, together=rooms == 1)
        busiest = max(
            server.process.cpu_seconds() - before for server, before in zip(contender.servers, own, strict=True)
        )
        nats = sum(process.cpu_seconds() for process in contender.nats) - nats
    finally:
        await crowd.leave()
    messages = figures.received / members
    return {
        "deliveries_per_cpu_second": figures.received / busiest,
        "us_per_message": 1e6 * busiest / messages,
        "nats_us_per_message": 1e6 * nats / messages,
    }


def run(seconds: float, rounds: int, layouts: Sequence[tuple[int, int]]) -> dict[str, Any]:
    found: dict[str, dict[str, list[dict[str, float]]]] = {}
    with tempfile.TemporaryDirectory(prefix="natter-scale-") as name:
        folder = Path(name)
        with running(folder / "nats", 3, sync="always") as nats, contenders(nats) as all_of_them:
            for number in range(rounds):
                for rooms, members in layouts:
                    layout = found.setdefault(f"{rooms} x {members}", {})
                    for contender in all_of_them:
                        figures = uvloop.run(measure(contender, rooms, members, seconds))
                        layout.setdefault(contender.name, []).append(figures)
                        words = f"{figures['deliveries_per_cpu_second']:,.0f} deliveries per CPU second"
                        say(f"round {number + 1}, {rooms} rooms of {members}, {contender.name}: {words}")
    return {
        layout: {
            name: {figure: statistics.median(one[figure] for one in several) for figure in several[0]}
            for name, several in by_contender.items()
        }
        for layout, by_contender in found.items()
    }


def table(found: dict[str, dict[str, dict[str, float]]]) -> str:
    """The figures as a table: each layout beside the server with a store of its own."""
    rows = []
    for layout, by_contender in found.items():
        base = by_contender["embedded"]["deliveries_per_cpu_second"]
        for name, figures in by_contender.items():
            rows.append(
                [
                    layout,
                    name,
                    f"{figures['deliveries_per_cpu_second']:,.0f}",
                    f"{figures['deliveries_per_cpu_second'] / base:.2f}",
                    f"{figures['us_per_message']:,.0f}",
                    f"{figures['nats_us_per_message']:,.0f}",
                ]
            )
    head = [
        "rooms x members",
        "servers",
        "deliveries per CPU second",
        "/ embedded",
        "µs a message",
        "NATS µs a message",
    ]
    return report.table(head, rows)


def main() -> None:
    parser = report.parser(__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each measurement takes (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="a little of everything: the figures mean nothing then")
    flags = parser.parse_args()
    layouts = ((1, 4), (2, 2)) if flags.quick else LAYOUTS
    seconds, rounds = (0.2, 1) if flags.quick else (flags.seconds, flags.rounds)
    found = run(seconds, rounds, layouts)
    report.show(found, flags, table(found))


if __name__ == "__main__":
    main()
