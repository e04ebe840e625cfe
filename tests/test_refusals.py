"""The log of the clients that aren't let in."""

from __future__ import annotations

import logging

import pytest

from app.refusals import MAX_REMEMBERED, PERIOD, WHOLE, Refusal, RefusalLog, printable
from app.testing import ManualClock, test_application

FULL = Refusal(503, "full", "The server is full", "app.websockets.connections")


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [record.getMessage() for record in caplog.records]
    caplog.clear()
    return found


def test_the_same_refusal_of_a_client_is_logged_once_a_minute_with_the_setting(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = ManualClock()
    refusals = RefusalLog(clock)
    for who in ("10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.1"):
        refusals.add(FULL, who)
    assert lines(caplog) == [
        "Refused 10.0.0.1 with 503: The server is full (app.websockets.connections)",
        "Refused 10.0.0.2 with 503: The server is full (app.websockets.connections)",
    ]
    refusals.tick()
    assert lines(caplog) == []
    clock.advance(PERIOD)
    refusals.tick()
    assert lines(caplog) == ["Refused with 503 (full): … and 2 more from 10.0.0.1"]
    refusals.add(FULL, "10.0.0.1")
    assert lines(caplog) == ["Refused 10.0.0.1 with 503: The server is full (app.websockets.connections)"]


def test_of_a_kind_and_an_address_twenty_lines_a_minute_are_whole_and_the_rest_is_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    clock, logger = ManualClock(), logging.getLogger("chat")
    refusals = RefusalLog(clock)
    for number in range(832):
        refusals.say(logger, "Adding user!", f"2001:db8::{number:x}", "Adding user! user%d", number)
    for number in range(5):
        refusals.say(logger, "Removing users!", "2001:db8::1", "Removing user%d!", number)
        refusals.say(logger, "Adding user!", "10.0.0.1", "Adding user! other%d", number)
    found = lines(caplog)
    assert found[:20] == [f"Adding user! user{number}" for number in range(20)]
    assert len(found) == 20 + 5 + 5
    clock.advance(PERIOD)
    refusals.tick()
    assert lines(caplog) == ["Adding user! … and 812 more from 2001:db8::0"]
    refusals.say(logger, "Adding user!", "10.0.0.1", "Adding user! again")
    assert lines(caplog) == ["Adding user! again"]


def test_the_pages_that_one_address_tries_are_of_one_kind(caplog: pytest.LogCaptureFixture) -> None:
    refusals = RefusalLog(ManualClock())
    for number in range(100):
        foreign = Refusal(403, "origin", f"The page's Origin is https://{number}.example")
        refusals.add(foreign, f"a page of https://{number}.example", address="10.0.0.1")
    assert len(lines(caplog)) == WHOLE
    refusals.close()
    assert lines(caplog) == ["Refused with 403 (origin): … and 80 more from 10.0.0.1"]


def test_what_was_left_out_is_told_at_the_end_as_well(caplog: pytest.LogCaptureFixture) -> None:
    refusals = RefusalLog(ManualClock())
    for number in range(WHOLE + 3):
        refusals.add(Refusal(400, "invalid", f"not the request number {number}"), "10.0.0.1")
    assert len(lines(caplog)) == WHOLE
    refusals.close()
    assert lines(caplog) == ["Refused with 400 (invalid): … and 3 more from 10.0.0.1"]


def test_many_clients_can_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    refusals = RefusalLog(clock)
    for number in range(2 * MAX_REMEMBERED):
        refusals.add(FULL, f"client {number}")
    found = lines(caplog)
    assert len(found) == MAX_REMEMBERED + 1
    assert found[-1] == f"More than {MAX_REMEMBERED} clients within a minute: not all are logged"
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
