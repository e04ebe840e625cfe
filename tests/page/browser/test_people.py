"""The panel with the people of a room."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from playwright.sync_api import Locator, Page, expect

from tests.clients import Served, serving
from tests.page.browser.axe import violations
from tests.page.browser.conftest import PROMPT, UNLIMITED, Tab, composer, say
from tests.page.browser.people import peer
from tests.page.browser.test_access import PHONE

LARGE = ("-P:chat.presence.roster=20", "-P:app.websockets.connections-per-address=0")
"""Makes a room with more than 20 people a large one, and lets all of them come from one address."""


@contextmanager
def crowd(server: Served, count: int, *others: str) -> Iterator[None]:
    """Many people in the lobby, called p000, p001 and so on, and some others."""
    with ExitStack() as stack:
        for name in (*(f"p{number:03}" for number in range(count)), *others):
            stack.enter_context(peer(server, name))
        yield


def panel(page: Page) -> Locator:
    return page.get_by_role("complementary", name="People")


def test_everybody_in_a_large_room_can_be_found(tab: Tab) -> None:
    with (
        serving(UNLIMITED, PROMPT, *LARGE) as server,
        crowd(server, 110, "Zoe"),
        tab("ann", at=server.http) as page,
    ):
        entries = panel(page).get_by_role("listitem")
        expect(panel(page)).to_contain_text("112 people")
        expect(entries).to_have_count(100)
        expect(panel(page)).not_to_contain_text("Zoe")
        panel(page).get_by_role("searchbox", name="Find people").fill("zo")
        expect(entries).to_have_count(1)
        panel(page).get_by_role("button", name="Zoe").click()
        page.get_by_role("dialog").get_by_role("button", name="Whisper").click()
        expect(page.get_by_text("Only you and Zoe can read this")).to_be_visible()
        page.go_back()
        expect(composer(page)).to_have_attribute("placeholder", "Message #lobby")
        panel(page).get_by_role("searchbox", name="Find people").fill("")
        expect(entries).to_have_count(100)
        panel(page).get_by_role("button", name="Show more").click()
        expect(entries).to_have_count(112)
        expect(panel(page).get_by_role("button", name="Show more")).to_have_count(0)
        panel(page).get_by_role("searchbox", name="Find people").fill("nobody")
        expect(panel(page).get_by_text("No one has that in their name")).to_be_visible()


def test_the_people_of_a_small_room_are_found_too(server: Served, tab: Tab) -> None:
    with crowd(server, 14), tab("ann", viewport=PHONE) as page:
        page.get_by_role("button", name="15 people").click()
        expect(panel(page).get_by_role("listitem")).to_have_count(15)
        expect(panel(page).get_by_role("searchbox")).to_have_count(0)
        with peer(server, "Zoe"):
            panel(page).get_by_role("searchbox", name="Find people").fill("zo")
            expect(panel(page).get_by_role("listitem")).to_have_count(1)
            assert violations(page) == []
        expect(panel(page).get_by_role("listitem")).to_have_count(0)


def test_the_first_words_to_someone_begin_a_conversation(server: Served, tab: Tab) -> None:
    with peer(server, "Zoe") as zoe, tab("ann") as page:
        zoe.join("@")
        panel(page).get_by_role("button", name="Zoe").click()
        page.get_by_role("dialog").get_by_role("button", name="Whisper").click()
        for text in ("psst", "still there?"):
            say(page, text)
            assert zoe.until("msg", to=["Zoe"])["text"] == text
        expect(page.get_by_text("wasn't sent")).to_have_count(0)
