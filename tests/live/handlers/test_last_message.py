"""Editing and deleting without an ID, and history that counts messages."""

from __future__ import annotations

import pytest

from app.testing import Host


def test_an_edit_without_an_id_changes_ones_last_message(chat: Host) -> None:
    ann, tom = chat.join("ann"), chat.join("tom", dialect="text")
    for text in ("first", "second"):
        tom.send(text)
        ann.hears(text)
    ann.say("from ann")
    tom.hears("from ann")
    tom.send("/edit the second")
    assert tom.receive() == "*** tom edited a message: the second"
    assert ann.sees("edit").of == 2
    tom.send("/delete")
    assert tom.receive() == "*** A message from tom was deleted"
    assert ann.sees("delete").of == 2
    tom.send("/edit the first")
    assert tom.receive() == "*** tom edited a message: the first"
    assert ann.sees("edit").of == 1


def test_in_json_too_a_position_may_be_missing(chat: Host) -> None:
    ann, bob = chat.join("ann"), chat.join("bob")
    ann.me("waves")
    ann.answer("edit", room="lobby", text="smiles")
    assert bob.sees("edit").text == "smiles"
    seq = ann.whisper(bob, "psst").seq
    ann.answer("delete", room="@")
    assert bob.sees("delete").of == seq


def test_who_said_nothing_has_no_last_message(chat: Host) -> None:
    ann, bob = chat.join("ann"), chat.join("bob")
    ann.say("hi")
    refusal = bob.refused("edit", room="lobby", text="x")
    assert (refusal.code, refusal.frame["reason"]) == ("not_found", "last")
    assert bob.refused("edit", room="den", text="x").code == "not_joined"


def test_edits_do_not_drown_the_history_of_the_text_dialect(chat: Host) -> None:
    ann = chat.join("ann")
    ann.say("one")
    seq = ann.say("two").seq
    for number in range(40):
        ann.answer("edit", room="lobby", seq=seq, text=f"two, edit {number}")
    tom = chat.join("tom", dialect="text")
    tom.send("/history 2")
    lines = [str(tom.receive()) for _ in range(2)]
    assert [line.split(" ", 4)[4] for line in lines] == ["[ann]: one", "[ann]: two, edit 39 (edited)"]
    assert [line.split()[1] for line in lines] == ["1", "2"]


@pytest.mark.parametrize(("fold", "kinds"), [(True, ["msg"]), (False, ["msg", "edit"])])
def test_history_leaves_out_edits_only_if_it_is_asked_to(chat: Host, *, fold: bool, kinds: list[str]) -> None:
    ann = chat.join("ann")
    seq = ann.say("one").seq
    ann.answer("edit", room="lobby", seq=seq, text="two")
    events = ann.answer("history", room="lobby", fold=fold)["events"]
    assert [event["t"] for event in events] == kinds
    assert events[0]["text"] == "two"
