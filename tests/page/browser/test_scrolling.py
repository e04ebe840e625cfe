"""Long histories and busy rooms: what is in view stays in place, and the page stays small."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.clients import Served, serving
from tests.page.browser.conftest import UNLIMITED, Tab, log, message
from tests.page.browser.people import peer

HISTORY = 10_000
MOST_ELEMENTS = 6_000


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with serving(UNLIMITED) as server:
        with peer(server, "bob") as bob:
            for start in range(0, HISTORY, 500):
                bob.say(*(f"line {number} {'and more ' * (number % 9)}" for number in range(start, start + 500)))
        yield server


def elements(page: Page) -> int:
    return int(page.evaluate("document.getElementsByTagName('*').length"))


def scroll(page: Page, where: float) -> None:
    """Scroll the log: 0 is its start, 1 its end."""
    log(page).evaluate("(log, where) => { log.scrollTop = where * (log.scrollHeight - log.clientHeight); }", where)


TOPMOST = """log => {
  const top = log.getBoundingClientRect().top;
  const seen = [...log.querySelectorAll("[data-seq]")].find((one) => one.getBoundingClientRect().top >= top);
  return [seen.dataset.seq, seen.getBoundingClientRect().top - top];
}"""
FIRST = "log => Number(log.querySelector('[data-seq]').dataset.seq)"


def first(page: Page) -> int:
    """The position of the first message in the page."""
    return int(log(page).evaluate(FIRST))


def load_older(page: Page) -> tuple[float, float]:
    """Scroll up until older messages load; the offset of the topmost message before and after that."""
    held = first(page)
    scroll(page, 0)
    seq, before = log(page).evaluate(TOPMOST)
    log(page).locator("[data-seq]").first.wait_for()
    page.wait_for_function(
        "held => Number(document.querySelector('[role=log] [data-seq]').dataset.seq) < held", arg=held
    )
    after = log(page).evaluate(
        """(log, seq) => log.querySelector(`[data-seq="${seq}"]`).getBoundingClientRect().top
        - log.getBoundingClientRect().top""",
        seq,
    )
    return before, after


def test_history_comes_on_the_way_up_without_a_jump(server: Served, tab: Tab) -> None:
    with tab("ann") as page:
        expect(message(page, f"line {HISTORY - 1} ")).to_be_in_viewport()
        for _ in range(8):
            before, after = load_older(page)
            assert abs(after - before) <= 2
            assert elements(page) < MOST_ELEMENTS


def test_it_goes_to_the_very_beginning_and_back_to_the_end(server: Served, tab: Tab) -> None:
    with tab("ben", path="/#lobby/1") as page:
        expect(message(page, "line 0 ")).to_be_in_viewport()
        for _ in range(4):
            last = log(page).locator("[data-seq]").last.get_attribute("data-seq")
            scroll(page, 1)
            page.wait_for_function(
                "last => [...document.querySelectorAll('[role=log] [data-seq]')].at(-1).dataset.seq !== last", arg=last
            )
            assert elements(page) < MOST_ELEMENTS
        page.get_by_role("button", name="Jump to latest").click()
        expect(message(page, f"line {HISTORY - 1} ")).to_be_in_viewport()


def test_who_reads_further_up_is_not_moved(server: Served, tab: Tab) -> None:
    with peer(server, "eve") as cy, tab("dora") as page:
        expect(message(page, f"line {HISTORY - 1} ")).to_be_in_viewport()
        scroll(page, 0.5)
        place = log(page).evaluate(TOPMOST)
        cy.say(*(f"busy {number}" for number in range(500)))
        pill = page.get_by_role("button", name="500 new messages")
        expect(pill).to_be_visible()
        assert log(page).evaluate(TOPMOST) == place
        pill.click()
        expect(message(page, "busy 499")).to_be_in_viewport()


def test_who_is_at_the_end_stays_there_and_the_page_stays_small(server: Served, tab: Tab) -> None:
    with peer(server, "gil") as cy, tab("fred") as page:
        for start in range(0, 1_000, 100):
            cy.say(*(f"flood {number} {'word ' * (number % 13)}" for number in range(start, start + 100)))
            expect(message(page, f"flood {start + 99} ")).to_be_in_viewport()
            assert elements(page) < MOST_ELEMENTS
