"""A room's settings: the last event of each key, which retention keeps."""

from __future__ import annotations

import pytest

from app.backends import Backend
from app.chat.events import PLAIN, Bounds, Detail, Event, Kind, User
from app.chat.state import DROPPED_AT
from tests.contracts.helpers import FAR, add, draft, found, someone, soon, store, whole

pytestmark = pytest.mark.anyio


async def topic(backend: Backend, user: User, text: str, cid: str = "") -> Event:
    return await store(backend, draft(user, text, kind=Kind.TOPIC, cid=cid))


async def test_details_come_back_as_they_were(backend: Backend) -> None:
    user = await someone(backend)
    detail = Detail(whom=User(7, "ann", registered=True), until=1 << 50, seconds=3, to=("a", "ü"), edited=True)
    event = await store(backend, draft(user, "why", kind=Kind.BAN, of=3, detail=detail))
    assert (event.kind, event.of, event.detail, event.key) == ("ban", 3, detail, "ban:7")
    assert await whole(backend) == await soon(backend.state("room")) == [event]


async def test_no_details_are_always_the_same_object(backend: Backend) -> None:
    user = await someone(backend)
    events = [await store(backend, draft(user, detail=detail)) for detail in (PLAIN, Detail())]
    for event in events + await whole(backend):
        assert event.detail is PLAIN


async def test_the_last_event_of_each_key_is_the_state(backend: Backend) -> None:
    user, other = await someone(backend), await someone(backend)
    await topic(backend, user, "old")
    op = await store(backend, draft(user, kind=Kind.OP, detail=Detail(whom=other)))
    await store(backend, draft(user, kind=Kind.PRIVATE))
    await store(backend, draft(user, kind=Kind.TOPIC, room="other"))
    new = await topic(backend, user, "new")
    public = await store(backend, draft(user, kind=Kind.PUBLIC))
    await store(backend, draft(user, "said"))
    assert await soon(backend.state("room")) == [op, new, public]
    assert await soon(backend.state("nowhere")) == []


async def test_some_keys_of_many_rooms_are_read_at_once(backend: Backend) -> None:
    user, other = await someone(backend), await someone(backend)
    await topic(backend, user, "old")
    new = await topic(backend, user, "new")
    private = await store(backend, draft(user, kind=Kind.PRIVATE))
    await store(backend, draft(user, kind=Kind.BAN, detail=Detail(whom=other)))
    elsewhere = await store(backend, draft(user, "there", kind=Kind.TOPIC, room="a 'b' \"c\""))
    await store(backend, draft(user, kind=Kind.TOPIC, room="unasked"))
    await store(backend, draft(user, kind=Kind.BAN, room="other", detail=Detail(whom=other)))
    found = await soon(backend.states(["room", elsewhere.room, "other", "nowhere"], ["topic", "access"]))
    assert {room: sorted(events, key=lambda event: event.seq) for room, events in found.items()} == {
        "room": [new, private],
        elsewhere.room: [elsewhere],
    }
    assert await soon(backend.states([], ["topic"])) == await soon(backend.states(["room"], [])) == {}


async def test_of_many_at_once_the_last_is_the_state(backend: Backend) -> None:
    user = await someone(backend)
    answers = await add(backend, *[draft(user, str(number), kind=Kind.TOPIC) for number in range(200)])
    assert await soon(backend.state("room")) == [answers[-1].event]


async def test_a_retry_does_not_set_the_state_again(backend: Backend) -> None:
    user = await someone(backend)
    first = await topic(backend, user, "first", cid="c")
    second = await topic(backend, user, "second")
    [again] = await add(backend, draft(user, "first", kind=Kind.TOPIC, cid="c"))
    assert again.duplicate
    assert again.event == first
    assert await soon(backend.state("room")) == [second]


async def test_a_state_outlives_trimming_but_is_no_longer_in_the_log(backend: Backend) -> None:
    user = await someone(backend)
    await topic(backend, user, "replaced")
    kept = await topic(backend, user, "kept")
    said = [await store(backend, draft(user, "kept")) for _ in range(3)]
    while await soon(backend.trim("room", keep=1, since=0, limit=1)):
        assert await soon(backend.state("room")) == [kept]
    assert await soon(backend.bounds("room")) == Bounds(said[1].seq, said[2].seq)
    assert await soon(backend.read_backwards("room", before=FAR, limit=10)) == said[2:]
    assert await soon(backend.read("room", after=said[1].seq, limit=10)) == said[2:]
    assert await soon(backend.get("room", kept.seq)) is None
    assert await found(backend, "kept") == ["kept"]


async def test_a_room_may_be_nothing_but_state(backend: Backend) -> None:
    user = await someone(backend)
    kept = await topic(backend, user, "kept")
    assert await soon(backend.trim("room", keep=0, since=FAR, limit=10)) == 1
    assert await soon(backend.trim("room", keep=0, since=FAR, limit=10)) == 0
    assert await soon(backend.state("room")) == [kept]
    assert await soon(backend.bounds("room")) == Bounds(kept.seq, kept.seq)
    assert await soon(backend.rooms()) == ["room"]


async def test_a_trimmed_state_goes_when_another_takes_its_place(backend: Backend) -> None:
    user = await someone(backend)
    await topic(backend, user, "old")
    await soon(backend.trim("room", keep=0, since=FAR, limit=10))
    new = await topic(backend, user, "new")
    assert await soon(backend.state("room")) == [new]
    assert await soon(backend.read("room", after=new.seq - 1, limit=10)) == [new]


async def test_who_spoke_when_is_known_after_a_position_and_a_time(backend: Backend) -> None:
    ann, bob = await someone(backend), await someone(backend)
    first = await store(backend, draft(ann))
    second = await store(backend, draft(bob, kind=Kind.ME))
    await store(backend, draft(ann, "tea", kind=Kind.TOPIC))
    await store(backend, draft(bob, room="other"))
    edit = await store(backend, draft(ann, "new", kind=Kind.EDIT, of=first.seq))
    for after, since, spoke in (
        (0, 0, {ann.id: edit.at, bob.id: second.at}),
        (second.seq, 0, {ann.id: edit.at}),
        (0, second.at, {ann.id: edit.at}),
        (edit.seq, 0, {}),
    ):
        assert await soon(backend.spoke("room", after=after, since=since)) == spoke


async def test_what_is_lifted_leaves_no_state(backend: Backend) -> None:
    user, other = await someone(backend), await someone(backend)
    whom = Detail(whom=other)
    for kind, lifts in (
        (Kind.BAN, Kind.UNBAN),
        (Kind.MUTE, Kind.UNMUTE),
        (Kind.OP, Kind.DEOP),
        (Kind.INVITE, Kind.UNINVITE),
    ):
        await store(backend, draft(user, kind=kind, detail=whom))
        await store(backend, draft(user, kind=lifts, detail=whom))
        assert await soon(backend.state("room")) == []
    closed = await store(backend, draft(user, kind=Kind.PRIVATE, detail=Detail(invited=(other.id,))))
    out = await store(backend, draft(user, kind=Kind.UNINVITE, detail=whom))
    assert await soon(backend.state("room")) == [closed, out]


async def test_bans_that_have_ended_are_dropped_from_the_state(backend: Backend) -> None:
    user = await someone(backend)
    ban = Detail(whom=User(7, "ann"))
    last = await store(backend, draft(user, kind=Kind.BAN, detail=ban))
    for number in range(100, 300):
        detail = Detail(whom=User(number, "x"), until=1)
        await store(backend, draft(user, kind=Kind.BAN, detail=detail))
    assert len(state := await soon(backend.state("room"))) <= DROPPED_AT
    assert last in state


async def test_the_rooms_of_an_owner_are_counted(backend: Backend) -> None:
    user, other = await someone(backend), await someone(backend)
    for number, owner in enumerate((user, user, other)):
        await store(backend, draft(user, kind=Kind.OWNER, room=f"room{number}", detail=Detail(whom=owner)))
    assert [await soon(backend.owned(one)) for one in (user.id, other.id, 99)] == [2, 1, 0]
