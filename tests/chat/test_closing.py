from __future__ import annotations

from app.chat.closing import CloseCode, meaning


def test_codes_are_ones_that_an_endpoint_may_send() -> None:
    assert all(code in (1000, 1001, 1002, 1007, 1008, 1009, 1011, 1012) or 4000 <= code < 4100 for code in CloseCode)


def test_the_table_says_whether_to_come_back() -> None:
    assert {code.name for code in CloseCode if code.reconnect} == {
        "GOING_AWAY",
        "PING_TIMEOUT",
        "RESTARTING",
        "SLOW_READER",
    }


def test_a_code_from_4001_on_means_the_standard_one_that_a_server_could_not_send() -> None:
    assert [meaning(code) for code in (4001, 4012, 4015)] == [1001, 1012, 1015]
    assert [meaning(code) for code in (1000, 1012, 4000, 4016)] == [1000, 1012, 4000, 4016]
