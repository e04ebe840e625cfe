"""Turns of addresses and accounts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from queue import Queue
from threading import Event, Thread
from typing import Any

import pytest

from app.chat.errors import Code, Refused
from app.identity.turns import MAX_OF_ALL, MAX_OF_ONE, Turns
from tests.clients import DEADLINE


def turns(rest: Callable[[], None] = lambda: None, patience: float = DEADLINE) -> Turns:
    return Turns("test", rest, patience)


class Work:
    """A queue whose thread is busy until `finish`."""

    def __init__(self) -> None:
        self.turns, self.done = turns(), list[Any]()
        self._going_on, self._busy = Event(), Event()
        self._futures = [self.turns.run("busy", 0, self._block)]
        assert self._busy.wait(DEADLINE)

    def _block(self) -> None:
        self._busy.set()
        self._going_on.wait(DEADLINE)

    def ask(self, network: str, account: int, what: Any) -> Future[None]:
        future = self.turns.run(network, account, self.done.append, what)
        self._futures.append(future)
        return future

    def finish(self) -> list[Any]:
        """Let the thread go on. Return what was done, in its order."""
        self._going_on.set()
        for future in self._futures:
            if not future.cancelled():
                future.result(DEADLINE)
        return self.done


@pytest.fixture
def work() -> Iterator[Work]:
    work = Work()
    yield work
    work.finish()


def test_addresses_take_turns(work: Work) -> None:
    for number in range(5):
        work.ask("attacker", number, f"attack {number}")
    work.ask("ann", 9, "ann")
    work.ask("bob", 10, "bob")
    assert work.finish()[:4] == ["attack 0", "ann", "bob", "attack 1"]


def test_the_accounts_of_an_address_take_turns(work: Work) -> None:
    for number in range(5):
        work.ask("school", 1, f"attack {number}")
    work.ask("school", 2, "ann")
    assert work.finish() == ["attack 0", "ann", *(f"attack {number}" for number in range(1, 5))]


def test_those_without_an_address_take_turns_by_account(work: Work) -> None:
    for number in range(3):
        work.ask("", 1, f"attack {number}")
    work.ask("", 2, "ann")
    assert work.finish()[:2] == ["attack 0", "ann"]


def test_what_waits_for_one_address_is_bounded(work: Work) -> None:
    for number in range(MAX_OF_ONE):
        work.ask("attacker", number, "attack")
    with pytest.raises(Refused, match="Too many passwords are waiting") as refused:
        work.ask("attacker", 99, "attack")
    assert (refused.value.code, refused.value.retry) == (Code.RATE_LIMITED, True)
    work.ask("ann", 1, "ann")
    assert "ann" in work.finish()


def test_what_waits_in_all_is_bounded(work: Work) -> None:
    for number in range(MAX_OF_ALL):
        work.ask(f"address {number}", 1, "attack")
    with pytest.raises(Refused):
        work.ask("ann", 1, "ann")
    assert len(work.finish()) == MAX_OF_ALL
    assert work.turns.run("ann", 1, lambda: "done").result(DEADLINE) == "done"


def test_who_left_costs_nothing(work: Work) -> None:
    work.ask("here", 1, "left").cancel()
    work.ask("here", 1, "stayed")
    assert work.finish() == ["stayed"]


def test_an_error_is_the_one_of_who_asked() -> None:
    own = turns()
    with pytest.raises(ZeroDivisionError):
        own.run("here", 1, lambda: 1 // 0).result(DEADLINE)
    assert own.run("here", 1, lambda: 2).result(DEADLINE) == 2


def test_the_thread_rests_once_when_nothing_comes() -> None:
    rested = Queue[str]()
    own = turns(lambda: rested.put("rested"), patience=0.001)
    for _ in range(3):
        own.run("here", 1, rested.put, "worked").result(DEADLINE)
        assert [rested.get(timeout=DEADLINE), rested.get(timeout=DEADLINE)] == ["worked", "rested"]
    own.close()
    assert rested.empty()


def test_what_waits_at_the_end_is_cancelled(work: Work) -> None:
    waiting = [work.ask("here", number, "late") for number in range(3)]
    ending = Thread(target=work.turns.close)
    ending.start()
    while not waiting[-1].cancelled():
        wait(waiting, DEADLINE)
    assert work.finish() == []
    ending.join(DEADLINE)
    assert work.turns.run("here", 1, lambda: "again").result(DEADLINE) == "again"
    work.turns.close()
