"""Logs: appending, reading, bounds."""

from __future__ import annotations

from asyncio import ensure_future
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from app.backends import Backend
from app.backends.statements import paging
from app.chat.events import Appended, Bounds, Event, Kind, User
from app.chat.logs import conversation, mailbox
from tests.contracts.helpers import FAR, add, draft, increases, someone, soon, store, whole

pytestmark = pytest.mark.anyio


async def test_an_event_is_what_was_appended(backend: Backend) -> None:
    user = await someone(backend)
    said = draft(user, "hello", cid="c")
    [appended] = await add(backend, said)
    seq = appended.event.seq
    assert seq > 0
    assert appended == Appended(
        Event("room", seq, said.id, said.at, user.id, user.name, "hello", cid="c"), duplicate=False
    )
    assert await soon(backend.read("room", after=0, limit=10)) == [appended.event]


async def test_appends_are_stored_in_the_order_of_the_calls(backend: Backend) -> None:
    user = await someone(backend)
    drafts = [draft(user, str(number), room=f"room{number % 3}") for number in range(3000)]
    events = [appended.event for appended in await add(backend, *drafts)]
    assert [event.text for event in events] == [str(number) for number in range(3000)]
    for number in range(3):
        log = await whole(backend, f"room{number}", page=400)
        assert log == events[number::3]
        assert increases(log)


async def test_the_order_is_that_of_the_calls_and_not_of_the_awaiting(backend: Backend) -> None:
    user = await someone(backend)
    first, second = (ensure_future(backend.append(draft(user, text))) for text in ("first", "second"))
    later, earlier = await soon(second), await soon(first)
    assert await whole(backend) == [earlier.event, later.event]


async def test_later_appends_come_later(backend: Backend) -> None:
    user = await someone(backend)
    events = [(await add(backend, draft(user)))[0].event for _ in range(20)]
    assert increases(events)
    assert await whole(backend) == events


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 10, 11, 1000])
async def test_reading_forth_and_back_in_pages(backend: Backend, limit: int) -> None:
    user = await someone(backend)
    await add(backend, *[draft(user, str(number), room=("room", "other")[number % 2]) for number in range(20)])
    log = await soon(backend.read("room", after=0, limit=1000))
    assert [event.text for event in log] == [str(number) for number in range(0, 20, 2)]
    assert await whole(backend, page=limit) == log
    back: list[Event] = []
    while got := await soon(backend.read_backwards("room", before=back[0].seq if back else FAR, limit=limit)):
        assert len(got) <= limit
        back = got + back
    assert back == log


async def test_both_ends_of_a_log(backend: Backend) -> None:
    user = await someone(backend)
    await add(backend, *[draft(user, room=("other", "room")[number % 2]) for number in range(10)])
    log = await whole(backend)
    first, last = log[0].seq, log[-1].seq
    for index, event in enumerate(log):
        assert await soon(backend.read("room", after=event.seq, limit=3)) == log[index + 1 :][:3]
        assert await soon(backend.read("room", after=event.seq - 1, limit=3)) == log[index:][:3]
        assert await soon(backend.read_backwards("room", before=event.seq, limit=3)) == log[:index][-3:]
        assert await soon(backend.read_backwards("room", before=event.seq + 1, limit=3)) == log[: index + 1][-3:]
    for after in (last, last + 1, FAR):
        assert await soon(backend.read("room", after=after, limit=3)) == []
    for before in (first, 1, 0):
        assert await soon(backend.read_backwards("room", before=before, limit=3)) == []
    assert await soon(backend.read("room", after=0, limit=0)) == []
    assert await soon(backend.read_backwards("room", before=FAR, limit=0)) == []


@pytest.mark.parametrize("room", ["room", "@1,2"])
async def test_a_page_says_whether_there_is_more(backend: Backend, room: str) -> None:
    log = await _said(backend, room, ["a", "b", "c"])
    for limit in (1, 2, 3, 4):
        page = await soon(backend.read(log, after=0, limit=limit))
        assert (_texts(page), page.more) == (["a", "b", "c"][:limit], limit < 3)
        page = await soon(backend.read_backwards(log, before=FAR, limit=limit))
        assert (_texts(page), page.more) == (["a", "b", "c"][-limit:], limit < 3)


@pytest.mark.parametrize("room", ["room", "@1,2"])
async def test_a_page_ends_where_its_texts_have_a_size(backend: Backend, room: str) -> None:
    texts = ["é" * 500, "b" * 400, "c" * 700, "d"]
    log = await _said(backend, room, texts)
    for size, count in ((1, 1), (1000, 1), (1001, 2), (1401, 3), (2100, 3), (2101, 4), (9999, 4), (0, 4)):
        page = await soon(backend.read(log, after=0, limit=9, size=size))
        assert (_texts(page), page.more) == (texts[:count], count < 4)
    for size, count in ((1, 1), (2, 2), (701, 2), (702, 3), (1102, 4)):
        page = await soon(backend.read_backwards(log, before=FAR, limit=9, size=size))
        assert (_texts(page), page.more) == (texts[-count:], count < 4)


@pytest.mark.parametrize("room", ["room", "@1,2"])
async def test_long_texts_among_short_ones_change_no_page(backend: Backend, room: str) -> None:
    texts = [("é" * 5000 if number % 7 == 3 or 20 <= number < 24 else str(number)) for number in range(60)]
    log = await _said(backend, room, texts)
    for limit in (1, 3, 4, 20, 59, 60, 99):
        page = await soon(backend.read(log, after=0, limit=limit))
        assert (_texts(page), page.more) == (texts[:limit], limit < 60)
        page = await soon(backend.read_backwards(log, before=FAR, limit=limit))
        assert (_texts(page), page.more) == (texts[-limit:], limit < 60)
    page = await soon(backend.read(log, after=0, limit=99, size=10_003))
    assert (_texts(page), page.more) == (texts[:4], True)
    page = await soon(backend.read(log, after=0, limit=99, size=10_004))
    assert (_texts(page), page.more) == (texts[:5], True)


async def test_any_text_comes_back_as_it_was(backend: Backend) -> None:
    texts = [
        "".join(map(chr, range(1, 0x2FF))),
        "\\\"'[]{},:\\u0041",
        "\u2028\ufeff\uffff",
        "\U0001f600\U0010ffff",
        "",
        "null",
    ]
    log = await _said(backend, "room", texts)
    assert _texts(await soon(backend.read(log, after=0, limit=99))) == texts
    assert _texts(await soon(backend.read_backwards(log, before=FAR, limit=99))) == texts


@pytest.mark.parametrize("room", ["room", "@1,2"])
async def test_folded_edits_and_deletions_leave_a_page_to_the_messages(backend: Backend, room: str) -> None:
    log = await _said(backend, room, ["a", "b"])
    first, second = await soon(backend.read(log, after=0, limit=9))
    author = User(first.user, first.name)
    for number in range(40):
        await add(backend, draft(author, str(number), room=room, kind=Kind.EDIT, of=first.seq))
    await add(backend, draft(author, "", room=room, kind=Kind.DELETE, of=second.seq), draft(author, "c", room=room))
    for limit in (1, 2, 3):
        page = await soon(backend.read(log, after=0, limit=limit, fold=True))
        assert (_texts(page), page.more) == (["39", "", "c"][:limit], limit < 3)
        page = await soon(backend.read_backwards(log, before=FAR, limit=limit, fold=True))
        assert (_texts(page), page.more) == (["39", "", "c"][-limit:], limit < 3)
    assert len(await soon(backend.read(log, after=0, limit=99))) == 44


@pytest.mark.parametrize("room", ["room", "@1,2"])
async def test_very_many_folded_edits_end_a_page_at_the_last_of_them(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, room: str
) -> None:
    monkeypatch.setattr(paging, "SCANNED", 10)
    log = await _said(backend, room, ["a"])
    (said,) = await soon(backend.read(log, after=0, limit=9))
    author = User(said.user, said.name)
    drafts = [draft(author, str(number), room=room, kind=Kind.EDIT, of=said.seq) for number in range(25)]
    edits = [replace(appended.event, text="") for appended in await add(backend, *drafts)]
    last = await store(backend, draft(author, "b", room=room))
    page = await soon(backend.read(log, after=said.seq, limit=9, fold=True))
    assert (page, page.more) == ([edits[9]], True)
    page = await soon(backend.read(log, after=edits[9].seq, limit=9, fold=True))
    assert (page, page.more) == ([edits[19]], True)
    page = await soon(backend.read(log, after=edits[19].seq, limit=9, fold=True))
    assert (page, page.more) == ([last], False)
    page = await soon(backend.read_backwards(log, before=FAR, limit=9, fold=True))
    assert (page, page.more) == ([edits[16], last], True)
    page = await soon(backend.read_backwards(log, before=edits[10].seq, limit=9, fold=True))
    assert (page, page.more) == ([edits[0]], True)
    page = await soon(backend.read_backwards(log, before=edits[8].seq, limit=9, fold=True))
    assert (_texts(page), page.more) == (["24"], False)


async def _said(backend: Backend, room: str, texts: list[str]) -> str:
    """Say some texts in a room or whisper them, with others in between. Return the log to read them from: of whispers,
    the mailbox."""
    users = await someone(backend), await someone(backend)
    for text in texts:
        await add(backend, draft(users[0], text, room=room), draft(users[1], "elsewhere", room="other"))
        await add(backend, draft(users[1], "elsewhere", room=conversation({users[1].id})))
    return room if room == "room" else mailbox(users[0].id)


def _texts(events: Sequence[Event]) -> list[str]:
    return [event.text for event in events]


async def test_an_empty_room(backend: Backend) -> None:
    await add(backend, draft(await someone(backend), room="other"))
    for room in ("room", "", "othe", "other ", "%"):
        assert await soon(backend.read(room, after=0, limit=10)) == []
        assert await soon(backend.read_backwards(room, before=FAR, limit=10)) == []
        assert await soon(backend.bounds(room)) == Bounds(0, 0)


async def test_rooms_are_told_apart_to_the_letter(backend: Backend) -> None:
    user = await someone(backend)
    rooms = ["a", "A", "a ", " a", "ä", "a\u0308", "Ä", "a%", "a_", "a\n", "", "😀", "ａ"]
    await add(backend, *[draft(user, room, room=room) for room in rooms])
    for room in rooms:
        assert [event.text for event in await whole(backend, room)] == [room]


async def test_bounds(backend: Backend) -> None:
    user = await someone(backend)
    for _ in range(3):
        await add(backend, draft(user), draft(user, room="other"))
        log = await whole(backend)
        bounds = await soon(backend.bounds("room"))
        assert bounds.trimmed < log[0].seq
        assert bounds.head == log[-1].seq


@pytest.mark.parametrize("text", ["", "\0", "a\0b", "\n", "😀\u200d🏳️", "e\u0301", "'\"; --", "x" * 300_000])
async def test_a_text_comes_back_as_it_was(backend: Backend, text: str) -> None:
    await add(backend, draft(await someone(backend), text))
    assert [event.text for event in await whole(backend)] == [text]


async def test_the_rooms_are_those_with_events(backend: Backend) -> None:
    user = await someone(backend)
    assert await soon(backend.rooms()) == []
    await add(backend, *[draft(user, room=room) for room in ("b", "a", "c", "a", "b")])
    assert sorted(await soon(backend.rooms())) == ["a", "b", "c"]
