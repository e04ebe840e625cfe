"""What is measured of each server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import uvloop

from app.load import Crowd, LoadError, TalkFigures
from benchmarks.fanout.contenders import Contender
from benchmarks.servers import Server, serve

STOPPED_TEXT, STOPPED_MESSAGES = 50_000, 110
"""What fills the buffers on the way to a client that stops reading: the kernel takes some 4 MB."""


@dataclass(frozen=True)
class Scale:
    """How much is measured."""

    few: tuple[int, ...] = (10, 100)
    many: int = 1000
    idle: int = 5000
    most: int = 10_000
    outstanding: tuple[int, ...] = (1, 8, 64)
    rate: float = 30
    stopped: bool = True
    seconds: float = 1.0
    warm: float = 0.3

    @property
    def clients(self) -> Sequence[int]:
        """All numbers of clients, from few to most."""
        return sorted({*self.few, self.many, self.idle, self.most})


QUICK = Scale(few=(5,), many=40, idle=50, most=60, outstanding=(1, 8), stopped=False, seconds=0.3, warm=0.1)


def measure(contender: Contender, scale: Scale) -> dict[str, Any]:
    """All figures of one server. StartError or LoadError if it doesn't work."""
    result: dict[str, Any] = {"clients": {}}
    for scene in (large, usual):
        with serve(contender.program) as server:
            uvloop.run(scene(contender, scale, server, result))
    talks = [talk for talks in result["clients"].values() for talk in talks.values()]
    result["missing"] = sum(talk["expected"] - talk["received"] for talk in (*talks, result["fixed"]))
    return result


async def large(contender: Contender, scale: Scale, server: Server, result: dict[str, Any]) -> None:
    """Many idle clients, on a server that has done nothing yet; then with talk, and more of them."""
    crowd = Crowd(server.ws, envelope=contender.envelope, process=server.process.pid)
    connected = await crowd.grow(scale.idle)
    result["kib_per_connection"] = connected.kib_per_connection
    result["handshakes_per_cpu_second"] = connected.handshakes_per_cpu_second
    await practise(crowd, contender)
    for clients in (scale.idle, scale.most):
        await crowd.grow(clients, measure=False)
        result["clients"][str(clients)] = await by_outstanding(crowd, scale)
    await crowd.leave()


async def usual(contender: Contender, scale: Scale, server: Server, result: dict[str, Any]) -> None:
    """From few clients to many; with many messages outstanding; on time; for some servers, with a client that stops
    reading."""
    crowd = Crowd(server.ws, envelope=contender.envelope, process=server.process.pid)
    await crowd.grow(scale.few[0], measure=False)
    await practise(crowd, contender)
    for clients in (*scale.few, scale.many):
        await crowd.grow(clients, measure=False)
        result["clients"][str(clients)] = await by_outstanding(crowd, scale)
    result["fixed"] = rounded(await crowd.talk(rate=scale.rate, seconds=2 * scale.seconds, warm=scale.warm))
    if contender.stopped and scale.stopped:
        result["stopped"] = await with_one_stopped(crowd, scale)
    await crowd.leave()


async def by_outstanding(crowd: Crowd, scale: Scale) -> dict[str, Any]:
    """The figures by how many messages are outstanding."""
    talks = {}
    for outstanding in scale.outstanding:
        talk = await crowd.talk(outstanding=outstanding, seconds=scale.seconds, warm=scale.warm)
        talks[str(outstanding)] = rounded(talk)
    return talks


async def practise(crowd: Crowd, contender: Contender) -> None:
    if contender.practice:
        await crowd.talk(outstanding=8, seconds=contender.practice, warm=0)


async def with_one_stopped(crowd: Crowd, scale: Scale) -> dict[str, Any]:
    """The figures at a fixed rate once the buffers on the way to a client that stops reading are full. Empty if that
    stops everyone."""
    crowd.stop(1)
    try:
        await crowd.talk(size=STOPPED_TEXT, outstanding=2, seconds=8 * scale.seconds, warm=0, most=STOPPED_MESSAGES)
        return rounded(await crowd.talk(rate=scale.rate, seconds=2 * scale.seconds, warm=scale.warm))
    except LoadError:
        return {}


def rounded(talk: TalkFigures) -> dict[str, Any]:
    return {name: value and round(value, 3) for name, value in asdict(talk).items()}
