"""Listeners: each gets every event once and in order, however large its backlog, and whatever fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from msgspec.structs import replace

from app.backends import Backend, Follower, Unavailable
from app.backends.embedded import Embedded
from app.chat.events import Event, Kind
from app.live import listening
from tests.contracts.helpers import add, draft, someone, soon

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def backend() -> Iterator[Embedded]:
    made = Embedded(":memory:")
    made.open()
    yield made
    made.close()


class Hearer:
    """A listener that stops at its first event until it may go on."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.listens, self.may_go_on = asyncio.Event(), asyncio.Event()
        self._more = asyncio.Event()

    async def __call__(self, event: Event) -> None:
        self.listens.set()
        await self.may_go_on.wait()
        self.heard.append(event.text)
        self._more.set()

    async def until(self, last: str) -> list[str]:
        """Return everything the listener got, once it has got `last`."""
        while last not in self.heard:
            self._more.clear()
            await soon(self._more.wait())
        return self.heard


def texts(first: int, end: int, room: str = "") -> list[str]:
    return [f"{room}{number}" for number in range(first, end)]


async def say(backend: Embedded, *said: str, room: str = "room") -> None:
    await add(backend, *[draft(await someone(backend), text, room=room) for text in said])


async def test_each_event_is_heard_once_and_in_order(backend: Embedded) -> None:
    hearer = Hearer()
    hearer.may_go_on.set()
    await say(backend, "before")
    async with listening.listening(backend, hearer):
        await say(backend, *texts(0, 50))
        assert await hearer.until("49") == texts(0, 50)
    await say(backend, "after")
    assert hearer.heard == texts(0, 50)


async def test_what_is_too_much_to_wait_is_read_from_the_log(
    backend: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "MAX_BACKLOG", 3)
    monkeypatch.setattr(listening, "PAGE_SIZE", 4)
    hearer = Hearer()
    async with listening.listening(backend, hearer):
        await say(backend, "0")
        await soon(hearer.listens.wait())
        await say(backend, *texts(1, 20))
        await say(backend, *texts(0, 20, "other"), room="other")
        hearer.may_go_on.set()
        await say(backend, *texts(20, 40))
        await hearer.until("39")
        await say(backend, "40")
        await hearer.until("other19")
        await hearer.until("40")
    assert [text for text in hearer.heard if "other" not in text] == texts(0, 41)
    assert [text for text in hearer.heard if "other" in text] == texts(0, 20, "other")


async def test_what_was_trimmed_meanwhile_is_all_that_is_left_out(
    backend: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "MAX_BACKLOG", 2)
    hearer = Hearer()
    async with listening.listening(backend, hearer):
        await say(backend, "0")
        await soon(hearer.listens.wait())
        await say(backend, *texts(1, 20))
        await backend.trim("room", keep=3, since=0, limit=100)
        hearer.may_go_on.set()
        assert await hearer.until("19") == [*texts(0, 3), *texts(17, 20)]
        await say(backend, "20")
        await hearer.until("20")


async def test_a_log_that_is_trimmed_to_its_end_ends_the_wait(
    backend: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "MAX_BACKLOG", 1)
    hearer = Hearer()
    async with listening.listening(backend, hearer):
        await say(backend, "0")
        await soon(hearer.listens.wait())
        await say(backend, *texts(1, 5))
        await backend.trim("room", keep=0, since=2**62, limit=100)
        hearer.may_go_on.set()
        await hearer.until("1")
        await say(backend, "5")
        assert await hearer.until("5") == ["0", "1", "5"]


async def test_a_store_that_can_not_answer_is_asked_again(backend: Embedded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "MAX_BACKLOG", 1)
    monkeypatch.setattr(listening, "RETRY_DELAY", 0)
    failures = [Unavailable("the disk is gone"), Unavailable("the disk is gone")]
    read = backend.read

    async def failing(room: str, **how: Any) -> list[Event]:
        if failures:
            raise failures.pop()
        return await read(room, **how)

    monkeypatch.setattr(backend, "read", failing)
    hearer = Hearer()
    async with listening.listening(backend, hearer):
        await say(backend, "0")
        await soon(hearer.listens.wait())
        await say(backend, *texts(1, 10))
        hearer.may_go_on.set()
        assert await hearer.until("9") == texts(0, 10)
    assert not failures


class Early:
    """A store whose reads return events that its subscribers have not got yet."""

    def __init__(self) -> None:
        self.log: list[Event] = []
        self.follower: Follower | None = None

    def follow(self, follower: Follower) -> Callable[[], None]:
        self.follower = follower
        return self._unfollow

    def _unfollow(self) -> None:
        self.follower = None

    def commit(self, *seqs: int) -> None:
        """Pass events of the log to the subscriber."""
        assert self.follower is not None
        self.follower([event for event in self.log if event.seq in seqs])

    async def read(self, room: str, *, after: int, limit: int, size: int) -> list[Event]:
        return [event for event in self.log if event.seq > after][:limit]


async def test_what_a_read_shows_early_is_not_heard_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "MAX_BACKLOG", 1)
    early, hearer = Early(), Hearer()
    early.log = [Event("room", seq, str(seq), 0, 1, "ann", str(seq)) for seq in range(1, 8)]
    async with listening.listening(cast(Backend, early), hearer):
        early.commit(1)
        await soon(hearer.listens.wait())
        early.commit(2, 3, 4)
        hearer.may_go_on.set()
        await hearer.until("4")
        early.commit(5, 6, 7)
        early.log.append(Event("room", 8, "8", 0, 1, "ann", "8"))
        early.commit(8)
        assert await hearer.until("8") == texts(1, 9)
    assert early.follower is None


async def test_whispers_are_not_heard(backend: Embedded) -> None:
    hearer = Hearer()
    hearer.may_go_on.set()
    async with listening.listening(backend, hearer):
        ann, bob = await someone(backend), await someone(backend)
        await add(backend, draft(ann, "psst", room=f"@{ann.id},{bob.id}"), draft(ann, "aloud"))
        assert await hearer.until("aloud") == ["aloud"]


async def test_a_listener_that_raises_goes_on_and_disturbs_no_other(
    backend: Embedded, caplog: pytest.LogCaptureFixture
) -> None:
    hearer = Hearer()
    hearer.may_go_on.set()
    failed = []

    async def failing(event: Event) -> None:
        failed.append(event.text)
        raise RuntimeError("boom")

    async with listening.listening(backend, failing), listening.listening(backend, hearer):
        await say(backend, *texts(0, 3))
        await hearer.until("2")
        await say(backend, "3")
        await hearer.until("3")
    assert failed[:3] == texts(0, 3)
    assert "A listener failed at event" in caplog.text
    assert "RuntimeError: boom" in caplog.text


async def test_changes_are_heard_too(backend: Embedded) -> None:
    hearer = Hearer()
    hearer.may_go_on.set()
    kinds: list[str] = []

    async def keep(event: Event) -> None:
        kinds.append(event.kind)
        await hearer(event)

    async with listening.listening(backend, keep):
        ann = await someone(backend)
        (said,) = await add(backend, draft(ann, "helo"))
        await add(backend, replace(draft(ann, "hello"), kind=Kind.EDIT, of=said.event.seq))
        await hearer.until("hello")
    assert kinds == [Kind.MSG, Kind.EDIT]


async def test_the_end_does_not_wait_for_a_listener_that_does(backend: Embedded) -> None:
    hearer = Hearer()
    async with listening.listening(backend, hearer):
        await say(backend, "0")
        await soon(hearer.listens.wait())
    assert hearer.heard == []
