"""Budgets of work: how much of the server's time one user, and one address, may take by reading.

Commands that read differ in cost by orders of magnitude, so their number alone is no measure. Each is charged in
milliseconds of work: a bounded one what it costs at most in a large store, a search what it took, a page of long texts
for their length (`docs/requests.md` has the measurements). A budget refills at a rate and holds BURST seconds of that.
Who has used it up, on however many connections, waits until it has made up for the last command.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from app.addresses import network
from app.chat import frames
from app.chat.budgets import Budgets
from app.chat.errors import Code, Refused
from app.chat.events import Event
from app.chat.frames import Command
from app.clock import Clock

BURST = 3.0
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
    frames.ListIgnored: 0.5,
}
"""Milliseconds that a command is charged with. A search is also charged with its processor time, once that is known."""
CATCHING_UP = 0.6
"""Milliseconds that each page costs that a connection reads to catch up. That is never refused, but what the user asks
for next may be."""
TEXT = 3.5e-6
"""Milliseconds for each character of what is read and sent."""
LOOKING = 0.0005
"""Milliseconds for each person in a list that is looked through for some of them."""


class WorkBudgets:
    """The budgets of all users and addresses, in milliseconds of work per second; 0 is no limit."""

    def __init__(self, per_user: float, per_address: float, clock: Clock) -> None:
        self.users = Budgets(per_user, BURST * per_user)
        self.addresses = Budgets(per_address, BURST * per_address)
        self._clock = clock

    def __len__(self) -> int:
        return len(self.users) + len(self.addresses)

    def admit(self, command: type[Command], user: int, address: str) -> None:
        """Charge a command before it is carried out. Refused if a budget is used up; then nothing is charged."""
        cost = COSTS.get(command)
        if cost is None:
            return
        now = self._clock.monotonic()
        wait = max(self.users.owes(user, now), self.addresses.owes(network(address), now) if address else 0.0)
        if wait:
            after = max(1, round(1000 * wait))
            problem = f"Your requests take too much of the server's time. Try again in {after} ms"
            raise Refused(Code.RATE_LIMITED, problem, reason="work", retry=True, after=after)
        self.charge(cost, user, address)

    def charge(self, milliseconds: float, user: int, address: str) -> None:
        """Charge work that was done."""
        now = self._clock.monotonic()
        self.users.spend(user, now, milliseconds)
        if address:
            self.addresses.spend(network(address), now, milliseconds)


def sending(events: Iterable[Event]) -> float:
    """Return what it costs to read and send events, beyond the fixed cost of a page."""
    return TEXT * sum(len(event.text) for event in events)


def owner(address: str, user: int) -> str | bytes | int:
    """Return for whom is read: an address, or a user without one."""
    return network(address) if address else user
