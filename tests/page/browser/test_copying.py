"""What people take out of the page: a copy of the conversation, and a print of it."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.clients import Served
from tests.page.browser.conftest import Tab, composer, log, message, say, sent
from tests.page.browser.people import peer

CLIPBOARD = ["clipboard-read", "clipboard-write"]


def copied(page: Page, first: str, last: str) -> str:
    """What is on the clipboard after copying from the one message to the other, with the time left out."""
    page.evaluate(
        """([first, last]) => {
          const rows = [...document.querySelectorAll(".log .message")];
          const [start, end] = [first, last].map((text) => rows.find((row) => row.textContent.includes(text)));
          getSelection().setBaseAndExtent(start, 0, end, end.childNodes.length);
        }""",
        [first, last],
    )
    page.keyboard.press("Control+c")
    text = str(page.evaluate("navigator.clipboard.readText()"))
    return re.sub(r"\b\d?\d:\d\d [AP]M", "NOON", text)


def test_a_conversation_is_copied_with_each_name_and_time_once(server: Served, tab: Tab) -> None:
    with peer(server, "bob") as bob, tab("ann", permissions=CLIPBOARD) as page:
        bob.say("one", "two\nlines", "see `code` and <https://ci.example/job/7|Build 7>")
        say(page, "four")
        sent(page, "four")
        bob.say("waves", me=True)
        bob.say("```\na = 1\nb = 2\n```")
        bob.whisper("psst", "ann")
        expect(message(page, "psst")).to_be_visible()
        lines = [
            *("bob NOON", "one", "two", "lines", "see code and Build 7", "ann NOON", "four", "bob waves"),
            *("bob NOON", "a = 1", "b = 2", "bob whispered to ann NOON", "psst"),
        ]
        assert copied(page, "one", "psst") == "\n".join(lines)
        assert copied(page, "four", "four") == "ann NOON\nfour"


def test_a_part_of_a_message_is_copied_as_it_is(server: Served, tab: Tab) -> None:
    with peer(server, "bob") as bob, tab("ann", permissions=CLIPBOARD) as page:
        bob.say("the number is 4711")
        message(page, "4711").locator(".text").dblclick(position={"x": 5, "y": 8})
        page.keyboard.press("Control+c")
        assert page.evaluate("navigator.clipboard.readText()").strip() == "the"


def test_a_print_has_the_whole_conversation_and_nothing_over_it(server: Served, tab: Tab) -> None:
    with peer(server, "bob") as bob, tab("ann", viewport={"width": 700, "height": 600}) as page:
        bob.say(*(f"message {number}" for number in range(60)), "\n".join(f"line {number}" for number in range(90)))
        expect(message(page, "message 59")).to_be_visible()
        page.keyboard.press("Control+k")
        expect(page.get_by_role("complementary", name="Search")).to_be_visible()
        page.emulate_media(media="print", color_scheme="dark")
        for element in (page.get_by_role("complementary"), page.get_by_role("navigation"), composer(page)):
            expect(element).to_have_count(0)
        expect(page.get_by_role("button", name=re.compile("Show more|Jump"))).to_have_count(0)
        first, last = (message(page, text).first.bounding_box() for text in ("message 0", "line 89"))
        assert first
        assert last
        assert first["y"] > 0
        assert last["height"] > 90 * 16
        height = page.evaluate("document.documentElement.scrollHeight")
        assert last["y"] + last["height"] <= height
        assert page.evaluate("getComputedStyle(document.body).colorScheme") == "light"
        page.emulate_media(media="screen")
        expect(log(page).get_by_role("button", name="Show more")).to_be_in_viewport()
