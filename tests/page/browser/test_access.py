"""Accessibility: screen readers, keyboards, small and large windows, dark and light."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.clients import Served
from tests.page.browser.axe import violations
from tests.page.browser.conftest import Tab, composer, log, message, reload, say, sent
from tests.page.browser.people import peer

PHONE = {"width": 375, "height": 667}


def busy(server: Served, page: Page) -> None:
    """Fill the room with some of everything that it can show."""
    with peer(server, "bob") as bob:
        bob.say("line\n" * 50, "see #design, <https://example.com/job/7|Build 7>")
        bob.say("hello", "see https://example.com", "`code` and\n```\na block\n```", "@ann look", "🎉")
        bob.say("waves", me=True)
        bob.whisper("psst", "ann")
        bob.ask("topic", room="lobby", text="all about tea")
        bob.say("the end")
        say(page, "mine")
        sent(page, "mine")
        expect(message(page, "the end")).to_be_visible()


def settings(page: Page) -> None:
    if page.get_by_role("button", name="Rooms").is_visible():
        page.get_by_role("button", name="Rooms").click()
    page.get_by_role("button", name="Settings").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def search(page: Page) -> None:
    page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_role("searchbox").fill("hello")  # which searches once, so that nothing is pale when it is found
    expect(page.get_by_role("complementary").get_by_text("hello")).to_be_visible()


def somebody(page: Page) -> None:
    log(page).get_by_role("button", name="bob").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()


def browse(page: Page) -> None:
    say(page, "/rooms")
    expect(page.get_by_role("dialog")).to_be_visible()


def explain(page: Page) -> None:
    say(page, "/help")
    expect(page.get_by_role("dialog")).to_be_visible()


def complete(page: Page) -> None:
    composer(page).press_sequentially("/t")
    expect(page.get_by_role("option").first).to_be_visible()


def tools(page: Page) -> None:
    message(page, "mine").hover()
    expect(page.get_by_role("toolbar")).to_be_visible()


def about(page: Page) -> None:
    page.get_by_role("heading", level=1).get_by_role("button").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def delete(page: Page) -> None:
    tools(page)
    page.get_by_role("toolbar").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def edit(page: Page) -> None:
    page.keyboard.press("Escape")
    composer(page).press("ArrowUp")
    expect(page.get_by_text("Editing message")).to_be_visible()


def log_in(page: Page) -> None:
    page.keyboard.press("Escape")
    say(page, "/login bob")
    expect(page.get_by_role("dialog", name="Log in")).to_be_visible()


def register_name(page: Page) -> None:
    say(page, "/register")
    expect(page.get_by_role("dialog", name="Account")).to_be_visible()


def refuse(page: Page) -> None:
    say(page, "/dance")
    expect(page.get_by_text("There's no command /dance")).to_be_visible()


def fail(page: Page) -> None:
    say(page, "/w nobody hush")
    expect(message(page, "hush")).to_contain_text("Not sent.")


SCREENS: dict[str, Callable[[Page], None]] = {
    "busy": lambda page: None,
    "settings": settings,
    "search": search,
    "somebody": somebody,
    "rooms": browse,
    "help": explain,
    "completion": complete,
    "tools": tools,
    "about the room": about,
    "delete": delete,
    "edit": edit,
    "log in": log_in,
    "register": register_name,
    "refusal": refuse,
    "not sent": fail,
}


@pytest.mark.slow("browser")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_first_screen_has_no_violation(tab: Tab, scheme: str) -> None:
    with tab(color_scheme=scheme) as page:
        assert violations(page) == []


@pytest.mark.slow("browser")
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 375)])
def test_no_screen_has_a_violation(server: Served, tab: Tab, scheme: str, width: int) -> None:
    with tab("ann", color_scheme=scheme, viewport={"width": width, "height": 720}) as page:
        assert violations(page) == []
        busy(server, page)
        found = {}
        for name, show in SCREENS.items():
            show(page)
            found[name] = violations(page)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name
            page.keyboard.press("Escape")
            composer(page).fill("")
        assert {name: problems for name, problems in found.items() if problems} == {}


def test_a_short_name_of_a_room_is_shown_whole(tab: Tab) -> None:
    with tab("ann", "/#hall") as page:
        button = page.get_by_role("button", name="hall")
        expect(button).to_be_visible()
        assert button.evaluate("one => one.scrollWidth <= one.clientWidth")


@pytest.mark.slow("browser")
def test_a_long_name_of_a_room_leaves_the_buttons_beside_it_alone(tab: Tab) -> None:
    with tab("ann", path=f"/#{'room' * 16}", viewport=PHONE) as page:
        assert violations(page) == []


@pytest.mark.slow("browser")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_without_a_connection_it_has_no_violation(server: Served, tab: Tab, scheme: str) -> None:
    with tab("ann", color_scheme=scheme, lost=True) as page:
        busy(server, page)
        server.stop()
        say(page, "not sent yet")
        expect(message(page, "not sent yet")).to_have_attribute("data-state", "pending")
        assert violations(page) == []


@pytest.mark.slow("browser")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_offline_page_has_no_violation(server: Served, tab: Tab, scheme: str) -> None:
    with tab(path="/offline.html", color_scheme=scheme) as page:
        assert violations(page) == []


def test_new_messages_are_announced_and_history_is_not(server: Served, tab: Tab) -> None:
    with peer(server, "bob") as bob:
        bob.say("said before")
        with tab("ann") as page:
            expect(message(page, "said before")).to_be_visible()
            live = page.locator("[aria-live=polite]")
            bob.say("said now")
            expect(live.filter(has_text="said now")).to_have_count(1)
            assert not [text for text in live.all_inner_texts() if "said before" in text]


def test_the_announcer_forgets_what_was_deleted_or_edited(server: Served, tab: Tab) -> None:
    with peer(server, "bob") as bob, tab("ann") as page:
        live = page.locator("#announcer")
        expect(page.get_by_role("complementary", name="People")).to_contain_text("ann")
        for change in ({"t": "delete"}, {"t": "edit", "text": "nothing of note"}):
            [seq] = bob.say("said in haste")
            expect(live).to_contain_text("said in haste")
            bob.ask(**change, room="lobby", seq=seq)
            expect(live).to_have_text("")


def test_all_of_it_goes_by_keyboard(server: Served, tab: Tab) -> None:
    with peer(server, "bob") as bob, tab() as page:
        press = page.keyboard.press
        page.keyboard.type("ann")
        press("Enter")
        expect(composer(page)).to_be_focused()
        bob.say("hello ann")
        page.keyboard.type("hello bob")
        press("Enter")
        sent(page, "hello bob")
        reached = set()
        for _ in range(60):
            press("Tab")
            reached.add(page.evaluate(NAMED))
        assert {"Message", "Messages", "Settings", "Search", "Send"} <= reached, reached
        log(page).focus()
        press("ArrowUp")
        press("ArrowUp")
        press("ArrowUp")
        expect(page.get_by_role("toolbar")).to_be_visible()


NAMED = """() => {
  const one = document.activeElement;
  return one.getAttribute("aria-label") ?? one.labels?.[0]?.innerText ?? one.innerText ?? "";
}"""


def test_a_dialog_keeps_the_focus_and_gives_it_back(tab: Tab) -> None:
    with tab("ann") as page:
        opener = page.get_by_role("button", name="Settings")
        opener.focus()
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog")
        expect(dialog).to_be_visible()
        for _ in range(30):
            page.keyboard.press("Tab")
            assert page.evaluate(
                "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
            )
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        expect(opener).to_be_focused()


ANOTHER = """() => {
  const field = document.querySelector("#text");
  document.querySelector("dialog").close(); // its event comes after the command
  field.value = "/help";
  field.dispatchEvent(new InputEvent("input", { bubbles: true }));
  field.form.requestSubmit();
}"""


def test_a_dialog_that_closes_leaves_the_next_one_open(tab: Tab) -> None:
    with tab("ann") as page:
        browse(page)
        page.evaluate(ANOTHER)
        expect(page.get_by_role("dialog", name="Help")).to_be_visible()
        expect(page.get_by_role("dialog")).to_have_count(1)
        page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
        expect(page.get_by_role("dialog", name="Help")).to_be_visible()


def test_it_fits_a_phone(server: Served, tab: Tab) -> None:
    with tab("ann", viewport=PHONE) as page, peer(server, "bob") as bob:
        bob.say("x" * 2000, "```\n" + "y" * 500 + "\n```", "https://example.com/" + "z" * 300)
        expect(message(page, "zzz")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        expect(composer(page)).to_be_in_viewport(ratio=1)
        expect(page.get_by_role("button", name="Send")).to_be_in_viewport(ratio=1)


def test_it_can_be_used_at_200_percent(server: Served, tab: Tab) -> None:
    """To the page, a zoom of 200 percent is a window of half the size with twice the pixel ratio."""
    with tab("ann", viewport={"width": 640, "height": 360}, device_scale_factor=2) as page:
        busy(server, page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 640
        expect(composer(page)).to_be_in_viewport(ratio=1)
        height = log(page).evaluate("one => one.clientHeight")
        assert height > 100


def test_nothing_moves_for_who_wants_less_motion(server: Served, tab: Tab) -> None:
    with tab("ann", reduced_motion="reduce") as page, peer(server, "bob") as bob:
        bob.tell("typing", room="lobby")
        expect(page.get_by_text("bob is typing")).to_be_visible()
        moving = page.evaluate(
            "document.getAnimations().filter(one => one.effect.getComputedTiming().duration > 10).length"
        )
        assert moving == 0


def test_a_text_from_right_to_left_leaves_the_rest_in_its_place(server: Served, tab: Tab) -> None:
    with tab("ann") as page, peer(server, "bob") as bob:
        bob.say("שלום לכולם", "\u202ebackwards")
        text = message(page, "שלום").locator(".text")
        assert text.evaluate("one => getComputedStyle(one).direction") == "rtl"
        name = log(page).get_by_role("button", name="bob").first
        before = name.bounding_box()
        bob.say("left to right")
        expect(message(page, "left to right")).to_be_visible()
        after = name.bounding_box()
        assert before
        assert after
        assert before["x"] == after["x"]
        assert text.evaluate("one => getComputedStyle(one).unicodeBidi") in ("plaintext", "isolate", "isolate-override")


def test_the_theme_follows_the_setting(tab: Tab) -> None:
    with tab("ann", color_scheme="light") as page:
        ground = "() => getComputedStyle(document.documentElement).backgroundColor"
        light = page.evaluate(ground)
        settings(page)
        page.get_by_label("Dark").check()
        assert page.evaluate(ground) != light
        reload(page)
        expect(composer(page)).to_be_enabled()
        assert page.evaluate(ground) != light
