"""The page at `/`, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, expect

from tests.clients import DEADLINE, Served, serving

NASTY = [
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "[user0]: <b>x</b>",
    "javascript:alert(1)",
    "\u202eright to left",
    "a\nb",
]


@contextmanager
def tab(browser: Browser, server: Served, path: str = "/", width: int = 1280) -> Iterator[Page]:
    """A browser of its own on the page. Whatever its console says by the end of the block is an error."""
    complaints: list[str] = []
    context = browser.new_context(viewport={"width": width, "height": 720})
    page = context.new_page()
    page.set_default_timeout(DEADLINE * 1000)
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(server.http + path)
    expect(page.get_by_role("status")).to_have_text("Connected")
    yield page
    context.close()
    assert complaints == []


def say(page: Page, text: str) -> None:
    page.get_by_label("Message", exact=True).fill(text)
    page.get_by_role("button", name="Send").click()


def test_two_tabs_chat_with_each_other(browser: Browser, server: Served) -> None:
    with tab(browser, server) as first, tab(browser, server) as second:
        expect(first.get_by_role("log")).to_contain_text("You are connected! There are 1 users here.")
        expect(second.get_by_role("log")).to_contain_text("You are connected! There are 2 users here.")
        say(first, "Hello")
        expect(second.get_by_role("log")).to_contain_text("Hello")
        say(second, "Hi there")
        for page in (first, second):
            lines = page.get_by_role("log").locator("p:not(.notice)")
            expect(lines).to_have_text(["user0 Hello", "user1 Hi there"])
        expect(first.get_by_label("Message", exact=True)).to_have_value("")


def test_what_is_said_is_text_and_never_markup(browser: Browser, server: Served) -> None:
    with tab(browser, server) as page, server.connect() as other:
        for text in NASTY:
            other.send(text)
        lines = page.get_by_role("log").locator("p:not(.notice)")
        expect(lines).to_have_count(len(NASTY))
        assert [line.removeprefix("user1 ") for line in lines.all_text_contents()] == NASTY
        assert page.locator("main p :not(b)").count() == 0


def test_it_comes_back_after_the_server_restarts(browser: Browser) -> None:
    with serving() as server:
        context = browser.new_context()
        page = context.new_page()
        page.goto(server.http)
        expect(page.get_by_role("status")).to_have_text("Connected")
        server.stop()
        expect(page.get_by_role("status")).to_have_text("The server is restarting. Trying again …")
        expect(page.get_by_role("button", name="Send")).to_be_disabled()
        with serving(f"-port={server.port}"):
            expect(page.get_by_role("status")).to_have_text("Connected", timeout=DEADLINE * 1000)
            say(page, "back again")
            expect(page.get_by_role("log")).to_contain_text("back again")
            context.close()


def test_it_works_below_a_root_path(browser: Browser) -> None:
    with serving("-path=/team") as server, tab(browser, server, "/team/"):
        pass


def test_it_fits_a_phone(browser: Browser, server: Served) -> None:
    with tab(browser, server, width=375) as page, server.connect() as other:
        other.send("x" * 2000)
        expect(page.get_by_role("log")).to_contain_text("xxx")
        assert page.evaluate("document.documentElement.scrollWidth") <= 375
