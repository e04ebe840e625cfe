"""Operators moderate a room from the page, and people learn why."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Locator, Page, expect

from tests.clients import Served
from tests.page.browser.conftest import Tab, composer, log, message, register, say, sent
from tests.page.browser.people import Peer, peer


@contextmanager
def owned(server: Served, tab: Tab) -> Iterator[tuple[Page, Peer]]:
    """The page of the room's owner, and somebody else in the room."""
    with tab("ann") as page, peer(server, "bob") as bob:
        register(page)
        expect(log(page)).to_contain_text("owns the room")
        yield page, bob


def person(page: Page, name: str) -> Locator:
    """Open the dialog of a person."""
    page.get_by_role("complementary", name="People").get_by_role("button", name=name).click()
    return page.get_by_role("dialog")


def test_who_is_put_out_is_told_why_and_may_come_back(server: Served, tab: Tab) -> None:
    with owned(server, tab) as (page, bob), tab("cy") as other:
        dialog = person(page, "cy")
        dialog.get_by_label("Reason").fill("too much coffee")
        dialog.get_by_role("button", name="Kick").click()
        expect(other.get_by_text("ann kicked you: too much coffee")).to_be_visible()
        assert bob.until("kick")["whom"] == "cy"
        expect(log(page)).to_contain_text("kicked cy: too much coffee")
        other.get_by_role("button", name="Rejoin").click()
        say(other, "back again")
        sent(other, "back again")


def test_who_is_banned_stays_out_for_as_long(server: Served, tab: Tab) -> None:
    with owned(server, tab) as (page, bob), tab("cy") as other:
        dialog = person(page, "cy")
        dialog.get_by_label("Reason").fill("still coffee")
        dialog.get_by_label("Ban or mute for").select_option(label="1 hour")
        dialog.get_by_role("button", name="Ban", exact=True).click()
        expect(other.get_by_text(re.compile("ann banned you until .*: still coffee"))).to_be_visible()
        assert bob.until("ban")["until"]
        other.get_by_role("button", name="Rejoin").click()
        expect(other.get_by_text("You're banned from #lobby until")).to_be_visible()


def test_who_is_muted_keeps_what_was_not_said_and_is_told(server: Served, tab: Tab) -> None:
    with owned(server, tab) as (page, bob), tab("cy") as other:
        dialog = person(page, "cy")
        dialog.get_by_role("button", name="Mute", exact=True).click()
        bob.until("mute")
        page.keyboard.press("Escape")
        expect(log(other)).to_contain_text("muted cy")
        say(other, "but")
        expect(message(other, "but")).to_have_attribute("data-state", "failed")
        expect(message(other, "but")).to_contain_text("You're muted in #lobby")
        say(page, "/unmute cy")
        expect(log(other)).to_contain_text("unmuted cy")
        message(other, "but").get_by_role("button", name="Try again").click()
        sent(other, "but")


def test_a_slow_room_says_how_slow_and_messages_wait(server: Served, tab: Tab) -> None:
    with owned(server, tab) as (page, _), tab("cy", clock=True) as other:
        say(page, "/slow 30")
        expect(log(other)).to_contain_text("turned on slow mode: one message every 30 seconds")
        say(other, "at once")
        sent(other, "at once")
        say(other, "later")
        expect(message(other, "later")).to_contain_text("Slow mode")
        say(page, "/slow 0")
        expect(log(other)).to_contain_text("turned off slow mode")
        other.clock.fast_forward(31_000)
        sent(other, "later")


def test_an_operator_deletes_what_others_said(server: Served, tab: Tab) -> None:
    with owned(server, tab) as (page, bob):
        bob.say("rude words")
        message(page, "rude words").hover()
        page.get_by_role("button", name="Delete").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(log(page)).not_to_contain_text("rude words")
        assert bob.until("delete")["whom"] == "bob"


def test_who_may_not_is_offered_nothing(server: Served, tab: Tab) -> None:
    with owned(server, tab) as (_, bob), tab("cy") as other:
        bob.say("hello")
        message(other, "hello").hover()
        expect(other.get_by_role("button", name="Copy link")).to_be_visible()
        expect(other.get_by_role("button", name="Delete")).to_have_count(0)
        dialog = person(other, "bob")
        expect(dialog).to_be_visible()
        for name in ("Kick", "Ban", "Mute"):
            expect(dialog.get_by_role("button", name=name)).to_have_count(0)


def test_a_private_room_says_who_gets_in(server: Served, tab: Tab) -> None:
    with owned(server, tab) as (page, _):
        say(page, "/private")
        expect(log(page)).to_contain_text("made the room private")
        with tab() as other:
            other.get_by_label("Your name").fill("cy")
            other.keyboard.press("Enter")
            expect(other.get_by_text("#lobby is private")).to_be_visible()
            say(page, "/invite cy")
            expect(log(page)).to_contain_text("invited cy")
            other.get_by_role("button", name="Rejoin").click()
            expect(composer(other)).to_be_enabled()
