"""Edits and deletions, and that a deleted text is never read again."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from app.backends import Backend
from app.chat.events import Detail, Event, Kind
from tests.contracts.helpers import add, draft, found, someone, soon, store, whole

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("kind", [Kind.MSG, Kind.ME])
async def test_an_edit_puts_its_text_in_the_message(backend: Backend, kind: Kind) -> None:
    user = await someone(backend)
    said = await store(backend, draft(user, "before", kind=kind, detail=Detail(to=("ann",))))
    followed: list[Event] = []
    unfollow = backend.follow(followed.extend)
    edit = await store(backend, draft(user, "after", kind=Kind.EDIT, of=said.seq))
    unfollow()
    changed = replace(said, text="after", detail=Detail(to=("ann",), edited=True))
    assert (edit.text, edit.of, edit.kind) == ("after", said.seq, "edit")
    assert followed == [edit]
    assert await whole(backend) == [changed, edit]
    assert await soon(backend.get("room", said.seq)) == changed


async def test_a_deletion_empties_the_message_and_its_edits(backend: Backend) -> None:
    user = await someone(backend)
    said, other = [await store(backend, draft(user, text)) for text in ("one", "two")]
    edits = [await store(backend, draft(user, f"edit {n}", kind=Kind.EDIT, of=said.seq)) for n in range(2)]
    of_other = await store(backend, draft(user, "three", kind=Kind.EDIT, of=other.seq))
    deletion = await store(backend, draft(user, "", kind=Kind.DELETE, of=said.seq))
    assert await whole(backend) == [
        replace(said, text="", detail=Detail(edited=True, deleted=True)),
        replace(other, text="three", detail=Detail(edited=True)),
        *[replace(edit, text="") for edit in edits],
        of_other,
        deletion,
    ]


async def test_an_edit_that_comes_too_late_brings_no_text_back(backend: Backend) -> None:
    user = await someone(backend)
    said = await store(backend, draft(user, "secret"))
    followed: list[Event] = []
    unfollow = backend.follow(followed.extend)
    answers = await add(
        backend,
        draft(user, "early", kind=Kind.EDIT, of=said.seq),
        draft(user, "", kind=Kind.DELETE, of=said.seq),
        draft(user, "secret again", kind=Kind.EDIT, of=said.seq, cid="c"),
        draft(user, "", kind=Kind.DELETE, of=said.seq),
    )
    unfollow()
    assert [answer.event.text for answer in answers] == ["early", "", "", ""]
    assert [event.text for event in await whole(backend)] == [""] * 5
    assert followed == [answer.event for answer in answers]
    [again] = await add(backend, draft(user, "secret again", kind=Kind.EDIT, of=said.seq, cid="c"))
    assert (again.event.text, again.duplicate) == ("", True)


async def test_only_a_message_of_the_same_room_can_be_changed(backend: Backend) -> None:
    user = await someone(backend)
    said = await store(backend, draft(user, "said"))
    topic = await store(backend, draft(user, "topic", kind=Kind.TOPIC))
    for kind in (Kind.EDIT, Kind.DELETE):
        for room, of in (("other", said.seq), ("room", topic.seq), ("room", said.seq + 1000), ("room", 0)):
            change = await store(backend, draft(user, "changed", room=room, kind=kind, of=of))
            assert change.text == ("" if kind == Kind.EDIT else "changed")
    assert (await whole(backend))[:2] == [said, topic]
    assert await soon(backend.state("room")) == [topic]


async def test_a_retried_edit_does_not_undo_a_later_one(backend: Backend) -> None:
    user = await someone(backend)
    said = await store(backend, draft(user, "one"))
    await store(backend, draft(user, "two", kind=Kind.EDIT, of=said.seq, cid="c"))
    await store(backend, draft(user, "three", kind=Kind.EDIT, of=said.seq))
    [again] = await add(backend, draft(user, "two", kind=Kind.EDIT, of=said.seq, cid="c"))
    assert again.duplicate
    assert [event.text for event in await whole(backend)] == ["three", "", "three"]


async def test_a_trimmed_message_stays_gone(backend: Backend) -> None:
    user = await someone(backend)
    said = await store(backend, draft(user, "one"))
    await soon(backend.trim("room", keep=0, since=said.at + 1, limit=10))
    edit = await store(backend, draft(user, "two", kind=Kind.EDIT, of=said.seq))
    assert await soon(backend.read("room", after=said.seq, limit=10)) == [edit]
    assert await found(backend, "one") == await found(backend, "two") == []
    assert edit.text == ""


async def test_a_message_is_read_by_its_position(backend: Backend) -> None:
    user = await someone(backend)
    said = [await store(backend, draft(user, room=room)) for room in ("room", "other")]
    for seq in (*(event.seq for event in said), 0, -1, said[-1].seq + 1):
        at_that = [event for event in said if event.seq == seq and event.room == "room"]
        assert await soon(backend.get("room", seq)) == (at_that[0] if at_that else None)


@pytest.mark.parametrize("room", ["room", "@1,2"])
async def test_no_text_that_a_message_had_in_between_is_kept(backend: Backend, room: str) -> None:
    user, _ = await someone(backend), await someone(backend)
    said, other = [await store(backend, draft(user, text, room=room)) for text in ("one", "two")]
    edits = [
        await store(backend, draft(user, text, room=room, kind=Kind.EDIT, of=said.seq)) for text in ("three", "four")
    ]
    of_other = await store(backend, draft(user, "five", room=room, kind=Kind.EDIT, of=other.seq))
    assert [edit.text for edit in edits] == ["three", "four"]
    assert [event.text for event in await whole(backend, room)] == ["four", "five", "", "four", "five"]
    assert await soon(backend.get(room, edits[0].seq)) == replace(edits[0], text="")
    assert await soon(backend.get(room, of_other.seq)) == of_other


@pytest.mark.parametrize("room", ["room", "@1,2"])
async def test_the_edits_of_a_message_that_was_trimmed_have_no_text(backend: Backend, room: str) -> None:
    user, _ = await someone(backend), await someone(backend)
    said, other = [await store(backend, draft(user, text, room=room)) for text in ("one", "two")]
    edit = await store(backend, draft(user, "three", room=room, kind=Kind.EDIT, of=said.seq))
    of_other = await store(backend, draft(user, "four", room=room, kind=Kind.EDIT, of=other.seq))
    await soon(backend.trim(room, keep=3, since=0, limit=10))
    assert await soon(backend.read(room, after=said.seq, limit=10)) == [
        replace(other, text="four", detail=Detail(edited=True)),
        replace(edit, text=""),
        of_other,
    ]


@pytest.mark.parametrize(("kind", "what"), [(Kind.TOPIC, "topic"), (Kind.KICK, "why"), (Kind.BAN, "why")])
async def test_a_topic_or_a_reason_is_deleted(backend: Backend, kind: Kind, what: str) -> None:
    user = await someone(backend)
    whom = None if kind == Kind.TOPIC else user
    told = await store(backend, draft(user, "words", kind=kind, detail=Detail(whom=whom)))
    deletion = await store(backend, draft(user, "", kind=Kind.DELETE, of=told.seq, detail=Detail(what=what)))
    cleared = replace(told, text="", detail=Detail(whom=whom, deleted=True))
    assert await whole(backend) == [cleared, deletion]
    assert await soon(backend.state("room")) == ([] if kind == Kind.KICK else [cleared])


async def test_what_is_no_topic_or_reason_is_not_deleted_as_one(backend: Backend) -> None:
    user = await someone(backend)
    told = [
        await store(backend, draft(user, "all", kind=Kind.MENTIONS)),
        await store(backend, draft(user, "said")),
        await store(backend, draft(user, "den", room="@1", kind=Kind.INVITE, detail=Detail(whom=user))),
    ]
    for event in told:
        await store(
            backend, draft(user, "", room=event.room, kind=Kind.DELETE, of=event.seq, detail=Detail(what="why"))
        )
        assert await soon(backend.get(event.room, event.seq)) == event
