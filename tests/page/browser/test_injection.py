"""Whatever people write is shown as text everywhere. It never becomes markup, script or a link that runs."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.clients import Served, serving
from tests.page.browser.conftest import UNLIMITED, Tab, log, message, reload, say
from tests.page.browser.people import peer

PAYLOADS = [
    "<script>window.ran = 1</script>",
    "<img src=x onerror='window.ran = 1'>",
    "<svg/onload=window.ran=1>",
    '"><script>window.ran = 1</script>',
    "' onmouseover='window.ran = 1' x='",
    '" onfocus="window.ran = 1" autofocus="',
    "</textarea><script>window.ran = 1</script>",
    "</title></style></template><img src=x onerror=window.ran=1>",
    "<iframe srcdoc='<script>parent.ran = 1</script>'></iframe>",
    "<a href='javascript:window.ran=1'>press here</a>",
    "javascript:window.ran=1",
    'https://example.com/"onmouseover="window.ran=1',
    "https://example.com/<script>window.ran=1</script>",
    "http://javascript:window.ran=1@example.com/",
    "data:text/html,<script>window.ran=1</script>",
    "java\tscript:window.ran=1",
    "`<img src=x onerror=window.ran=1>`",
    "```\n</code></pre><script>window.ran = 1</script>\n```",
    '```html"onload="window.ran=1\n<b>x</b>\n```',
    "${window.ran = 1}",
    "{{constructor.constructor('window.ran = 1')()}}",
    "<!--lit-html--><?lit$1$?>",
    "$& $1 $` \\u003cscript\\u003e",
    '@<b>ann</b> :<img>: :smile"onload=x:',
    "[press](javascript:window.ran=1) ![x](x onerror=window.ran=1)",
    "<form action=/x><button>press</button></form>",
    "<style>* { display: none }</style>",
    "<base href=//example.com>",
    "<meta http-equiv=refresh content='0;url=//example.com'>",
    "\u202eevil\u2066 text\u2069",
]
MEMBERS = ["__proto__", "constructor", "toString", "hasOwnProperty"]
"""Names of properties that every JavaScript object has."""
FOREIGN = "script:not([type=module][src^='assets/']), iframe, object, embed, form[action], base, [onerror], [onload]"


def check(page: Page) -> None:
    """No script ran, only text came into the page, and all links lead to the web or to the chat."""
    assert page.evaluate("window.ran") is None
    assert page.locator(f":is({FOREIGN}), [onmouseover], [onfocus], body img:not([src*='assets/'])").count() == 0
    assert page.locator("style, meta[http-equiv]").count() == 0
    links = page.locator("a[href]").evaluate_all("links => links.map(link => link.href)")
    own = page.url.split("#")[0]
    assert [link for link in links if not link.startswith((own, "http://", "https://"))] == []


def test_people_and_rooms_may_be_called_as_parts_of_the_language_are(server: Served, tab: Tab) -> None:
    with tab("ann", "/#constructor") as page:
        for name in MEMBERS[1:]:
            with peer(server, name, room="constructor") as one:
                one.tell("typing", room="constructor")
                expect(page.get_by_text(f"{name} is typing")).to_be_visible()
                one.say(*MEMBERS, room="constructor")
                one.whisper(name, "ann")
                expect(message(page, "hasOwnProperty").last).to_be_visible()
                expect(page.get_by_role("complementary", name="People")).to_contain_text(name)
        say(page, "/join tostring")
        say(page, "hello")
        expect(message(page, "hello")).to_have_attribute("data-state", "sent")


def test_in_what_is_said(server: Served, tab: Tab) -> None:
    with peer(server, "bob") as bob, tab("ann") as page:
        for payload in PAYLOADS:
            bob.say(payload)
            bob.say(payload, me=True)
        bob.say("the end")
        expect(message(page, "the end")).to_be_visible()
        check(page)
        said = log(page).inner_text()
        for payload in ("<svg/onload=window.ran=1>", "{{constructor", "${window.ran = 1}", "<!--lit-html-->"):
            assert payload in said
        for link in log(page).get_by_role("link").all():
            link.hover()
        check(page)


def test_in_a_whisper(server: Served, tab: Tab) -> None:
    with peer(server, "bob") as bob, tab("ann") as page:
        for payload in PAYLOADS:
            bob.whisper(payload, "ann")
        bob.whisper("the end", "ann")
        expect(message(page, "the end")).to_be_visible()
        check(page)
        page.get_by_role("navigation", name="Rooms").get_by_role("link", name="bob").click()
        expect(message(page, "the end")).to_be_visible()
        check(page)


def test_in_what_one_types_oneself(tab: Tab) -> None:
    with tab("ann") as page:
        for payload in PAYLOADS:
            say(page, payload)
        say(page, "the end")
        expect(message(page, "the end")).to_be_visible()
        check(page)


def test_in_topic_reason_and_away_text(server: Served, tab: Tab) -> None:
    with peer(server, "bob", password="correct horse") as bob, tab("ann") as page:
        for payload in PAYLOADS:
            bob.ask("topic", room="lobby", text=payload[:300])
            bob.ask("mute", room="lobby", name="ann", why=payload)
            bob.ask("away", why=payload)
        bob.ask("topic", room="lobby", text="<b>the end</b>")
        expect(page.get_by_text("<b>the end</b>").first).to_be_visible()
        check(page)
        bob.ask("kick", room="lobby", name="ann", why="<img src=x onerror=window.ran=1>")
        expect(page.get_by_text("<img src=x onerror=window.ran=1>").first).to_be_visible()
        check(page)


def test_in_names(server: Served, tab: Tab) -> None:
    with tab() as page:
        for payload in PAYLOADS:
            page.get_by_label("Your name").fill(payload)
            page.keyboard.press("Enter")
            expect(page.get_by_label("Your name")).to_be_enabled()
            check(page)
    with serving(UNLIMITED, "-P:chat.names.unicode=true") as server, peer(server, "bob") as bob:
        for payload in PAYLOADS:
            bob.tell("nick", name=payload)
        with tab("ann", at=server.http) as page:
            bob.say("hello")
            expect(message(page, "hello")).to_be_visible()
            check(page)


def test_in_words_to_search_for(server: Served, tab: Tab) -> None:
    with peer(server, "bob") as bob, tab("ann") as page:
        bob.say(*PAYLOADS)
        for payload in PAYLOADS:
            say(page, f"/search {payload.splitlines()[0]}")
            expect(page.get_by_role("searchbox")).to_be_visible()
        check(page)


def test_in_the_address(server: Served, tab: Tab) -> None:
    with tab() as page:
        for payload in PAYLOADS[:8]:
            page.evaluate("payload => { location.hash = payload; }", payload)
            reload(page)
            expect(page.get_by_label("Your name")).to_be_visible()
            check(page)
    with tab("ann") as page:
        for payload in PAYLOADS:
            page.evaluate("payload => { location.hash = payload; }", payload)
            page.evaluate("payload => { location.hash = encodeURIComponent(payload); }", payload)
            expect(log(page)).to_be_visible()
            check(page)
