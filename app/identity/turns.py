"""Turns: one thread for work that takes its time, shared by everyone who asks for it.

Those who ask for much wait for themselves: addresses take turns, and so do the accounts of one address. So nobody waits
for more than one piece of work of each other address.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from threading import Lock
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
    """A queue of work for one thread. Event loops of several threads may use it."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name, initializer=_give_way)
        self._lock = Lock()
        self._waiting: FairQueue[tuple[Hashable, Callable[[], None]]] = FairQueue()
        """What waits, by network and account, with the network."""
        self._numbers: Counter[Hashable] = Counter()
        """How much waits for each network."""

    def run(self, network: Hashable, account: Hashable, function: Callable[..., T], *arguments: Any) -> Future[T]:
        """Call a function in the thread when it is its turn. Refused if too much waits. A cancelled future is not
        carried out. `network` is empty for an account without an address, which has turns of its own."""
        future: Future[T] = Future()
        group = network or ("", account)

        def work() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(function(*arguments))
                except BaseException as error:  # noqa: BLE001  (it is the caller's)
                    future.set_exception(error)

        with self._lock:
            if self._numbers[group] >= MAX_OF_ONE or self._numbers.total() >= MAX_OF_ALL:
                problem = "Too many passwords are waiting to be checked. Try again in 1 s"
                raise Refused(Code.RATE_LIMITED, problem, retry=True, after=RETRY, reason="busy")
            self._numbers[group] += 1
            self._waiting.put((group, work), group, account)
        self._executor.submit(self._run_next)
        return future

    def _run_next(self) -> None:
        with self._lock:
            following = self._waiting.take()
            assert following is not None, "there is a call for each piece of work"
            group, work = following
            self._numbers[group] -= 1
            if not self._numbers[group]:
                del self._numbers[group]
        work()


def _give_way() -> None:
    """Let the event loop come first where this thread shares its core. Linux has a policy for each thread. With a low
    priority alone, it would still keep the core for some milliseconds while a message waits."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
