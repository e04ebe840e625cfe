"""The rules of following, as a state machine: who attaches, reads and listens gets every event once and in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from app.chat.events import Event
from app.chat.room import Block, Cursor, Room

GROUPS = ("text", "json", ("choosy", 1))
SMALL = 2
positions = st.integers(1, 5)


@pytest.fixture(autouse=True, scope="module")
def small_blocks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.chat.room.BLOCK_SIZE", SMALL)
        yield


def event(seq: int) -> Event:
    return Event("lobby", seq, f"id{seq}", 0, 1, "user0", "hi")


class Subscriber:
    """What one follower was given."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.got: list[int] = []
        self.at_the_end = False
        """Whether the last page that it read was the log's last. It may not be any more."""


class Following(RuleBasedStateMachine):
    """A log that is committed before the room hears of it, which hands it out later still; followers that attach, read,
    go live, fall behind and leave at any time."""

    followers = Bundle("followers")

    def __init__(self) -> None:
        super().__init__()
        self.room: Room[Subscriber] = Room("lobby")
        self.log: list[int] = []
        self.heard = 0
        """How many events of the log the room knows, or came before it."""
        self.marks = 0
        self.first_mark: dict[int, int] = {}
        self.handed_out = 0
        """The position of the last event that was handed out to all."""
        self.batch: list[tuple[int, Event]] = []
        self.turns: Iterator[Block[Subscriber]] | None = None
        """Whose turn it is in what is being handed out."""
        self.here: list[Cursor[Subscriber]] = []

    @initialize(gaps=st.lists(positions, max_size=8), heard=st.integers(0, 8))
    def begin(self, gaps: list[int], heard: int) -> None:
        """The room is made for a log that has a past, some of which is still on its way here."""
        for gap in gaps:
            self.commit(gap)
        self.heard = min(heard, len(self.log))

    @rule(gap=positions)
    def commit(self, gap: int) -> None:
        self.log.append((self.log[-1] if self.log else 0) + gap)

    @rule(count=st.integers(1, 5))
    def deliver(self, count: int) -> None:
        for seq in self.log[self.heard : self.heard + count]:
            self.marks += 1
            self.first_mark[seq] = self.marks
            self.room.commit(event(seq), self.marks)
            if count % 2:  # a backend may tell it twice
                self.room.commit(event(seq), self.marks)
        self.heard = min(self.heard + count, len(self.log))

    @rule(gap=positions)
    def say(self, gap: int) -> None:
        """As it mostly happens: nothing is on its way here any more."""
        self.commit(gap)
        self.deliver(len(self.log))

    @rule(slow=st.integers(0, 7))
    def take_batch(self, slow: int) -> None:
        """All that is left of it, and then all that was committed meanwhile."""
        while self.turns is not None:
            self.give_a_block(slow)
        self.begin_to_hand_out()
        while self.turns is not None:
            self.give_a_block(slow)

    @rule(blocks=st.integers(0, 3), slow=st.integers(0, 7))
    def hand_out_to_some(self, blocks: int, slow: int) -> None:
        """Begin, or go on with what was begun."""
        if self.turns is None:
            self.begin_to_hand_out()
        for _ in range(blocks):
            if self.turns is not None:
                self.give_a_block(slow)

    def begin_to_hand_out(self) -> None:
        self.batch, self.turns = self.room.take_batch()
        assert [mark for mark, _ in self.batch] == sorted({mark for mark, _ in self.batch})
        assert not self.room.has_batch

    def give_a_block(self, slow: int) -> None:
        """Those in `slow`, by the bits of their place, take nothing now, and fall behind."""
        assert self.turns is not None
        block = next(self.turns, None)
        if block is None:
            self.handed_out = self.batch[-1][1].seq if self.batch else self.handed_out
            self.turns = None
            return
        assert 0 < len(block.cursors) <= SMALL, "a block without anybody in it is no block"
        late = [cursor for place, cursor in enumerate(block.cursors) if slow >> place & 1]
        for cursor in block.cursors:
            assert cursor.block is block
            if cursor not in late:
                cursor.subscriber.got += [event.seq for _, event in self.batch]
        for cursor in late:
            self.room.fall_behind(cursor, self.room.sent_before)
            assert not cursor.live

    @rule(target=followers, back=st.integers(0, 10))
    def attach(self, back: int) -> Cursor[Subscriber]:
        at = ([0, *self.log])[max(0, len(self.log) - back)]
        cursor = self.room.attach(Subscriber(at), at)
        assert not cursor.live
        self.here.append(cursor)
        return cursor

    @rule(target=followers, group=st.sampled_from(["text", *GROUPS]), count=st.integers(1, SMALL + 1))
    def arrive(self, group: str, count: int) -> Any:
        """As nearly all do: they read nothing but what is said from now on, and are live at once if they can be."""
        came = [self.attach(0) for _ in range(count)]
        for cursor in came:
            self.read_a_page(cursor, 1, group)
        return multiple(*came)

    @rule(cursor=followers, limit=st.integers(1, 4), group=st.sampled_from([None, *GROUPS]))
    def read_a_page(self, cursor: Cursor[Subscriber], limit: int, group: str | None) -> None:
        """Only who is behind reads; whoever comes to the log's end may go live at once, or later."""
        if cursor.live:
            return
        page = [seq for seq in self.log if seq > cursor.read_to][:limit]
        cursor.subscriber.got += page
        cursor.read_to = page[-1] if page else cursor.read_to
        cursor.subscriber.at_the_end = len(page) < limit
        if group is not None:
            self.catch_up(cursor, group)

    @rule(cursor=followers, group=st.sampled_from(GROUPS))
    def catch_up(self, cursor: Cursor[Subscriber], group: str) -> None:
        """Who once was at the log's end may try at any time, and as often as it likes."""
        if cursor.subscriber.at_the_end:
            was = cursor.block
            went = self.room.go_live(cursor, group)
            assert went == cursor.live
            assert was in (None, cursor.block)
            assert was or cursor.block is None or cursor.block.group == group
            assert not (was is None and cursor.pending), "it has read what is being handed out"

    @rule(cursor=followers)
    def fall_behind(self, cursor: Cursor[Subscriber]) -> None:
        self.room.fall_behind(cursor, cursor.position)
        assert not cursor.live

    @rule(cursor=consumes(followers), group=st.sampled_from(GROUPS))
    def detach(self, cursor: Cursor[Subscriber], group: str) -> None:
        self.room.detach(cursor)
        self.room.detach(cursor)
        assert not self.room.go_live(cursor, group)
        self.here.remove(cursor)

    @invariant()
    def the_live_are_in_their_group_and_nowhere_else(self) -> None:
        assert self.room.cursors() == self.here
        assert len(self.room) == len(self.here)
        live = [(cursor, block) for block in self.room.blocks for cursor in block.cursors]
        assert sorted(map(id, self.here)) == sorted({id(cursor) for cursor in self.here})
        assert {(id(one), id(one.block)) for one in self.here if one.live} == {(id(one), id(b)) for one, b in live}
        assert len(live) == sum(cursor.live for cursor in self.here)

    @invariant()
    def each_has_a_prefix_of_what_it_is_owed_and_the_live_all_that_was_handed_out(self) -> None:
        for cursor in self.here:
            subscriber = cursor.subscriber
            owed = [seq for seq in self.log if seq > subscriber.start]
            assert subscriber.got == owed[: len(subscriber.got)]
            assert subscriber.got == [seq for seq in owed if seq <= cursor.position]
            if cursor.live:
                assert cursor.position >= self.handed_out

    @invariant()
    def the_mark_of_what_a_live_one_is_owed_is_that_of_the_first_event_it_has_not_got(self) -> None:
        for cursor in self.here:
            owed = self.marks_of(cursor) if cursor.live else []
            assert self.room.first_pending(cursor) == (owed[0] if owed else None)

    def marks_of(self, cursor: Cursor[Subscriber]) -> list[int]:
        """Of what the room knows and the follower has not got."""
        known = [seq for seq in self.log[: self.heard] if seq > cursor.position]
        return [self.first_mark[seq] for seq in known]

    def teardown(self) -> None:
        """In the end, when all is delivered and handed out, each can be live and has everything."""
        self.deliver(len(self.log) + 1)
        self.take_batch(0)
        assert self.turns is None
        for cursor in self.here:
            self.read_a_page(cursor, len(self.log) + 1, "text")
            assert cursor.live
        self.each_has_a_prefix_of_what_it_is_owed_and_the_live_all_that_was_handed_out()
        for cursor in self.here:
            assert cursor.subscriber.got == [seq for seq in self.log if seq > cursor.subscriber.start]


TestFollowing = Following.TestCase
TestFollowing.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)


def handed(room: Room[Subscriber]) -> list[tuple[int, Event]]:
    batch, turns = room.take_batch()
    for _ in turns:
        pass
    return batch


def test_what_a_follower_read_before_the_room_heard_of_it_is_not_handed_to_it_again() -> None:
    room: Room[Subscriber] = Room("lobby")
    early = room.attach(Subscriber(0), 5)
    assert room.go_live(early, "text")
    room.commit(event(5))
    assert handed(room) == []
    late = room.attach(Subscriber(0), 7)
    assert not room.go_live(late, "text"), "the other one is owed what is on its way"
    for seq in (6, 7):
        room.commit(event(seq), seq)
    assert not room.go_live(late, "text"), "it would be handed out to both"
    assert handed(room) == [(6, event(6)), (7, event(7))]
    assert room.sent_before == 5
    assert room.go_live(late, "text")
    [block] = room.blocks
    assert list(block.cursors) == [early, late]


def test_between_two_blocks_anybody_may_come_and_go() -> None:
    room: Room[Subscriber] = Room("lobby")
    first, second, third, leaves = (room.attach(Subscriber(0), 0) for _ in range(4))
    for cursor in (first, second, third, leaves):
        assert room.go_live(cursor, "text")
    assert [len(block.cursors) for block in room.blocks] == [SMALL, SMALL]
    room.detach(second)
    room.commit(event(1), 1)
    batch, turns = room.take_batch()
    assert [cursor.position for cursor in (first, third)] == [0, 0]
    came = room.attach(Subscriber(1), 1)
    assert room.go_live(came, "text")
    assert came.block not in (first.block, third.block), "it is not owed what they are owed"
    assert list(next(turns).cursors) == [first]
    assert (first.pending, third.pending, first.position, third.position) == (False, True, 1, 0)
    again = room.attach(Subscriber(1), 1)
    assert room.go_live(again, "text")
    assert again.block is first.block
    room.detach(leaves)
    room.commit(event(2), 2)
    late = room.attach(Subscriber(2), 2)
    assert not room.go_live(late, "text"), "it would be handed to it again"
    assert room.has_batch
    assert [room.first_pending(cursor) for cursor in (first, third, came, late)] == [2, 1, 2, None]
    assert list(next(turns).cursors) == [third]
    assert next(turns, None) is None
    assert batch == [(1, event(1))]
    assert [mark for mark, _ in handed(room)] == [2]
    assert room.go_live(late, "text")
    assert late.block is third.block


def test_nothing_is_kept_for_a_room_that_nothing_is_set_for() -> None:
    room: Room[Subscriber] = Room("lobby")
    assert not room.has_settings
    assert not room.state
    room.last_spoke[1] = 5
    assert room.last_spoke == {1: 5}
