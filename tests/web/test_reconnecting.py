"""Connections that are lost, with people in the middle of it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.clients import Served, serving
from tests.web.conftest import UNLIMITED, Tab, composer, message, pending, say, sent
from tests.web.people import peer
from tests.web.proxy import Proxy


@pytest.fixture
def proxy(server: Served) -> Iterator[Proxy]:
    with Proxy(server.port) as proxy:
        yield proxy


def test_what_is_stored_but_not_acknowledged_is_sent_again_and_not_said_twice(
    server: Served, proxy: Proxy, tab: Tab
) -> None:
    with peer(server, "bob") as bob, tab("ann", at=proxy.http, lost=True) as page:
        proxy.hold()
        say(page, "once")
        bob.until("msg", text="once")
        pending(page, "once")
        proxy.cut()
        sent(page, "once")
        bob.say("and on")
        expect(message(page, "and on")).to_be_visible()
        expect(message(page, "once")).to_have_count(1)
        assert bob.history() == ["once", "and on"]


def test_what_a_killed_server_had_not_stored_is_sent_again_in_order(tab: Tab, tmp_path: Path) -> None:
    store = {"CHAT_STORE": str(tmp_path / "chat.db")}
    with (
        serving(UNLIMITED, environment=store) as first,
        Proxy(first.port) as proxy,
        tab("ann", at=proxy.http, lost=True) as page,
    ):
        say(page, "before")
        sent(page, "before")
        first.started.send_signal(signal.SIGSTOP)
        say(page, "one")
        say(page, "two")
        pending(page, "two")
        first.stop(signal.SIGKILL)
        say(page, "three")
        with serving(UNLIMITED, environment=store) as second:
            proxy.target = second.port
            for text in ("one", "two", "three"):
                sent(page, text)
            with peer(second, "bob") as bob:
                assert bob.history() == ["before", "one", "two", "three"]
                bob.say("welcome back")
                expect(message(page, "welcome back")).to_be_visible()


def offline(page: Page, proxy: Proxy, *, off: bool) -> None:
    page.context.set_offline(off)
    proxy.down = off
    if off:
        proxy.cut()


def test_a_minute_offline_loses_and_doubles_nothing(server: Served, proxy: Proxy, tab: Tab) -> None:
    with peer(server, "bob") as bob, tab("ann", at=proxy.http, lost=True, clock=True) as page:
        bob.say("before")
        expect(message(page, "before")).to_be_visible()
        offline(page, proxy, off=True)
        expect(page.get_by_role("status")).to_contain_text("offline")
        bob.say(*(f"missed {number}" for number in range(30)))
        say(page, "said offline")
        page.clock.fast_forward(60_000)
        offline(page, proxy, off=False)
        page.clock.fast_forward(60_000)
        expect(page.get_by_text("Missed 30 messages")).to_be_visible()
        expect(message(page, "missed 29")).to_have_count(1)
        sent(page, "said offline")
        assert bob.history().count("said offline") == 1


def test_a_proxy_that_drops_the_upgrade_is_named(server: Served, proxy: Proxy, tab: Tab) -> None:
    proxy.plain = True
    with tab(at=proxy.http, lost=True) as page:
        page.get_by_label("Your name").fill("ann")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("proxy")
        proxy.plain = False
        expect(composer(page)).to_be_enabled()
