"""Long messages: only the beginning is shown, until somebody wants the rest."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.clients import Served
from tests.page.browser.conftest import Tab, composer, log, message, say, sent
from tests.page.browser.people import peer

LINES = "\n".join(f"line {number}" for number in range(3000))


def toggle(page: Page, name: str) -> Locator:
    return log(page).get_by_role("button", name=name, exact=True)


def height(page: Page, text: str) -> float:
    box = message(page, text).bounding_box()
    assert box
    return box["height"]


@pytest.mark.parametrize("text", [LINES, "word " * 2000, "x" * 4000], ids=["lines", "words", "one word"])
def test_a_long_message_does_not_bury_the_room(server: Served, tab: Tab, text: str) -> None:
    with peer(server, "bob") as bob, tab("ann") as page:
        bob.say("before", text, "after")
        expect(message(page, "after")).to_be_in_viewport()
        expect(message(page, "before")).to_be_in_viewport()
        expect(toggle(page, "Show more")).to_have_count(1)
        say(page, "x" * 4000)
        expect(toggle(page, "Show more")).to_have_count(2)


def test_it_is_shown_whole_and_clipped_again_with_the_keyboard(server: Served, tab: Tab) -> None:
    with peer(server, "bob") as bob, tab("ann") as page:
        bob.say(LINES)
        more = toggle(page, "Show more")
        expect(more).to_have_attribute("aria-expanded", "false")
        more.focus()
        page.keyboard.press("Enter")
        less = toggle(page, "Show less")
        expect(less).to_have_attribute("aria-expanded", "true")
        expect(less).to_be_focused()
        assert height(page, "line 0") > 3000 * 10
        expect(log(page).get_by_role("button", name="bob", exact=True)).to_be_in_viewport()
        page.keyboard.press("Enter")
        expect(toggle(page, "Show more")).to_be_focused()
        expect(toggle(page, "Show more")).to_be_in_viewport()
        assert height(page, "line 0") < 600


def test_what_has_the_focus_in_it_is_shown(server: Served, tab: Tab) -> None:
    with peer(server, "bob") as bob, tab("ann") as page:
        bob.say(f"https://a.example\n{LINES}\nhttps://b.example")
        first, last = (log(page).get_by_role("link", name=f"https://{host}.example") for host in "ab")
        first.focus()
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Tab")
        expect(first).to_be_focused()
        expect(toggle(page, "Show less")).to_have_count(1)
        page.keyboard.press("Tab")
        expect(last).to_be_focused()
        expect(last).to_be_in_viewport()


def test_forty_lines_are_not_long(server: Served, tab: Tab) -> None:
    with peer(server, "bob") as bob, tab("ann") as page:
        bob.say("\n".join(f"line {number}" for number in range(40)), "x" * 2000)
        expect(message(page, "line 39")).to_have_count(1)
        expect(message(page, "xxx")).to_be_visible()
        expect(toggle(page, "Show more")).to_have_count(0)


def test_one_that_somebody_looks_for_is_shown_whole(server: Served, tab: Tab) -> None:
    with peer(server, "bob") as bob, tab("ann") as page:
        bob.say(f"{LINES}\nneedle")
        expect(toggle(page, "Show more")).to_be_visible()
        page.keyboard.press("Control+k")
        page.get_by_role("searchbox", name="Search messages").fill("needle")
        page.get_by_role("button", name="Go to message").click()
        expect(toggle(page, "Show less")).to_have_count(1)
        assert height(page, "needle") > 3000 * 10
        toggle(page, "Show less").click()
        expect(toggle(page, "Show more")).to_be_in_viewport()


def test_the_rest_is_not_lost_to_an_edit(tab: Tab) -> None:
    with tab("ann") as page:
        text = "\n".join(f"line {number}" for number in range(60))
        say(page, text)
        sent(page, "line 59")
        expect(toggle(page, "Show more")).to_have_count(1)
        page.keyboard.press("ArrowUp")
        expect(composer(page)).to_have_value(text)
