"""What the browser stores, and browsers that store nothing."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.clients import Served
from tests.page.browser.conftest import Tab, composer, go, reload, say, sent

BLOCKED = """
for (const name of ["localStorage", "sessionStorage"]) {
  Object.defineProperty(window, name, { get() { throw new DOMException("denied", "SecurityError"); } });
}
Object.defineProperty(Navigator.prototype, "serviceWorker", {
  get() { throw new DOMException("denied", "SecurityError"); },
});
"""
STORED = "() => JSON.stringify([localStorage, sessionStorage])"


def test_where_storage_is_blocked_the_page_works(tab: Tab) -> None:
    with tab("ann", script=BLOCKED) as page:
        say(page, "hello")
        sent(page, "hello")
        composer(page).fill("a draft")
        go(page, "red")
        expect(composer(page)).to_have_value("")


def test_two_tabs_keep_each_others_drafts_and_rooms(server: Served, tab: Tab) -> None:
    with tab("ann") as page:
        second = page.context.new_page()
        second.goto(server.http)
        go(second, "red")
        expect(composer(second)).to_be_enabled()
        composer(page).fill("for the lobby")
        composer(second).fill("for red")
        go(page, "blue")
        expect(page.get_by_role("heading", level=1, name="blue")).to_be_visible()
        for text in ("for the lobby", "for red"):
            page.wait_for_function("text => JSON.stringify(localStorage).includes(text)", arg=text)
        for one in (page, second):
            reload(one)
            expect(composer(one)).to_be_enabled()
            links = one.get_by_role("navigation", name="Rooms").get_by_role("link")
            expect(links).to_have_count(3)
        for room, text in (("lobby", "for the lobby"), ("red", "for red")):
            go(page, room)
            expect(composer(page)).to_have_value(text)


@pytest.mark.parametrize("line", ["/login ann secret", "\u00a0/register secret", "／login ann secret"])
def test_a_draft_that_holds_a_password_is_stored_nowhere(tab: Tab, line: str) -> None:
    with tab("ann") as page:
        composer(page).fill(line)
        go(page, "red")
        expect(composer(page)).to_have_value("")
        composer(page).fill("a draft of red")
        page.wait_for_function("() => JSON.stringify(localStorage).includes('a draft of red')")
        assert "secret" not in page.evaluate(STORED)
        go(page, "lobby")
        expect(composer(page)).to_have_value(line)
