"""Operators moderate a room from the page, and people learn why."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Locator, Page, expect

from tests.clients import Served
from tests.page.browser.axe import violations
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


def confirmed(page: Page, name: str) -> None:
    """Press the button of the question that was asked."""
    question = page.get_by_role("dialog", name=re.compile(r"\?$"))
    question.get_by_role("button", name=name).click()
    expect(question).to_have_count(0)


def about(page: Page) -> Locator:
    """Open the dialog of the room."""
    page.get_by_role("heading", level=1).get_by_role("button").click()
    return page.get_by_role("dialog")


def test_who_is_put_out_is_told_why_and_may_come_back(server: Served, tab: Tab) -> None:
    with owned(server, tab) as (page, bob), tab("cy") as other:
        dialog = person(page, "cy")
        dialog.get_by_label("Reason").fill("too much coffee")
        dialog.get_by_role("button", name="Kick").click()
        confirmed(page, "Kick")
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
        dialog.get_by_label("How long to ban or mute").select_option(label="1 hour")
        dialog.get_by_role("button", name="Ban", exact=True).click()
        expect(page.get_by_text("cy leaves #lobby and can't come back for 1 hour")).to_be_visible()
        confirmed(page, "Ban")
        expect(other.get_by_text(re.compile("ann banned you until .*: still coffee"))).to_be_visible()
        assert bob.until("ban")["until"]
        other.get_by_role("button", name="Rejoin").click()
        expect(other.get_by_text("You're banned from #lobby until")).to_be_visible()


def test_who_is_muted_keeps_what_was_not_said_and_is_told(server: Served, tab: Tab) -> None:
    with owned(server, tab) as (page, bob), tab("cy") as other:
        dialog = person(page, "cy")
        dialog.get_by_role("button", name="Mute", exact=True).click()
        confirmed(page, "Mute")
        bob.until("mute")
        expect(log(other)).to_contain_text("muted cy permanently")
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


def test_an_old_topic_and_a_reason_are_deleted_for_everyone(server: Served, tab: Tab) -> None:
    with owned(server, tab) as (page, bob), tab("cy") as other:
        say(page, "/topic rude words")
        seq = bob.until("topic")["seq"]
        say(page, "/topic tea")
        say(page, "/kick bob rude reason")
        kicked = bob.until("kick")["seq"]
        for text in ("rude words", "rude reason"):
            expect(log(other)).to_contain_text(text)
        for number in (seq, kicked):
            say(page, f"/delete {number}")
        for each in (page, other):
            expect(log(each)).to_contain_text("ann set a topic that was deleted")
            expect(log(each)).to_contain_text("ann kicked bob")
            for text in ("rude words", "rude reason"):
                expect(log(each)).not_to_contain_text(text)


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
            other.get_by_role("button", name="Try again").click()
            expect(composer(other)).to_be_enabled()


def test_who_makes_a_room_private_or_public_is_told_before_what_that_does(server: Served, tab: Tab) -> None:
    with owned(server, tab) as (page, bob):
        for what, told in (("private", "Guests have to leave"), ("public", "read what was said while it was private")):
            say(page, "/room")
            page.get_by_role("dialog").get_by_role("button", name=f"Make {what}").click()
            question = page.get_by_role("dialog", name=f"Make #lobby {what}?")
            expect(question).to_contain_text(told)
            assert violations(page) == []
            question.get_by_role("button", name="Cancel").click()
            page.get_by_role("dialog").get_by_role("button", name=f"Make {what}").click()
            question.get_by_role("button", name=f"Make {what}").click()
            expect(log(page)).to_contain_text(f"made the room {what}")
            page.keyboard.press("Escape")
            expect(page.get_by_role("dialog")).to_have_count(0)
        assert bob.until("parted")["why"] == "ann made the room private"


def test_who_is_banned_is_listed_and_let_in_again_under_any_name(server: Served, tab: Tab) -> None:
    with owned(server, tab) as (page, bob):
        dialog = person(page, "bob")
        dialog.get_by_label("Reason").fill("coffee")
        expect(dialog.get_by_role("button", name="Unban")).to_have_count(0)
        dialog.get_by_role("button", name="Ban", exact=True).click()
        confirmed(page, "Ban")
        bob.until("parted")
        bob.ask("nick", name="rob")
        with peer(server, "bob") as innocent:
            say(page, "/moderation")
            expect(page.get_by_role("dialog")).to_contain_text("Banned")
            page.keyboard.press("Escape")
            dialog = about(page)
            banned = dialog.get_by_role("listitem").filter(has_text="rob")
            expect(banned).to_contain_text("was bob · by ann · permanently · ID 2 · coffee")
            assert violations(page) == []
            banned.get_by_role("button", name="Unban rob").click()
            expect(banned).to_have_count(0)
            assert innocent.until("unban")["about"] == bob.id
        bob.join()


def test_buttons_show_what_is_in_force(server: Served, tab: Tab) -> None:
    with owned(server, tab) as (page, bob):
        bob.say("before")
        person(page, "bob").get_by_label("Reason").fill("coffee")
        page.get_by_role("dialog").get_by_role("button", name="Mute", exact=True).click()
        question = page.get_by_role("dialog", name="Mute bob?")
        expect(question).to_be_visible()
        assert violations(page) == []
        question.get_by_role("button", name="Cancel").click()
        expect(page.get_by_role("dialog").get_by_label("Reason")).to_have_value("coffee")
        expect(page.get_by_role("dialog").get_by_role("button", name="Unmute")).to_have_count(0)
        page.get_by_role("dialog").get_by_role("button", name="Mute", exact=True).click()
        confirmed(page, "Mute")
        dialog = person(page, "bob")
        expect(dialog.get_by_role("button", name="Mute", exact=True)).to_have_count(0)
        dialog.get_by_role("button", name="Unmute").click()
        expect(dialog.get_by_role("button", name="Mute", exact=True)).to_be_visible()
        bob.say("after")
        red = "getComputedStyle(document.querySelector('.harms')).color"
        assert page.evaluate(red) != page.evaluate("getComputedStyle(document.querySelector('.secondary')).color")


def test_who_renamed_is_the_one_who_is_muted(server: Served, tab: Tab) -> None:
    with owned(server, tab) as (page, bob), peer(server, "cy") as cy:
        bob.say("rude words")
        expect(message(page, "rude words")).to_be_visible()
        bob.ask("nick", name="rob")
        cy.ask("nick", name="bob")
        log(page).get_by_role("button", name="bob").click()
        page.get_by_role("dialog").get_by_role("button", name="Mute", exact=True).click()
        confirmed(page, "Mute")
        assert cy.until("mute")["about"] == bob.id
        cy.say("I did nothing")


def test_an_invitation_is_told_counted_and_leads_to_the_room(server: Served, tab: Tab) -> None:
    with peer(server, "ann", room="den", password="correct horse") as ann, tab("bob") as page:
        ann.ask("private", room="den")
        ann.ask("invite", room="den", name="bob")
        conversation = page.get_by_role("navigation", name="Rooms").get_by_role("link", name="ann")
        expect(conversation).to_contain_text("1 unread")
        conversation.click()
        expect(log(page)).to_contain_text("ann invited you to #den")
        log(page).get_by_role("link", name="#den").click()
        page.get_by_role("button", name="Join", exact=True).click()
        expect(composer(page)).to_be_enabled()


def test_who_invites_somebody_is_told_once_with_whom_it_is(server: Served, tab: Tab) -> None:
    with owned(server, tab) as (page, _), peer(server, "cy", room="den"):
        say(page, "/invite cy")
        conversation = page.get_by_role("navigation").get_by_role("link", name="cy")
        expect(conversation).to_be_visible()
        expect(log(page).get_by_role("listitem").filter(has_text="invited cy")).to_have_count(1)
        conversation.click()
        expect(log(page)).to_contain_text("ann invited cy to #lobby")


def test_a_double_click_moderates_once(server: Served, tab: Tab) -> None:
    with owned(server, tab) as (page, bob):
        person(page, "bob").get_by_role("button", name="Mute", exact=True).click()
        page.get_by_role("dialog", name="Mute bob?").get_by_role("button", name="Mute").dblclick()
        expect(page.get_by_role("dialog")).to_have_count(0)
        say(page, "/slow 1")
        bob.until("slow")
        assert [event["t"] for event in bob.ask("history", room="lobby")["events"]].count("mute") == 1
