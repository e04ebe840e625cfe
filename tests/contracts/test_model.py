"""Every backend against a plain model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from app.backends import Backend
from app.chat.events import Appended, Bounds, Event
from app.chat.logs import mailbox, participants
from tests.contracts.helpers import FAR, add, draft, increases, search, someone, soon, store, whole

pytestmark = pytest.mark.anyio


steps = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.lists(st.tuples(st.integers(0, 1), st.sampled_from(["", "1", "2", "3"]), st.text(max_size=5)), max_size=6),
        st.integers(0, 30),
        st.integers(0, 5),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_it_agrees_with_a_model(
    fresh: Callable[[], Backend], steps: list[tuple[str, list[tuple[int, str, str]], int, int]]
) -> None:
    async def compare(backend: Backend) -> None:
        users = [await someone(backend) for _ in range(2)]
        known: dict[tuple[int, str], Event] = {}
        logs: defaultdict[str, list[Event]] = defaultdict(list)
        followed: defaultdict[str, list[Event]] = defaultdict(list)

        def follower(events: Sequence[Event]) -> None:
            for event in events:
                followed[event.room].append(event)

        backend.follow(follower)
        for room, said, place, limit in steps:
            drafts = [draft(users[user], text, room=room, cid=cid) for user, cid, text in said]
            for each, answer in zip(drafts, await add(backend, *drafts), strict=True):
                before = known.get((each.user.id, each.cid)) if each.cid else None
                if before:
                    assert answer == Appended(before, duplicate=True)
                else:
                    expected = Event(room, 0, each.id, each.at, each.user.id, each.user.name, each.text, each.cid)
                    assert replace(answer.event, seq=0) == expected
                    assert not answer.duplicate
                    known[each.user.id, each.cid] = answer.event
                    logs[room].append(answer.event)
            log = logs[room]
            after = [event for event in log if event.seq > place][:limit]
            before_it = [event for event in log if event.seq < place]
            assert await soon(backend.read(room, after=place, limit=limit)) == after
            assert await soon(backend.read_backwards(room, before=place, limit=limit)) == before_it[-limit or FAR :]
            assert (await soon(backend.bounds(room))).head == (log[-1].seq if log else 0)
        for room in ("a", "b", "c"):
            assert await whole(backend, room, page=3) == logs[room] == followed[room]
            assert increases(logs[room])

    backend = fresh()
    backend.open()
    try:
        anyio.run(compare, backend)
    finally:
        backend.close()


WORDS = ("red", "green", "blue", "greener")
texts = st.lists(st.sampled_from(WORDS), max_size=3).map(" ".join)
places = st.integers(0, 11)
changing = st.lists(
    st.one_of(
        st.tuples(st.just("say"), places, texts),
        st.tuples(st.just("edit"), places, texts),
        st.tuples(st.just("delete"), places, st.just("")),
        st.tuples(st.just("trim"), places, st.just("")),
        st.tuples(st.just("search"), places, st.sampled_from([*WORDS, "green*", "red blue", "red gr*"])),
    ),
    max_size=25,
)
LOGS = ("a", "b", "@1,2", "@2,3")
MAILBOXES = ("~1", "~2", "~3")


PART = 4
"""From how many letters on a word is also found within longer ones."""


def place_of(event: Event) -> tuple[str, int]:
    """What has positions of its own, and the position: a room, or all conversations."""
    return "@" if participants(event.room) else event.room, event.seq


class Model:
    """Logs in plain lists."""

    def __init__(self) -> None:
        self.events: dict[tuple[str, int], Event] = {}
        self.trimmed: defaultdict[str, int] = defaultdict(int)

    def log(self, log: str) -> list[Event]:
        """Return the events of a room, conversation or mailbox, oldest first."""
        return [event for event in self.held(log) if event.seq > self.trimmed[log]]

    def held(self, log: str) -> list[Event]:
        events = [self.events[place] for place in sorted(self.events)]
        if log.startswith("~"):
            return [event for event in events if int(log[1:]) in participants(event.room)]
        return [event for event in events if event.room == log]

    def stored(self, event: Event) -> Event:
        """Store the event, with its effects."""
        of = self.events.get((place_of(event)[0], event.of))
        if event.kind == "msg":
            self.events[place_of(event)] = event
            return event
        if of is None or of.kind != "msg" or of.room != event.room or of.detail.deleted:
            event = replace(event, text="")
        elif event.kind == "edit":
            self.events[place_of(of)] = replace(of, text=event.text, detail=replace(of.detail, edited=True))
            self._clear_edits(of)
        else:
            self.events[place_of(of)] = replace(of, text="", detail=replace(of.detail, deleted=True))
            self._clear_edits(of)
        self.events[place_of(event)] = event
        return event

    def _clear_edits(self, of: Event) -> None:
        for each in self.held(of.room):
            if each.kind == "edit" and each.of == of.seq:
                self.events[place_of(each)] = replace(each, text="")

    def trim(self, log: str, keep: int) -> int:
        going = self.log(log)[:-keep]
        for event in going:
            del self.events[place_of(event)]
            self._clear_edits(event)
            for each in (log, *map(mailbox, participants(log))):
                self.trimmed[each] = max(self.trimmed[each], event.seq)
        return len(going)

    def search(self, log: str, words: str) -> list[Event]:
        def holds(event: Event, word: str) -> bool:
            if word.endswith("*"):
                return any(each.startswith(word[:-1]) for each in event.text.split())
            return any(word in each if len(word) >= PART else word == each for each in event.text.split())

        said = [event for event in self.held(log) if event.kind == "msg"]
        return [event for event in said if all(holds(event, word) for word in words.split())]


@settings(max_examples=25, deadline=None)  # a store in a file starts a search process for each
@given(changing)
def test_changes_agree_with_a_model(fresh: Callable[[], Backend], steps: list[tuple[str, int, str]]) -> None:
    async def compare(backend: Backend) -> None:
        model = Model()
        users = [await someone(backend) for _ in range(3)]
        said: list[tuple[str, int]] = [("a", 0)]
        for what, place, text in steps:
            log = LOGS[place % len(LOGS)]
            if what == "trim":
                keep = 1 + place // len(LOGS)
                assert await soon(backend.trim(log, keep=keep, since=0, limit=1000)) == model.trim(log, keep)
            elif what == "search":
                log = (LOGS + MAILBOXES)[place % len(LOGS + MAILBOXES)]
                assert await search(backend, log, text, before=FAR, limit=3) == model.search(log, text)[-3:]
            else:
                kind, (room, of) = ("msg", (log, 0)) if what == "say" else (what, said[place % len(said)])
                event = await store(backend, draft(users[0], text, room=room, kind=kind, of=of))
                assert event == model.stored(event)
                said.append((event.room, event.seq))
        for log in LOGS + MAILBOXES:
            expected, trimmed = model.log(log), model.trimmed[log]
            assert await soon(backend.read(log, after=trimmed, limit=1000)) == expected
            assert await soon(backend.read_backwards(log, before=FAR, limit=1000)) == expected
            assert await soon(backend.bounds(log)) == Bounds(trimmed, expected[-1].seq if expected else trimmed)
            for word in WORDS:
                assert await search(backend, log, word, before=FAR, limit=1000) == model.search(log, word)
            for _, seq in said:
                at_that = [event for event in expected if event.seq == seq]
                assert await soon(backend.get(log, seq)) == (at_that[0] if at_that else None)

    backend = fresh()
    backend.open()
    try:
        anyio.run(compare, backend)
    finally:
        backend.close()
