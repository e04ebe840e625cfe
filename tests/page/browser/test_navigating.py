"""The browser's history: Back closes what is open, and then goes to the room before."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from tests.clients import Served
from tests.page.browser.conftest import Tab, go, log, message, say, sent
from tests.page.browser.people import peer
from tests.page.browser.test_access import PHONE


def heading(page: Page, name: str) -> Locator:
    return page.get_by_role("heading", level=1, name=name)


def people(page: Page) -> Locator:
    return page.get_by_role("complementary", name="People")


def searching(page: Page) -> Locator:
    return page.get_by_role("complementary", name="Search")


def test_back_closes_what_is_open_on_a_phone(server: Served, tab: Tab) -> None:
    with tab("ann", viewport=PHONE) as page, peer(server, "bob"):
        go(page, "red")
        expect(heading(page, "red")).to_be_visible()
        page.get_by_role("button", name="Search", exact=True).click()
        expect(searching(page)).to_be_visible()
        page.go_back()
        expect(searching(page)).to_have_count(0)
        page.get_by_role("button", name="Rooms").click()
        page.get_by_role("button", name="Settings").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        page.go_back()
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(heading(page, "red")).to_be_visible()
        page.go_back()
        expect(heading(page, "lobby")).to_be_visible()


def test_back_closes_a_dialog_before_the_panel_below_it(server: Served, tab: Tab) -> None:
    with peer(server, "bob"), tab("ann", viewport=PHONE) as page:
        page.get_by_role("button", name="2 people").click()
        people(page).get_by_role("button", name="bob").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        page.go_back()
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(people(page)).to_be_visible()
        page.go_back()
        expect(people(page)).to_have_count(0)
        expect(heading(page, "lobby")).to_be_visible()


def test_what_was_closed_by_hand_leaves_nothing_to_go_back_to(tab: Tab) -> None:
    with tab("ann") as page:
        go(page, "red")
        expect(heading(page, "red")).to_be_visible()
        for _ in range(3):
            page.get_by_role("button", name="Settings").click()
            expect(page.get_by_role("dialog")).to_be_visible()
            page.keyboard.press("Escape")
            expect(page.get_by_role("dialog")).to_have_count(0)
            page.wait_for_function("() => !history.state?.level")
        page.go_back()
        expect(heading(page, "lobby")).to_be_visible()


def test_a_room_that_is_chosen_in_the_drawer_is_one_step_back(tab: Tab) -> None:
    with tab("ann", viewport=PHONE) as page:
        go(page, "red")
        expect(heading(page, "red")).to_be_visible()
        page.get_by_role("button", name="Rooms").click()
        page.get_by_role("navigation", name="Rooms").get_by_role("link", name="lobby").click()
        expect(heading(page, "lobby")).to_be_visible()
        page.go_back()
        expect(heading(page, "red")).to_be_visible()
        expect(page.get_by_role("navigation", name="Rooms")).to_be_hidden()


def test_a_result_is_shown_and_not_behind_a_panel(server: Served, tab: Tab) -> None:
    with tab("ann", viewport=PHONE) as page, peer(server, "bob") as bob:
        say(page, "the needle")
        sent(page, "the needle")
        bob.say(*(f"hay {number}" for number in range(60)))
        expect(message(page, "hay 59")).to_be_in_viewport()
        page.get_by_role("button", name="2 people").click()
        expect(people(page)).to_be_visible()
        page.keyboard.press("Control+k")
        page.get_by_role("searchbox").fill("needle")
        searching(page).get_by_role("button", name="Go to message").click()
        expect(log(page).get_by_text("the needle")).to_be_in_viewport()
        expect(page.get_by_role("complementary")).to_have_count(0)
        page.go_back()
        expect(heading(page, "lobby")).to_be_visible()
