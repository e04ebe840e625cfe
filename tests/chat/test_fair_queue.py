"""Owners take turns, and so do those below them."""

from __future__ import annotations

from app.chat.fair_queue import FairQueue


def taken(queue: FairQueue[str]) -> str:
    found = []
    while queue:
        found.append(queue.take() or "")
    assert queue.take() is None
    return " ".join(found)


def test_each_owner_has_one_in_turn() -> None:
    queue: FairQueue[str] = FairQueue()
    for item in ("a1", "a2", "a3", "b1", "c1", "c2"):
        queue.put(item, item[0])
    assert taken(queue) == "a1 b1 c1 a2 c2 a3"


def test_owners_below_an_owner_take_its_turns() -> None:
    queue: FairQueue[str] = FairQueue()
    for item in ("ax1", "ax2", "ay1", "bz1", "bz2"):
        queue.put(item, item[0], item[1])
    assert taken(queue) == "ax1 bz1 ay1 bz2 ax2"


def test_who_is_busy_keeps_the_place() -> None:
    queue: FairQueue[str] = FairQueue()
    for item in ("a1", "b1", "c1"):
        queue.put(item, item[0])
    assert queue.take({"a", "b"}) == "c1"
    assert queue.take({"a", "b"}) is None
    assert taken(queue) == "a1 b1"


def test_a_newcomer_waits_for_one_of_each() -> None:
    queue: FairQueue[str] = FairQueue()
    for item in ("a1", "a2", "b1", "b2"):
        queue.put(item, item[0])
    assert queue.take() == "a1"
    queue.put("c1", "c")
    assert taken(queue) == "b1 a2 c1 b2"


def test_none_is_an_owner_like_any_other() -> None:
    queue: FairQueue[str] = FairQueue()
    queue.put("nobody in particular", None)
    queue.put("ann", "a")
    assert [queue.take(), queue.take(), queue.take()] == ["nobody in particular", "ann", None]
