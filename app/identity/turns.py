"""Turns: one thread for work that takes its time, shared by everyone who asks for it.

Those who ask for much wait for themselves: addresses take turns, and so do the accounts of one address. So nobody waits
for more than one piece of work of each other address.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from functools import partial
from threading import Condition, Thread, current_thread
from typing import Any, TypeVar

from app.chat.errors import Code, Refused
from app.chat.fair_queue import FairQueue

T = TypeVar("T")

MAX_OF_ONE = 32
"""Pieces of work that may wait for one address. Further ones are refused."""
MAX_OF_ALL = 1000
"""Pieces of work that may wait in all."""
RETRY = 1000
"""Milliseconds after which to ask again."""


class Turns:
    """A queue of work for one thread. Event loops of several threads may use it.

    The thread starts with the first work. After `patience` seconds without any, it calls `rest`.
    """

    def __init__(self, name: str, rest: Callable[[], None], patience: float) -> None:
        self._name, self._rest, self._patience = name, rest, patience
        self._changed = Condition()
        self._thread: Thread | None = None
        self._waiting: FairQueue[tuple[Hashable, Future[Any], Callable[[], Any]]] = FairQueue()
        """What waits, by network and account, with the network."""
        self._numbers: Counter[Hashable] = Counter()
        """How much waits for each network."""

    def run(self, network: Hashable, account: Hashable, function: Callable[..., T], *arguments: Any) -> Future[T]:
        """Call a function in the thread when it is its turn. Refused if too much waits. A cancelled future is not
        carried out. `network` is empty for an account without an address, which has turns of its own."""
        future: Future[T] = Future()
        group = network or ("", account)
        with self._changed:
            if self._numbers[group] >= MAX_OF_ONE or self._numbers.total() >= MAX_OF_ALL:
                problem = "Too many passwords are waiting to be checked. Try again in 1 s"
                raise Refused(Code.RATE_LIMITED, problem, retry=True, after=RETRY, reason="busy")
            if self._thread is None:
                thread = Thread(target=self._work, name=self._name, daemon=True)
                thread.start()
                self._thread = thread
            self._numbers[group] += 1
            self._waiting.put((group, future, partial(function, *arguments)), group, account)
            self._changed.notify()
        return future

    def close(self) -> None:
        """End the thread, after what it does at the moment, and cancel what waits. The next work starts a new one, once
        this returns."""
        with self._changed:
            thread, self._thread = self._thread, None
            while waiting := self._take():
                waiting[0].cancel()
            self._changed.notify()
        if thread is not None:
            thread.join()

    def _work(self) -> None:
        own, patience = current_thread(), None
        while True:
            with self._changed:
                while self._thread is own and not (following := self._take()) and self._changed.wait(patience):
                    pass
                if self._thread is not own:
                    return
            if following:
                _carry_out(*following)
                patience = self._patience
            else:
                self._rest()
                patience = None

    def _take(self) -> tuple[Future[Any], Callable[[], Any]] | None:
        following = self._waiting.take()
        if following is None:
            return None
        group, future, function = following
        self._numbers[group] -= 1
        if not self._numbers[group]:
            del self._numbers[group]
        return future, function


def _carry_out(future: Future[Any], function: Callable[[], Any]) -> None:
    if future.set_running_or_notify_cancel():
        try:
            future.set_result(function())
        except BaseException as error:  # noqa: BLE001  (it is the caller's)
            future.set_exception(error)
