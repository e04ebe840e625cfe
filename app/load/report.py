"""What a run measured, for programs and for people."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field


@dataclass(slots=True)
class ConnectFigures:
    """How connecting went."""

    connected: int = 0
    failed: int = 0
    handshakes_per_second: float = 0
    handshakes_per_cpu_second: float | None = None
    kib_per_connection: float | None = None
    """Memory that the server took for each connection: its proportional set size, a moment later, less that before."""


@dataclass(slots=True)
class TalkFigures:
    """What became of the messages. Copies are counted at all clients that read. Latencies are those of a sample, and
    count from the moment when the message was due to be sent."""

    sent: int = 0
    expected: int = 0
    received: int = 0
    closed: int = 0
    deliveries_per_second: float = 0
    deliveries_per_cpu_second: float | None = None
    cpu_percent: float | None = None
    """CPU of the server, in percent of a core."""
    own_cpu_percent: float = 0
    """CPU of this process, in percent of a core. Near 100, it is the load generator that was measured."""
    p50_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None


@dataclass(slots=True)
class Report:
    """What `natter load` prints."""

    connect: ConnectFigures
    talk: TalkFigures | None = None
    idle_cpu_percent: float | None = None
    problems: dict[str, int] = field(default_factory=dict)
    """Why clients could not connect or were closed, and how many of them."""

    def figures(self) -> dict[str, float]:
        """Everything that was measured, by name."""
        figures = asdict(self.connect) | (asdict(self.talk) if self.talk else {})
        figures["idle_cpu_percent"] = self.idle_cpu_percent
        return {name: round(value, 3) for name, value in figures.items() if value is not None}

    def lines(self) -> list[str]:
        """The same in words, a line for each figure."""
        figures = self.figures()
        known = [(label, form, figures[name]) for name, (label, form) in LABELS.items() if name in figures]
        return [f"{label:34} {value:{form}}" for label, form, value in known]


LABELS = {
    "connected": ("connected", "14,.0f"),
    "failed": ("failed", "14,.0f"),
    "handshakes_per_second": ("handshakes per second", "14,.0f"),
    "handshakes_per_cpu_second": ("... per CPU second", "14,.0f"),
    "kib_per_connection": ("KiB of memory per connection", "14,.1f"),
    "idle_cpu_percent": ("% of a core when idle", "14,.1f"),
    "sent": ("messages sent", "14,.0f"),
    "expected": ("copies expected", "14,.0f"),
    "received": ("copies received", "14,.0f"),
    "closed": ("closed by the server", "14,.0f"),
    "deliveries_per_second": ("deliveries per second", "14,.0f"),
    "deliveries_per_cpu_second": ("... per CPU second", "14,.0f"),
    "cpu_percent": ("% of a core, server", "14,.0f"),
    "own_cpu_percent": ("% of a core, this program", "14,.0f"),
    "p50_ms": ("ms until delivery, median", "14,.2f"),
    "p99_ms": ("... 99th percentile", "14,.2f"),
    "max_ms": ("... longest", "14,.2f"),
}
