"""How many newcomers an address may make."""

from __future__ import annotations

import pytest

from app.chat.errors import Code, Refused
from app.live.newcomers import HOUR, Newcomers
from app.testing import Denied, Refusal, test_application
from app.testing.clock import ManualClock

PASSWORD = "correct horse"


def test_an_address_makes_so_many_guests_an_hour() -> None:
    clock = ManualClock()
    newcomers = Newcomers(guests=2, registrations=0, clock=clock)
    assert newcomers.guest_refusal("192.0.2.1") is None
    assert [newcomers.admit_guest("192.0.2.1") for _ in range(2)] == [None, None]
    refusal = newcomers.admit_guest("192.0.2.1")
    assert refusal == newcomers.guest_refusal("192.0.2.1")
    assert refusal is not None
    assert (refusal.status, refusal.reason) == (429, "guests")
    assert newcomers.admit_guest("192.0.2.2") is None
    clock.advance(HOUR / 2)
    assert newcomers.admit_guest("192.0.2.1") is None


def test_a_network_is_one_address() -> None:
    newcomers = Newcomers(guests=1, registrations=1, clock=ManualClock())
    assert newcomers.admit_guest("2001:db8::1") is None
    assert newcomers.admit_guest("2001:db8::ffff:2") is not None
    with newcomers.registering("2001:db8::1"):
        pass
    with pytest.raises(Refused), newcomers.registering("2001:db8::ffff:2"):
        pass


def test_those_without_an_address_have_nothing_in_common() -> None:
    newcomers = Newcomers(guests=1, registrations=1, clock=ManualClock())
    for _ in range(9):
        assert newcomers.admit_guest("") is None
        with newcomers.registering(""):
            pass


def test_a_new_guest_too_many_is_turned_away_and_one_who_comes_back_is_not() -> None:
    limits = {"chat.limits.rate": 1000, "chat.limits.guests-per-address": 2}
    with test_application("app.modules.health.module", overrides=limits) as chat:
        ann = chat.join("ann")
        assert chat.http.get("/healthz").json()["chat"] == {"status": 101}
        chat.join(dialect="text")
        with pytest.raises(Denied) as denied:
            chat.join()
        assert denied.value.status == 429
        assert denied.value.text.startswith("Too many new guests from testclient: the limit is 2 an hour")
        assert chat.http.get("/healthz").json()["chat"]["reason"] == "guests"
        assert chat.rejoin(ann).name == "ann"
        chat.clock.advance(HOUR / 2)
        chat.join()


def test_a_registration_too_many_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    limits = {"chat.limits.rate": 1000, "chat.limits.registrations-per-address": 2}
    with test_application(overrides=limits) as chat:
        people = [chat.join(name) for name in ("ann", "bob", "cy")]
        for client in people[:2]:
            client.register(PASSWORD)
        with pytest.raises(Refusal) as refusal:
            people[2].register(PASSWORD)
        error = refusal.value.frame
        assert (error["code"], error["reason"], error["limit"]) == (Code.RATE_LIMITED, "registrations", 2)
        assert error["after"] == 1000 * HOUR / 2
        chat.clock.advance(HOUR / 2)
        people[2].register(PASSWORD)
    assert "(chat.limits.registrations-per-address)" in caplog.text


def test_a_registration_that_came_to_nothing_is_not_counted() -> None:
    limits = {"chat.limits.rate": 1000, "chat.limits.registrations-per-address": 1}
    with test_application(overrides=limits) as chat, chat.connect("ann") as ann:
        for password in ("short", "x" * 200, "correct\thorse"):
            assert ann.refused("register", password=password).code == "bad_password"
        ann.register(PASSWORD)
