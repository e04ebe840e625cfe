"""A run of the load generator counts every copy, and says why it can't go on."""

from __future__ import annotations

import re
from typing import Any

import pytest

from app.load import LoadError, Plan, run
from tests.clients import DEADLINE, Served, serving
from tests.load.conftest import NO_LIMITS


def plan(server: Served, **fields: Any) -> Plan:
    return Plan(**{"url": f"{server.ws}/chat", "clients": 20, "seconds": 0.2, **fields})


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"outstanding": 8},
        {"rate": 50.0},
        {"publishers": 12, "outstanding": 3},
        {"rooms": 5},
        {"rooms": 3, "rate": 50.0, "size": 300},
        {"stopped": 2, "outstanding": 4},
        {"size": 20_000, "outstanding": 8},
    ],
    ids=str,
)
def test_every_copy_is_counted_once(server: Served, fields: dict[str, Any]) -> None:
    report = run(plan(server, **fields))
    talk = report.talk
    assert talk is not None
    assert (report.connect.connected, report.connect.failed, report.problems, talk.closed) == (20, 0, {}, 0)
    readers = 20 - fields.get("stopped", 0)
    rooms = fields.get("rooms", 1)
    assert talk.received == talk.expected > 0
    if rooms == 1:
        assert talk.expected == talk.sent * readers
    else:
        assert talk.sent * (20 // rooms) <= talk.expected <= talk.sent * -(-20 // rooms)
    assert 0 < (talk.p50_ms or 0) <= (talk.p99_ms or 0) <= (talk.max_ms or 0)


def test_what_the_server_used_is_told(server: Served) -> None:
    report = run(plan(server, process=server.started.pid))
    assert report.talk is not None
    figures = report.figures()
    assert figures["handshakes_per_cpu_second"] > 0
    assert figures["deliveries_per_cpu_second"] > 0
    assert "kib_per_connection" in figures
    assert len(report.lines()) == len(figures)


def test_idle_clients_only_stay(server: Served) -> None:
    report = run(plan(server, idle=True, process=server.started.pid))
    assert report.talk is None
    assert report.idle_cpu_percent is not None
    assert report.figures()["connected"] == 20


def test_it_talks_in_a_room_of_its_own(server: Served) -> None:
    with server.connect("/chat") as client, server.connect("/chat?room=red") as red:
        for one in (client, red):
            one.recv(DEADLINE)
        run(plan(server))
        report = run(plan(server, url=f"{server.ws}/chat?room=red", rate=10.0))
        assert report.talk is not None
        client.send("only I")
        assert re.fullmatch(r"\[user\d+\]: only I", str(client.recv(DEADLINE)))
        assert re.fullmatch(r"\[user\d+\]: ~0{16}", str(red.recv(DEADLINE)))


def test_the_end_of_the_server_is_told() -> None:
    with serving(*NO_LIMITS) as server:

        def end(step: str, part: float, /) -> None:
            if step == "talking":
                server.started.terminate()

        with pytest.raises(LoadError, match="closed the connection of a client that sends: 1012"):
            run(plan(server, seconds=DEADLINE), end)
