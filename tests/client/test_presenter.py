"""What the terminal keeps of a room and its people."""

from __future__ import annotations

from typing import Any, cast

import pytest

from app.chat.frames import Presence
from app.chat.presence import Person
from app.client.terminal.presenter import Presenter
from app.client.terminal.rooms import Room

pytestmark = pytest.mark.anyio


class NoView:
    """A view that shows nothing."""

    def refresh(self) -> None:
        pass


@pytest.mark.parametrize(
    ("change", "typing"),
    [
        ({"went": (Person(2, "bob"),)}, ["cy"]),
        ({"changed": (Person(2, "rob"),)}, ["cy"]),
        ({"changed": (Person(2, "bob", away="lunch"),)}, ["bob", "cy"]),
        ({"came": (Person(4, "dora"),)}, ["bob", "cy"]),
    ],
)
async def test_someone_who_leaves_or_is_renamed_is_typing_no_longer(change: dict[str, Any], typing: list[str]) -> None:
    nothing = cast(Any, None)
    presenter = Presenter("", nothing, nothing, nothing, bell=False)
    presenter.view = cast(Any, NoView())
    presenter.rooms._by_name["lobby"] = Room("lobby", people={1: "ann", 2: "bob", 3: "cy"})
    for name in ("bob", "cy"):
        presenter.typing("lobby", name)
    presenter.people_changed(Presence(room="lobby", members=2, **change))
    assert list(presenter._typing) == typing
