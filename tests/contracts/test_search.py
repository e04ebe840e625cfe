"""Search: all of the words, whatever their case and accents, and nothing that is deleted or trimmed."""

from __future__ import annotations

import pytest

from app.backends import Backend
from app.chat.events import Event, Kind
from app.chat.logs import conversation, mailbox
from tests.contracts.helpers import FAR, add, draft, found, search, someone, soon, store, whole

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        ("fox", ["The quick brown fox", "fox-hunt"]),
        ("FOX", ["The quick brown fox", "fox-hunt"]),
        ("fox brown", ["The quick brown fox"]),
        ("fox fox", ["The quick brown fox", "fox-hunt"]),
        ("fo", []),
        ("fo*", ["The quick brown fox", "fox-hunt", "forever"]),
        ("qui* bro*", ["The quick brown fox"]),
        ("fox-hunt", ["fox-hunt"]),
        ("hunt-fox", []),
        ("fox-hu*", ["fox-hunt"]),
        ("creme", ["Crème brûlée"]),
        ("crème", ["Crème brûlée"]),
        ("BRÛLÉE", ["Crème brûlée"]),
        ("cre\u0300me", ["Crème brûlée"]),
        ("улица", ["Улица"]),
        ("東京", ["東京"]),
        ("7", ["7 up"]),
        ("waves", ["waves at all"]),
        ("fox , !", ["The quick brown fox", "fox-hunt"]),
        ("fox absent", []),
        ("absent", []),
        ("", []),
        ("  \t\n ", []),
        ("*", []),
        ("- \" ' ** !?", []),
        ("😀", ["😀"]),
        ("\0", []),
        ("fox\0brown", ["The quick brown fox"]),
    ],
)
async def test_the_words_of_a_search(backend: Backend, words: str, texts: list[str]) -> None:
    user = await someone(backend)
    said = ["The quick brown fox", "fox-hunt", "forever", "Crème brûlée", "Улица", "東京", "7 up", "", "😀"]
    await add(backend, *[draft(user, text) for text in said], draft(user, "waves at all", kind=Kind.ME))
    assert await found(backend, words) == texts


SYNTAX = (
    *("AND", "fox OR hunt", "NOT fox", "NEAR(fox brown)", "text : fox", "scope:fox", "{fox}", "fox + brown", "-fox"),
    *('"fox', 'fox"', "fox'", "(fox", "^fox", "fox;--", "*fox", "f*x", "fox\\", "\ufffd", "r726f6f6d", "u1"),
    "a" * 40_000,
)


@pytest.mark.parametrize("words", SYNTAX)
async def test_nothing_in_a_word_has_a_meaning_of_its_own(backend: Backend, words: str) -> None:
    user = await someone(backend)
    await add(backend, *[draft(user, text) for text in ("nothing", words)])
    texts = await found(backend, words)
    assert texts in ([words], [])
    assert (texts == [words]) == any(letter.isalnum() for letter in words)


async def test_very_many_words(backend: Backend) -> None:
    user = await someone(backend)
    text = " ".join(f"w{number}" for number in range(5000))
    await add(backend, draft(user, text))
    assert await found(backend, text) == [text]
    assert await found(backend, f"{text} absent") == []


async def test_the_last_before_a_position_page_by_page(backend: Backend) -> None:
    user = await someone(backend)
    await add(backend, *[draft(user, f"{('odd', 'even')[number % 2]} {number}") for number in range(50)])
    even = [event for event in await whole(backend) if event.text.startswith("even")]
    pages = []
    before = FAR
    while page := await search(backend, "room", "even", before=before, limit=10):
        pages.append(page)
        before = page[0].seq
    assert pages == [even[first : first + 10] for first in (15, 5)] + [even[:5]]
    assert await search(backend, "room", "even", before=FAR, limit=0) == []
    assert await search(backend, "room", "even", before=0, limit=10) == []


async def test_several_logs_are_searched_page_by_page_in_one_order(backend: Backend) -> None:
    ann, bob, cem = [await someone(backend) for _ in range(3)]
    rooms = ["a", "b", conversation({ann.id, bob.id}), "c", conversation({bob.id, cem.id}), "a"]
    said = [await store(backend, draft(bob, f"word {number}", room=rooms[number % 6])) for number in range(60)]
    for logs in (["a", "b", mailbox(ann.id)], ["b"], [mailbox(ann.id)], [mailbox(bob.id), "c", "nowhere"], ["nowhere"]):
        readable = {event for log in logs for event in await soon(backend.read(log, after=0, limit=100))}
        pages: list[Event] = []
        before = FAR
        while before:
            page = await search(backend, logs, "word", before=before, limit=7)
            assert len(page) <= 7
            pages[:0] = page
            before = page.next
        assert pages == [event for event in said if event in readable]
    assert await search(backend, [], "word", before=FAR, limit=7) == []


async def test_the_next_page_may_be_of_other_logs(backend: Backend) -> None:
    ann, bob = await someone(backend), await someone(backend)
    for room in ("room", conversation({ann.id, bob.id})):
        await add(backend, *[draft(bob, f"word {room} {number}", room=room) for number in range(5)])
    logs, before, texts = [mailbox(ann.id)], FAR, []
    for others in (["room"], [], ["room"], ["room"], []):
        page = await search(backend, [*logs, *others], "word", before=before, limit=2)
        texts.append([event.text.split()[-1] for event in page])
        before = page.next
    assert texts == [["3", "4"], ["1", "2"], ["4", "0"], ["2", "3"], []]
    assert before == 0


async def test_only_the_room_is_searched(backend: Backend) -> None:
    user = await someone(backend)
    rooms = ["a", "A", "a ", "ä", "r61", "a b", "", "%", "\0", "😀", "aa"]
    await add(backend, *[draft(user, f"word {number}", room=room) for number, room in enumerate(rooms)])
    for number, room in enumerate(rooms):
        assert await found(backend, "word", room) == [f"word {number}"]
    assert await found(backend, "word", "nowhere") == []


async def test_only_what_was_said_is_found(backend: Backend) -> None:
    user = await someone(backend)
    said = await store(backend, draft(user, "word"))
    await add(backend, draft(user, "word", kind=Kind.TOPIC), draft(user, "word", kind=Kind.EDIT, of=said.seq))
    assert [event.seq for event in await search(backend, "room", "word", before=FAR, limit=10)] == [said.seq]


@pytest.mark.parametrize("searched", [False, True])
async def test_an_edited_text_is_found_by_what_it_is_now(backend: Backend, searched: bool) -> None:
    user = await someone(backend)
    said = await store(backend, draft(user, "both before"))
    if searched:  # which brings an index up to date that lags behind
        assert await found(backend, "before") == ["both before"]
    for text in ("both after", "both later"):
        await add(backend, draft(user, text, kind=Kind.EDIT, of=said.seq))
        assert await found(backend, "before") == []
        assert await found(backend, "both") == await found(backend, text.split()[1]) == [text]
    await add(backend, draft(user, "", kind=Kind.DELETE, of=said.seq))
    for word in ("both", "before", "after", "later"):
        assert await found(backend, word) == []


@pytest.mark.parametrize("searched", [False, True])
async def test_what_was_trimmed_is_not_found(backend: Backend, searched: bool) -> None:
    user = await someone(backend)
    await add(backend, *[draft(user, f"word {number}") for number in range(10)])
    if searched:
        assert len(await found(backend, "word")) == 10
    await soon(backend.trim("room", keep=3, since=0, limit=100))
    assert await found(backend, "word") == ["word 7", "word 8", "word 9"]


async def test_what_was_appended_before_the_call_is_found(backend: Backend) -> None:
    user = await someone(backend)
    for number in range(20):
        append = backend.append(draft(user, f"word {number}"))
        assert (await found(backend, "word"))[-1] == f"word {number}"
        await soon(append)


async def test_many_messages(backend: Backend) -> None:
    user = await someone(backend)
    await add(backend, *[draft(user, f"common w{number % 500}") for number in range(7000)])
    assert len(await found(backend, "common", limit=10_000)) == 7000
    assert await found(backend, "common w77") == ["common w77"] * 14
