"""The rules of following, as a state machine: who attaches, reads and listens sees every event once and in order."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from app.chat.room import Cursor, Room


class Follower:
    """What one follower was given, and by which route."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.got: list[int] = []


class Following(RuleBasedStateMachine):
    """A log that is committed before it is delivered, followers that attach at any time and read pages at any time."""

    followers = Bundle("followers")

    def __init__(self) -> None:
        super().__init__()
        self.room: Room[Follower] = Room("lobby")
        self.log: list[int] = []
        self.undelivered: list[int] = []
        self.here: list[Cursor[Follower]] = []

    @rule(gap=st.integers(1, 5))
    def commit(self, gap: int) -> None:
        seq = (self.log[-1] if self.log else 0) + gap
        self.log.append(seq)
        self.undelivered.append(seq)

    @rule()
    def deliver(self) -> None:
        for seq in self.undelivered:
            for cursor in self.room.commit(seq):
                cursor.follower.got.append(seq)
                cursor.at = seq
        self.undelivered.clear()

    @rule(target=followers, back=st.integers(0, 10))
    def attach(self, back: int) -> Cursor[Follower]:
        at = ([0, *self.log])[max(0, len(self.log) - back)]
        cursor = self.room.attach(Follower(at), at)
        self.here.append(cursor)
        return cursor

    @rule(cursor=followers, limit=st.integers(1, 4))
    def read_a_page(self, cursor: Cursor[Follower], limit: int) -> None:
        if cursor.live or cursor not in self.here:
            return
        page = [seq for seq in self.log if seq > cursor.at][:limit]
        cursor.follower.got += page
        cursor.at = page[-1] if page else cursor.at
        if len(page) < limit:
            cursor.caught_up()

    @rule(cursor=followers)
    def fall_behind(self, cursor: Cursor[Follower]) -> None:
        cursor.live = False

    @rule(cursor=consumes(followers))
    def detach(self, cursor: Cursor[Follower]) -> None:
        self.room.detach(cursor)
        self.room.detach(cursor)
        self.here.remove(cursor)

    @invariant()
    def each_has_a_prefix_of_what_it_is_owed(self) -> None:
        assert len(self.room) == len(self.here)
        for cursor in self.here:
            owed = [seq for seq in self.log if seq > cursor.follower.start]
            got = cursor.follower.got
            assert got == owed[: len(got)]
            if cursor.live:
                assert [seq for seq in owed if seq not in self.undelivered] == [
                    seq for seq in got if seq not in self.undelivered
                ]


TestFollowing = Following.TestCase
TestFollowing.settings = settings(max_examples=300, stateful_step_count=40)
