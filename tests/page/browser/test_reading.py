"""What the texts of people mean: links, mentions and rooms in them."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.clients import Served
from tests.page.browser.conftest import Tab, composer, log, log_in, message, reload, say
from tests.page.browser.people import peer


def test_a_link_is_shown_as_what_it_leads_to(server: Served, tab: Tab) -> None:
    with peer(server, "bob") as bob, tab("ann") as page:
        bob.say("“https://a.example/b”。", "<https://ci.example/job/7|Build 7>", "www.example.com", room="lobby")
        bob.say("<https://evil.example/|https://bank.example/>", "https://g\u043e\u043egle.example/\u202egpj.exe")
        expect(message(page, "gpj.exe")).to_be_visible()
        links = log(page).get_by_role("link")
        expect(links).to_have_text(
            [
                "https://a.example/b",
                "Build 7",
                "www.example.com",
                "https://evil.example/",
                "https://xn--ggle-55da.example/%E2%80%AEgpj.exe",
            ]
        )
        addresses = [
            "https://a.example/b",
            "https://ci.example/job/7",
            "https://www.example.com",
            "https://evil.example/",
        ]
        for at, address in enumerate(addresses):
            expect(links.nth(at)).to_have_attribute("href", address)
            expect(links.nth(at)).to_have_attribute("target", "_blank")
        expect(links.nth(1)).to_have_attribute("title", "https://ci.example/job/7")


def test_a_room_in_a_text_opens_in_place(server: Served, tab: Tab) -> None:
    with peer(server, "bob") as bob, tab("ann") as page:
        [seq] = bob.say("see #design, and number #1")
        bob.say(f"and {server.http}/#lobby/{seq} too")
        log(page).get_by_role("link", name="#design").click()
        expect(page.get_by_role("heading", level=1, name="design")).to_be_visible()
        page.go_back()
        expect(page.get_by_role("heading", level=1, name="lobby")).to_be_visible()
        link = log(page).get_by_role("link", name=f"{server.http}/#lobby/{seq}")
        expect(log(page).get_by_role("link")).to_have_count(2)
        for _ in range(2):  # the second time the address does not change
            link.click()
            expect(page.locator(".message.target")).to_contain_text("see #design")
            say(page, "and back")
            expect(page.locator(".message.target")).to_have_count(0)
        assert len(page.context.pages) == 1


def test_only_people_who_are_known_are_mentioned(server: Served, tab: Tab) -> None:
    with peer(server, "mr.") as mister, peer(server, "li") as other, tab("ann") as page:
        mister.say("@ann- ann@example.com and ann are nobody, @zoe neither")
        other.say("@mr. and @mr.. and 请@li看一下")
        other.say("@ANN, look")
        mine = log(page).locator(".mentions-me")
        expect(mine).to_have_count(1)
        expect(mine).to_contain_text("@ANN, look")
        expect(log(page).locator(".mention")).to_have_text(["@mr.", "@mr.", "@li", "@ANN"])


def test_a_name_without_a_sign_is_a_mention_if_the_reader_wants_that(server: Served, tab: Tab) -> None:
    with peer(server, "bob") as bob, tab("will") as page:
        bob.say("we will see")
        expect(message(page, "we will see")).to_be_visible()
        expect(log(page).locator(".mentions-me")).to_have_count(0)
        page.get_by_role("button", name="Settings").click()
        page.get_by_role("switch", name="My name without @ is a mention too").check()
        page.keyboard.press("Escape")
        expect(log(page).locator(".mentions-me")).to_have_count(1)
        reload(page)
        expect(log(page).locator(".mentions-me")).to_have_count(1)


def test_everyone_is_mentioned_by_those_who_may(server: Served, tab: Tab) -> None:
    with peer(server, "bob", password="correct horse") as bob, peer(server, "cy") as cy, tab("ann") as page:
        cy.say("@everyone from a guest")
        bob.say("@everyone from the owner", "@here from the owner")
        expect(message(page, "@here from")).to_be_visible()
        expect(log(page).locator(".mention.mine")).to_have_text(["@everyone", "@here"])
        expect(log(page).locator(".mentions-me")).to_have_count(2)
        reload(page)
        expect(log(page).locator(".mention.mine")).to_have_text(["@everyone"])
        expect(message(page, "@here from").locator(".mention")).to_have_text("@here")
        bob.ask("mentions", room="lobby", who="all")
        expect(log(page)).to_contain_text("bob allowed everyone to use @everyone and @here")
        cy.say("@everyone from anyone")
        expect(message(page, "from anyone").locator(".mention.mine")).to_have_text("@everyone")


def test_words_for_all_people_are_offered_to_those_who_may_use_them(server: Served, tab: Tab) -> None:
    with peer(server, "ann", password="correct horse"):
        pass
    with tab() as page, tab("bob") as other:
        log_in(page, "ann")
        for one, offered in ((page, ["everyone"]), (other, [])):
            one.get_by_role("heading", level=1, name="lobby").get_by_role("button").click()
            expect(one.get_by_role("dialog")).to_contain_text("Owner: ann")
            one.keyboard.press("Escape")
            expect(one.get_by_role("dialog")).to_have_count(0)
            composer(one).press_sequentially("@every")
            expect(composer(one)).to_have_value("@every")
            expect(one.get_by_role("option")).to_have_text(offered)
        page.get_by_role("heading", level=1, name="lobby").get_by_role("button").click()
        page.get_by_role("radio", name="Everyone").check()
        expect(log(other)).to_contain_text("ann allowed everyone")
        composer(other).press_sequentially("o")
        expect(other.get_by_role("option")).to_have_text(["everyone"])
