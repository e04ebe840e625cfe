"""The rules of following, as a state machine: who attaches, reads and listens gets every event once and in order."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from app.chat.events import Event
from app.chat.room import Cursor, Room

GROUPS = ("text", "json", ("choosy", 1))
positions = st.integers(1, 5)


def event(seq: int) -> Event:
    return Event("lobby", seq, f"id{seq}", 0, 1, "user0", "hi")


class Follower:
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
        self.room: Room[Follower] = Room("lobby")
        self.log: list[int] = []
        self.heard = 0
        """How many events of the log the room knows, or came before it."""
        self.marks = 0
        self.handed_out = 0
        """The position of the last event that was handed out."""
        self.here: list[Cursor[Follower]] = []

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
            self.room.commit(event(seq), self.marks)
            if count % 2:  # a backend may tell it twice
                self.room.commit(event(seq), self.marks)
        self.heard = min(self.heard + count, len(self.log))

    @rule(slow=st.integers(0, 7))
    def hand_out(self, slow: int) -> None:
        """Those in `slow`, by the bits of their place, take nothing now, and fall behind."""
        before, batch = self.room.hand_out()
        assert [mark for mark, _ in batch] == sorted({mark for mark, _ in batch})
        late = []
        for group, cursors in self.room.live.items():
            assert cursors, "a group without anybody in it is no group"
            for place, cursor in enumerate(cursors):
                assert cursor.group == group
                if slow >> place & 1:
                    late.append(cursor)
                else:
                    cursor.follower.got += [event.seq for _, event in batch]
        for cursor in late:
            self.room.fall_behind(cursor, before)
            assert not cursor.live
        self.handed_out = batch[-1][1].seq if batch else self.handed_out

    @rule(target=followers, back=st.integers(0, 10))
    def attach(self, back: int) -> Cursor[Follower]:
        at = ([0, *self.log])[max(0, len(self.log) - back)]
        cursor = self.room.attach(Follower(at), at)
        assert not cursor.live
        self.here.append(cursor)
        return cursor

    @rule(cursor=followers, limit=st.integers(1, 4), group=st.sampled_from([None, *GROUPS]))
    def read_a_page(self, cursor: Cursor[Follower], limit: int, group: str | None) -> None:
        """Only who is behind reads; whoever comes to the log's end may go live at once, or later."""
        if cursor.live:
            return
        page = [seq for seq in self.log if seq > cursor.at][:limit]
        cursor.follower.got += page
        cursor.at = page[-1] if page else cursor.at
        cursor.follower.at_the_end = len(page) < limit
        if group is not None:
            self.catch_up(cursor, group)

    @rule(cursor=followers, group=st.sampled_from(GROUPS))
    def catch_up(self, cursor: Cursor[Follower], group: str) -> None:
        """Who once was at the log's end may try at any time, as often as it likes, and from one group to another."""
        if cursor.follower.at_the_end:
            was = cursor.live
            went = self.room.caught_up(cursor, group)
            assert went == cursor.live
            assert went or not was
            assert not went or cursor.group == group

    @rule(cursor=followers)
    def fall_behind(self, cursor: Cursor[Follower]) -> None:
        self.room.fall_behind(cursor, self.room.handed)
        assert not cursor.live

    @rule(cursor=consumes(followers), group=st.sampled_from(GROUPS))
    def detach(self, cursor: Cursor[Follower], group: str) -> None:
        self.room.detach(cursor)
        self.room.detach(cursor)
        assert not self.room.caught_up(cursor, group)
        self.here.remove(cursor)

    @invariant()
    def the_live_are_in_their_group_and_nowhere_else(self) -> None:
        assert self.room.cursors() == self.here
        assert len(self.room) == len(self.here)
        live = [(cursor, group) for group, cursors in self.room.live.items() for cursor in cursors]
        assert sorted(map(id, self.here)) == sorted({id(cursor) for cursor in self.here})
        assert {(id(cursor), cursor.group) for cursor in self.here if cursor.live} == {(id(c), g) for c, g in live}
        assert len(live) == sum(cursor.live for cursor in self.here)

    @invariant()
    def each_has_a_prefix_of_what_it_is_owed_and_the_live_all_that_was_handed_out(self) -> None:
        for cursor in self.here:
            follower = cursor.follower
            owed = [seq for seq in self.log if seq > follower.start]
            assert follower.got == owed[: len(follower.got)]
            assert follower.got == [seq for seq in owed if seq <= cursor.position]
            if cursor.live:
                assert cursor.position >= self.handed_out

    def teardown(self) -> None:
        """In the end, when all is delivered and handed out, each can be live and has everything."""
        self.deliver(len(self.log) + 1)
        self.hand_out(0)
        for cursor in self.here:
            self.read_a_page(cursor, len(self.log) + 1, "text")
            assert cursor.live
        self.each_has_a_prefix_of_what_it_is_owed_and_the_live_all_that_was_handed_out()
        for cursor in self.here:
            assert cursor.follower.got == [seq for seq in self.log if seq > cursor.follower.start]


TestFollowing = Following.TestCase
TestFollowing.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)


def test_what_a_follower_read_before_the_room_heard_of_it_is_not_handed_to_it_again() -> None:
    room: Room[Follower] = Room("lobby")
    early = room.attach(Follower(0), 5)
    assert room.caught_up(early, "text")
    room.commit(event(5))
    assert room.hand_out() == (5, [])
    late = room.attach(Follower(0), 7)
    assert not room.caught_up(late, "text"), "the other one is owed what is on its way"
    for seq in (6, 7):
        room.commit(event(seq), seq)
    assert not room.caught_up(late, "text"), "it would be handed out to both"
    assert room.hand_out() == (5, [(6, event(6)), (7, event(7))])
    assert room.caught_up(late, "text")
    assert list(room.live["text"]) == [early, late]


def test_nothing_is_kept_for_a_room_that_nothing_is_set_for() -> None:
    room: Room[Follower] = Room("lobby")
    assert not room.ruled
    assert not room.state
    room.spoke[1] = 5
    assert room.spoke == {1: 5}
