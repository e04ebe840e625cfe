"""What is deleted or replaced is gone for everyone, and those who ignore the operator learn of it too."""

from __future__ import annotations

from app import chat_of
from app.testing import Host, JsonClient
from tests.live.handlers.test_rooms import registered


def test_who_resumes_gets_no_text_that_was_replaced(chat: Host, ann: JsonClient) -> None:
    bob = chat.connect("bob")
    bob.join("den")
    said = ann.say("one", room="den")
    bob.hears("one")
    bob.leave()
    for changed in ("two", "three"):
        ann.answer("edit", room="den", seq=said.seq, text=changed)
    bob = chat.connect(token=bob.token)
    bob.join("den", after=said.seq)
    assert [bob.sees("edit").text for _ in range(2)] == ["", "three"]
    history = bob.answer("history", room="den", after=said.seq - 1)["events"]
    assert [event["text"] for event in history] == ["three", "", "three"]
    with chat.connect(dialect="text", room="den", after=said.seq) as text:
        assert text.receive() == "*** ann edited a message: three"
        assert text.command("/history 1").endswith("[ann]: three (edited)")


def test_operators_delete_old_topics_and_reasons(chat: Host, ann: JsonClient) -> None:
    bob = chat.connect("bob")
    bob.join("den")
    cy = chat.connect("cy")
    text = chat.join(token=ann.token, room="den", dialect="text")
    seqs = {
        "topic": ann.answer("topic", room="den", text="secret")["seq"],
        "kick": ann.answer("kick", room="den", name="cy", why="secret")["seq"],
        "ban": ann.answer("ban", room="den", name="cy", why="secret")["seq"],
    }
    ann.answer("topic", room="den", text="tea")
    for kind, seq in seqs.items():
        assert bob.refused("delete", room="den", seq=seq).code == "not_yours"
        ann.answer("delete", room="den", seq=seq)
        deletion = bob.sees("delete")
        what = "topic" if kind == "topic" else "why"
        assert (deletion.of, deletion.frame["what"], deletion.frame["about"]) == (seq, what, ann.id)
        assert text.notice(f"ann deleted a {'topic' if what == 'topic' else 'reason'}")
        assert ann.refused("delete", room="den", seq=seq).code == "not_found"
    events = {event["seq"]: event for event in bob.answer("history", room="den")["events"]}
    assert [(events[seq].get("text", ""), events[seq]["deleted"]) for seq in seqs.values()] == [("", True)] * 3
    assert "why" not in ann.answer("moderation", room="den")["bans"][0]
    assert "secret" not in cy.refused("join", room="den").message
    assert "ann set a topic that was deleted" in text.command("/history 20")
    assert ann.answer("room", room="den")["topic"] == "tea"


def test_the_reason_of_a_ban_is_deleted_though_its_event_is_no_longer_kept(chat: Host, ann: JsonClient) -> None:
    bob = chat.connect("bob")
    bob.join("den")
    chat.connect("cy")
    banned = ann.answer("ban", room="den", name="cy", why="secret")["seq"]
    ann.say("tea?", room="den")
    chat.call(lambda: chat_of(chat.app).backend.trim("den", keep=1, since=0, limit=100))
    assert "secret" not in str(ann.answer("history", room="den"))
    [ban] = ann.answer("moderation", room="den")["bans"]
    assert (ban["why"], ban["seq"]) == ("secret", banned)
    assert bob.refused("delete", room="den", seq=banned).code == "not_yours"
    ann.answer("delete", room="den", seq=banned)
    [ban] = ann.answer("moderation", room="den")["bans"]
    assert "why" not in ban
    for one in (ann, bob):
        one.part("den")
    ann.join("den")  # the settings are read from the store again
    [ban] = ann.answer("moderation", room="den")["bans"]
    assert (ban["name"], "why" in ban) == ("cy", False)
    assert ann.refused("delete", room="den", seq=banned).code == "not_found"


def test_a_topic_that_is_deleted_is_cleared_first(chat: Host, ann: JsonClient) -> None:
    bob = chat.connect("bob")
    bob.join("den")
    seq = ann.answer("topic", room="den", text="secret")["seq"]
    ann.answer("delete", room="den", seq=seq)
    assert [bob.sees("topic").text for _ in range(2)] == ["secret", ""]
    assert bob.sees("delete").of == seq
    assert bob.answer("room", room="den")["topic"] == ""


def test_who_ignores_an_operator_is_told_what_they_do_but_not_what_they_say(chat: Host, ann: JsonClient) -> None:
    bob = chat.connect(token=registered(chat, "bob"))
    bob.join("den")
    bob.join("@")
    said = bob.say("mine", room="den")
    ann.join("@")
    note = ann.whisper("bob", "psst")
    bob.hears_whisper("psst")
    bob.answer("ignore", name="ann")
    own = ann.say("hidden", room="den")
    ann.answer("edit", room="den", seq=own.seq, text="hidden")
    ann.answer("delete", room="den", seq=said.seq)
    assert bob.receive()["of"] == said.seq
    ann.answer("topic", room="den", text="tea")
    assert bob.receive()["t"] == "topic"
    ann.whisper("bob", "hidden")
    ann.answer("edit", room=note.room, seq=note.seq, text="hidden")
    ann.answer("delete", room=note.room, seq=note.seq)
    assert (bob.receive()["t"], bob.answer("history", room="den", limit=3)["events"][0]["t"]) == ("delete", "delete")
    bob.answer("part", room="den")
    ann.answer("invite", room="den", name="bob")
    bob.expect_nothing()
