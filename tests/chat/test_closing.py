from __future__ import annotations

from app.chat.closing import CloseCode


def test_codes_are_ones_that_an_endpoint_may_send() -> None:
    assert all(code in (1000, 1001, 1002, 1007, 1008, 1009, 1011, 1012) or 4000 <= code < 4100 for code in CloseCode)


def test_the_table_says_whether_to_come_back() -> None:
    assert {code.name for code in CloseCode if code.reconnect} == {
        "GOING_AWAY",
        "PING_TIMEOUT",
        "RESTARTING",
        "SLOW_READER",
    }
