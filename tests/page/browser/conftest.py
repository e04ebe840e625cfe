"""Browsers on the page."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect, sync_playwright

from tests.clients import DEADLINE, Served
from tests.conftest import need

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    "--host-resolver-rules=MAP chat.example 127.0.0.1",
)
UNLIMITED = "-P:chat.limits.rate=0"
PROMPT = "-P:chat.presence.period=0.1s"
expect.set_options(timeout=DEADLINE * 1000)
Tab = Callable[..., AbstractContextManager[Page]]


@contextmanager
def running(loop: asyncio.AbstractEventLoop | None) -> Iterator[None]:
    """Make `loop` the running event loop of this thread for the length of a block."""
    before = asyncio._get_running_loop()
    asyncio._set_running_loop(loop)
    try:
        yield
    finally:
        asyncio._set_running_loop(before)


@pytest.fixture(scope="session")
def chromium() -> Iterator[tuple[Browser, asyncio.AbstractEventLoop]]:
    """One Chromium for each process that runs tests, with Playwright's event loop.

    That loop counts as running for as long as Playwright is open, and a thread can have only one: between the tests
    that use the browser it is set aside, so that other tests can run loops of their own.
    """
    program = need("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        loop = asyncio.get_running_loop()
        with running(None):
            yield browser, loop
        browser.close()


@pytest.fixture
def browser(chromium: tuple[Browser, asyncio.AbstractEventLoop]) -> Iterator[Browser]:
    browser, loop = chromium
    with running(loop):
        yield browser


@pytest.fixture(scope="session")
def servers() -> Iterator[Callable[[], Served]]:
    """Start servers, one at a time: the next one starts while a test uses the last."""
    with ThreadPoolExecutor(1) as starting:
        spare = starting.submit(Served, UNLIMITED, PROMPT)

        def take() -> Served:
            nonlocal spare
            taken, spare = spare, starting.submit(Served, UNLIMITED, PROMPT)
            return taken.result()

        yield take
        spare.result().stop()


@pytest.fixture
def server(servers: Callable[[], Served]) -> Iterator[Served]:
    server = servers()
    yield server
    if server.started.poll() is None:
        server.stop()
    assert "Traceback" not in "\n".join(server.log)


@pytest.fixture
def tab(browser: Browser, server: Served) -> Tab:
    """Open the page in a browser context of its own for the length of a block: `with tab("ann") as page`. Without a
    name it stays on the first screen. Anything in the console is an error; with `lost`, lost connections are not.
    Chromium says of a page by plain http that it has no use for one of its headers, and gives advice, on forms that it
    sees while they go as well."""

    @contextmanager
    def tab(
        name: str = "",
        path: str = "/",
        *,
        at: str = server.http,
        lost: bool = False,
        clock: bool = False,
        script: str = "",
        **options: Any,
    ) -> Iterator[Page]:
        complaints: list[str] = []

        def complain(message: ConsoleMessage) -> None:
            if str(message.type) != "verbose":
                complaints.append(message.text)

        context = browser.new_context(**{"viewport": {"width": 1280, "height": 720}, **options})
        page = context.new_page()
        if clock:
            page.clock.install()
        if script:
            page.add_init_script(script)
        page.set_default_timeout(DEADLINE * 1000)
        page.on("console", complain)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(at + path)
        if name:
            enter(page, name)
        yield page
        context.close()
        ignored = (
            "ERR_|^WebSocket connection to|^The Cross-Origin-Opener-Policy"
            if lost
            else "^The Cross-Origin-Opener-Policy"
        )
        assert [text for text in complaints if not re.search(ignored, text)] == []

    return tab


def enter(page: Page, name: str) -> None:
    """Choose a name on the first screen."""
    page.get_by_label("Your name").fill(name)
    page.keyboard.press("Enter")
    expect(composer(page)).to_be_enabled()


def give_password(page: Page, password: str = "correct horse") -> None:
    """Give the password of the name that was chosen on the first screen."""
    page.get_by_label("Password").fill(password)
    expect(page.get_by_label("Your name")).to_have_attribute("autocomplete", "username")  # for password managers
    page.keyboard.press("Enter")
    expect(composer(page)).to_be_enabled()


def log_in(page: Page, name: str) -> None:
    """Choose a name that has a password on the first screen."""
    page.get_by_label("Your name").fill(name)
    page.keyboard.press("Enter")
    give_password(page)


def go(page: Page, room: str) -> None:
    """Go to a room by its address, and join it unless that was done before."""
    page.evaluate("room => { location.hash = room; }", room)
    expect(page.get_by_role("heading", level=1, name=room)).to_be_visible()
    join = page.get_by_role("button", name="Join", exact=True)
    if join.is_visible():
        join.click()


def composer(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Message", exact=True)


def log(page: Page) -> Locator:
    return page.get_by_role("log", name="Messages")


def message(page: Page, text: str) -> Locator:
    """The messages that contain `text`."""
    return log(page).get_by_role("listitem").filter(has_text=text)


def say(page: Page, text: str) -> None:
    composer(page).fill(text)
    page.keyboard.press("Enter")


def register(page: Page, password: str = "correct horse") -> None:
    """Protect the name with a password."""
    say(page, "/register")
    page.get_by_role("dialog").get_by_placeholder("Password").fill(password)
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)


def sent(page: Page, text: str) -> None:
    """Wait until an own message is shown once, and is stored."""
    expect(message(page, text)).to_have_count(1)
    expect(message(page, text)).to_have_attribute("data-state", "sent")


def reload(page: Page) -> None:
    """Load the page anew, once it has gone back in its history from what was closed: which would end the loading."""
    page.evaluate("""() => new Promise(done => {
        if (history.state?.level && !document.querySelector("dialog")) addEventListener("popstate", () => done());
        else done();
    })""")
    page.reload()


def reconnect(page: Page) -> None:
    """Let the page reconnect at once, as it does when the network comes back."""
    page.evaluate("() => { dispatchEvent(new Event('online')); }")


def pending(page: Page, text: str) -> None:
    expect(message(page, text)).to_have_attribute("data-state", "pending")
