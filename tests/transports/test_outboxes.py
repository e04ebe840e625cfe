"""What is queued for all connections together, and who has to go when that is too much."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.chat.closing import CloseCode
from app.transports.outboxes import RELIEVED, Outboxes, Share

MOST = 1000


class FakeConnection:
    """A connection for which bytes are queued."""

    def __init__(self, share: Share) -> None:
        self.share, self.left, self.ended = share, 0, False

    def pending(self) -> int:
        return self.left

    def disconnect(self, code: CloseCode, reason: str) -> None:
        assert (code, bool(reason)) == (CloseCode.SLOW_READER, True)
        self.left, self.ended = 0, True

    def queue(self, size: int) -> None:
        self.left += size
        self.share.queued(self, size)

    def read(self) -> None:
        self.left = 0
        self.share.drained(self)


def test_up_to_the_bound_nobody_has_to_go() -> None:
    outboxes = Outboxes(MOST)
    people = [FakeConnection(outboxes.share("here")) for _ in range(10)]
    for one in people:
        one.queue(MOST // 10)
    assert not any(one.ended for one in people)
    assert outboxes.size == MOST


def test_over_it_those_go_that_are_behind_for_the_longest_of_the_address_that_has_the_most() -> None:
    outboxes = Outboxes(MOST)
    innocent = FakeConnection(outboxes.share("there"))
    innocent.queue(200)
    attackers = [FakeConnection(outboxes.share("here")) for _ in range(5)]
    for one in attackers:
        one.queue(190)
    assert [one.ended for one in attackers] == [True, True, False, False, False]
    assert not innocent.ended
    assert outboxes.size <= RELIEVED * MOST


def test_what_was_read_meanwhile_does_not_count() -> None:
    outboxes = Outboxes(MOST)
    one, other = FakeConnection(outboxes.share("here")), FakeConnection(outboxes.share("there"))
    one.queue(800)
    one.left = 100
    other.queue(400)
    assert not one.ended
    assert not other.ended
    assert outboxes.size == 500


def test_who_has_read_everything_is_behind_for_as_long_as_from_now_on() -> None:
    outboxes = Outboxes(MOST)
    first, second = (FakeConnection(outboxes.share("here")) for _ in range(2))
    first.queue(500)
    second.queue(450)
    first.read()
    first.queue(500)
    first.queue(100)
    assert (first.ended, second.ended) == (False, True)


def test_no_bound_ends_nobody() -> None:
    one = FakeConnection(Outboxes(0).share("here"))
    one.queue(1 << 40)
    assert not one.ended


@given(
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["queue", "read", "read some"]), st.integers(1, 600))),
)
def test_the_sum_is_never_over_the_bound(steps: list[tuple[int, str, int]]) -> None:
    outboxes = Outboxes(MOST)
    people = [FakeConnection(outboxes.share(number // 2)) for number in range(6)]
    for who, what, size in steps:
        one = people[who]
        if what == "queue" and not one.ended:
            one.queue(size)
        elif what == "read":
            one.read()
        else:
            one.left //= 2
        assert sum(one.left for one in people) <= outboxes.size <= MOST
