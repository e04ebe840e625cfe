"""Names on hold."""

from __future__ import annotations

from app.live.held_names import MIN_SWEEP, HeldNames
from app.testing import Host, JsonClient, test_application
from app.testing.clock import ManualClock


def test_an_address_holds_so_many_names() -> None:
    held = HeldNames(2, 60, ManualClock())
    assert [held.add("here", user) for user in (1, 2, 3, 4)] == [[], [], [1], [2]]
    assert held.add("there", 5) == []


def test_a_user_who_came_back_and_left_again_is_the_last_to_lose_its_name() -> None:
    held = HeldNames(2, 60, ManualClock())
    assert [held.add("here", user) for user in (1, 2, 1, 3)] == [[], [], [], [2]]


def test_names_that_are_free_again_do_not_count() -> None:
    clock = ManualClock()
    held = HeldNames(2, 60, clock)
    assert [held.add("here", user) for user in (1, 2)] == [[], []]
    clock.advance(60)
    assert [held.add("here", user) for user in (3, 4)] == [[], []]


def test_those_without_an_address_have_nothing_in_common() -> None:
    held = HeldNames(1, 60, ManualClock())
    assert [held.add("", user) for user in (1, 2)] == [[], []]
    assert [HeldNames(0, 60, ManualClock()).add("here", user) for user in (1, 2)] == [[], []]


def test_addresses_are_forgotten() -> None:
    clock = ManualClock()
    held = HeldNames(1, 60, clock)
    for number in range(3 * MIN_SWEEP):
        held.add(f"address {number}", number)
        clock.advance(1)
    assert len(held) <= MIN_SWEEP


def leave(chat: Host, name: str, *, says: str = "hi") -> JsonClient:
    """Let a guest come, say something and leave."""
    with chat.join(name) as guest:
        if says:
            guest.say(says)
    return guest


def has(chat: Host, name: str) -> bool:
    """Whether nobody else can have a name."""
    with chat.connect() as other:
        other.ask("nick", name=name, rid=1)
        return bool(other.receive().get("code") == "name_taken")


def test_only_names_that_spoke_are_held() -> None:
    with test_application() as chat:
        leave(chat, "ann")
        leave(chat, "bob", says="")
        assert has(chat, "ann")
        assert not has(chat, "bob")


def test_who_is_one_too_many_of_an_address_loses_its_name_when_another_leaves() -> None:
    with test_application(overrides={"chat.names.held-per-address": 2}) as chat:
        tokens = [leave(chat, name).token for name in ("ann", "bob", "cy")]
        assert [has(chat, name) for name in ("ann", "bob", "cy")] == [False, True, True]
        assert [chat.connect(token=token).name for token in tokens] == ["user0", "bob", "cy"]


def test_who_came_back_keeps_the_name_whatever_others_of_the_address_do() -> None:
    with test_application(overrides={"chat.names.held-per-address": 1}) as chat:
        ann = chat.rejoin(leave(chat, "ann"))
        leave(chat, "bob")
        leave(chat, "cy")
        assert has(chat, "ann")
        assert ann.say("hi").name == "ann"


def test_who_registered_meanwhile_keeps_the_name() -> None:
    with test_application(overrides={"chat.names.held-per-address": 1}) as chat:
        with chat.rejoin(leave(chat, "ann")) as ann:
            ann.register("correct horse")
        leave(chat, "bob")
        leave(chat, "cy")
        assert has(chat, "ann")
