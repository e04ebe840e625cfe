"""Posting: appends whose origin is told what becomes of them."""

from __future__ import annotations

from asyncio import AbstractEventLoop, Queue, get_running_loop, sleep
from collections.abc import Callable, Sequence
from threading import Event as Flag
from threading import Thread, get_ident

import anyio
import pytest

from app.backends import Backend, Unavailable
from app.chat.events import Draft, Event, Kind, User
from tests.clients import DEADLINE
from tests.contracts.helpers import draft, someone, soon, store, whole

pytestmark = pytest.mark.anyio


class Teller:
    """An origin of messages, and a follower. What it is told is in a queue, in the order in which it gets to its event
    loop. In another thread, `before_passing_on` is called first."""

    def __init__(self) -> None:
        self.loop: AbstractEventLoop = get_running_loop()
        self.thread = get_ident()
        self.told: Queue[tuple[str, object]] = Queue()
        self.before_passing_on: Callable[[], object] = int

    def stored(self, event: Event, *, duplicate: bool) -> None:
        assert get_ident() == self.thread
        self.told.put_nowait(("duplicate" if duplicate else "stored", event))

    def failed(self, error: Exception, draft: Draft) -> None:
        assert get_ident() == self.thread
        self.told.put_nowait((type(error).__name__, draft))

    def follow(self, events: Sequence[Event]) -> None:
        """Note the events: at once in the loop's own thread, or else once it gets to that."""
        if get_ident() == self.thread:
            self.note(events)
        else:
            self.before_passing_on()
            self.loop.call_soon_threadsafe(self.note, events)

    def note(self, events: Sequence[Event]) -> None:
        for event in events:
            self.told.put_nowait(("followed", event))

    async def hear(self, count: int) -> list[tuple[str, object]]:
        """Return the next things that it is told."""
        return [await soon(self.told.get()) for _ in range(count)]


async def test_an_origin_knows_before_the_followers_of_its_loop(backend: Backend) -> None:
    user, teller = await someone(backend), Teller()
    unfollow = backend.follow(teller.follow)
    for turn in range(20):
        drafts = [draft(user, f"{turn} {number}", room=f"room{number % 2}") for number in range(5)]
        for one in drafts:
            backend.post(one, teller)
        told = await teller.hear(10)
        stored = [event for what, event in told if what == "stored" and isinstance(event, Event)]
        assert [event.id for event in stored] == [one.id for one in drafts]
        assert [event for what, event in told if what == "followed"] == stored
        for event in stored:
            assert told.index(("stored", event)) < told.index(("followed", event))
    unfollow()
    assert teller.told.empty()


async def test_what_an_origin_is_told_can_be_read(backend: Backend) -> None:
    user, teller = await someone(backend), Teller()
    for number in range(20):
        backend.post(draft(user, str(number)), teller)
        [(what, event)] = await teller.hear(1)
        assert (what, (await whole(backend))[-1]) == ("stored", event)


async def test_the_origin_of_a_retry_gets_what_was_stored(backend: Backend) -> None:
    user, teller = await someone(backend), Teller()
    unfollow = backend.follow(teller.follow)
    one = await store(backend, draft(user, "one", cid="1"))
    assert await teller.hear(1) == [("followed", one)]
    for text, cid in (("again", "1"), ("two", "2"), ("at once", "2")):
        backend.post(draft(user, text, cid=cid), teller)
    told = await teller.hear(4)
    two = (await whole(backend))[-1]
    assert two.text == "two"
    assert [each for each in told if each[0] != "followed"] == [("duplicate", one), ("stored", two), ("duplicate", two)]
    assert ("followed", two) in told
    unfollow()


async def test_appends_and_posts_are_stored_in_the_order_of_the_calls(backend: Backend) -> None:
    user, teller = await someone(backend), Teller()
    answers = []
    for number in range(0, 50, 2):
        answers.append(backend.append(draft(user, str(number))))
        backend.post(draft(user, str(number + 1)), teller)
    posted = [event for _, event in await teller.hear(25)]
    appended = [(await soon(answer)).event for answer in answers]
    log = await whole(backend)
    assert [event.text for event in log] == [str(number) for number in range(50)]
    assert (log[::2], log[1::2]) == (appended, posted)


async def test_an_edit_is_told_as_it_is_stored(backend: Backend) -> None:
    user, teller = await someone(backend), Teller()
    said = await store(backend, draft(user, "said"))
    backend.post(draft(user, "", kind=Kind.DELETE, of=said.seq), teller)
    backend.post(draft(user, "too late", kind=Kind.EDIT, of=said.seq), teller)
    backend.post(draft(user, "after"), teller)
    told = await teller.hear(3)
    assert [(what, event.text) for what, event in told if isinstance(event, Event)] == [
        ("stored", ""),
        ("stored", ""),
        ("stored", "after"),
    ]
    assert [event for _, event in told] == (await whole(backend))[1:]


async def test_what_is_answered_in_another_thread_comes_first(backend: Backend) -> None:
    user, teller = await someone(backend), Teller()
    said = await store(backend, draft(user, "said"))
    unfollow = backend.follow(teller.follow)
    for turn in range(10):
        released, passed_on = Flag(), Flag()
        teller.before_passing_on = lambda released=released: released.wait(DEADLINE)  # type: ignore[misc]
        unfollow_after = backend.follow(lambda events, passed_on=passed_on: passed_on.set())  # type: ignore[misc]
        edit = draft(user, "edited", kind=Kind.EDIT, of=said.seq)
        backend.post(edit, teller)
        await sleep(0)  # the edit is committed, and perhaps waits to be applied
        backend.post(after := draft(user, f"after {turn}"), teller)
        released.set()
        assert passed_on.wait(DEADLINE)
        told = await teller.hear(4)
        ids = [event.id for _, event in told if isinstance(event, Event)]
        assert ids.index(edit.id) < ids.index(after.id)
        for what in ("stored", "followed"):
            assert [event.id for kind, event in told if kind == what and isinstance(event, Event)] == [
                edit.id,
                after.id,
            ]
        unfollow_after()
    unfollow()


WRONG: dict[str, tuple[str, Callable[[User], Draft]]] = {
    "a mailbox": ("ValueError", lambda user: draft(user, room=f"~{user.id}")),
    "no Unicode in the room": ("UnicodeEncodeError", lambda user: draft(user, room="\ud800")),
    "no Unicode in the text": ("UnicodeEncodeError", lambda user: draft(user, "\ud800")),
    "a large number": ("OverflowError", lambda user: draft(user, kind=Kind.EDIT, of=2**63)),
}


@pytest.mark.parametrize(("error", "make"), WRONG.values(), ids=WRONG)
async def test_a_wrong_draft_fails_alone(backend: Backend, error: str, make: Callable[[User], Draft]) -> None:
    user, teller = await someone(backend), Teller()
    wrong = make(user)
    for one in (draft(user, "before"), wrong, draft(user, "after")):
        backend.post(one, teller)
    told = await teller.hear(3)
    log = await whole(backend)
    assert [event.text for event in log] == ["before", "after"]
    assert (error, wrong) in told
    assert [event for what, event in told if what == "stored"] == log


async def test_posts_after_closing_fail(backend: Backend) -> None:
    user, teller = await someone(backend), Teller()
    backend.post(first := draft(user, "first"), teller)
    await soon(anyio.to_thread.run_sync(backend.close))
    backend.post(late := draft(user, "late"), teller)
    [(what, event), refused] = await teller.hear(2)
    assert what == "stored"
    assert isinstance(event, Event)
    assert event.id == first.id
    assert refused == (Unavailable.__name__, late)


async def test_followers_get_what_is_posted_in_another_loop(backend: Backend) -> None:
    user, here, count = await someone(backend), Teller(), 50
    unfollow = backend.follow(here.follow)
    elsewhere: list[tuple[str, object]] = []
    heard = Flag()

    async def speak() -> None:
        there = Teller()
        for number in range(count):
            backend.post(draft(user, f"there {number}"), there)
        elsewhere.extend(await there.hear(count))
        heard.set()

    thread = Thread(target=anyio.run, args=(speak,))
    thread.start()
    for number in range(count):
        backend.post(draft(user, f"here {number}"), here)
    told = await here.hear(3 * count)
    await soon(anyio.to_thread.run_sync(thread.join, DEADLINE))
    unfollow()
    assert heard.is_set()
    log = await whole(backend)
    assert [event for what, event in told if what == "followed"] == log
    for speaker, own in (("here", told), ("there", elsewhere)):
        stored = [event for event in log if event.text.startswith(speaker)]
        assert [event.text for event in stored] == [f"{speaker} {number}" for number in range(count)]
        assert [event for what, event in own if what == "stored"] == stored


async def test_a_loop_that_ends_after_its_posts_harms_nobody(backend: Backend) -> None:
    user, here = await someone(backend), Teller()

    async def leave() -> None:
        backend.post(draft(user, "bye"), Teller())

    for _ in range(5):
        await soon(anyio.to_thread.run_sync(anyio.run, leave))
    backend.post(draft(user, "still there"), here)
    [(what, event)] = await here.hear(1)
    assert what == "stored"
    assert (await whole(backend))[-1] == event
