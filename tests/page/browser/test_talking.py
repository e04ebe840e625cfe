"""People who talk, each in their own browser."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from tests.clients import Served
from tests.page.browser.conftest import Tab, composer, go, log, message, register, reload, say, sent
from tests.page.browser.people import peer


def rooms(page: Page) -> Locator:
    return page.get_by_role("navigation", name="Rooms")


def tools(page: Page, text: str) -> Locator:
    """The buttons that a message shows."""
    message(page, text).hover()
    return message(page, text).get_by_role("toolbar").get_by_role("button")


def test_three_people_hear_each_other_in_one_order(tab: Tab) -> None:
    with tab("ann") as ann, tab("bob") as bob, tab("cy") as cy:
        for page, text in ((ann, "I am ann"), (bob, "I am bob"), (cy, "I am cy")):
            say(page, text)
            sent(page, text)
            expect(composer(page)).to_have_value("")
        for page in (ann, bob, cy):
            texts = log(page).locator(".text")
            expect(texts).to_have_text(["I am ann", "I am bob", "I am cy"])
            expect(log(page).locator(".message .name").first).to_have_text("ann")


def test_what_one_says_is_grouped_and_timed(server: Served, tab: Tab) -> None:
    with peer(server, "bob") as bob, peer(server, "cy") as cy, tab("ann") as page:
        bob.say("one", "two")
        cy.say("three")
        bob.say("four")
        expect(message(page, "four")).to_be_visible()
        expect(log(page).get_by_role("button", name="bob")).to_have_count(2)
        expect(log(page).get_by_text("Today")).to_be_visible()
        expect(message(page, "one").locator("time")).to_have_attribute("datetime", re.compile("^20.*Z$"))


def test_what_a_text_means_is_shown(server: Served, tab: Tab) -> None:
    with peer(server, "bob") as bob, tab("ann") as page:
        bob.say("see https://example.com/a_(b)?q=1. Not ftp://example.com", "waves", me=True)
        bob.say("use `a < b` here", "```\nfor x in y:\n    z\n```", "@ann look", "🎉")
        expect(message(page, "waves")).to_contain_text("bob waves")
        link = log(page).get_by_role("link")
        expect(link).to_have_count(1)
        expect(link).to_have_attribute("href", "https://example.com/a_(b)?q=1")
        expect(link).to_have_attribute("rel", "noopener noreferrer")
        expect(log(page).locator("code").first).to_have_text("a < b")
        expect(log(page).locator("pre")).to_have_text("for x in y:\n    z")
        expect(log(page).locator(".mention.mine")).to_have_text("@ann")
        expect(message(page, "🎉")).to_be_visible()


def test_several_lines_are_one_message(tab: Tab) -> None:
    with tab("ann") as page:
        composer(page).fill("one")
        page.keyboard.press("Shift+Enter")
        page.keyboard.type("two")
        page.keyboard.press("Enter")
        sent(page, "one\ntwo")


def test_the_last_message_is_edited_with_the_up_arrow(tab: Tab) -> None:
    with tab("ann") as page, tab("bob") as other:
        say(page, "helo")
        sent(page, "helo")
        page.keyboard.press("ArrowUp")
        expect(composer(page)).to_have_value("helo")
        say(page, "hello")
        for one in (page, other):
            expect(message(one, "hello")).to_contain_text("edited")
            expect(message(one, "helo")).to_have_count(0)
        say(page, "the next one is no edit")
        sent(page, "the next one is no edit")


def test_a_message_is_deleted_after_a_question(tab: Tab) -> None:
    with tab("ann") as page, tab("bob") as other:
        say(page, "a secret")
        sent(page, "a secret")
        message(page, "a secret").hover()
        page.get_by_role("button", name="Delete").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        for one in (page, other):
            expect(log(one)).to_contain_text("This message was deleted")
            expect(log(one)).not_to_contain_text("a secret")


def test_the_link_of_a_message_leads_to_it(server: Served, tab: Tab) -> None:
    with tab("ann", permissions=["clipboard-read", "clipboard-write"]) as page:
        say(page, "remember this")
        sent(page, "remember this")
        message(page, "remember this").hover()
        page.get_by_role("button", name="Copy link").click()
        page.wait_for_function("() => navigator.clipboard.readText().then(text => text.includes('#lobby/'))")
        address = page.evaluate("() => navigator.clipboard.readText()")
        assert address.startswith(f"{server.http}/#lobby/")
        with tab("bob", address.removeprefix(server.http)) as other:
            expect(message(other, "remember this")).to_be_in_viewport()


def test_a_whisper_is_a_conversation_and_shown_where_it_came(tab: Tab) -> None:
    with tab("ann") as ann, tab("bob") as bob, tab("cy") as cy:
        say(ann, "/w bob psst")
        expect(message(bob, "psst")).to_contain_text("whispered")
        expect(message(ann, "psst")).to_be_visible()
        rooms(bob).get_by_role("link", name="ann").click()
        expect(message(bob, "psst")).to_be_visible()
        say(bob, "yes?")
        expect(message(ann, "yes?")).to_be_visible()
        say(cy, "the end")
        sent(cy, "the end")
        expect(message(cy, "psst")).to_have_count(0)
        expect(rooms(cy).get_by_role("link", name="ann")).to_have_count(0)


def test_a_whisper_to_several_is_one_conversation(tab: Tab) -> None:
    with tab("ann") as ann, tab("bob") as bob, tab("cy") as cy:
        say(ann, "/w bob,cy tea?")
        for page in (bob, cy):
            expect(message(page, "tea?")).to_be_visible()
        say(bob, "/reply yes")
        for page in (ann, cy):
            expect(message(page, "yes")).to_be_visible()
            expect(rooms(page).get_by_role("link", name="bob")).to_have_count(1)


def test_what_is_new_elsewhere_is_counted_until_it_is_read(server: Served, tab: Tab) -> None:
    with peer(server, "bob") as bob, tab("ann", "/#red") as page:
        bob.join("red")
        bob.say("said before", room="red")
        expect(message(page, "said before")).to_be_visible()
        go(page, "lobby")
        expect(page.get_by_role("heading", level=1, name="lobby")).to_be_visible()
        bob.say("one", "two", "three", room="red")
        bob.say("@ann four", room="red")
        red = rooms(page).get_by_role("link", name="red")
        expect(red).to_contain_text("4")
        expect(red).to_have_accessible_name(re.compile("red 4 unread, 1 for you"))
        expect(page).to_have_title(re.compile(r"^\(1\) "))
        red.click()
        expect(message(page, "four")).to_be_in_viewport()
        expect(log(page).get_by_text("New", exact=True)).to_be_visible()
        expect(page).to_have_title(re.compile(r"^[^(]"))


def test_what_one_tab_has_read_the_other_has_too(server: Served, tab: Tab) -> None:
    with peer(server, "bob", room="red") as bob, tab("ann", "/#red") as page:
        second = page.context.new_page()
        second.goto(f"{server.http}/#lobby")
        go(second, "lobby")
        go(second, "red")
        expect(second.get_by_role("heading", level=1, name="red")).to_be_visible()
        go(second, "lobby")
        go(page, "lobby")
        expect(page.get_by_role("heading", level=1, name="lobby")).to_be_visible()
        bob.say("news", room="red")
        for one in (page, second):
            expect(rooms(one).get_by_role("link", name="red")).to_contain_text("1")
        rooms(page).get_by_role("link", name="red").click()
        expect(message(page, "news")).to_be_visible()
        expect(rooms(second).get_by_role("link", name="red")).not_to_contain_text("1")


def test_who_is_there_who_is_away_and_who_types(server: Served, tab: Tab) -> None:
    with peer(server, "bob") as bob, tab("ann") as page:
        people = page.get_by_role("complementary", name="People")
        expect(people.get_by_text("bob")).to_be_visible()
        bob.ask("away", why="lunch")
        expect(people).to_contain_text("lunch")
        bob.ask("back")
        expect(people).not_to_contain_text("lunch")
        bob.tell("typing", room="lobby")
        expect(page.get_by_text("bob is typing")).to_be_visible()
        bob.say("here it is")
        expect(page.get_by_text("bob is typing")).to_be_hidden()
        bob.ask("part", room="lobby")
        expect(people.get_by_text("bob")).to_have_count(0)


def test_rooms_are_joined_and_left(server: Served, tab: Tab) -> None:
    with peer(server, "bob", room="red"), tab("ann") as page:
        say(page, "/join red")
        expect(page.get_by_role("heading", level=1, name="red")).to_be_visible()
        say(page, "/topic all about tea")
        expect(
            page.get_by_role("banner").or_(page.get_by_role("main")).get_by_text("all about tea").first
        ).to_be_visible()
        say(page, "/part")
        expect(rooms(page).get_by_role("link", name="red")).to_have_count(0)


def test_a_draft_is_kept_per_room_and_over_a_reload(tab: Tab) -> None:
    with tab("ann") as page:
        composer(page).fill("not said yet")
        go(page, "red")
        expect(page.get_by_role("heading", level=1, name="red")).to_be_visible()
        expect(composer(page)).to_have_value("")
        go(page, "lobby")
        expect(composer(page)).to_have_value("not said yet")
        reload(page)
        expect(composer(page)).to_have_value("not said yet")


def test_names_commands_and_emoji_are_completed(server: Served, tab: Tab) -> None:
    with peer(server, "benjamin"), tab("ann") as page:
        options = page.get_by_role("option")
        composer(page).press_sequentially("@ben")
        expect(options).to_have_text(["benjamin"])
        page.keyboard.press("Tab")
        expect(composer(page)).to_have_value("@benjamin ")
        composer(page).fill("")
        composer(page).press_sequentially("/to")
        expect(options.first).to_contain_text("/topic")
        page.keyboard.press("Escape")
        expect(options).to_have_count(0)
        composer(page).fill("")
        composer(page).press_sequentially(":tada")
        expect(options.first).to_contain_text("🎉")
        page.keyboard.press("Enter")
        expect(composer(page)).to_have_value("🎉 ")


def test_a_text_over_the_limit_is_told_before_it_is_sent(tab: Tab) -> None:
    with tab("ann") as page:
        composer(page).fill("x" * 70_000)
        expect(page.get_by_text("too long").or_(page.get_by_text("over")).first).to_be_visible()
        expect(page.get_by_role("button", name="Send")).to_be_disabled()


def test_a_name_protected_by_a_password_is_had_again_elsewhere(tab: Tab) -> None:
    with tab("ann") as page, tab() as other:
        register(page, "correct horse")
        expect(page.get_by_text("A password protects your name")).to_be_visible()
        say(page, "it is me")
        sent(page, "it is me")
        other.get_by_label("Your name").fill("ann")
        other.keyboard.press("Enter")
        other.get_by_label("Password").fill("correct horse")
        other.keyboard.press("Enter")
        sent(other, "it is me")


def test_what_was_said_stays_ones_own_and_the_name_may_be_somebody_elses(server: Served, tab: Tab) -> None:
    with tab("ann") as page, peer(server, "bob") as bob:
        say(page, "before")
        sent(page, "before")
        say(page, "/nick anna")
        say(page, "after")
        sent(page, "after")
        reload(page)
        bob.ask("nick", name="ann")
        bob.say("I am ann now")
        expect(message(page, "I am ann now")).to_be_visible()
        for text in ("before", "after"):
            sent(page, text)
            expect(tools(page, text)).to_have_count(3)
        expect(tools(page, "I am ann now")).to_have_count(2)
        expect(message(page, "I am ann now").locator(".head")).to_be_visible()
        reload(page)
        expect(message(page, "after")).to_be_visible()
        composer(page).press("ArrowUp")
        expect(composer(page)).to_have_value("after")


def test_a_whisper_goes_to_who_wrote_the_message_and_says_who_reads_it(server: Served, tab: Tab) -> None:
    with peer(server, "bob") as bob, peer(server, "cy") as cy, tab("ann") as page:
        bob.say("who am I?")
        bob.ask("nick", name="rob")
        cy.ask("nick", name="bob")
        expect(page.get_by_role("complementary", name="People")).to_contain_text("rob")
        message(page, "who am I?").hover()
        page.get_by_role("button", name="Whisper to bob").click()
        expect(page.get_by_text("Only you and rob can read this")).to_be_visible()
        expect(page.get_by_role("heading", level=1, name="rob").locator("svg")).to_be_visible()
        say(page, "you are rob by now")
        bob.join("@")
        assert bob.history(f"@{bob.id},{cy.id + 1}") == ["you are rob by now"]
        message(page, "you are rob").hover()
        expect(page.get_by_role("button", name="Whisper to")).to_have_count(0)


def test_somebody_is_shown_by_the_name_of_now(server: Served, tab: Tab) -> None:
    with peer(server, "bob") as bob, tab("ann") as page:
        bob.say("who am I?")
        bob.ask("nick", name="rob")
        expect(page.get_by_role("complementary", name="People")).to_contain_text("rob")
        log(page).get_by_role("button", name="bob").click()
        expect(page.get_by_role("dialog", name="rob")).to_be_visible()
