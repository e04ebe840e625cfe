"""The tables of the README."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.fanout.measure import Scale
from benchmarks.report import table

MARKERS = "<!-- fan-out: from here on by `python -m benchmarks.fanout --write` -->", "<!-- fan-out: up to here -->"
SMALL_MARKERS = (
    "<!-- rooms: from here on by `python -m benchmarks.fanout --write`, also with --small -->",
    "<!-- rooms: up to here -->",
)
USUAL = """\
To {many:,} clients: thousands of deliveries per CPU second of the server / per second, by messages outstanding; \
milliseconds until delivery at {rate:.0f} messages per second; KiB of memory per idle connection; handshakes per CPU \
second:"""
GROWTH = "Thousands of deliveries per CPU second, by number of clients, with {outstanding} messages outstanding:"
STOPPED = """\
Milliseconds until delivery, 99th percentile, when all {many:,} clients read, and when one stops reading and every \
buffer on the way to it is full:"""
TIMES = ("p50_ms", "p99_ms", "max_ms")


def tables(results: dict[str, Any], left_out: dict[str, str], scale: Scale) -> str:
    """What was measured, in Markdown."""
    servers = list(results.values())
    parts = [USUAL.format(many=scale.many, rate=scale.rate), usual(servers, scale)]
    parts += [GROWTH.format(outstanding=listed(scale.outstanding)), growth(servers, scale)]
    if rows := [[server["name"], *stopping(server)] for server in servers if "stopped" in server]:
        parts += [STOPPED.format(many=scale.many), table(["", "all read", "one does not"], rows)]
    if "floor" in results:
        sends = results["floor"]["clients"][str(scale.many)][str(scale.outstanding[0])]["deliveries_per_cpu_second"]
        parts.append(f"On the floor, one `send()` took {1e6 / sends:.1f} µs of CPU.")
    if left_out:
        parts.append("Left out: " + "; ".join(f"{name} ({reason})" for name, reason in left_out.items()) + ".")
    return "\n\n".join(parts)


def usual(servers: Sequence[dict[str, Any]], scale: Scale) -> str:
    outstanding = [f"{number} outstanding" for number in scale.outstanding]
    rows = []
    for server in servers:
        talks = server["clients"][str(scale.many)]
        cells = [fast(talks[str(number)]) for number in scale.outstanding]
        idle = [f"{server['kib_per_connection']:.1f}", f"{server['handshakes_per_cpu_second']:,.0f}"]
        rows.append([server["name"], *cells, slow(server["fixed"]), *idle])
    return table(["", *outstanding, "ms: median, p99, longest", "KiB", "handshakes"], rows)


def growth(servers: Sequence[dict[str, Any]], scale: Scale) -> str:
    rows = []
    for server in servers:
        talks = [server["clients"][str(clients)].values() for clients in scale.clients]
        cells = [" · ".join(thousands(talk["deliveries_per_cpu_second"]) for talk in some) for some in talks]
        rows.append([server["name"], *cells])
    return table(["", *(f"{clients:,}" for clients in scale.clients)], rows)


def listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:-1])) + f" and {numbers[-1]}"


def thousands(number: float) -> str:
    return f"{number / 1000:,.0f}" if number >= 10_000 else f"{number / 1000:.1f}"


def fast(talk: dict[str, Any]) -> str:
    return " / ".join(thousands(talk[name]) for name in ("deliveries_per_cpu_second", "deliveries_per_second"))


def slow(talk: dict[str, Any]) -> str:
    if talk["p50_ms"] is None:
        return "—"
    return ", ".join(f"{talk[name]:.0f}" if talk[name] >= 10 else f"{talk[name]:.1f}" for name in TIMES)


def stopping(server: dict[str, Any]) -> list[str]:
    """The two cells about a client that stops reading."""
    return [
        f"{talk['p99_ms']:.0f}" if talk.get("p99_ms") and talk["received"] == talk["expected"] else "stands still"
        for talk in (server["fixed"], server["stopped"])
    ]
