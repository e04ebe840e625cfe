"""Times: in one form everywhere, and in the zone that the reader is in now."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from playwright.sync_api import CDPSession, expect

from tests.clients import Served
from tests.page.browser.conftest import Tab, log, message, say
from tests.page.browser.people import peer


def fly(device: CDPSession, zone: str) -> None:
    """Change the time zone of the device."""
    device.send("Emulation.setTimezoneOverride", {"timezoneId": zone})


def clock(ts: str, hours: int) -> str:
    """How a time is shown so many hours east of UTC."""
    at = datetime.fromisoformat(ts).astimezone(UTC) + timedelta(hours=hours)
    return f"{at:%I:%M %p}".lstrip("0")


def test_times_follow_the_zone_of_the_reader(server: Served, tab: Tab) -> None:
    with peer(server, "bob") as bob, tab("ann") as page:
        device = page.context.new_cdp_session(page)
        fly(device, "UTC")
        bob.say("hello", "again")
        times = message(page, "hello").locator("time").or_(message(page, "again").locator("time"))
        expect(times).to_have_count(2)
        ts = str(times.first.get_attribute("datetime"))
        expect(times.first).to_have_text(clock(ts, 0))
        for zone, hours in (("Asia/Tokyo", 9), ("America/Phoenix", -7)):
            fly(device, zone)
            expect(times.first).to_have_text(clock(ts, hours))
            expect(times.last).to_have_text(clock(str(times.last.get_attribute("datetime")), hours))
            expect(times.first).to_have_attribute("title", re.compile(f"at {clock(ts, hours)}$"))


def test_a_time_has_one_form_wherever_it_is(server: Served, tab: Tab) -> None:
    with peer(server, "bob", password="correct horse") as bob, tab("ann") as page:
        fly(page.context.new_cdp_session(page), "Asia/Tokyo")
        bob.say("hello")
        bob.ask("mute", room="lobby", name="ann", seconds=90_000, why="tea")
        say(page, "but")
        time = message(page, "hello").locator("time")
        shown = clock(str(time.get_attribute("datetime")), 9)
        expect(time).to_have_text(shown)
        pattern = re.compile(r"until \w{3} \d+, \d{4}, [1-9]\d?:\d\d [AP]M: tea")
        expect(log(page).locator(".event").last).to_contain_text(pattern)
        expect(message(page, "Not sent.")).to_contain_text(pattern)
        page.keyboard.press("Control+k")
        page.get_by_role("searchbox", name="Search messages").fill("hello")
        expect(page.get_by_role("complementary", name="Search").locator("time")).to_have_text(f"Today {shown}")
