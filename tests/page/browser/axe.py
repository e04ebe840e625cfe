"""The accessibility checks of axe-core."""

from __future__ import annotations

from functools import cache

from playwright.sync_api import Page

from tests.clients import ROOT
from tests.conftest import need

INSTALLED = ROOT / "tests/page/browser/node_modules"
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@cache
def source() -> str:
    """The script of axe-core. npm installs it together with tsc, whose absence is reported."""
    need("tsc")
    return (INSTALLED / "axe-core/axe.min.js").read_text()


def violations(page: Page) -> list[str]:
    """The rules that the current screen breaks, each with the elements that break it."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(source())
    found = page.evaluate("rules => axe.run(document, rules).then(results => results.violations)", RULES)
    return [f"{one['id']}: {', '.join(node['html'] for node in one['nodes'])}" for one in found]
