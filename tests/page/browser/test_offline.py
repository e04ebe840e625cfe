"""The page without a server."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.clients import Served
from tests.page.browser.conftest import Tab, reload

KEPT = """async () => {
  const urls = [];
  for (const name of await caches.keys()) {
    for (const request of await (await caches.open(name)).keys()) urls.push(new URL(request.url).pathname);
  }
  return urls;
}"""


def install(page: Page) -> None:
    """Wait until the service worker has cached its files."""
    page.evaluate("() => navigator.serviceWorker.register('worker.js')")
    page.wait_for_function("() => navigator.serviceWorker.ready.then(one => one.active.state === 'activated')")


def test_the_page_opens_without_a_connection(server: Served, tab: Tab) -> None:
    with tab(lost=True) as page:
        install(page)
        title = page.title()
        server.stop()
        reload(page)
        expect(page).to_have_title(title)
        expect(page.get_by_role("status")).not_to_have_text("Connected")


def test_other_pages_say_what_is_wrong(server: Served, tab: Tab) -> None:
    with tab(lost=True) as page:
        install(page)
        server.stop()
        page.goto(f"{server.http}/livez")
        expect(page.get_by_role("heading")).to_have_text("Can't connect to this chat")
        expect(page.get_by_text("Your drafts are saved")).to_be_visible()
        assert page.locator("main").evaluate("one => getComputedStyle(one).textAlign") == "center"
        page.get_by_role("link", name="Try again").click()
        expect(page).to_have_url(f"{server.http}/")
        expect(page.get_by_label("Your name")).to_be_visible()


def test_without_its_page_the_worker_says_what_is_wrong(server: Served, tab: Tab) -> None:
    with tab(lost=True) as page:
        install(page)
        page.evaluate(
            "async () => { for (const name of await caches.keys()) await (await caches.open(name)).delete('./') }"
        )
        server.stop()
        reload(page)
        expect(page.get_by_role("heading")).to_have_text("Can't connect to this chat")


def test_nothing_is_kept_but_the_page_itself(server: Served, tab: Tab) -> None:
    with tab() as page:
        install(page)
        reload(page)
        assert page.evaluate("() => fetch('livez').then(answer => answer.status)") == 200
        kept = page.evaluate(KEPT)
        assert "/" in kept
        assert all(path in ("/", "/offline.html") or path.startswith("/assets/") for path in kept)


def test_a_new_version_takes_the_place_of_the_old_one(server: Served, tab: Tab) -> None:
    with tab() as page:
        install(page)
        scope = page.evaluate("() => navigator.serviceWorker.ready.then(one => one.scope)")
        page.evaluate("name => caches.open(name)", f"natter {scope} of-yesterday")
        page.evaluate("() => caches.open('another page')")
        page.evaluate("() => navigator.serviceWorker.ready.then(one => one.unregister())")
        reload(page)
        install(page)
        names = page.evaluate("() => caches.keys()")
        assert len(names) == 2
        assert "another page" in names
        assert f"natter {scope} of-yesterday" not in names
