"""A second language needs one more file, and no other change."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from shutil import copytree
from typing import Any

import pytest
from httpx2 import get
from playwright.sync_api import Page, expect

from app.page.names import STATIC
from tests.clients import Served
from tests.clients import serving as served
from tests.page.browser.conftest import PROMPT, UNLIMITED, Tab, enter, reload
from tests.page.browser.people import peer

MODULE = """
from pathlib import Path

from app.page.serving import routes

def module(app):
    for path, endpoint in routes(Path(__file__).parent / "static").items():
        app.add_route(path, endpoint)
"""
CONFIGURATION = """
app.modules = [app.modules.chat.module, app.modules.health.module, other_page.module]
app.deployment { host = 127.0.0.1, port = 0 }
chat.store = ":memory:"
"""
CATEGORIES = ("one", "few", "many", "other")
"""The plural categories of Polish."""


def translated(message: Any, mark: str = "") -> Any:
    """A message in a made-up Polish: its text in brackets, with the category of each plural form."""
    if isinstance(message, str):
        return f"⟦{mark}{message}⟧"
    if isinstance(message, list):
        return [translated(form) for form in message]
    return {category: translated(message["other"], f"{category} ") for category in CATEGORIES}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server whose page has Polish as a second language. One message is not translated."""
    folder = tmp_path_factory.mktemp("polish")
    copytree(STATIC, folder / "static")
    english = json.loads((STATIC / "languages/en.json").read_text())
    polish = {key: translated(message) for key, message in english.items() if key != "composer.send"}
    polish["language.direction"] = "ltr"
    (folder / "static/languages/pl.json").write_text(json.dumps(polish))
    (folder / "other_page.py").write_text(MODULE)
    (folder / "my.conf").write_text(CONFIGURATION)
    with served(f"-config={folder / 'my.conf'}", UNLIMITED, PROMPT) as server:
        yield server


def test_the_page_is_in_the_language_that_the_reader_prefers(server: Served, tab: Tab) -> None:
    with tab(locale="pl-PL") as page, peer(server, "bob"), peer(server, "cy"):
        expect(page.locator("html")).to_have_attribute("lang", "pl")
        expect(page).to_have_title("⟦Natter⟧")
        page.get_by_label("⟦Your name⟧").fill("bob")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_have_text("⟦“bob” is taken. Choose another name.⟧")
        page.get_by_label("⟦Your name⟧").fill("ann")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="⟦few 3 people⟧")).to_be_visible()
        expect(page.get_by_role("button", name="Send")).to_be_visible()
        assert foreign(page) == []
        for number, show in enumerate(SCREENS):
            show(page)
            expect(page.get_by_role("dialog").or_(page.get_by_role("searchbox"))).to_be_visible()
            assert foreign(page) == [], number
            page.keyboard.press("Escape")
            expect(page.get_by_role("dialog")).to_have_count(0)


NAMES = {"Natter", "ann", "bob", "cy", "#", "A", "B", "C", "3", "lobby", "#lobby"}
SCREENS: list[Callable[[Page], None]] = [
    lambda page: page.get_by_role("button", name="⟦Settings⟧").click(),
    lambda page: page.get_by_role("heading", level=1).get_by_role("button").click(),
    lambda page: page.get_by_role("button", name="bob").click(),
    lambda page: page.get_by_title("⟦Your profile⟧").click(),
    lambda page: page.get_by_role("button", name="⟦Join a room⟧").click(),
    lambda page: page.get_by_label("⟦Message⟧", exact=True).press_sequentially("/help\n"),
    lambda page: page.get_by_role("button", name="⟦Search⟧", exact=True).click(),
]


def foreign(page: Page) -> list[str]:
    """The lines of the page that are not translated, but for names, commands and keys."""
    lines = [line.strip() for line in page.locator("body").inner_text().split("\n")]
    return [line for line in lines if line and line not in NAMES and "⟦" not in line and not re.match("[/↑]", line)]


def test_everybody_else_has_it_in_english(server: Served, tab: Tab) -> None:
    with tab(locale="fr-FR") as page:
        expect(page.locator("html")).to_have_attribute("lang", "en")
        enter(page, "dan")
        assert "⟦" not in page.content()


def test_the_page_itself_has_the_last_word(server: Served, tab: Tab) -> None:
    """A proxy may remove Accept-Language, and some browsers send less in it than pages can read."""
    script = "Object.defineProperty(navigator, 'languages', { get: () => ['pl', 'en'] })"
    with tab(locale="en-US", script=script) as page:
        expect(page.get_by_label("⟦Your name⟧")).to_be_visible()
        expect(page.locator("html")).to_have_attribute("lang", "pl")


def test_the_messages_are_asked_for_with_the_scripts(server: Served, tab: Tab) -> None:
    """A catalogue costs no extra round trip: the browser requests it together with the scripts, or has it in them."""
    loads = "performance.getEntriesByType('resource').map(one => [one.name, one.initiatorType])"
    with tab(locale="pl-PL") as page:
        expect(page.get_by_label("⟦Your name⟧")).to_be_visible()
        ((name, initiator),) = [(name, by) for name, by in page.evaluate(loads) if "/languages/" in name]
        assert re.search(r"/languages/pl\.[0-9a-f]+\.json$", name)
        assert initiator == "link"
    with tab(locale="en-US") as page:
        expect(page.get_by_label("Your name")).to_be_visible()
        assert not [name for name, _ in page.evaluate(loads) if "/languages/" in name]


@pytest.mark.parametrize(("accepted", "tag"), [("pl", "pl"), ("de, pl;q=0.5", "pl"), ("en", "en"), ("", "en")])
def test_what_has_no_script_is_in_the_language_of_the_request(server: Served, accepted: str, tag: str) -> None:
    headers = {"Accept-Language": accepted}
    page, offline = (get(f"{server.http}{path}", headers=headers) for path in ("/", "/offline.html"))
    manifest = get(f"{server.http}/manifest.webmanifest", headers=headers).json()
    for document in (page, offline):
        assert f'<html lang="{tag}" dir="ltr">' in document.text
        assert ("⟦" in document.text) == (tag == "pl")
        assert "{" not in document.text
        assert document.headers["vary"] == "Accept-Encoding, Accept-Language"
    assert manifest["lang"] == tag
    assert manifest["description"].startswith("⟦") == (tag == "pl")


def test_without_a_connection_it_is_in_the_same_language(tab: Tab, server: Served) -> None:
    with tab(locale="pl-PL", lost=True) as page:
        page.evaluate("() => navigator.serviceWorker.register('worker.js')")
        page.wait_for_function("() => navigator.serviceWorker.ready.then(one => one.active.state === 'activated')")
        page.context.set_offline(True)
        reload(page)
        expect(page.get_by_label("⟦Your name⟧")).to_be_visible()
        page.goto(f"{server.http}/livez")
        expect(page.get_by_role("heading")).to_have_text("⟦Can't connect to this chat⟧")
