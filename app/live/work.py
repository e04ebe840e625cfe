"""Budgets of work: how much of the server's time one user, and one address, may take by reading.

Commands that read differ in cost by orders of magnitude, so their number alone is no measure. Each is charged in
milliseconds of work: a bounded one what it costs at most in a large store, a search what it took, a page of long texts
for their length (`docs/requests.md` has the measurements). A budget refills at a rate and holds BURST seconds of that.
Who has used it up, on however many connections, waits until it has made up for the last command.
"""

from __future__ import annotations

import socket
from collections.abc import Hashable, Iterable, Mapping

from app.chat import frames
from app.chat.errors import Code, Refused
from app.chat.events import Event
from app.chat.frames import Command
from app.chat.limits import Budget
from app.clock import Clock

BURST = 10.0
"""How many seconds of its rate a budget holds."""
COSTS: Mapping[type[Command], float] = {
    frames.Join: 1.0,
    frames.History: 1.0,
    frames.Search: 1.0,
    frames.Rooms: 1.0,
    frames.Who: 0.5,
    frames.DescribeRoom: 0.5,
    frames.ListModeration: 0.5,
    frames.Conversations: 2.0,
}
"""Milliseconds that a command is charged with. A search is also charged with its processor time, once that is known."""
CATCHING_UP = 0.6
"""Milliseconds that each page costs that a connection reads to catch up. That is never refused, but what the user asks
for next may be."""
TEXT = 3.5e-6
"""Milliseconds for each character of what is read and sent."""
LOOKING = 0.0005
"""Milliseconds for each person in a room that is looked through for some of them."""
MIN_SWEEP = 1000
"""Budgets are looked through for full ones when there are at least this many."""


class WorkBudgets:
    """The budgets of all users and addresses, in milliseconds of work per second; 0 is no limit.

    A budget that is full is dropped sooner or later, so there are about as many as users and addresses that were active
    in the last BURST seconds.
    """

    def __init__(self, per_user: float, per_address: float, clock: Clock) -> None:
        self._per_user, self._per_address, self._clock = per_user, per_address, clock
        self._budgets: dict[Hashable, Budget] = {}
        self._sweep_at = MIN_SWEEP

    def __len__(self) -> int:
        return len(self._budgets)

    def admit(self, command: type[Command], user: int, address: str) -> None:
        """Charge a command before it is carried out. Refused if a budget is used up; then nothing is charged."""
        cost = COSTS.get(command)
        if cost is None:
            return
        now = self._clock.monotonic()
        wait = max((budget.wait(now) for budget in self._budgets_of(user, address)), default=0.0)
        if wait:
            after = max(1, round(1000 * wait))
            problem = f"Your requests take too much of the server's time. Try again in {after} ms"
            raise Refused(Code.RATE_LIMITED, problem, reason="work", retry=True, after=after)
        self.charge(cost, user, address)

    def charge(self, milliseconds: float, user: int, address: str) -> None:
        """Charge work that was done."""
        now = self._clock.monotonic()
        for budget in self._budgets_of(user, address):
            budget.spend(now, milliseconds)
        if len(self._budgets) >= self._sweep_at:
            self._sweep(now)

    def _budgets_of(self, user: int, address: str) -> list[Budget]:
        keys: list[tuple[Hashable, float]] = [(user, self._per_user)]
        if address:
            keys.append((network(address), self._per_address))
        return [self._budget(key, rate) for key, rate in keys if rate > 0]

    def _budget(self, key: Hashable, rate: float) -> Budget:
        budget = self._budgets.get(key)
        if budget is None:
            budget = self._budgets[key] = Budget(rate, BURST * rate)
        return budget

    def _sweep(self, now: float) -> None:
        for key, budget in list(self._budgets.items()):
            if budget.is_full(now):
                del self._budgets[key]
        self._sweep_at = max(MIN_SWEEP, 2 * len(self._budgets))


def sending(events: Iterable[Event]) -> float:
    """Return what it costs to read and send events, beyond the fixed cost of a page."""
    return TEXT * sum(len(event.text) for event in events)


def network(address: str) -> str | bytes:
    """Return what counts as one address: of IPv6 the first 64 bits, since a household gets all addresses below them.
    An IPv4 address that is written as IPv6 is the same as that IPv4 address."""
    if ":" not in address:
        return address
    try:
        packed = socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
    except OSError:
        return address
    if packed.startswith(b"\0" * 10 + b"\xff\xff"):
        return socket.inet_ntoa(packed[12:])
    return packed[:8]
