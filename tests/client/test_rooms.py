"""The current room and the others, and what fits into the toolbar."""

from __future__ import annotations

import pytest

from app.chat.frames import Joined, Presence
from app.chat.presence import Person
from app.client.terminal.drawing import cut
from app.client.terminal.rooms import MAX_UNSEEN, Room, Rooms


@pytest.fixture
def rooms() -> Rooms:
    rooms = Rooms()
    for name in ("red", "green", "blue"):
        rooms.add(name)
    rooms.show("green")
    return rooms


def test_what_happens_elsewhere_is_held_until_it_is_shown(rooms: Rooms) -> None:
    rooms.add_unseen("red", ["one"], counts=True, mention=False)
    rooms.add_unseen("red", ["a notice"], counts=False, mention=False)
    rooms.add_unseen("red", ["two"], counts=True, mention=True)
    assert [(number, room.name, room.unread, room.mentioned) for number, room in rooms.others()] == [
        (1, "red", 2, True),
        (3, "blue", 0, False),
    ]
    assert rooms.show("red") == (["one", "a notice", "two"], 0)
    assert rooms.show("red") == ([], 0)


def test_of_too_much_the_last_is_held_and_the_rest_counted(rooms: Rooms) -> None:
    for number in range(MAX_UNSEEN + 30):
        rooms.add_unseen("red", [str(number)], counts=True, mention=False)
    assert rooms.show("red") == ([str(number) for number in range(30, MAX_UNSEEN + 30)], 30)


def test_the_one_before_is_shown_after_one_is_left(rooms: Rooms) -> None:
    rooms.remove("blue")
    assert rooms.current == "green"
    rooms.remove("green")
    assert rooms.current == "red"
    rooms.remove("nowhere")
    rooms.add_unseen("green", ["the past came late"], counts=False, mention=False)
    assert "green" not in rooms
    rooms.remove("red")
    assert rooms.current == ""
    assert [rooms.numbered(1), rooms.numbered(0)] == ["", ""]


def test_people_come_go_and_are_called_otherwise() -> None:
    room = Room("red")
    room.joined(Joined("red", "e", 0, recovered=True, members=2, people=(Person(1, "ann"), Person(2, "bob"))))
    room.changed(Presence("red", 2, came=(Person(3, "cy"),), went=(Person(1, "ann"),), changed=(Person(2, "rob"),)))
    assert room.people == {2: "rob", 3: "cy"}


def test_a_new_name_holds_in_all_rooms_wherever_it_is_told(rooms: Rooms) -> None:
    for name in ("red", "blue"):
        rooms.add(name).joined(Joined(name, "e", 0, recovered=True, members=1, people=(Person(1, "ann"),)))
    rooms.changed(Presence("blue", 1, changed=(Person(1, "anna"), Person(2, "bob"))))
    known = [room.people for name in ("red", "blue") if (room := rooms.get(name))]
    assert known == [{1: "anna"}, {1: "anna", 2: "bob"}]


@pytest.mark.parametrize(
    ("text", "shown"),
    [("short", "short"), ("just ten..", "just ten.."), ("one more...", "one more.."), ("日本語日本語", "日本語日本"),
     ("\u202e\x1b[1m", "\\u202e\\x1b"), ("👩\u200d💻!", "👩💻!"), ("e\u0301", "e")],
)  # fmt: skip
def test_what_is_below_the_prompt_fits(text: str, shown: str) -> None:
    assert cut(text, 10) == shown
