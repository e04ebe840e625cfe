"""The field that people write in: nothing that is written is lost, said twice, or said to the wrong people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, expect

from tests.clients import Served
from tests.page.browser.conftest import Tab, composer, enter, go, log, message, register, say, sent
from tests.page.browser.people import peer

BUSY = """
const held = [];
const draw = window.requestAnimationFrame.bind(window);
window.requestAnimationFrame = (call) => (window.busy ? held.push(call) : draw(call));
window.idle = () => {
  window.busy = false;
  for (const call of held.splice(0)) draw(call);
};
"""
KEY_OF_AN_INPUT_METHOD = """(field, key) => field.dispatchEvent(
  new KeyboardEvent("keydown", { key, keyCode: 229, bubbles: true, cancelable: true })
)"""
DRAG = """(element, [type, kind]) => {
  const dataTransfer = new DataTransfer();
  if (kind === "file") dataTransfer.items.add(new File(["meow"], "cat.txt"));
  else dataTransfer.setData("text/plain", "meow");
  return element.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
}"""
PHONE = {"has_touch": True, "is_mobile": True}


@contextmanager
def busy(page: Page) -> Iterator[None]:
    """Keep the page from drawing for the length of a block. The tab needs the script `BUSY`."""
    page.evaluate("window.busy = true")
    yield
    page.evaluate("window.idle()")


def field_is(page: Page, text: str) -> None:
    """Check the field now, without waiting for the page to draw."""
    assert page.evaluate("() => document.querySelector('#text').value") == text


def test_what_is_typed_while_the_page_is_busy_is_the_next_message(server: Served, tab: Tab) -> None:
    with tab("ann", script=BUSY) as page, peer(server, "bob") as bob:
        composer(page).fill("see you at noon")
        with busy(page):
            page.keyboard.press("Enter")
            field_is(page, "")
            page.keyboard.type("ok")
        sent(page, "see you at noon")
        expect(composer(page)).to_have_value("ok")
        page.keyboard.press("Enter")
        sent(page, "ok")
        assert bob.history() == ["see you at noon", "ok"]


def test_enter_twice_and_a_double_click_send_once(server: Served, tab: Tab) -> None:
    with tab("ann", script=BUSY) as page, peer(server, "bob") as bob:
        composer(page).fill("by key")
        with busy(page):
            page.keyboard.press("Enter")
            page.keyboard.press("Enter")
        sent(page, "by key")
        composer(page).fill("by click")
        box = page.get_by_role("button", name="Send").bounding_box()
        assert box
        with busy(page):
            page.mouse.dblclick(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        sent(page, "by click")
        assert bob.history() == ["by key", "by click"]


def test_what_is_typed_after_a_change_of_the_room_is_for_the_new_one(tab: Tab) -> None:
    with tab("ann", "/#red", script=BUSY) as page:
        go(page, "lobby")
        expect(page.get_by_role("heading", level=1, name="lobby")).to_be_visible()
        composer(page).fill("for the lobby")
        with busy(page):
            page.keyboard.press("Alt+ArrowDown")
            page.wait_for_function("location.hash === '#red' && document.querySelector('#text').value === ''")
            page.keyboard.type("for red")
        expect(composer(page)).to_have_value("for red")
        go(page, "lobby")
        expect(composer(page)).to_have_value("for the lobby")


def test_an_edit_that_begins_while_the_page_is_busy_keeps_the_text(tab: Tab) -> None:
    with tab("ann", script=BUSY) as page:
        say(page, "tea")
        sent(page, "tea")
        with busy(page):
            page.keyboard.press("ArrowUp")
            page.keyboard.type(" for two")
        expect(composer(page)).to_have_value("tea for two")
        go(page, "red")
        expect(composer(page)).to_have_value("")
        go(page, "lobby")
        expect(composer(page)).to_have_value("tea for two")
        page.keyboard.press("Escape")
        expect(composer(page)).to_have_value("")


def test_what_is_said_while_scrolled_up_is_shown(server: Served, tab: Tab) -> None:
    with peer(server, "bob") as bob:
        bob.say(*(f"line {number} " for number in range(200)))
        with tab("ann", "/#lobby/20") as page:
            expect(message(page, "line 19 ")).to_be_in_viewport()
            say(page, "here I am")
            expect(message(page, "here I am")).to_be_in_viewport()
            sent(page, "here I am")
            page.evaluate("document.querySelector('.log').scrollTop = 0")
            expect(page.get_by_role("button", name="latest")).to_be_visible()
            say(page, "and again")
            expect(message(page, "and again")).to_be_in_viewport()
            composer(page).fill("at once")
            page.evaluate(
                "document.querySelector('.log').scrollTop = 0; document.querySelector('.composer').requestSubmit()"
            )
            expect(message(page, "at once")).to_be_in_viewport()


@pytest.mark.parametrize(
    "line", ["/kick bob", "/topic tea", "/slow 5", "/nick bob", "/op bob", "/edit 999 x", "/dance"]
)
def test_what_the_server_refuses_is_in_the_field_again_with_the_reason(server: Served, tab: Tab, line: str) -> None:
    with peer(server, "bob", password="correct horse"), tab("ann") as page:
        expect(page.get_by_role("complementary", name="People")).to_contain_text("owner")
        say(page, line)
        expect(page.get_by_role("alert").filter(has_text=" ")).to_be_visible()
        expect(composer(page)).to_have_value(line)
        expect(composer(page)).to_have_accessible_description(page.locator("#refusal").inner_text())
        composer(page).press_sequentially("!")
        expect(page.locator("#refusal")).to_be_empty()


def test_what_is_refused_while_the_next_is_written_is_quoted(server: Served, tab: Tab) -> None:
    with peer(server, "bob", password="correct horse"), tab("ann") as page:
        page.evaluate(
            "document.querySelector('#text').addEventListener('keydown', ({ key, target }) => { if (key === 'Enter') { "
            "target.value = 'next'; target.dispatchEvent(new Event('input')); } })"  # after the page's own listener
        )
        say(page, "/kick bob")
        expect(composer(page)).to_have_value("next")
        expect(log(page)).to_contain_text("Not done: /kick bob. Only operators")


def test_a_message_that_is_refused_is_taken_back_into_the_field(server: Served, tab: Tab) -> None:
    with tab("ann") as page:
        say(page, "/w nobody psst")
        expect(message(page, "psst")).to_contain_text("Nobody here is called nobody")
        message(page, "psst").get_by_role("button", name="Edit").click()
        expect(message(page, "psst")).to_have_count(0)
        expect(composer(page)).to_have_value("/w nobody psst")


@pytest.mark.parametrize(
    "line",
    ["/login ann secret", " /login ann secret", "\u00a0/login ann secret", "\u3000/LOGIN ann secret"],
)
def test_login_opens_a_dialog_that_hides_the_password(server: Served, tab: Tab, line: str) -> None:
    with peer(server, "bob") as bob, tab("cy") as page:
        say(page, line)
        dialog = page.get_by_role("dialog", name="Log in")
        expect(dialog.get_by_label("Log in to another account")).to_have_value("ann")
        password = dialog.get_by_label("Password")
        expect(password).to_have_attribute("type", "password")
        expect(password).to_have_value("secret")
        expect(password).to_be_focused()
        page.keyboard.press("Enter")
        expect(dialog).to_contain_text("Wrong name or password")
        page.keyboard.press("Escape")
        expect(composer(page)).to_have_value("")
        assert bob.history() == []


def test_register_opens_a_dialog_and_login_brings_the_name_back(tab: Tab) -> None:
    with tab("ann") as page, tab("cy") as other:
        say(page, "\t/register")
        page.get_by_role("dialog").get_by_placeholder("Password").fill("correct horse")
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_have_count(0)
        say(page, "it is me")
        sent(page, "it is me")
        say(other, "/login ann")
        expect(other.get_by_role("dialog").get_by_label("Password")).to_be_focused()
        other.keyboard.type("correct horse")
        other.keyboard.press("Enter")
        expect(other.get_by_role("dialog")).to_have_count(0)
        sent(other, "it is me")


def test_who_logs_in_once_more_is_still_in_the_room(tab: Tab) -> None:
    with tab("ann") as page:
        register(page)
        say(page, "/login ann")
        page.get_by_role("dialog").get_by_label("Password").fill("correct horse")
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_have_count(0)
        say(page, "still here")
        sent(page, "still here")


@pytest.mark.parametrize(
    "line", ["//login ann secret", "／login ann secret", "/me /login ann secret", "/w bob \u00a0/register secret"]
)
def test_what_looks_like_a_password_is_not_said(server: Served, tab: Tab, line: str) -> None:
    with peer(server, "bob") as bob, tab("ann") as page:
        say(page, line)
        expect(page.get_by_text("That looks like a password")).to_be_visible()
        expect(composer(page)).to_have_value(line)
        composer(page).fill("tea")
        page.keyboard.press("Enter")
        sent(page, "tea")
        page.keyboard.press("ArrowUp")
        composer(page).fill("/login ann secret")
        page.keyboard.press("Enter")
        expect(page.get_by_text("That looks like a password")).to_be_visible()
        page.keyboard.press("Escape")
        assert bob.history() == ["tea"]


def test_blanks_say_nothing(server: Served, tab: Tab) -> None:
    with peer(server, "bob") as bob, tab("ann") as page:
        for text in ("  ", "\n\n", "\u00a0\u3000", "\u200b\u2060", "\u2800"):
            say(page, text)
        say(page, "something")
        sent(page, "something")
        expect(log(page).locator("[data-state]")).to_have_count(1)
        assert bob.history() == ["something"]


def test_a_key_that_ends_a_composition_does_not_send_or_drop(server: Served, tab: Tab) -> None:
    with peer(server, "bob") as bob, tab("ann") as page:
        composer(page).fill("にほん")
        composer(page).evaluate(KEY_OF_AN_INPUT_METHOD, "Enter")
        field_is(page, "にほん")
        page.keyboard.press("Enter")
        sent(page, "にほん")
        page.keyboard.press("ArrowUp")
        composer(page).fill("日本")
        composer(page).evaluate(KEY_OF_AN_INPUT_METHOD, "Escape")
        field_is(page, "日本")
        page.keyboard.press("Control+k")
        words = page.get_by_role("searchbox")
        words.fill("日本")
        words.evaluate(KEY_OF_AN_INPUT_METHOD, "Escape")
        expect(words).to_be_visible()
        assert bob.history() == ["にほん"]


def test_enter_begins_a_new_line_on_a_touch_screen(tab: Tab) -> None:
    with tab("ann", **PHONE) as page:
        expect(composer(page)).to_have_attribute("enterkeyhint", "enter")
        composer(page).fill("one")
        page.keyboard.press("Enter")
        page.keyboard.type("two")
        page.get_by_role("button", name="Send").click()
        sent(page, "one\ntwo")
        composer(page).fill("with a keyboard")
        page.keyboard.press("Control+Enter")
        sent(page, "with a keyboard")


def test_the_answer_to_a_command_comes_into_view(server: Served, tab: Tab) -> None:
    with tab("ann") as page, peer(server, "bob") as bob:
        bob.say(*(f"line {number}" for number in range(100)))
        expect(message(page, "line 99")).to_be_in_viewport()
        log(page).hover()
        page.mouse.wheel(0, -1000)
        expect(message(page, "line 99")).not_to_be_in_viewport()
        say(page, "/who")
        expect(log(page).get_by_text("2 people in #lobby")).to_be_in_viewport()


def test_the_help_tells_what_enter_does_here(tab: Tab) -> None:
    for name, options, does in (("ann", {}, "Send"), ("bob", PHONE, "Start a new line")):
        with tab(name, **options) as page:
            composer(page).fill("/help")
            page.get_by_role("button", name="Send").click()
            expect(page.get_by_role("dialog").get_by_role("definition").first).to_have_text(does)


def test_no_field_is_so_small_that_a_phone_zooms_in(tab: Tab) -> None:
    sizes = "() => [...document.querySelectorAll('input, textarea, select')].map(one => getComputedStyle(one).fontSize)"
    for width in (375, 1024):
        with tab(**PHONE, viewport={"width": width, "height": 667}) as page:
            assert page.evaluate(sizes) == ["16px"]
            enter(page, f"ann{width}")
            page.get_by_role("button", name="lobby").click()
            assert set(page.evaluate(sizes)) == {"16px"}


@pytest.mark.parametrize(("kind", "left_to_the_browser"), [("file", False), ("text", True)])
def test_a_file_that_is_dropped_is_not_opened_in_place_of_the_chat(
    tab: Tab, kind: str, *, left_to_the_browser: bool
) -> None:
    with tab("ann") as page:
        for type_ in ("dragover", "drop"):
            assert log(page).evaluate(DRAG, [type_, kind]) is left_to_the_browser


def test_room_shows_the_room_and_history_goes_back(server: Served, tab: Tab) -> None:
    with peer(server, "bob") as bob, tab("ann") as page:
        bob.say(*(f"line {number} " for number in range(200)))
        expect(message(page, "line 199 ")).to_be_in_viewport()
        say(page, "/room")
        expect(page.get_by_role("dialog", name="lobby")).to_be_visible()
        page.keyboard.press("Escape")
        say(page, "/history 150")
        expect(message(page, "line 50 ")).to_be_in_viewport()
        say(page, "/history many")
        expect(page.get_by_role("alert").filter(has_text="/history [NUMBER]")).to_be_visible()
        expect(composer(page)).to_have_value("/history many")
