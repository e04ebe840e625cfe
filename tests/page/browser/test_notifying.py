"""Notifications: people are asked once, and then notified of mentions and whispers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, expect

from tests.clients import Served
from tests.page.browser.conftest import Tab, go, reconnect, say, sent
from tests.page.browser.people import Peer, peer
from tests.page.browser.proxy import Proxy

RECORDED = """
window.asked = 0;
window.shown = [];
window.Notification = class {
  static permission = "default";
  static async requestPermission() {
    window.asked += 1;
    return (window.Notification.permission = "granted");
  }
  constructor(title, { body }) {
    window.shown.push(`${title}: ${body}`);
    localStorage.setItem("shown", `${localStorage.getItem("shown") ?? ""}${title}: ${body}\n`);
  }
  close() {}
};
"""

WANTED = "localStorage.setItem('natter / settings', '{\"notifications\":true,\"asked\":true}');"
ALLOWED = RECORDED.replace('permission = "default"', 'permission = "granted"') + WANTED
ANDROID = (
    WANTED + "window.Notification = class { static permission = 'granted'; constructor() { throw TypeError(); } };"
)
"""Chromium on Android: only a service worker may show notifications."""
SHOWN_BY_WORKER = """async count => {
  const worker = await navigator.serviceWorker.ready;
  for (;;) {
    const shown = await worker.getNotifications();
    if (shown.length === count) return shown.map(({ title, body, data }) => [title, body, data.room]);
    await new Promise(requestAnimationFrame);
  }
}"""
"""Waits until there are so many of them, which no predicate of `wait_for_function` can: a promise is true at once."""


def shown(page: Page, notification: str) -> None:
    page.wait_for_function("text => window.shown.includes(text)", arg=notification)


def shown_once(page: Page, *texts: str) -> None:
    once = "texts => texts.every(text => window.shown.filter(one => one.includes(text)).length === 1)"
    page.wait_for_function(once, arg=list(texts))


def told(page: Page, notification: str) -> None:
    """Wait until one of the browser's tabs has shown a notification."""
    page.wait_for_function("text => localStorage.getItem('shown')?.includes(text)", arg=notification)


def test_it_is_asked_when_there_is_the_first_to_show_and_shown_from_then_on(server: Served, tab: Tab) -> None:
    with peer(server, "bob", room="red") as bob, tab("ann", "/#red", script=RECORDED) as page:
        go(page, "lobby")
        expect(page.get_by_role("heading", level=1, name="lobby")).to_be_visible()
        bob.say("not for her", room="red")
        expect(page).to_have_title(re.compile("^• "))
        expect(page.get_by_text("Get notified")).to_have_count(0)
        bob.say("@ann are you there?", room="red")
        expect(page.get_by_text("Get notified")).to_be_visible()
        assert page.evaluate("window.asked") == 0
        page.get_by_role("button", name="Turn on").click()
        page.wait_for_function("() => window.asked === 1")
        bob.say("not for her either", "@ann hello?", room="red")
        shown(page, "bob in #red: @ann hello?")
        bob.whisper("psst", "ann")
        shown(page, "Whisper from bob: psst")
        assert page.evaluate("window.shown.length") == 2
        expect(page).to_have_title(re.compile(r"^\(3\) "))


def test_who_does_not_want_it_is_not_asked_again(server: Served, tab: Tab) -> None:
    with peer(server, "bob", room="red") as bob, tab("ann", "/#red", script=RECORDED) as page:
        go(page, "lobby")
        expect(page.get_by_role("heading", level=1, name="lobby")).to_be_visible()
        bob.say("@ann hello?", room="red")
        page.get_by_role("button", name="Not now").click()
        bob.say("@ann hello??", room="red")
        expect(page).to_have_title(re.compile(r"^\(2\) "))
        expect(page.get_by_text("Get notified")).to_have_count(0)
        assert page.evaluate("[window.asked, window.shown.length]") == [0, 0]


def test_a_phone_shows_it_with_the_service_worker(server: Served, tab: Tab) -> None:
    with peer(server, "bob", room="red") as bob, tab("ann", "/#red", script=ANDROID) as page:
        page.context.grant_permissions(["notifications"])
        page.evaluate("navigator.serviceWorker.ready.then(() => null)")
        go(page, "lobby")
        expect(page.get_by_role("heading", level=1, name="lobby")).to_be_visible()
        [seq] = bob.say("@ann hello?", room="red")
        assert page.evaluate(SHOWN_BY_WORKER, 1) == [["bob in #red", "@ann hello?", "red"]]
        bob.ask("delete", room="red", seq=seq)
        assert page.evaluate(SHOWN_BY_WORKER, 0) == []


def test_a_click_on_it_shows_the_room_in_the_open_page(server: Served, tab: Tab) -> None:
    with tab("ann", "/#red") as page:
        page.evaluate("navigator.serviceWorker.ready.then(() => null)")
        [worker] = page.context.service_workers
        worker.evaluate("show('lobby').catch(() => null)")  # only a person's click may bring a page to the front
        expect(page.get_by_role("heading", level=1, name="lobby")).to_be_visible()


@contextmanager
def cut_off(server: Served, tab: Tab) -> Iterator[tuple[Page, Peer, Proxy]]:
    """The page of someone in the lobby who wants notifications, and loses the connection at once."""
    with (
        Proxy(server.port) as proxy,
        peer(server, "bob", room="red") as bob,
        tab("ann", "/#red", at=proxy.http, lost=True, clock=True, script=ALLOWED) as page,
    ):
        say(page, "here I am")
        sent(page, "here I am")
        go(page, "lobby")
        expect(page.get_by_role("heading", level=1, name="lobby")).to_be_visible()
        cut(proxy, page)
        yield page, bob, proxy


def cut(proxy: Proxy, *pages: Page) -> None:
    """End all connections, and let no new one through."""
    proxy.down = True
    proxy.cut()
    for page in pages:
        expect(page.get_by_role("status")).not_to_have_text("Connected")


def back(page: Page, proxy: Proxy) -> None:
    """Reconnect."""
    proxy.down = False
    reconnect(page)
    expect(page.get_by_role("status")).to_have_text("Connected")


def test_what_was_missed_during_a_break_is_told_once(server: Served, tab: Tab) -> None:
    with cut_off(server, tab) as (page, bob, proxy):
        bob.say("@ann hello?", "not for her", room="red")
        bob.whisper("are you there?", "ann")
        back(page, proxy)
        expect(page).to_have_title(re.compile(r"^\(2\) "))
        page.clock.fast_forward(3_000)
        shown_once(page, "@ann hello?", "are you there?")  # in one notification, unless one of them comes late
        bob.whisper("well?", "ann")
        shown(page, "Whisper from bob: well?")
        shown_once(page, "@ann hello?", "are you there?", "well?")
        assert not page.evaluate("window.shown.some(one => one.includes('not for her'))")


def test_two_tabs_tell_once_of_what_both_missed(server: Served, tab: Tab) -> None:
    with (
        Proxy(server.port) as proxy,
        peer(server, "bob") as bob,
        tab("ann", at=proxy.http, lost=True, clock=True, script=ALLOWED) as page,
    ):
        say(page, "here I am")
        sent(page, "here I am")
        other = page.context.new_page()
        other.add_init_script(ALLOWED)
        other.goto(proxy.http)
        for one in (page, other):
            expect(one.get_by_role("status")).to_have_text("Connected")
            expect(one.get_by_role("complementary", name="People")).to_contain_text("bob")
        cut(proxy, page, other)
        bob.whisper("are you there?", "ann")
        for one in (page, other):
            back(one, proxy)
            expect(one).to_have_title(re.compile(r"^\(1\) "))
        page.clock.fast_forward(3_000)
        told(page, "Whisper from bob: are you there?")
        bob.whisper("well?", "ann")
        told(page, "Whisper from bob: well?")
        assert page.evaluate("localStorage.getItem('shown').trim().split('\\n').length") == 2


def test_what_was_read_elsewhere_is_not_told_after_a_break(server: Served, tab: Tab) -> None:
    with cut_off(server, tab) as (page, bob, proxy):
        [said] = bob.say("@ann hello?", room="red")
        token = page.evaluate("JSON.parse(localStorage.getItem('natter / account')).token")
        with server.connect("/chat", subprotocols=["chat.v1.json", f"token.{token}"]) as connection:
            elsewhere = Peer(connection, "ann")
            elsewhere.join("red")
            elsewhere.ask("read", room="red", seq=said)
        back(page, proxy)
        page.clock.fast_forward(3_000)
        bob.whisper("psst", "ann")
        shown(page, "Whisper from bob: psst")
        assert page.evaluate("window.shown.length") == 1
