"""Whispers: only the people in the conversation can read them."""

from __future__ import annotations

from asyncio import gather

import pytest

from app.backends import Backend, Trimmed
from app.chat.events import Bounds, Conversation, Event, Kind, User
from app.chat.logs import conversation, mailbox
from tests.contracts.helpers import FAR, add, draft, found, someone, soon, store, whole

pytestmark = pytest.mark.anyio


async def people(backend: Backend, count: int) -> list[User]:
    return [await someone(backend) for _ in range(count)]


async def whisper(backend: Backend, text: str, *between: User) -> Event:
    return await store(backend, draft(between[0], text, room=conversation({user.id for user in between})))


async def test_a_whisper_is_in_its_log_and_in_the_mailbox_of_each(backend: Backend) -> None:
    ann, bob, cem = await people(backend, 3)
    one = await whisper(backend, "one", ann, bob)
    two = await whisper(backend, "two", ann, cem)
    three = await whisper(backend, "three", ann, bob, cem)
    for log, events in {
        one.room: [one],
        two.room: [two],
        three.room: [three],
        mailbox(ann.id): [one, two, three],
        mailbox(bob.id): [one, three],
        mailbox(cem.id): [two, three],
    }.items():
        assert await whole(backend, log, page=1) == events
        assert await soon(backend.read_backwards(log, before=FAR, limit=10)) == events
        assert await soon(backend.read_backwards(log, before=events[-1].seq, limit=10)) == events[:-1]
        assert await soon(backend.read_backwards(log, before=FAR, limit=1)) == events[-1:]
        assert await soon(backend.bounds(log)) == Bounds(0, events[-1].seq)
        for event in (one, two, three):
            assert await soon(backend.get(log, event.seq)) == (event if event in events else None)


async def test_a_whisper_is_in_no_other_log_mailbox_or_search(backend: Backend) -> None:
    ann, bob, cem = await people(backend, 3)
    await store(backend, draft(cem, "public"))
    event = await whisper(backend, "secret", ann, bob)
    others = ["room", "", "@", conversation({ann.id, cem.id}), conversation({ann.id, bob.id, cem.id})]
    for log in [*others[:2], *others[3:], mailbox(cem.id), mailbox(event.seq + 1000)]:
        assert event not in await soon(backend.read_backwards(log, before=FAR, limit=100))
        assert event not in await soon(backend.read(log, after=0, limit=100))
        assert await soon(backend.get(log, event.seq)) != event
        assert await found(backend, "secret", log) == []
    for log in (event.room, mailbox(ann.id), mailbox(bob.id)):
        assert await found(backend, "secret", log) == ["secret"]
        assert await found(backend, "public", log) == []
    assert await soon(backend.conversations(cem.id)) == []


async def test_a_note_to_oneself(backend: Backend) -> None:
    [ann] = await people(backend, 1)
    note = await whisper(backend, "note", ann)
    assert await whole(backend, note.room) == await whole(backend, mailbox(ann.id)) == [note]


async def test_nothing_is_appended_to_a_mailbox_or_to_what_is_no_conversation(backend: Backend) -> None:
    ann, bob = await people(backend, 2)
    wrong = [mailbox(ann.id), "~", "~x", "@", "@x", "@2,1", "@1,1", "@1,", "@01", "@1, 2"]
    drafts = [draft(ann, "said"), *[draft(ann, "wrong", room=room) for room in wrong], draft(bob, "said")]
    first, *refused, last = await soon(gather(*[backend.append(each) for each in drafts], return_exceptions=True))
    assert [type(answer) for answer in refused] == [ValueError] * len(wrong)
    assert not isinstance(first, BaseException)
    assert not isinstance(last, BaseException)
    assert await whole(backend) == [first.event, last.event]
    assert await whole(backend, mailbox(ann.id)) == []
    assert await soon(backend.rooms()) == ["room"]


async def test_conversations_are_listed_by_their_latest(backend: Backend) -> None:
    ann, bob, cem = await people(backend, 3)
    await whisper(backend, "one", ann, bob)
    other = await whisper(backend, "two", ann, cem)
    last = await whisper(backend, "three", bob, ann)
    assert await soon(backend.conversations(ann.id)) == [
        Conversation(last.room, last.seq),
        Conversation(other.room, other.seq),
    ]
    assert await soon(backend.conversations(cem.id)) == [Conversation(other.room, other.seq)]
    assert await soon(backend.conversations(ann.id, limit=1)) == [Conversation(last.room, last.seq)]
    assert await soon(backend.conversations(ann.id, before=last.seq)) == [Conversation(other.room, other.seq)]
    assert await soon(backend.conversations(ann.id, before=other.seq)) == []
    assert sorted(await soon(backend.rooms())) == sorted([last.room, other.room])


async def test_trimming_a_conversation_leaves_no_silent_hole_in_a_mailbox(backend: Backend) -> None:
    ann, bob, cem = await people(backend, 3)
    with_cem = await whisper(backend, "older", ann, cem)
    gone = await whisper(backend, "gone", ann, bob)
    kept = await whisper(backend, "kept", ann, bob)
    assert await soon(backend.trim(gone.room, keep=1, since=0, limit=10)) == 1
    for user in (ann, bob):
        assert await soon(backend.bounds(mailbox(user.id))) == Bounds(gone.seq, kept.seq)
        with pytest.raises(Trimmed) as caught:
            await soon(backend.read(mailbox(user.id), after=gone.seq - 1, limit=10))
        assert caught.value.through == gone.seq
        assert await soon(backend.read(mailbox(user.id), after=gone.seq, limit=10)) == [kept]
        assert await soon(backend.read_backwards(mailbox(user.id), before=FAR, limit=10)) == [kept]
        assert await soon(backend.get(mailbox(user.id), gone.seq)) is None
        assert await found(backend, "gone", mailbox(user.id)) == []
    assert await whole(backend, mailbox(cem.id)) == await whole(backend, with_cem.room) == [with_cem]
    assert await found(backend, "older", mailbox(ann.id)) == ["older"]


async def test_a_mailbox_never_begins_earlier_again(backend: Backend) -> None:
    ann, bob, cem = await people(backend, 3)
    early = await whisper(backend, "early", ann, cem)
    late = await whisper(backend, "late", ann, bob)
    for room in (late.room, early.room):
        await soon(backend.trim(room, keep=0, since=FAR, limit=10))
    assert await soon(backend.bounds(mailbox(ann.id))) == Bounds(late.seq, late.seq)
    assert await soon(backend.bounds(mailbox(cem.id))) == Bounds(early.seq, early.seq)
    assert await soon(backend.conversations(ann.id)) == []
    again = await whisper(backend, "again", ann, bob)
    assert await soon(backend.conversations(bob.id)) == [Conversation(again.room, again.seq)]


async def test_a_whisper_is_edited_and_deleted_in_every_mailbox(backend: Backend) -> None:
    ann, bob = await people(backend, 2)
    event = await whisper(backend, "one", ann, bob)
    await add(backend, draft(ann, "two", room=event.room, kind=Kind.EDIT, of=event.seq))
    for log in (event.room, mailbox(ann.id), mailbox(bob.id)):
        assert [each.text for each in await whole(backend, log)] == ["two", "two"]
        assert await found(backend, "one", log) == []
        assert await found(backend, "two", log) == ["two"]
    await add(backend, draft(ann, "", room=event.room, kind=Kind.DELETE, of=event.seq))
    for log in (event.room, mailbox(ann.id), mailbox(bob.id)):
        assert [each.text for each in await whole(backend, log)] == ["", "", ""]
        assert await found(backend, "two", log) == []


async def test_a_retried_whisper_arrives_once(backend: Backend) -> None:
    ann, bob = await people(backend, 2)
    room = conversation({ann.id, bob.id})
    answers = await add(backend, *[draft(ann, room=room, cid="c") for _ in range(3)])
    assert [answer.duplicate for answer in answers] == [False, True, True]
    assert await whole(backend, mailbox(bob.id)) == [answers[0].event]


@pytest.mark.parametrize("log", ["~", "~x", "~01", "~-"])
async def test_what_is_no_mailbox_cannot_be_read(backend: Backend, log: str) -> None:
    with pytest.raises(ValueError, match=r"~|int"):
        await soon(backend.read(log, after=0, limit=1))
