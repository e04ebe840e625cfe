"""Search: all rooms of a connection and its user's whispers, and nothing that others may keep from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from app import chat_of
from app.backends import Results
from app.testing import Host, JsonClient
from tests.live.handlers.test_people import PASSWORD
from tests.live.handlers.test_rooms import registered

Found = dict[str, Any]


def texts(found: Found) -> list[str]:
    return [event["text"] for event in found["events"]]


def hits(found: Found) -> list[list[str]]:
    """What is marked in each text."""
    pairs = zip(texts(found), found.get("marks", []), strict=True)
    return [[text[start:end] for start, end in marks] for text, marks in pairs]


def everywhere(client: JsonClient, words: str, **fields: Any) -> Found:
    found: Found = client.answer("search", words=words, **fields)
    assert "room" not in found
    return found


def test_a_room_is_searched(chat: Host) -> None:
    with chat.connect() as ann:
        ann.join()
        ann.join("den")
        ann.say("The quick brown fox", room="lobby")
        ann.say("the quick red fox", room="lobby")
        ann.say("a quick fox elsewhere", room="den")
        found = ann.answer("search", room="lobby", words="QUICK fox")
        assert texts(found) == ["The quick brown fox", "the quick red fox"]
        assert hits(found) == [["quick", "fox"], ["quick", "fox"]]
        assert (found["room"], found["words"], found["more"]) == ("lobby", "QUICK fox", False)
        assert {"next", "partial", "behind"}.isdisjoint(found)
        assert texts(ann.answer("search", room="lobby", words="quick", before=found["events"][1]["seq"])) == [
            "The quick brown fox"
        ]
        assert ann.answer("search", room="lobby", words='"fox* AND (')["t"] == "found"
        assert ann.refused("search", room="nowhere", words="fox").code == "not_joined"
        assert ann.refused("search", room="", words="fox").code == "not_joined"


def test_without_a_room_all_rooms_and_whispers_are_searched(chat: Host) -> None:
    with chat.join("ann") as ann, chat.join("bob") as bob:
        ann.join("den")
        ann.say("tea in the lobby", room="lobby")
        ann.say("🍵 tea in the den", room="den")
        bob.whisper("ann", "tea for two")
        ann.whisper("bob", "no coffee")
        found = everywhere(ann, "tea")
        assert [(event["room"], event["text"]) for event in found["events"]] == [
            ("lobby", "tea in the lobby"),
            ("den", "🍵 tea in the den"),
            ("@1,2", "tea for two"),
        ]
        assert hits(found) == [["tea"]] * 3
        assert found["marks"][1] == [[2, 5]], "code points, not units of UTF-16"
        nothing = everywhere(ann, "cocoa")
        assert (nothing["events"], nothing["more"], "marks" in nothing) == ([], False, False)


def test_a_page_says_where_the_next_one_begins(chat: Host) -> None:
    with chat.join("ann") as ann:
        ann.join("den")
        said = [f"fox {number}" for number in range(7)]
        for number, text in enumerate(said):
            ann.say(text, room="lobby" if number % 2 else "den")
        for room, wanted in (({}, said), ({"room": "den"}, said[::2])):
            pages: list[Found] = [ann.answer("search", words="fox", limit=2, **room)]
            while pages[-1]["more"]:
                pages.append(ann.answer("search", words="fox", limit=2, before=pages[-1]["next"], **room))
            assert "next" not in pages[-1]
            assert [text for page in reversed(pages) for text in texts(page)] == wanted
            assert all(len(page["events"]) == 2 for page in pages[:-1])


def test_pages_go_on_while_rooms_are_joined_and_left(chat: Host) -> None:
    with chat.connect() as ann, chat.join("bob") as bob:
        for number in range(5):
            bob.say(f"tea {number}")
        for number in range(5):
            bob.whisper(ann.name, f"secret tea {number}")
        pages = [everywhere(ann, "tea", limit=2)]
        ann.join()
        pages.append(everywhere(ann, "tea", limit=2, before=pages[-1]["next"]))
        pages.append(everywhere(ann, "tea", limit=2, before=pages[-1]["next"]))
        ann.answer("part", room="lobby")
        pages.append(everywhere(ann, "tea", limit=2, before=pages[-1]["next"]))
        assert [texts(page) for page in pages] == [
            ["secret tea 3", "secret tea 4"],
            ["secret tea 1", "secret tea 2"],
            ["tea 4", "secret tea 0"],
            [],
        ]
        assert [page["more"] for page in pages] == [True, True, True, False]


def test_whispers_of_others_are_not_found(chat: Host) -> None:
    with chat.join("ann") as ann, chat.join("bob") as bob, chat.join("cy") as cy:
        ann.whisper("bob", "psst")
        bob.whisper(["ann", "cy"], "psst, all")
        assert texts(everywhere(ann, "psst")) == texts(everywhere(bob, "psst")) == ["psst", "psst, all"]
        assert texts(everywhere(cy, "psst")) == ["psst, all"]


def test_rooms_that_one_is_not_in_are_not_found(chat: Host) -> None:
    token = registered(chat, "ann")
    with chat.connect(token=token) as ann, chat.join("bob") as bob:
        ann.join("den")
        ann.join("open")
        ann.answer("private", room="den")
        ann.say("tea here", room="den")
        ann.say("tea there", room="open")
        assert bob.refused("join", room="den").code == "invitation_only"
        assert texts(everywhere(bob, "tea")) == []
        bob.join("open")
        assert texts(everywhere(bob, "tea")) == ["tea there"]
        ann.answer("invite", room="den", name="bob")
        bob.join("den")
        assert texts(everywhere(bob, "tea")) == ["tea here", "tea there"]
        bob.answer("part", room="open")
        assert texts(everywhere(bob, "tea")) == ["tea here"]
        ann.answer("kick", room="den", name="bob")
        bob.sees("kick")
        assert texts(everywhere(bob, "tea")) == []
        assert texts(everywhere(ann, "tea")) == ["tea here", "tea there"]


def test_another_user_on_the_connection_finds_nothing_of_the_one_before(chat: Host) -> None:
    registered(chat, "bob")
    with chat.join("ann") as ann, chat.join("cy") as cy:
        cy.whisper("ann", "tea for ann")
        cy.whisper("bob", "tea for bob")
        ann.say("tea for all")
        assert texts(everywhere(ann, "tea")) == ["tea for ann", "tea for all"]
        ann.answer("login", name="bob", password=PASSWORD)
        assert texts(everywhere(ann, "tea")) == ["tea for bob"]


def test_what_an_ignored_user_said_is_left_out_with_its_marks(chat: Host) -> None:
    with chat.join("ann") as ann, chat.join("bob") as bob:
        bob.say("tea from bob")
        ann.say("my tea")
        bob.whisper("ann", "tea?")
        assert texts(everywhere(ann, "tea")) == ["tea from bob", "my tea", "tea?"]
        ann.answer("ignore", name="bob")
        found = everywhere(ann, "tea")
        assert (texts(found), found["marks"]) == (["my tea"], [[[3, 6]]])
        newest = everywhere(ann, "tea", limit=1)
        assert (texts(newest), newest["more"]) == ([], True), "a page may be empty, and yet there are older ones"
        assert texts(everywhere(ann, "tea", limit=1, before=newest["next"])) == ["my tea"]


def test_a_search_that_was_cut_short_says_so(chat: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = chat_of(chat.app).backend
    search, logs = backend.search, []

    async def cut_short(log: str | Sequence[str], words: str, **how: Any) -> Results:
        results = await search(log, words, **how)
        results.partial, results.behind = True, 12
        logs.append(log)
        return results

    monkeypatch.setattr(backend, "search", cut_short)
    with chat.join("ann") as ann, chat.join("bob", dialect="text") as bob:
        ann.join("den")
        found = everywhere(ann, "tea")
        assert (found["partial"], found["behind"], found["more"]) == (True, 12, False)
        bob.send("/search tea")
        assert [bob.receive() for _ in range(3)] == [
            "*** No results for tea",
            "*** There may be older results. Narrow your search",
            "*** 12 recent messages aren't searched yet",
        ]
        ann.answer("search", words="tea", room="@")
    assert [log if isinstance(log, str) else sorted(log) for log in logs] == [
        ["den", "lobby", "~1"],
        ["lobby", "~2"],
        "~1",
    ]


def test_the_text_dialect_names_the_room_of_each_line(chat: Host) -> None:
    with chat.join("ann", dialect="text") as ann, chat.join("bob") as bob:
        bob.say("tea?")
        bob.whisper("ann", "tea, only for you")
        ann.receive()
        ann.receive()
        ann.send("/search tea")
        count, said, whispered = (ann.receive() for _ in range(3))
        assert count == "*** 2 results for tea"
        assert said.endswith(" #lobby [bob]: tea?")
        assert whispered.endswith(" [bob → ann]: tea, only for you")
        assert "#" not in whispered


def test_an_address_has_one_search_under_way_at_a_time(chat: Host) -> None:
    people = [chat.join(f"p{number}") for number in range(4)]
    people[0].say("tea")
    backend, under_way, most = chat_of(chat.app).backend, [0], [0]
    search = backend.search

    async def counted(*arguments: Any, **named: Any) -> Any:
        under_way[0] += 1
        most[0] = max(most[0], under_way[0])
        try:
            return await search(*arguments, **named)
        finally:
            under_way[0] -= 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backend, "search", counted)
        for one in people:
            one.send({"t": "search", "rid": 1, "room": "lobby", "words": "tea"})
        for one in people:
            while (answer := one.receive())["t"] != "found":
                pass
            assert len(answer["events"]) == 1
    assert most == [1]
