"""The bound of frames from the server: no answer is too large for a client, whatever it asks for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from app.chat.fitting import ENVELOPE, PAGE_BYTES
from app.live.shard import Shard
from app.testing import Host, JsonClient, test_application

LONG = 60_000
"""Bytes of a long message."""


def size(frame: Any) -> int:
    """The bytes of a frame as the server sends it."""
    return len(json.dumps(frame, ensure_ascii=False, separators=(",", ":")).encode())


def pages(client: JsonClient, t: str, way: str, **fields: Any) -> Iterator[Any]:
    """All pages of an answer, each one checked for its size."""
    place: dict[str, int] = {}
    while True:
        page = client.answer(t, **{**fields, **place})
        assert size(page) <= PAGE_BYTES + ENVELOPE or len(page["events"]) == 1
        assert size(page) <= client.welcome["limits"]["from_server"]
        yield page
        if not page["more"]:
            return
        assert page["events"]
        edge = page["events"][0 if way == "before" else -1]["seq"]
        place = {way: page.get("next", edge)}


def long_texts(char: str, count: int = 12) -> list[str]:
    """Long messages, each another one."""
    return [f"{number:02} tea {char * ((LONG - 10) // len(char.encode()))}" for number in range(count)]


def say(chat: Host, texts: list[str]) -> JsonClient:
    """Have someone say texts in the text dialect, in which no character is escaped. Return another
    client, who heard them."""
    ann, tom = chat.join("ann"), chat.join("tom", dialect="text")
    for text in texts:
        tom.send(text)
        ann.hears(text)
    return ann


@pytest.mark.parametrize("char", ["x", "é", "\x01", '"'], ids=ascii)
@pytest.mark.parametrize("way", ["before", "after"])
def test_history_comes_in_pages_that_fit_and_loses_nothing(chat: Host, char: str, way: str) -> None:
    texts = long_texts(char)
    ann = say(chat, texts)
    start = {"after": 0} if way == "after" else {}
    found = [page["events"] for page in pages(ann, "history", way, room="lobby", limit=200, **start)]
    assert len(found) > 1
    read = [event["text"] for page in (found if way == "after" else found[::-1]) for event in page]
    assert read == texts


def test_whispers_come_in_pages_that_fit(chat: Host) -> None:
    ann, bob = chat.join("ann"), chat.join("bob")
    for text in long_texts("x"):
        ann.whisper(bob, text)
    for room in ("@", "@1,2"):
        found = [page["events"] for page in pages(ann, "history", "before", room=room, limit=200)]
        assert [len(page) for page in found] == [4, 4, 4]


def test_many_short_messages_are_one_page(chat: Host) -> None:
    ann = chat.join("ann")
    for number in range(200):
        ann.say(str(number))
    page = ann.answer("history", room="lobby", limit=200)
    assert (len(page["events"]), page["more"]) == (200, False)


@pytest.mark.parametrize("room", ["lobby", ""])
@pytest.mark.parametrize("char", ["x", "\x01", "tea "], ids=ascii)
def test_search_results_come_in_pages_that_fit_and_lose_nothing(chat: Host, char: str, room: str) -> None:
    texts = long_texts(char)
    ann = say(chat, texts)
    where = {"room": room} if room else {}
    found = list(pages(ann, "search", "before", words="tea", limit=200, **where))
    assert len(found) > 1
    assert [event["text"] for page in found[::-1] for event in page["events"]] == texts
    assert all(len(page["marks"]) == len(page["events"]) for page in found)


@pytest.mark.parametrize("way", ["before", "after"])
def test_a_page_of_someone_who_is_ignored_is_skipped(chat: Host, way: str) -> None:
    ann, bob = chat.join("ann"), chat.join("bob")
    ann.say("the first")
    for text in long_texts("x", 9):
        bob.say(text)
    ann.say("the last")
    ann.answer("ignore", name="bob")
    start = {"after": 0} if way == "after" else {}
    found = [page["events"] for page in pages(ann, "history", way, room="lobby", limit=2, **start)]
    assert [event["text"] for page in found for event in page] in (
        ["the first", "the last"],
        ["the last", "the first"],
    )
    page = ann.answer("history", room="lobby", limit=3, after=1)
    assert [event["text"] for event in page["events"]] == ["the last"]


def test_who_missed_long_messages_gets_all_of_them(chat: Host) -> None:
    ann, bob = chat.join("ann"), chat.join("bob")
    bob.leave()
    texts = long_texts("x")
    for text in texts:
        ann.say(text)
    again = chat.rejoin(bob)
    assert [again.hears().text for _ in texts] == texts


def test_missed_messages_are_read_a_page_at_a_time(chat: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = long_texts("\x01")
    ann = say(chat, texts)
    sizes, flush = [0], Shard.flush

    def recorded(shard: Shard, **how: bool) -> None:
        sizes.append(sum(len(data) for frames in shard._outgoing.values() for _, data in frames))
        flush(shard, **how)

    monkeypatch.setattr(Shard, "flush", recorded)
    again = chat.connect(token=ann.token)
    again.join("lobby", after=0)
    assert [again.hears().text for _ in texts] == texts
    assert LONG < max(sizes) <= PAGE_BYTES + again.welcome["limits"]["from_server"]


def test_people_with_long_reasons_are_listed_in_frames_that_fit() -> None:
    overrides = {"chat.presence.roster": 30, "chat.limits.why": 0}
    with test_application(overrides=overrides) as chat:
        ann = chat.join("ann")
        people = [chat.join(f"p{number:02}") for number in range(20)]
        for person in people:
            person.answer("away", why="\x01" * 5_000)
        joined = ann.join("lobby")
        assert size(joined) <= PAGE_BYTES
        assert (joined["members"], "people" in joined) == (21, False)
        assert size(ann.answer("who", room="lobby")) <= PAGE_BYTES
        seen: list[str] = []
        more = True
        while more:
            page = ann.answer("who", room="lobby", after=seen[-1] if seen else "")
            assert size(page) <= PAGE_BYTES + ENVELOPE
            seen += [person["name"] for person in page["people"]]
            more = page.get("more", False)
        assert seen == ["ann", *(f"p{number:02}" for number in range(20))]


def test_lists_of_rooms_and_operators_fit() -> None:
    with test_application(overrides={"chat.limits.topic": 0, "chat.limits.name": 0, "chat.limits.rooms": 0}) as chat:
        ann = chat.join("ann")
        ann.register("correct horse")
        for number in range(10):
            ann.join(f"room{number}")
            ann.answer("topic", room=f"room{number}", text="\x01" * 9_000)
        answer = ann.answer("rooms")
        assert size(answer) <= PAGE_BYTES + ENVELOPE
        assert answer["more"]
        for number in range(10):
            bot = chat.connect()
            bot.nick("b" * 40_000 + str(number))
            bot.register("correct horse")
            ann.answer("op", room="lobby", name=bot.name)
        answer = ann.answer("room", room="lobby")
        assert size(answer) <= PAGE_BYTES + ENVELOPE
        assert answer["more"]
        known = answer["operator_users"]
        while "next" in answer:
            answer = ann.answer("room", room="lobby", after=answer["next"])
            known += answer["operator_users"]
        assert known == list(range(2, 12))


def test_everyone_who_is_ignored_is_listed_a_page_at_a_time() -> None:
    with test_application(overrides={"chat.limits.name": 0, "chat.limits.ignored": 0}) as chat:
        ann, bob = chat.connect("ann"), chat.connect("bob")
        assert ann.answer("ignored")["people"] == []
        names = [f"{number:02}" + 30_000 * "p" for number in range(20)]
        for name in names:
            ann.answer("ignore", name=chat.connect(name).name)
        ann.answer("ignore", name="bob")
        bob.nick("rob")
        seen: list[str] = []
        more = True
        while more:
            page = ann.answer("ignored", after=seen[-1] if seen else "")
            assert size(page) <= PAGE_BYTES + ENVELOPE
            seen += [person["name"] for person in page["people"]]
            more = page.get("more", False)
        assert seen == [*names, "rob"]
        assert ann.answer("ignored", after=names[-2], limit=1)["people"] == [{"id": 22, "name": names[-1]}]
        ann.answer("unignore", name="rob")
        assert ann.answer("ignored", after=names[-1])["people"] == []


def test_the_list_of_commands_comes_in_pages() -> None:
    with test_application() as chat:
        ann = chat.connect("ann")
        commands = [usage["command"] for usage in ann.answer("help")["commands"]]
        rest = ann.answer("help", after=commands[9])["commands"]
        assert [usage["command"] for usage in rest] == commands[10:]


def test_the_largest_frame_is_told(chat: Host) -> None:
    limits = chat.connect().welcome["limits"]
    assert limits["from_server"] == 6 * 65_536 + ENVELOPE
    ann = say(chat, ["\x01" * 65_536])
    assert size(ann.answer("history", room="lobby")) <= limits["from_server"]


@pytest.mark.parametrize(
    ("settings", "largest"),
    [
        ({"chat.limits.message": "1k"}, PAGE_BYTES),
        ({"chat.limits.message": 0, "app.websockets.max-frame-size": "1M"}, 6 * 1024 * 1024),
        ({"chat.limits.message": "1k", "chat.limits.topic": 0}, 6 * 65_536),
    ],
)
def test_the_largest_frame_follows_from_the_limits(settings: dict[str, Any], largest: int) -> None:
    with test_application(overrides=settings) as chat:
        assert chat.connect().welcome["limits"]["from_server"] == largest + ENVELOPE


def test_the_moderation_list_comes_in_pages_that_fit() -> None:
    with test_application(overrides={"chat.limits.why": 0}) as chat:
        ann = chat.join("ann")
        ann.register("correct horse")
        people = [chat.join(f"p{number}") for number in range(12)]
        for one in people:
            ann.answer("ban", room="lobby", name=one.name, why="x" * LONG)
        listed: list[str] = []
        place: dict[str, int] = {}
        while True:
            page = ann.answer("moderation", room="lobby", **place)
            assert size(page) <= ann.welcome["limits"]["from_server"]
            listed += [entry["name"] for entry in page["bans"]]
            if "next" not in page:
                break
            place = {"before": page["next"]}
        assert listed == [one.name for one in reversed(people)]
