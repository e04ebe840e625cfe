"""When the next messages go out."""

from __future__ import annotations

from typing import Any, cast

from app.load import Envelope
from app.load.frames import frame_size
from app.load.traffic import NEVER, Speaker, Traffic


class Transport:
    """A transport that counts the messages in each write."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.writes: list[int] = []

    def write(self, data: bytes) -> None:
        self.writes.append(len(data) // self.size)


def arrived(*, together: bool) -> tuple[list[int], int]:
    """Let five clients get three outstanding messages, one copy after another. Return how many messages each write had
    in the end, and when the next was due in between."""
    traffic = Traffic(Envelope())
    for _ in range(5):
        traffic.joined(0)
    transport = Transport(frame_size(10 + 17) + 4)  # a client's frame has a mask
    traffic.start([Speaker(cast(Any, transport), 0, b"x" * 10)], outstanding=3, rate=0, together=together)
    due = traffic.due
    for _ in range(15):
        traffic.received += 1
        if traffic.received >= traffic.due:
            traffic.send_more()
    traffic.end()
    assert traffic.due == NEVER
    return transport.writes, due


def test_the_next_message_goes_out_when_one_has_arrived_everywhere() -> None:
    assert arrived(together=False) == ([3, 1, 1, 1], 5)


def test_the_next_messages_go_out_together_when_all_have_arrived_everywhere() -> None:
    assert arrived(together=True) == ([3, 3], 15)
