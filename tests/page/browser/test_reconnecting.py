"""Lost connections: messages are neither lost nor sent twice."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.clients import Served, serving
from tests.page.browser.conftest import (
    UNLIMITED,
    Tab,
    composer,
    enter,
    message,
    pending,
    reconnect,
    register,
    reload,
    say,
    sent,
)
from tests.page.browser.people import peer
from tests.page.browser.proxy import Proxy

ONLINE = "Object.defineProperty(navigator, 'onLine', { value: true });"
"""A script for pages that ask the server what is wrong, since the machine itself may have no network."""


@pytest.fixture
def proxy(server: Served) -> Iterator[Proxy]:
    with Proxy(server.port) as proxy:
        yield proxy


def test_what_is_stored_but_not_acknowledged_is_sent_again_and_not_said_twice(
    server: Served, proxy: Proxy, tab: Tab
) -> None:
    with peer(server, "bob") as bob, tab("ann", at=proxy.http, lost=True) as page:
        say(page, "at first")
        sent(page, "at first")
        proxy.hold()
        say(page, "once")
        bob.until("msg", text="once")
        pending(page, "once")
        proxy.cut()
        sent(page, "once")
        bob.say("and on")
        expect(message(page, "and on")).to_be_visible()
        expect(message(page, "once")).to_have_count(1)
        assert bob.history() == ["at first", "once", "and on"]


@pytest.mark.slow("browser")
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


@pytest.mark.slow("browser")
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
        expect(page.get_by_text("You missed 30 messages")).to_be_visible()
        expect(message(page, "missed 29")).to_have_count(1)
        sent(page, "said offline")
        assert bob.history().count("said offline") == 1


def test_a_proxy_that_drops_the_upgrade_is_named(server: Served, proxy: Proxy, tab: Tab) -> None:
    proxy.plain = True
    with tab(at=proxy.http, lost=True, script=ONLINE) as page:
        page.get_by_label("Your name").fill("ann")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("proxy")
        proxy.plain = False
        expect(composer(page)).to_be_enabled()


def test_a_page_that_may_not_connect_says_why(server: Served, proxy: Proxy, tab: Tab) -> None:
    proxy.host = "inner.example:8080"
    with tab(at=proxy.http, lost=True, script=ONLINE) as page:
        page.get_by_label("Your name").fill("ann")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text(f"The server refuses pages from {proxy.http}.")
        expect(page.get_by_role("status")).to_contain_text("app.websockets.origins")
    server.line(f"Refused a page of {proxy.http} with 403: .* the Host is inner.example:8080: ")


def test_a_page_under_a_name_that_the_server_does_not_know_says_what_to_add(server: Served, tab: Tab) -> None:
    at = f"http://chat.example:{server.port}"
    with tab(at=at, lost=True, script=ONLINE) as page:
        page.get_by_label("Your name").fill("ann")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("The server isn't known as chat.example.")
        expect(page.get_by_role("status")).to_contain_text("app.deployment.host-names")
    server.line(f"Refused a page of {at} with 403: .* add chat.example to app.deployment.host-names$")


def test_those_whom_a_proxy_has_signed_out_are_asked_to_sign_in_again(server: Served, proxy: Proxy, tab: Tab) -> None:
    with Proxy(server.port) as other, tab("ann", at=proxy.http, lost=True, script=ONLINE) as page:
        proxy.login = f"{other.http}/"
        proxy.cut()
        expect(page.get_by_role("status")).to_contain_text("You're signed out.")
        say(page, "while signed out")
        pending(page, "while signed out")
        page.get_by_role("button", name="Sign in again").click()
        expect(page.get_by_label("Your name")).to_be_visible()
        assert page.url.startswith(proxy.login)
        proxy.login = ""
        page.goto(proxy.http)
        sent(page, "while signed out")


def test_the_manifest_is_asked_for_with_the_cookies_that_a_proxy_wants(proxy: Proxy, tab: Tab) -> None:
    with tab(at=proxy.http) as page:
        page.context.add_cookies([{"name": "session", "value": "known", "url": proxy.http}])
        page.context.new_cdp_session(page).send("Page.getAppManifest")
        heads = [head for head in proxy.heads if head.startswith("GET /manifest.webmanifest")]
        assert "cookie: session=known" in heads[-1].lower()


def test_after_a_protocol_error_the_page_tries_once_more(proxy: Proxy, tab: Tab) -> None:
    with tab("ann", at=proxy.http, lost=True) as page:
        page.clock.set_fixed_time(1)  # no connection counts as one that held
        with page.expect_websocket():  # the banner in between may be gone before anyone looks
            proxy.close(1002)
        expect(page.get_by_role("status")).to_have_text("Connected")
        say(page, "again")
        sent(page, "again")
        proxy.close(1002)
        expect(page.get_by_role("button", name="Reconnect")).to_be_visible()
        expect(page.get_by_role("status")).to_contain_text("protocol error")


@pytest.mark.slow("browser")
def test_a_restart_is_told_and_everybody_comes_back(tab: Tab, tmp_path: Path) -> None:
    store = {"CHAT_STORE": str(tmp_path / "chat.db")}
    with (
        serving(UNLIMITED, environment=store) as first,
        Proxy(first.port) as proxy,
        tab("ann", at=proxy.http, lost=True) as ann,
        tab("bob", at=proxy.http, lost=True) as bob,
    ):
        say(ann, "before")
        expect(message(bob, "before")).to_be_visible()
        proxy.down = True
        first.stop()
        for page in (ann, bob):
            expect(page.get_by_role("status")).to_contain_text("Trying again")
            expect(page.get_by_role("button", name="Try now")).to_be_visible()
        say(ann, "meanwhile")
        pending(ann, "meanwhile")
        with serving(UNLIMITED, environment=store) as second:
            proxy.target, proxy.down = second.port, False
            for page in (ann, bob):
                reconnect(page)
                expect(page.get_by_role("status")).to_have_text("Connected")
            sent(ann, "meanwhile")
            expect(message(bob, "meanwhile")).to_have_count(1)
            expect(message(bob, "before")).to_have_count(1)


@pytest.mark.slow("browser")
def test_who_the_server_does_not_know_any_more_has_the_same_name_and_rooms(tab: Tab) -> None:
    with (
        serving(UNLIMITED) as first,
        Proxy(first.port) as proxy,
        tab("ann", "/#red", at=proxy.http, lost=True) as page,
    ):
        say(page, "of the old history")
        sent(page, "of the old history")
        proxy.down = True
        first.stop()
        expect(page.get_by_role("status")).not_to_have_text("Connected")
        say(page, "for the new one")
        with serving(UNLIMITED) as second:
            proxy.target, proxy.down = second.port, False
            reconnect(page)
            sent(page, "for the new one")
            expect(message(page, "of the old history")).to_have_count(0)
            with peer(second, "bob", room="red") as bob:
                assert bob.history("red") == ["for the new one"]
                assert "ann" in [one["name"] for one in bob.ask("who", room="red")["people"]]


def test_a_machine_that_slept_notices_that_the_connection_is_dead(server: Served, proxy: Proxy, tab: Tab) -> None:
    with peer(server, "bob") as bob, tab("ann", at=proxy.http, lost=True, clock=True) as page:
        say(page, "good night")
        sent(page, "good night")
        proxy.hold()
        bob.say("said while it slept")
        page.clock.fast_forward(3_600_000)
        page.clock.fast_forward(8_000)
        expect(message(page, "said while it slept")).to_have_count(1)


def test_a_slow_network_keeps_nobody_from_writing(server: Served, tab: Tab) -> None:
    with tab() as page, peer(server, "bob") as bob:
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        slow = {"offline": False, "latency": 300, "downloadThroughput": 50_000, "uploadThroughput": 20_000}
        session.send("Network.emulateNetworkConditions", slow)
        reload(page)
        enter(page, "ann")
        for number in range(5):
            say(page, f"line {number}")
            expect(composer(page)).to_have_value("")
        for number in range(5):
            sent(page, f"line {number}")
        assert bob.history() == [f"line {number}" for number in range(5)]


def cut_off(page: Page, proxy: Proxy) -> None:
    """Break the connection, and let no new one through. The page can still be loaded."""
    proxy.plain = True
    proxy.cut()
    expect(page.get_by_role("status")).not_to_have_text("Connected")


def test_an_edit_that_is_written_while_away_is_kept_over_a_reload_and_sent(
    server: Served, proxy: Proxy, tab: Tab
) -> None:
    with peer(server, "bob") as bob, tab("ann", at=proxy.http, lost=True) as page:
        say(page, "helo")
        sent(page, "helo")
        cut_off(page, proxy)
        page.keyboard.press("ArrowUp")
        say(page, "hello")
        pending(page, "hello")
        expect(page.get_by_text("New messages and edits are saved")).to_be_visible()
        reload(page)
        pending(page, "hello")
        proxy.plain = False
        reconnect(page)
        sent(page, "hello")
        expect(message(page, "helo")).to_have_count(0)
        assert bob.until("edit")["text"] == "hello"


@pytest.mark.parametrize("line", ["/topic tea", "/kick bob", "/nick anna", "/away", "/who", "/history", "/delete 1"])
def test_a_command_that_is_written_while_away_is_in_the_field_again(proxy: Proxy, tab: Tab, line: str) -> None:
    with tab("ann", at=proxy.http, lost=True) as page:
        say(page, "hello")
        sent(page, "hello")
        cut_off(page, proxy)
        say(page, line)
        expect(page.get_by_text("You're not connected. Try again when you are.")).to_be_visible()
        expect(composer(page)).to_have_value(line)


def test_a_command_that_the_connection_takes_with_it_is_in_the_field_again(proxy: Proxy, tab: Tab) -> None:
    with tab("ann", at=proxy.http, lost=True) as page:
        say(page, "hello")
        sent(page, "hello")
        proxy.hold()
        say(page, "/topic tea")
        expect(composer(page)).to_have_value("")
        proxy.cut()
        expect(page.get_by_text("lost before the server answered")).to_be_visible()
        expect(composer(page)).to_have_value("/topic tea")


def test_what_a_dialog_asks_for_while_away_is_refused_in_the_dialog(server: Served, proxy: Proxy, tab: Tab) -> None:
    with tab("ann", at=proxy.http, lost=True) as page, peer(server, "bob"):
        register(page)
        say(page, "a secret")
        sent(page, "a secret")
        cut_off(page, proxy)
        message(page, "a secret").hover()
        page.get_by_role("button", name="Delete").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("button", name="Delete").click()
        expect(dialog.get_by_role("alert")).to_have_text("You're not connected. Try again when you are.")
        page.keyboard.press("Escape")
        expect(message(page, "a secret")).to_be_visible()
        page.get_by_role("complementary", name="People").get_by_role("button", name="bob").click()
        dialog.get_by_label("Reason").fill("loud")
        dialog.get_by_role("button", name="Kick").click()
        page.get_by_role("dialog", name="Kick bob?").get_by_role("button", name="Kick").click()
        expect(dialog.get_by_role("alert")).to_have_text("You're not connected. Try again when you are.")
        expect(dialog).to_contain_text("Reason: loud")
