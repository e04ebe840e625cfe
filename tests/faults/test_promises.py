"""The checker of stores finds what it is there for."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from app.chat.events import Detail, Event, Kind
from tests.faults.promises import Asked, Contents, Plans, Said, check

PLANS = Plans(
    said={f"c{n}": Said("ann", f"c{n}", "red", f"text {n}") for n in (1, 2, 3, 4)},
    asked={
        "r1": Asked("ann", "r1", "delete", cid="c2"),
        "r2": Asked("ann", "r2", "nick", value="anna"),
        "r3": Asked("ann", "r3", "read", value="red", seq=3),
        "r4": Asked("ann", "r4", "ignore", value="9"),
        "r5": Asked("ann", "r5", "edit", cid="c3", value="edited"),
    },
    tokens={"secret": "ann"},
)
TOLD: list[tuple[str, dict[str, Any]]] = [
    ("ann", {"t": "welcome", "id": 1, "name": "user0", "token": "secret", "epoch": "e"}),
    *[("ann", {"t": "ack", "cid": f"c{n}", "id": f"i{n}", "seq": n}) for n in (1, 2, 3)],
    ("bob", {"t": "msg", "room": "red", "id": "i1", "seq": 1, "text": "text 1"}),
    ("ann", {"t": "done", "rid": "r1", "seq": 4}),
    ("ann", {"t": "named", "rid": "r2", "id": 1, "name": "anna"}),
    ("ann", {"t": "done", "rid": "r3"}),
    ("ann", {"t": "done", "rid": "r4"}),
]


def stored() -> Contents:
    """A store that has all that was acknowledged."""
    log = [Event("red", n, f"i{n}", 0, 1, "user0", f"text {n}", f"c{n}") for n in (1, 2, 3)]
    log[1] = replace(log[1], text="", detail=Detail(deleted=True))
    log.append(Event("red", 4, "i4", 0, 1, "user0", "", kind=Kind.DELETE, of=2))
    return Contents("e", {"red": log}, {"secret": 1}, {1: "anna"}, {(1, "red"): 3}, {1: frozenset({9})})


def found(change: Callable[[Contents, list[Event]], None]) -> set[str]:
    """The kinds of violations in a store that was changed."""
    contents = copy.deepcopy(stored())
    change(contents, contents.logs["red"])
    return {violation.partition(":")[0] for violation in check(PLANS, TOLD, contents)}


def test_a_store_that_has_everything_is_right() -> None:
    assert check(PLANS, TOLD, stored()) == []


def test_what_was_not_acknowledged_may_be_there() -> None:
    fourth = Event("red", 5, "i5", 0, 1, "anna", "text 4", "c4")
    assert not found(lambda store, log: log.append(fourth))
    assert not found(lambda store, log: log.__setitem__(2, replace(log[2], text="edited")))


def swap(store: Contents, log: list[Event]) -> None:
    log[0], log[2] = replace(log[2], seq=1), replace(log[0], seq=3)


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("lost", lambda store, log: log.pop(0)),
        ("lost", lambda store, log: log.pop(3)),
        ("lost", lambda store, log: store.logs.clear()),
        ("lost", lambda store, log: store.users.clear()),
        ("lost", lambda store, log: store.names.update({1: "user0"})),
        ("lost", lambda store, log: store.marks.clear()),
        ("lost", lambda store, log: store.ignored.clear()),
        ("lost", lambda store, log: setattr(store, "epoch", "other")),
        ("doubled", lambda store, log: log.append(replace(log[0], seq=5))),
        ("doubled", lambda store, log: log.append(replace(log[0], seq=5, id="i5"))),
        ("reordered", swap),
        ("reordered", lambda store, log: log.reverse()),
        ("altered", lambda store, log: log.__setitem__(1, replace(log[1], text="text 2", detail=Detail()))),
        ("altered", lambda store, log: log.__setitem__(0, replace(log[0], text="text 2"))),
        ("altered", lambda store, log: log.append(Event("red", 5, "i5", 0, 1, "anna", "what?", "c9"))),
        ("altered", lambda store, log: store.names.update({1: "anne"})),
    ],
)
def test_a_violation_is_found(kind: str, change: Callable[[Contents, list[Event]], None]) -> None:
    assert kind in found(change)
