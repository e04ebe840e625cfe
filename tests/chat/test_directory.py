"""The directory of rooms, against looking through all of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.chat import directory
from app.chat.directory import OF_ONE, REFRESH, SMALL, Directory

changes = st.lists(st.tuples(st.text("abc", min_size=1, max_size=3), st.integers(0, 4)))


def filled(rooms: dict[str, int]) -> Directory:
    found = Directory()
    for room, members in rooms.items():
        found.resize(room, members)
    return found


def of_many(room: str) -> list[object]:
    return ["here", "there"]


def all_pages(found: Directory, limit: int, find: str) -> list[str]:
    names, after, seen = [], "", 0
    while seen == 0 or after:
        page, after = found.page(limit, find=find, after=after, now=0)
        assert len(page) <= limit
        names += page
        seen += 1
    return names


@given(changes, st.integers(1, 4), st.text("abc", max_size=2))
def test_it_has_the_rooms_with_people_by_size_and_by_name(steps: list[tuple[str, int]], limit: int, find: str) -> None:
    found, rooms = Directory(), dict[str, int]()
    for number, (room, members) in enumerate(steps):
        found.resize(room, members)
        rooms[room] = members
        if number % 3 == 0:
            found.page(1, find="", after="", now=0)
    rooms = {room: members for room, members in rooms.items() if members}
    assert len(found) == len(rooms)
    assert [rooms[room] for room in found.largest()] == sorted(rooms.values(), reverse=True)
    assert sorted(found.ranked(SMALL, of_many, 0)) == sorted(rooms)
    assert all_pages(found, limit, find) == sorted(room for room in rooms if find in room)


def test_many_names_are_looked_at_in_several_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "SCANNED", 10)
    found = filled({f"room{number:03}": 1 for number in range(95)})
    page, after = found.page(5, find="94", after="", now=0)
    assert (page, after) == ([], "room009")
    assert all_pages(found, 5, "94") == ["room094"]


def test_what_one_address_makes_up_does_not_fill_the_list() -> None:
    junk = {f"junk{number}": 100 for number in range(500)}
    real = {f"real{number}": 2 for number in range(150)}
    found = filled({**junk, **real})
    listed = found.ranked(200, lambda room: ["one"] if room in junk else of_many(room), 0)
    assert listed[:150] == list(real)
    assert len(listed) == 200
    assert len(filled(junk).ranked(200, lambda room: ["one"], 0)) == 200


def test_a_list_of_many_rooms_is_made_once_a_second() -> None:
    found = filled({f"room{number}": 1 for number in range(SMALL + OF_ONE)})
    asked: list[str] = []

    def owners(room: str) -> list[object]:
        asked.append(room)
        return of_many(room)

    for now in (0, REFRESH / 2, REFRESH * 0.9):
        found.ranked(200, owners, now)
    assert len(asked) == len(found)
    found.resize("room0", 0)
    assert "room0" not in found.ranked(200, owners, REFRESH / 2)
    found.resize("new", 9)
    assert found.ranked(200, owners, REFRESH)[0] == "new"


def test_rooms_that_come_and_go_leave_nothing() -> None:
    found = Directory()
    for number in range(1000):
        found.resize(f"room{number}", 1)
        found.resize(f"room{number}", 0)
    assert (len(found), found._added, found._by_size, found._sizes) == (0, {}, {}, {})
