"""The first screen, and addresses that lead to a room or a message."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.clients import Served, serving
from tests.page.browser.conftest import (
    UNLIMITED,
    Tab,
    composer,
    enter,
    give_password,
    go,
    log,
    log_in,
    message,
    reconnect,
    register,
    reload,
    say,
    sent,
)
from tests.page.browser.people import peer
from tests.page.browser.proxy import Proxy


def test_one_field_and_straight_in(server: Served, tab: Tab) -> None:
    with tab() as page:
        expect(page.get_by_role("textbox")).to_have_count(1)
        expect(page.get_by_role("textbox")).to_be_focused()
        enter(page, "ann")
        expect(composer(page)).to_be_focused()
        expect(page).to_have_url(f"{server.http}/#lobby")
        say(page, "hello")
        sent(page, "hello")


def test_a_name_that_is_taken_is_told_and_another_can_be_had(server: Served, tab: Tab) -> None:
    with peer(server, "bob"), tab() as page:
        page.get_by_label("Your name").fill("bob")
        page.keyboard.press("Enter")
        expect(page.get_by_text("taken")).to_be_visible()
        expect(page.get_by_label("Your name")).to_be_focused()
        expect(page.get_by_label("Your name")).to_have_value("bob")
        enter(page, "ann")


def test_a_name_that_can_not_be_is_told(server: Served, tab: Tab) -> None:
    with tab() as page:
        page.get_by_label("Your name").fill("ann smith!")
        page.keyboard.press("Enter")
        expect(page.get_by_text("letters")).to_be_visible()
        enter(page, "ann")


def test_the_name_is_kept_for_next_time(server: Served, tab: Tab) -> None:
    with tab("ann") as page:
        say(page, "hello")
        sent(page, "hello")
        reload(page)
        expect(composer(page)).to_be_enabled()
        sent(page, "hello")
        say(page, "me again")
        sent(page, "me again")


def test_a_second_tab_is_the_same_person(server: Served, tab: Tab) -> None:
    with tab("ann") as page:
        second = page.context.new_page()
        second.goto(f"{server.http}/#lobby")
        expect(composer(second)).to_be_enabled()
        say(second, "from here")
        sent(page, "from here")
        sent(second, "from here")


def test_the_address_leads_into_a_room(server: Served, tab: Tab) -> None:
    with peer(server, "bob", room="red") as bob, tab("ann", "/#red") as page:
        bob.say("this is red", room="red")
        expect(message(page, "this is red")).to_be_visible()
        go(page, "blue")
        expect(page.get_by_role("heading", level=1, name="blue")).to_be_visible()
        expect(message(page, "this is red")).to_have_count(0)
        page.go_back()
        expect(message(page, "this is red")).to_be_visible()


def test_the_address_leads_to_one_message(server: Served, tab: Tab) -> None:
    with peer(server, "bob") as bob:
        positions = bob.say(*(f"line {number} " for number in range(500)))
        with tab("ann", f"/#lobby/{positions[100]}") as page:
            expect(message(page, "line 100 ")).to_be_in_viewport()
            page.evaluate("hash => { location.hash = hash; }", f"#lobby/{positions[400]}")
            expect(message(page, "line 400 ")).to_be_in_viewport()


def test_an_address_that_can_not_be_a_room_leads_into_the_first_one(server: Served, tab: Tab) -> None:
    with tab("ann", "/#Not%20a%20room!") as page:
        say(page, "where am I")
        sent(page, "where am I")
        with peer(server, "bob") as bob:
            assert bob.history() == ["where am I"]


def test_who_is_led_nowhere_begins_where_the_server_says(tab: Tab) -> None:
    with serving(UNLIMITED, "-P:chat.room=hall") as server, tab(at=server.http) as page:
        expect(page.get_by_role("textbox")).to_be_focused()
        enter(page, "ann")
        expect(page).to_have_url(f"{server.http}/#hall")
        say(page, "hello")
        sent(page, "hello")
        page.goto(server.http)
        expect(page.get_by_role("heading", level=1, name="hall")).to_be_visible()
        sent(page, "hello")
        page.get_by_role("button", name="hall").click()
        page.get_by_role("button", name="Leave room").click()
        sent(page, "hello")


def test_how_long_a_message_may_be_is_the_servers_word(tab: Tab) -> None:
    settings = ("-P:chat.limits.message=0", "-P:app.websockets.max-frame-size=2KiB")
    with serving(UNLIMITED, *settings) as server, tab("ann", at=server.http) as page:
        composer(page).fill("\n" * 1_000)
        expect(page.get_by_text("bytes too long")).to_be_visible()
        expect(page.get_by_role("button", name="Send")).to_be_disabled()
        composer(page).fill("x" * 1_800)
        expect(page.get_by_text("bytes left")).to_be_visible()
        page.keyboard.press("Enter")
        sent(page, "x" * 1_800)


def test_it_works_below_a_root_path(tab: Tab) -> None:
    with serving(UNLIMITED, "-path=/team") as server, tab("ann", "/team/", at=server.http) as page:
        say(page, "hello")
        sent(page, "hello")
        expect(log(page)).to_be_visible()


def test_a_link_to_a_conversation_of_others_leads_to_the_first_room(server: Served, tab: Tab) -> None:
    with tab("ann", path="/#@1,999") as page:
        expect(composer(page)).to_have_attribute("placeholder", "Message #lobby")
        page.evaluate("location.hash = '#@998,999/1'")
        expect(log(page)).to_contain_text("That message was removed, or it never existed")
        expect(page).to_have_url(f"{server.http}/#lobby")
    with tab("bob") as page, peer(server, "cy") as cy:
        cy.whisper("psst", "bob")
        page.get_by_role("link", name="cy").click()
        expect(message(page, "psst")).to_be_visible()
        page.get_by_role("button", name="Settings").click()
        page.get_by_role("button", name="Log out").click()
        enter(page, "dee")
        expect(composer(page)).to_have_attribute("placeholder", "Message #lobby")


def test_a_room_may_be_called_like_anything_in_javascript(server: Served, tab: Tab) -> None:
    with tab("ann") as page:
        for word in ("constructor", "tostring", "valueof", "hasownproperty"):
            go(page, word)
            say(page, f"hello {word}")
            sent(page, f"hello {word}")
        page.goto(server.http)
        sent(page, "hello hasownproperty")
        page.get_by_role("link", name="constructor").click()
        sent(page, "hello constructor")


def test_a_log_out_reaches_all_tabs(server: Served, tab: Tab) -> None:
    with tab("ann") as page:
        second = page.context.new_page()
        second.goto(f"{server.http}/#lobby")
        expect(composer(second)).to_be_enabled()
        composer(second).fill("a draft")
        page.get_by_role("button", name="Settings").click()
        page.get_by_role("button", name="Log out").click()
        for one in (page, second):
            expect(one.get_by_label("Your name")).to_be_visible()
        enter(second, "bob")
        expect(composer(second)).to_have_value("")


def test_a_link_does_not_join_a_room_by_itself(server: Served, tab: Tab) -> None:
    with peer(server, "bob", room="red") as bob, tab("ann") as page:
        bob.say("this is red", room="red")
        say(page, "come to #red")
        sent(page, "come to #red")
        log(page).get_by_role("link", name="#red").click()
        expect(page.get_by_role("heading", level=1, name="red")).to_be_visible()
        expect(page.get_by_text("You haven't joined this room.")).to_be_visible()
        expect(composer(page)).to_have_count(0)
        reload(page)
        expect(page.get_by_role("button", name="Join", exact=True)).to_be_visible()
        assert bob.ask("who", room="red")["people"] == [{"id": bob.id, "name": "bob"}]
        rooms = page.get_by_role("navigation", name="Rooms")
        rooms.get_by_role("link", name="lobby").click()
        expect(rooms.get_by_role("link", name="red")).to_have_count(0)
        page.go_back()
        page.get_by_role("button", name="Join", exact=True).click()
        say(page, "hello")
        sent(page, "hello")
        reload(page)
        expect(composer(page)).to_be_enabled()
        sent(page, "hello")


def test_who_asks_for_a_room_joins_it(server: Served, tab: Tab) -> None:
    with tab("ann") as page:
        say(page, "/join red")
        say(page, "hello red")
        sent(page, "hello red")
        page.get_by_role("button", name="Join a room").click()
        page.get_by_label("Room name").fill("blue")
        page.keyboard.press("Enter")
        say(page, "hello blue")
        sent(page, "hello blue")


def test_rooms_are_found_by_a_part_of_their_names(server: Served, tab: Tab) -> None:
    with peer(server, "bob", room="gardening"), peer(server, "cy", room="cooking"), tab("ann") as page:
        page.get_by_role("button", name="Join a room").click()
        listed = page.get_by_role("dialog").get_by_role("listitem")
        expect(listed).to_have_count(3)
        page.keyboard.type("#Gard")
        expect(listed).to_have_count(1)
        listed.get_by_role("button", name="gardening").click()
        say(page, "hello")
        sent(page, "hello")


def test_a_new_password_asks_for_the_old_one_and_signs_other_browsers_out(server: Served, tab: Tab) -> None:
    with tab("ann") as page, tab() as other:
        register(page)
        log_in(other, "ann")
        second = page.context.new_page()
        second.goto(server.http)
        expect(composer(second)).to_be_enabled()
        page.get_by_role("button", name="Settings").click()
        dialog = page.get_by_role("dialog")
        answers = {"a wrong one": "The current password is wrong", "correct horse": "Your password is changed"}
        for old, answer in answers.items():
            dialog.get_by_label("Current password").fill(old)
            dialog.get_by_label("New password").fill("battery staple")
            page.keyboard.press("Enter")
            expect(dialog.get_by_text(answer)).to_be_in_viewport()
        page.keyboard.press("Escape")
        for one, text in ((page, "still here"), (second, "so am I")):
            say(one, text)
            sent(one, text)
            reload(one)
            expect(composer(one)).to_be_enabled()
        expect(other.get_by_role("status")).to_contain_text("You were logged out.")
        other.get_by_role("button", name="Reconnect").click()
        give_password(other, "battery staple")


def test_who_is_asked_for_a_password_is_still_asked_after_a_lost_connection(server: Served, tab: Tab) -> None:
    with Proxy(server.port) as proxy, tab("dora") as page, tab(at=proxy.http, lost=True) as other:
        register(page)
        log_in(other, "dora")
        say(page, "/password")
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Current password").fill("correct horse")
        dialog.get_by_label("New password").fill("battery staple")
        page.keyboard.press("Enter")
        server.line(r"dora from \S+ changed the password")  # what follows is of this test
        other.get_by_role("button", name="Reconnect").click()
        expect(other.get_by_text("is taken")).to_be_visible()
        proxy.cut()
        server.line(r"Removing user\d+!")
        reconnect(other)
        server.line(r"Adding user! user\d+")
        expect(other.get_by_text("Connected", exact=True)).to_be_attached()
        give_password(other, "battery staple")
        say(other, "it is me")
        expect(message(page, "it is me")).to_be_visible()


def test_a_password_that_the_connection_takes_with_it_can_be_sent_again(server: Served, tab: Tab) -> None:
    with Proxy(server.port) as proxy, tab("eve") as page, tab(at=proxy.http, lost=True) as other:
        register(page)
        other.get_by_label("Your name").fill("eve")
        other.keyboard.press("Enter")
        other.get_by_label("Password").fill("correct horse")
        proxy.hold()
        other.keyboard.press("Enter")
        server.line("logged in as eve")
        proxy.cut()
        expect(other.get_by_text("before the server answered")).to_be_visible()
        reconnect(other)
        expect(other.get_by_text("Connected", exact=True)).to_be_attached()
        give_password(other)
        say(other, "it is me")
        expect(message(page, "it is me")).to_be_visible()
