"""Room as a state machine: every subscriber gets every event exactly once and in order."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
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

from app.chat.events import Detail, Event, Kind
from app.chat.room import MAX_SPOKE, Block, Cursor, Room

GROUPS = ("text", "json", ("ignoring", 1))
SMALL = 2
positions = st.integers(1, 5)


@pytest.fixture(autouse=True, scope="module")
def small_blocks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.chat.room.BLOCK_SIZE", SMALL)
        yield


def event(seq: int) -> Event:
    return Event("lobby", seq, f"id{seq}", 0, 1, "user0", "hi")


def blocks_of(room: Room[Subscriber]) -> list[Block[Subscriber]]:
    return [block for blocks in room.live.values() for block in blocks]


class Subscriber:
    """What one subscriber got."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.got: list[int] = []
        self.at_the_end = False
        """Whether the last page that it read was the last page of the log at the time."""


class Following(RuleBasedStateMachine):
    """Events are in the log first, reach the room later, and are sent later still. Subscribers attach, read, go live,
    fall behind and detach at any time."""

    cursors = Bundle("cursors")

    def __init__(self) -> None:
        super().__init__()
        self.room: Room[Subscriber] = Room("lobby")
        self.log: list[int] = []
        self.committed = 0
        """How many events of the log the room knows, or were there before it."""
        self.last_order = 0
        self.orders: dict[int, int] = {}
        """The order number of each event that the room knows, by position."""
        self.sent = 0
        """The position of the last event that was sent to everyone."""
        self.batch: list[tuple[int, Event]] = []
        self.turns: list[Block[Subscriber]] | None = None
        """The blocks that the batch is still to be sent to."""
        self.here: list[Cursor[Subscriber]] = []

    @initialize(gaps=st.lists(positions, max_size=8), committed=st.integers(0, 8))
    def begin(self, gaps: list[int], committed: int) -> None:
        """Make the room for a log that has events, some of which have not reached the room."""
        for gap in gaps:
            self.commit(gap)
        self.committed = min(committed, len(self.log))

    @rule(gap=positions)
    def commit(self, gap: int) -> None:
        self.log.append((self.log[-1] if self.log else 0) + gap)

    @rule(count=st.integers(1, 5))
    def deliver(self, count: int) -> None:
        for seq in self.log[self.committed : self.committed + count]:
            self.last_order += 1
            self.orders[seq] = self.last_order
            self.room.commit(event(seq), self.last_order)
            if count % 2:  # a backend may repeat an event
                self.room.commit(event(seq), self.last_order)
        self.committed = min(self.committed + count, len(self.log))

    @rule(gap=positions)
    def say(self, gap: int) -> None:
        """Commit an event that reaches the room at once, as most do."""
        self.commit(gap)
        self.deliver(len(self.log))

    @rule(slow=st.integers(0, 7), most=st.integers(1, SMALL))
    def take_batch(self, slow: int, most: int) -> None:
        """Finish the batch that is being sent, and then send everything that was committed meanwhile."""
        while self.turns is not None:
            self.send_next(slow, most)
        self.start_sending()
        while self.turns is not None:
            self.send_next(slow, most)

    @rule(times=st.integers(0, 3), slow=st.integers(0, 7), most=st.integers(1, SMALL))
    def send_to_some(self, times: int, slow: int, most: int) -> None:
        """Start sending a batch, or go on with it."""
        if self.turns is None:
            self.start_sending()
        for _ in range(times):
            if self.turns is not None:
                self.send_next(slow, most)

    def start_sending(self) -> None:
        self.batch, self.turns = self.room.take_batch()
        assert [order for order, _ in self.batch] == sorted({order for order, _ in self.batch})
        assert not self.room.has_batch

    def send_next(self, slow: int, most: int) -> None:
        """Send to the next `most` cursors of a block. Those whose bit is set in `slow` fall behind instead."""
        assert self.turns is not None
        block = next((block for block in self.turns if block.pending), None)
        if block is None:
            self.sent = self.batch[-1][1].seq if self.batch else self.sent
            self.turns = None
            return
        assert all(cursor.pending for cursor in block.pending)
        taken = list(block.take(most))
        assert 0 < len(taken) <= most
        full = [cursor for place, cursor in enumerate(taken) if slow >> place & 1]
        for cursor in taken:
            assert cursor.block is block
            assert not cursor.pending
            if cursor not in full:
                cursor.subscriber.got += [event.seq for _, event in self.batch]
        for cursor in full:
            self.room.fall_behind(cursor, self.room.sent_before)
            assert not cursor.live

    @rule(target=cursors, back=st.integers(0, 10))
    def attach(self, back: int) -> Cursor[Subscriber]:
        at = ([0, *self.log])[max(0, len(self.log) - back)]
        cursor = self.room.attach(Subscriber(at), at)
        assert not cursor.live
        self.here.append(cursor)
        return cursor

    @rule(target=cursors, group=st.sampled_from(["text", *GROUPS]), count=st.integers(1, SMALL + 1))
    def arrive(self, group: str, count: int) -> Any:
        """Attach at the end of the log and go live at once if possible, as nearly all subscribers do."""
        came = [self.attach(0) for _ in range(count)]
        for cursor in came:
            self.read_a_page(cursor, 1, group)
        return multiple(*came)

    @rule(cursor=cursors, limit=st.integers(1, 4), group=st.sampled_from([None, *GROUPS]))
    def read_a_page(self, cursor: Cursor[Subscriber], limit: int, group: str | None) -> None:
        """Read a page where the cursor is behind. At the end of the log it may go live, now or later."""
        if cursor.live:
            return
        page = [seq for seq in self.log if seq > cursor.read_to][:limit]
        cursor.subscriber.got += page
        cursor.read_to = page[-1] if page else cursor.read_to
        cursor.subscriber.at_the_end = len(page) < limit
        if group is not None:
            self.catch_up(cursor, group)

    @rule(cursor=cursors, group=st.sampled_from(GROUPS))
    def catch_up(self, cursor: Cursor[Subscriber], group: str) -> None:
        """Try to go live, at any time after the cursor was at the end of the log."""
        if cursor.subscriber.at_the_end:
            was = cursor.block
            went = self.room.go_live(cursor, group)
            assert went == cursor.live
            assert was in (None, cursor.block)
            assert was or cursor.block is None or cursor.block.group == group
            assert not (was is None and cursor.pending), "it has read the batch that is being sent"

    @rule(cursor=cursors)
    def fall_behind(self, cursor: Cursor[Subscriber]) -> None:
        self.room.fall_behind(cursor, cursor.position)
        assert not cursor.live

    @rule(cursor=consumes(cursors), group=st.sampled_from(GROUPS))
    def detach(self, cursor: Cursor[Subscriber], group: str) -> None:
        self.room.detach(cursor)
        self.room.detach(cursor)
        assert not self.room.go_live(cursor, group)
        self.here.remove(cursor)

    @invariant()
    def the_live_are_in_their_group_and_nowhere_else(self) -> None:
        assert self.room.cursors() == self.here
        assert len(self.room) == len(self.here)
        live = [(cursor, block) for block in blocks_of(self.room) for cursor in block.cursors]
        assert sorted(map(id, self.here)) == sorted({id(cursor) for cursor in self.here})
        assert {(id(one), id(one.block)) for one in self.here if one.live} == {(id(one), id(b)) for one, b in live}
        assert len(live) == sum(cursor.live for cursor in self.here)

    @invariant()
    def each_has_a_prefix_of_its_events_and_live_ones_have_all_that_was_sent(self) -> None:
        for cursor in self.here:
            subscriber = cursor.subscriber
            due = [seq for seq in self.log if seq > subscriber.start]
            assert subscriber.got == due[: len(subscriber.got)]
            assert subscriber.got == [seq for seq in due if seq <= cursor.position]
            if cursor.live:
                assert cursor.position >= self.sent

    @invariant()
    def first_pending_is_the_order_of_the_first_event_that_a_live_cursor_has_not_got(self) -> None:
        for cursor in self.here:
            pending = self.pending_orders(cursor) if cursor.live else []
            assert self.room.first_pending(cursor) == (pending[0] if pending else None)

    def pending_orders(self, cursor: Cursor[Subscriber]) -> list[int]:
        """Return the order numbers of the events that the room knows and the subscriber has not got."""
        known = [seq for seq in self.log[: self.committed] if seq > cursor.position]
        return [self.orders[seq] for seq in known]

    def teardown(self) -> None:
        """Once everything is committed and sent, every cursor can go live and has every event."""
        self.deliver(len(self.log) + 1)
        self.take_batch(0, SMALL)
        assert self.turns is None
        for cursor in self.here:
            self.read_a_page(cursor, len(self.log) + 1, "text")
            assert cursor.live
        self.each_has_a_prefix_of_its_events_and_live_ones_have_all_that_was_sent()
        for cursor in self.here:
            assert cursor.subscriber.got == [seq for seq in self.log if seq > cursor.subscriber.start]


TestFollowing = Following.TestCase
TestFollowing.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)


def send_batch(room: Room[Subscriber]) -> list[tuple[int, Event]]:
    batch, blocks = room.take_batch()
    for block in blocks:
        block.take()
    return batch


def test_what_a_follower_read_before_the_room_heard_of_it_is_not_handed_to_it_again() -> None:
    room: Room[Subscriber] = Room("lobby")
    early = room.attach(Subscriber(0), 5)
    assert room.go_live(early, "text")
    room.commit(event(5))
    assert send_batch(room) == []
    late = room.attach(Subscriber(0), 7)
    assert not room.go_live(late, "text"), "the other one has yet to get what is on its way"
    for seq in (6, 7):
        room.commit(event(seq), seq)
    assert not room.go_live(late, "text"), "it would be sent to both"
    assert send_batch(room) == [(6, event(6)), (7, event(7))]
    assert room.sent_before == 5
    assert room.go_live(late, "text")
    [block] = blocks_of(room)
    assert list(block.cursors) == [early, late]


def test_between_two_blocks_anybody_may_come_and_go() -> None:
    room: Room[Subscriber] = Room("lobby")
    first, second, third, leaves = (room.attach(Subscriber(0), 0) for _ in range(4))
    for cursor in (first, second, third, leaves):
        assert room.go_live(cursor, "text")
    assert [len(block.cursors) for block in blocks_of(room)] == [SMALL, SMALL]
    room.detach(second)
    room.commit(event(1), 1)
    batch, [block, another] = room.take_batch()
    assert [cursor.position for cursor in (first, third)] == [0, 0]
    came = room.attach(Subscriber(1), 1)
    assert room.go_live(came, "text")
    assert came.block not in (first.block, third.block), "it must not get what they have yet to get"
    assert list(block.take()) == [first]
    assert (first.pending, third.pending, first.position, third.position) == (False, True, 1, 0)
    again = room.attach(Subscriber(1), 1)
    assert room.go_live(again, "text")
    assert again.block is first.block
    room.detach(leaves)
    room.commit(event(2), 2)
    late = room.attach(Subscriber(2), 2)
    assert not room.go_live(late, "text"), "it would be sent to it again"
    assert room.has_batch
    assert [room.first_pending(cursor) for cursor in (first, third, came, late)] == [2, 1, 2, None]
    assert list(another.take()) == [third]
    assert not block.pending | another.pending
    assert batch == [(1, event(1))]
    assert [order for order, _ in send_batch(room)] == [2]
    assert room.go_live(late, "text")
    assert late.block is third.block


def test_between_two_parts_of_a_block_those_who_have_the_batch_are_ahead_of_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.chat.room.BLOCK_SIZE", 5)
    room: Room[Subscriber] = Room("lobby")
    first, second, third, fourth = here = [room.attach(Subscriber(0), 0) for _ in range(4)]
    for cursor in here:
        assert room.go_live(cursor, "text")
    room.commit(event(1), 1)
    _, [block] = room.take_batch()
    assert list(block.take(1)) == [first]
    assert [cursor.position for cursor in here] == [1, 0, 0, 0]
    assert room.regroup(first, "other"), "it has all that was sent"
    assert not room.regroup(second, "other")
    room.detach(third)
    came = room.attach(Subscriber(1), 1)
    assert room.go_live(came, "text")
    assert came.block is not second.block, "it has read what the others have yet to get"
    assert list(block.take(1)) == [second]
    assert list(block.take(1)) == [fourth]
    assert not block.pending
    assert not any(cursor.pending for cursor in (first, second, fourth, came))


def test_a_batch_ends_with_the_text_that_makes_it_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.chat.room.MOST_TEXT", 5)
    room: Room[Subscriber] = Room("lobby")
    cursor = room.attach(Subscriber(0), 0)
    assert room.go_live(cursor, "text")
    for seq in range(1, 6):  # each has two characters
        room.commit(event(seq), seq)
    assert room.text == 10
    sizes = []
    while room.has_batch:
        batch = room.take_all()
        sizes.append((len(batch), room.text))
        assert room.sent == batch[-1][1].seq
    assert sizes == [(2, 6), (2, 2), (1, 0)]
    room.commit(Event("lobby", 6, "id6", 0, 1, "user0", "longer than that"), 6)
    assert len(room.take_all()) == 1


def test_nothing_is_kept_for_a_room_that_nothing_is_set_for() -> None:
    room: Room[Subscriber] = Room("lobby")
    assert not room.has_settings
    room.apply(event(1))
    assert not room.has_settings, "a message sets nothing"
    room.apply(Event("lobby", 2, "id2", 0, 1, "user0", "tea", kind=Kind.TOPIC))
    assert room.has_settings
    assert room.state.topic == "tea"


def test_who_may_speak_again_in_slow_mode_is_forgotten_once_many_spoke() -> None:
    room: Room[Subscriber] = Room("lobby")
    room.apply(Event("lobby", 1, "id", 0, 1, "user0", "", kind=Kind.SLOW, detail=Detail(seconds=10)))
    assert room.since_spoke(1, 5.0) == inf
    for user in range(MAX_SPOKE):
        room.spoke(user, 5.0)
    room.spoke(0, 4.0)
    assert room.since_spoke(0, 7.0) == 2.0
    room.spoke(MAX_SPOKE, 15.0)
    assert [room.since_spoke(user, 16.0) for user in (0, 1, MAX_SPOKE)] == [inf, inf, 1.0]
    room.forget_spoke()
    assert room.since_spoke(MAX_SPOKE, 16.0) == inf
