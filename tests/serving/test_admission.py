"""How many WebSockets and requests one address gets, whichever route it asks for."""

from __future__ import annotations

import pytest

from app.serving.admission import BURST, DELAY, REFILL, REFUSED_A_SECOND, REFUSED_AT_ONCE, Admission
from app.testing import Denied, Host, ManualClock, Socket, test_application

PER_ADDRESS = "app.websockets.connections-per-address"


def denied(host: Host, path: str, address: str = "") -> Denied:
    with pytest.raises(Denied) as error:
        opened(host, path, address)
    return error.value


def opened(host: Host, path: str, address: str = "") -> Socket:
    return host.websocket(path, headers={"X-Forwarded-For": address} if address else {})


@pytest.mark.parametrize("path", ["/echo", "/chat"])
def test_each_address_has_a_number_of_connections_on_every_route(path: str) -> None:
    with test_application("app.modules.echo.module", overrides={PER_ADDRESS: 2}) as host:
        first, _ = opened(host, path), opened(host, "/echo")
        refused = denied(host, path)
        assert (refused.status, refused.text) == (429, "Too many connections from testclient: the limit is 2")
        first.close()
        opened(host, path)


@pytest.mark.parametrize("path", ["/echo", "/chat"])
def test_the_server_has_a_number_of_connections_on_every_route(path: str) -> None:
    with test_application("app.modules.echo.module", overrides={"app.websockets.connections": 1}) as host:
        opened(host, "/echo")
        assert denied(host, path).status == 503


def test_an_address_opens_only_so_many_connections_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    with test_application("app.modules.echo.module", overrides={PER_ADDRESS: 20}) as host:
        for _ in range(20):
            opened(host, "/echo").close()
        for _ in range(3):
            refused = denied(host, "/chat")
            assert (refused.status, refused.text) == (
                429, "Too many new connections from testclient: try again in 1 s"
            )  # fmt: skip
        host.clock.advance(REFILL / 20)
        opened(host, "/chat").close()
        host.clock.advance(10 * REFILL)
        for _ in range(20):
            opened(host, "/echo").close()
        assert denied(host, "/echo").status == 429
    assert f"({PER_ADDRESS})" in caplog.text


def test_a_connection_is_counted_out_once_however_it_ends() -> None:
    with test_application("app.modules.echo.module", overrides={PER_ADDRESS: 3}) as host:
        admission = host.app.admission
        with host.connect("ann") as ann:
            with pytest.raises(Denied):
                host.websocket("/chat?room=%20")
            with pytest.raises(Denied):
                host.websocket("/nowhere")
            assert admission._connections == 1
            opened(host, "/echo").close()
        assert ann.socket is not None
        assert admission._connections == 0
        assert not admission._per_address


def test_all_addresses_of_a_network_of_ipv6_count_as_one() -> None:
    clock = ManualClock()
    admission = Admission(0, 2, 0, clock)
    for address in ("2001:db8::1", "2001:db8::2:1"):
        assert admission.refusal(address) is None
        admission.enter(address)
    assert admission.refusal("2001:db8::3") is not None
    assert admission.refusal("2001:db8:0:1::3") is None
    admission.leave("2001:db8::3")
    clock.advance(REFILL)
    assert admission.refusal("2001:db8::4") is None


def test_without_an_address_nothing_is_counted_together() -> None:
    admission = Admission(0, 1, 1, ManualClock())
    for _ in range(50):
        assert admission.refusal("") is None
        assert admission.request("") is None
        admission.enter("")


def test_an_address_sends_only_so_many_plain_requests() -> None:
    overrides = {"app.deployment.requests-per-address": 1, PER_ADDRESS: 5}
    with test_application("app.modules.health.module", overrides=overrides) as host:
        answers = [host.http.get("/livez") for _ in range(int(BURST) + 3)]
        assert [answer.status_code for answer in answers] == [200] * int(BURST) + [429] * 3
        assert answers[-1].text == "Too many requests from testclient: try again in 1 s\n"
        assert answers[-1].headers["connection"] == "close"
        host.clock.advance(1)
        assert host.http.get("/livez").status_code == 200


def test_who_is_refused_again_and_again_waits_for_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("app.serving.admission.sleep", sleep)
    overrides = {"app.deployment.requests-per-address": 1, PER_ADDRESS: 1}
    with test_application("app.modules.health.module", overrides=overrides) as host:
        opened(host, "/chat")
        for _ in range(REFUSED_AT_ONCE):
            assert denied(host, "/chat").status == 429
        assert waited == []
        assert denied(host, "/chat").status == 429
        assert waited == [DELAY]
        answers = [host.http.get("/livez").status_code for _ in range(int(BURST) + 1)]
        assert answers[-1] == 429
        assert waited == [DELAY, DELAY]
        host.clock.advance(1 / REFUSED_A_SECOND)
        assert denied(host, "/chat").status == 429
        assert waited == [DELAY, DELAY]
