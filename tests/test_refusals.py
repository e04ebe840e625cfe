"""The log of the clients that aren't let in."""

from __future__ import annotations

import pytest

from app.refusals import MAX_REMEMBERED, PERIOD, Refusal, RefusalLog, printable
from app.testing import ManualClock, test_application

FULL = Refusal(503, "full", "The server is full", "app.websockets.connections")


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [record.getMessage() for record in caplog.records]
    caplog.clear()
    return found


def test_each_client_is_logged_once_a_minute_with_the_setting(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    refusals = RefusalLog(clock)
    for who in ("10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.1"):
        refusals.add(FULL, who)
    assert lines(caplog) == [
        "Refused 10.0.0.1 with 503: The server is full (app.websockets.connections)",
        "Refused 10.0.0.2 with 503: The server is full (app.websockets.connections)",
    ]
    clock.advance(PERIOD)
    refusals.add(FULL, "10.0.0.1")
    assert lines(caplog) == [
        "Refused 10.0.0.1 with 503: The server is full (app.websockets.connections) [2 times more since the last line]"
    ]


def test_many_clients_can_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    refusals = RefusalLog(clock)
    for number in range(2 * MAX_REMEMBERED):
        refusals.add(FULL, f"client {number}")
    found = lines(caplog)
    assert len(found) == MAX_REMEMBERED + 1
    assert found[-1] == f"Refused more than {MAX_REMEMBERED} clients within a minute: not all are logged"
    clock.advance(PERIOD)
    refusals.add(FULL, "client 0")
    assert len(lines(caplog)) == 1


def test_as_much_of_a_client_is_remembered_as_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    refusals = RefusalLog(ManualClock())
    for end in "abc":
        refusals.add(FULL, "x" * 10_000 + end)
    assert len(lines(caplog)) == 1


def test_what_a_client_sent_is_one_line() -> None:
    assert printable("a\nb\u202e\x1b") == "a\\nb\\u202e\\x1b"
    assert printable("é🙂") == "é🙂"
    assert printable("x" * 300) == "x" * 200 + "…"


def test_a_websocket_request_that_a_proxy_has_cut_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with test_application() as host:
        assert host.http.get("/chat").status_code == 426
        assert lines(caplog) == []
        assert host.http.get("/chat", headers={"Sec-WebSocket-Key": "x"}).status_code == 426
        (line,) = lines(caplog)
        assert line.startswith("Refused testclient with 426: its WebSocket request came without `Upgrade: websocket`")
