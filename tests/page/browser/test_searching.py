"""Searching: in all rooms and whispers or in one room, while typing, with the hits marked."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from tests.clients import Served
from tests.page.browser.conftest import Tab, composer, message, reload, say, sent
from tests.page.browser.people import peer

ALTERED = """
const Real = WebSocket;
window.WebSocket = class extends Real {
  set onmessage(listener) {
    this.listener = listener;
    super.onmessage = ({ data }) => {
      const frame = JSON.parse(data);
      if (frame.t === "found") ALTER;
      listener({ data: JSON.stringify(frame) });
    };
  }
  send(text) {
    const { t, room, rid } = JSON.parse(text);
    if (OLD && t === "search" && !room) {
      const error = { t: "error", code: "bad_frame", message: "Object missing field `room`", retry: false, rid };
      setTimeout(() => this.listener({ data: JSON.stringify(error) }));
    } else super.send(text);
  }
};
"""
OLD_SERVER = ALTERED.replace("OLD", "true").replace("ALTER", "{ delete frame.marks; delete frame.next; }")
CUT_SHORT = ALTERED.replace("OLD", "false").replace("ALTER", "{ frame.partial = true; frame.behind = 1200; }")


def panel(page: Page) -> Locator:
    return page.get_by_role("complementary", name="Search")


def found(page: Page) -> Locator:
    return panel(page).get_by_role("listitem")


def words(page: Page) -> Locator:
    return page.get_by_role("searchbox")


def scope(page: Page, name: str) -> Locator:
    return panel(page).get_by_role("radio", name=name, exact=True)


def open_search(page: Page) -> None:
    page.get_by_role("button", name="Search", exact=True).click()
    expect(words(page)).to_be_focused()


def test_all_rooms_and_whispers_are_searched_while_one_types(server: Served, tab: Tab) -> None:
    with peer(server, "bob") as bob, peer(server, "cy", room="ops") as cy, tab("ann", "/#ops") as page:
        expect(composer(page)).to_be_enabled()
        say(page, "/join lobby")
        expect(page.get_by_role("heading", level=1)).to_have_text("#lobby")
        bob.say("🍵 the green tea", "no coffee")
        cy.say("`tea` for ops", room="ops")
        cy.say("tea elsewhere", room=cy.join("den")["room"])
        bob.whisper("tea?", "ann")
        cy.whisper("tea, but not for ann", "bob")
        expect(message(page, "tea?")).to_be_visible()
        open_search(page)
        words(page).press_sequentially("te")
        expect(found(page)).to_have_text(
            [
                re.compile(r"Whispers with bob[^#]*bob tea\?"),
                re.compile(r"#ops[^#]*cy tea for ops"),
                re.compile(r"#lobby[^#]*bob 🍵 the green tea"),
            ]
        )
        words(page).press_sequentially("a")
        expect(panel(page).locator("mark")).to_have_text(["tea", "tea", "tea"])
        expect(panel(page).locator("code mark")).to_have_text("tea")
        expect(panel(page).get_by_text("3 messages")).to_be_visible()
        words(page).press_sequentially("pot")
        expect(panel(page).get_by_text("No messages found")).to_be_visible()
        words(page).fill("")
        expect(panel(page).get_by_text("Finds messages")).to_be_visible()


def test_the_scope_is_chosen_by_keyboard_and_kept_while_the_panel_is_open(server: Served, tab: Tab) -> None:
    with peer(server, "bob", room="ops") as bob, tab("ann", "/#ops") as page:
        bob.say("tea for ops", room="ops")
        expect(message(page, "tea for ops")).to_be_visible()
        say(page, "/join lobby")
        say(page, "tea for all")
        sent(page, "tea for all")
        page.keyboard.press("Control+K")
        expect(words(page)).to_be_focused()
        page.keyboard.type("tea")
        page.keyboard.press("Enter")
        expect(found(page)).to_have_count(2)
        page.keyboard.press("Tab")
        expect(scope(page, "All rooms")).to_be_focused()
        page.keyboard.press("ArrowRight")
        expect(scope(page, "#lobby")).to_be_checked()
        expect(found(page)).to_have_text([re.compile("tea for all")])
        page.keyboard.press("Control+K")
        expect(words(page)).to_be_focused()
        words(page).fill("ops")
        expect(found(page)).to_have_count(0)
        page.get_by_role("navigation").get_by_role("link", name="ops").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("#ops")
        expect(scope(page, "#lobby")).to_be_checked()
        scope(page, "All rooms").check(force=True)
        expect(found(page)).to_have_text([re.compile("tea for ops")])
        expect(scope(page, "#ops")).not_to_be_checked()
        page.keyboard.press("Escape")
        expect(panel(page)).to_have_count(0)


def test_older_results_and_the_message_itself(server: Served, tab: Tab) -> None:
    with peer(server, "bob", room="ops") as bob, tab("ann", "/#ops") as page:
        bob.say("the green tea", *(f"line {number}" for number in range(150)), *["tea again"] * 30, room="ops")
        say(page, "/join lobby")
        open_search(page)
        words(page).fill("tea")
        expect(panel(page).get_by_text("20 messages, and older ones")).to_be_visible()
        panel(page).get_by_role("button", name="Older results").click()
        expect(found(page)).to_have_count(31)
        expect(panel(page).get_by_role("button", name="Older results")).to_have_count(0)
        found(page).last.get_by_role("button", name="Go to message").click()
        expect(message(page, "the green tea")).to_be_in_viewport()
        expect(page.get_by_role("heading", level=1)).to_have_text("#ops")
        expect(found(page)).to_have_count(31)


def test_a_message_among_long_ones_is_gone_to(server: Served, tab: Tab) -> None:
    long = "word " * 4_000
    with peer(server, "bob", room="ops") as bob, tab("ann", "/#ops") as page:
        bob.say(*(f"{number} {long}" for number in range(60)), "the green tea", room="ops")
        bob.say(*(f"{number} {long}" for number in range(20)), room="ops")
        reload(page)
        expect(message(page, "word").first).to_be_visible()
        open_search(page)
        words(page).fill("green tea")
        found(page).get_by_role("button", name="Go to message").click()
        expect(message(page, "the green tea")).to_be_in_viewport()


def test_on_a_phone_the_panel_makes_way_for_the_message(server: Served, tab: Tab) -> None:
    with peer(server, "bob") as bob, tab("ann", viewport={"width": 375, "height": 667}) as page:
        bob.say("the green tea", *(f"line {number}" for number in range(60)))
        open_search(page)
        words(page).fill("tea")
        found(page).get_by_role("button", name="Go to message").click()
        expect(panel(page)).to_have_count(0)
        expect(message(page, "the green tea")).to_be_in_viewport()


def test_a_search_that_was_cut_short_says_so(server: Served, tab: Tab) -> None:
    with peer(server, "bob") as bob, tab("ann", script=CUT_SHORT) as page:
        bob.say("tea")
        open_search(page)
        words(page).fill("tea")
        expect(panel(page).get_by_text("There may be older results. Narrow your search.")).to_be_visible()
        expect(panel(page).get_by_text("1,200 recent messages aren't searched yet")).to_be_visible()
        words(page).fill("")
        expect(panel(page).get_by_text("There may be")).to_have_count(0)
        expect(panel(page).get_by_text("recent messages")).to_have_count(0)


def test_an_older_server_searches_one_room(server: Served, tab: Tab) -> None:
    with peer(server, "bob") as bob, tab("ann", script=OLD_SERVER) as page:
        bob.say(*(f"tea {number}" for number in range(25)))
        open_search(page)
        words(page).fill("tea")
        expect(found(page)).to_have_count(20)
        expect(scope(page, "#lobby")).to_be_checked()
        expect(scope(page, "All rooms")).to_have_count(0)
        panel(page).get_by_role("button", name="Older results").click()
        expect(found(page)).to_have_count(25)
        expect(panel(page).locator("mark")).to_have_count(0)


def test_a_hit_far_down_in_a_long_message_is_in_view(server: Served, tab: Tab) -> None:
    with peer(server, "bob") as bob, tab("ann") as page:
        bob.say("so long 🙂 " * 300 + "tea")
        say(page, "/search tea")
        expect(panel(page).locator("mark")).to_be_in_viewport()
        expect(found(page)).to_contain_text("…")
