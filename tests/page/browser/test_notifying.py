"""Notifications: people are asked once, and then notified of mentions and whispers."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.clients import Served
from tests.page.browser.conftest import Tab
from tests.page.browser.people import peer

RECORDED = """
window.asked = 0;
window.shown = [];
window.Notification = class {
  static permission = "default";
  static async requestPermission() {
    window.asked += 1;
    return (window.Notification.permission = "granted");
  }
  constructor(title, { body }) { window.shown.push(`${title}: ${body}`); }
  close() {}
};
"""


def shown(page: Page, notification: str) -> None:
    page.wait_for_function("text => window.shown.includes(text)", arg=notification)


def test_it_is_asked_when_there_is_the_first_to_show_and_shown_from_then_on(server: Served, tab: Tab) -> None:
    with peer(server, "bob", room="red") as bob, tab("ann", "/#red", script=RECORDED) as page:
        page.evaluate("location.hash = '#lobby'")
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
        page.evaluate("location.hash = '#lobby'")
        expect(page.get_by_role("heading", level=1, name="lobby")).to_be_visible()
        bob.say("@ann hello?", room="red")
        page.get_by_role("button", name="Not now").click()
        bob.say("@ann hello??", room="red")
        expect(page).to_have_title(re.compile(r"^\(2\) "))
        expect(page.get_by_text("Get notified")).to_have_count(0)
        assert page.evaluate("[window.asked, window.shown.length]") == [0, 0]
