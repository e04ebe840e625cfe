"""A crowd of clients of one server, in one process: they connect, talk, and leave."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections import Counter
from collections.abc import Callable, Sequence
from time import perf_counter, process_time

import uvloop

from app.load.connecting import Connector
from app.load.errors import LoadError
from app.load.listeners import Listener, Sampler
from app.load.plan import Envelope, Plan
from app.load.process import Process
from app.load.progress import Progress, silent
from app.load.report import ConnectFigures, Report, TalkFigures
from app.load.traffic import Speaker, Traffic

WARM_UP = 0.5
SETTLE = 1.0
ANSWER = 5.0
"""Seconds without a copy of what the speakers send first, after which none is expected any more."""
QUIET = 2.0
"""Seconds without a copy after which the missing ones count as lost."""
FOREVER = 300.0
SAMPLES = 50_000
"""Copies per second whose latency is measured. If there are more, some clients measure."""


class Crowd:
    """Clients of one server, or of the nodes on one host that have `ports` as well, spread evenly over rooms.
    `grow()` connects more of them, `talk()` lets them talk, and `leave()` ends it. Each raises LoadError when it can't
    go on."""

    def __init__(
        self,
        url: str,
        *,
        rooms: int = 1,
        envelope: Envelope | None = None,
        process: int | None = None,
        progress: Progress = silent,
        ports: Sequence[int] = (),
    ) -> None:
        self.traffic = Traffic(envelope or Envelope(), rooms)
        self.server = None if process is None else Process(process)
        self.progress = progress
        self.listeners: list[Listener] = []
        """All clients that have joined, in the order of their places, including those that are gone."""
        self._connector = Connector(url, self.traffic, ports)

    @property
    def problems(self) -> Counter[str]:
        """Why clients could not connect or were closed, and how many of them."""
        return self._connector.problems + self.traffic.close_reasons

    async def grow(self, count: int, *, measure: bool = True) -> ConnectFigures:
        """Connect clients until there are `count`. With `measure`, include what that takes the server."""
        first, began = len(self.listeners), perf_counter()
        server = self.server if measure else None
        cpu, kib = (server.cpu_seconds(), server.kib()) if server else (0.0, 0)
        failed = self._connector.problems.total()

        def connected(listener: Listener) -> None:
            self.listeners.append(listener)
            self.progress("connecting", len(self.listeners) / count)

        await self._connector.connect(first, count, connected)
        elapsed, joined = perf_counter() - began, len(self.listeners) - first
        self.listeners.sort(key=lambda listener: listener.place)  # the first ones send, and there is one in each room
        figures = ConnectFigures(joined, self._connector.problems.total() - failed, joined / elapsed)
        if server:
            figures.handshakes_per_cpu_second = joined / max(server.cpu_seconds() - cpu, 0.01)
            await self._wait(SETTLE, "settling")
            figures.kib_per_connection = (server.kib() - kib) / max(joined, 1)
        gc.freeze()
        return figures

    async def idle(self, seconds: float) -> float | None:
        """Send nothing. Return what that takes the server in percent of a core; None if its process is unknown."""
        cpu, began = self._cpu_seconds(), perf_counter()
        await self._wait(seconds, "idle")
        return 100 * (self._cpu_seconds() - cpu) / (perf_counter() - began) if self.server else None

    def stop(self, count: int) -> None:
        """Let the last `count` clients stop reading. Clients that send must not be among them."""
        for listener in self.listeners[len(self.listeners) - count :]:
            listener.stop_reading()

    async def talk(
        self,
        *,
        publishers: int = 1,
        outstanding: int = 1,
        together: bool = False,
        rate: float = 0,
        size: int = 100,
        seconds: float = 5,
        warm: float = WARM_UP,
        most: int = 0,
    ) -> TalkFigures:
        """Talk for `warm` seconds to warm up, then for `seconds` that are measured, or until `most` messages are sent;
        then wait for the copies that are outstanding. With `together`, all outstanding messages go out at once, and the
        next ones when these have arrived everywhere."""
        traffic = self.traffic
        speakers = await self._introduce(publishers, size)
        self._choose_samplers(rate)
        closed, figures = traffic.closed, TalkFigures()
        gc.disable()
        try:
            traffic.start(speakers, outstanding=outstanding, rate=rate, together=together)
            await self._wait(warm, "warming up")
            traffic.sampling = True
            await self._measure(seconds, figures, lambda: bool(most) and traffic.sent >= most)
            traffic.stop()
            await self._arrival(traffic.expected, QUIET, "waiting for the rest")
        finally:
            traffic.end()
            gc.enable()
        if not traffic.received and traffic.notice:
            raise LoadError(f"no message arrived; the server says: {traffic.notice}")
        figures.sent, figures.expected, figures.received = traffic.sent, traffic.expected, traffic.received
        figures.closed = traffic.closed - closed
        if latencies := sorted(traffic.latencies):
            figures.p50_ms, figures.p99_ms = (latencies[int(len(latencies) * part)] / 1e6 for part in (0.5, 0.99))
            figures.max_ms = latencies[-1] / 1e6
        return figures

    async def leave(self) -> None:
        """Close all connections, and wait a moment until the server has let everyone go."""
        gc.unfreeze()
        traffic = self.traffic
        traffic.leaving = True
        for listener in self.listeners:
            if not listener.reading:
                listener.transport.abort()
            elif not listener.transport.is_closing():
                listener.say_goodbye()
        traffic.problem = ""
        traffic.stopped.clear()
        await self._wait(QUIET, "leaving", until=lambda: not traffic.present)
        for listener in self.listeners:
            listener.transport.abort()
        await self._wait(QUIET, "leaving", until=lambda: not traffic.present)

    async def _introduce(self, publishers: int, size: int) -> list[Speaker]:
        """Choose who sends, in every room at least one, and texts that make all frames equal."""
        traffic = self.traffic
        count = min(max(publishers, len(traffic.readers)), len(self.listeners))
        speakers = [Speaker(listener.transport, listener.room) for listener in self.listeners[:count]]
        await self._arrival(traffic.introduce(speakers), ANSWER, "listening")
        if fitted := traffic.fit(speakers, size):
            return fitted
        words = f"; the server says: {traffic.notice}" if traffic.notice else ""
        raise LoadError(f"the messages did not come back within {ANSWER:.0f} s{words}")

    def _choose_samplers(self, rate: float) -> None:
        """Let everyone measure latencies if that is little work, else some, spread evenly from first to last."""
        wanted = len(self.listeners) // 64 if not rate else int(SAMPLES / rate)
        step = max(1, len(self.listeners) // max(1, wanted))
        for number, listener in enumerate(self.listeners):
            kind = Sampler if number % step == step // 2 else Listener
            if listener.__class__ is not kind:
                listener.__class__ = kind
                listener.transport.set_protocol(listener)  # it has bound the methods of the other class

    async def _measure(self, seconds: float, figures: TalkFigures, enough: Callable[[], bool]) -> None:
        """Wait while they talk, and note how fast they do and what that takes."""
        received, began = self.traffic.received, perf_counter()
        cpu, own = self._cpu_seconds(), process_time()
        await self._wait(seconds, "talking", until=enough)
        if self.traffic.received == received:  # nothing to tell a rate by yet: the machine is busy with something else
            await self._arrival(received + 1, QUIET, "talking")
        received, elapsed = self.traffic.received - received, perf_counter() - began
        cpu, own = self._cpu_seconds() - cpu, process_time() - own
        figures.deliveries_per_second = received / elapsed
        figures.own_cpu_percent = 100 * own / elapsed
        if self.server:
            figures.deliveries_per_cpu_second = received / max(cpu, 0.01)
            figures.cpu_percent = 100 * cpu / elapsed

    def _cpu_seconds(self) -> float:
        return self.server.cpu_seconds() if self.server else 0

    async def _arrival(self, expected: int, quiet: float, step: str) -> None:
        """Wait until `expected` copies have arrived, or none has for `quiet` seconds."""
        last, since = self.traffic.received, perf_counter()

        def done() -> bool:
            nonlocal last, since
            if self.traffic.received != last:
                last, since = self.traffic.received, perf_counter()
            return self.traffic.received >= expected or perf_counter() - since > quiet

        await self._wait(FOREVER, step, until=done)

    async def _wait(self, seconds: float, step: str, until: Callable[[], bool] = lambda: False) -> None:
        """Wait for some seconds, or until a condition holds. LoadError as soon as there is a problem."""
        began, traffic = perf_counter(), self.traffic
        while (elapsed := perf_counter() - began) < seconds and not until():
            self.progress(step, elapsed / seconds)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(traffic.stopped.wait(), min(0.05, seconds - elapsed))
            if traffic.problem:
                raise LoadError(traffic.problem)


def run(plan: Plan, progress: Progress = silent) -> Report:
    """Carry out a plan. LoadError if that isn't possible."""
    return uvloop.run(_run(plan, progress))


async def _run(plan: Plan, progress: Progress) -> Report:
    crowd = Crowd(plan.url, rooms=plan.rooms, process=plan.process, progress=progress)
    try:
        report = Report(await crowd.grow(plan.clients))
        if plan.idle:
            report.idle_cpu_percent = await crowd.idle(plan.seconds)
        else:
            crowd.stop(plan.stopped)
            report.talk = await crowd.talk(
                publishers=plan.publishers,
                outstanding=plan.outstanding,
                rate=plan.rate,
                size=plan.size,
                seconds=plan.seconds,
            )
        report.problems = dict(crowd.problems)
    finally:
        await crowd.leave()
    return report
