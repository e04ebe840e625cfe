"""`who`: looking for people in a room, in small rooms and large ones."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.testing import Host, JsonClient, test_application

NAMES = ("dora", "Ann", "bob", "Anna", "eve", "Hanna")


@pytest.fixture
def crowd() -> Iterator[Host]:
    """A lobby with NAMES in it, which is a large room."""
    with test_application(overrides={"chat.presence.roster": 3}) as chat:
        for name in NAMES:
            chat.join(name)
        yield chat


@pytest.fixture
def ann(crowd: Host) -> JsonClient:
    return crowd.connect()


def names(answer: dict[str, object]) -> tuple[list[str], bool]:
    """The names in an answer to `who`, and whether there are more."""
    people = answer.get("people", [])
    assert isinstance(people, list)
    return [person["name"] for person in people], bool(answer.get("more"))


def test_people_are_found_by_a_part_of_their_name(ann: JsonClient) -> None:
    answer = ann.answer("who", room="lobby", find="AN")
    assert names(answer) == (["Ann", "Anna", "Hanna"], False)
    assert answer["members"] == len(NAMES)
    assert names(ann.answer("who", room="lobby", find="nobody")) == ([], False)


def test_a_large_room_is_listed_in_pages_by_name(ann: JsonClient) -> None:
    seen, after, more = [], "", True
    while more:
        page, more = names(ann.answer("who", room="lobby", after=after, limit=2))
        seen += page
        after = page[-1]
    assert seen == ["Ann", "Anna", "bob", "dora", "eve", "Hanna"]


def test_a_page_of_who_is_found_goes_on_where_the_last_ended(ann: JsonClient) -> None:
    assert names(ann.answer("who", room="lobby", find="ann", limit=1)) == (["Ann"], True)
    assert names(ann.answer("who", room="lobby", find="ann", after="ANN", limit=1)) == (["Anna"], True)
    assert names(ann.answer("who", room="lobby", find="ann", after="Anna", limit=1)) == (["Hanna"], False)


def test_without_a_page_a_large_room_is_not_listed(ann: JsonClient) -> None:
    answer = ann.answer("who", room="lobby", rid=1)
    assert answer == {"t": "who", "rid": 1, "room": "lobby", "members": len(NAMES)}


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": 201}, {"find": "x" * 501}, {"after": 7}])
def test_a_page_of_people_is_asked_for_properly(ann: JsonClient, wrong: dict[str, object]) -> None:
    assert ann.refused("who", room="lobby", **wrong).code == "bad_frame"


def test_people_in_a_private_room_are_found_by_nobody_else(crowd: Host, ann: JsonClient) -> None:
    owner = crowd.join("olga", room="den")
    owner.register("correct horse")
    owner.answer("private", room="den")
    assert ann.refused("who", room="den", find="o").code == "invitation_only"


def test_the_text_dialect_finds_people_too(crowd: Host) -> None:
    text = crowd.join("tom", dialect="text")
    text.send("/who lobby ann")
    assert [text.receive() for _ in range(4)] == ["*** lobby: 7 users", "*** Ann", "*** Anna", "*** Hanna"]
