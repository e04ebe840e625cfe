"""Browsers on the page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.clients import Served, serving
from tests.conftest import need


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = need("chromium", "apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
        )
        yield browser
        browser.close()


@pytest.fixture
def server() -> Iterator[Served]:
    with serving() as server:
        yield server
