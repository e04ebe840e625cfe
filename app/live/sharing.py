"""What the connections of all nodes have in common, if several share a history: a node alone loads none of this."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from app.backends import Backend
from app.chat.budgets import Budgets
from app.chat.node_messages import Held, as_text, from_text
from app.clock import Clock
from app.identity.passwords import Passwords
from app.live.common_limits import ConnectionsElsewhere, share_attempts, share_budgets
from app.live.departures import Departures
from app.live.held_names import HeldNames
from app.live.hub import Hub
from app.live.newcomers import Newcomers
from app.live.nodes import Nodes
from app.live.shares import Shares
from app.live.user_updates import UserUpdates
from app.live.work import WorkBudgets


class Admission(Protocol):
    """What this module needs of what counts connections and requests."""

    max_per_address: int
    handshakes: Budgets
    requests: Budgets
    elsewhere: Any


class Chat(Protocol):
    """What this module needs of the chat."""

    backend: Backend
    hub: Hub
    clock: Clock
    held_names: HeldNames
    shares: Shares
    work: WorkBudgets
    newcomers: Newcomers
    passwords: Passwords
    departures: Departures | None

    def forget_ranks(self) -> None:
        """Have it found out again who is a server operator, before anyone connects."""

    async def load_operators(self) -> None:
        """Find out who is a server operator."""


def share(context: Chat, nodes: Nodes) -> None:
    """Have a chat know what other nodes tell, and tell them of its own."""
    context.departures = Departures(nodes, context.hub, context.clock)
    UserUpdates(context.backend, context.hub, forget_ranks=context.forget_ranks, load_ranks=context.load_operators)
    _share_held_names(context, nodes)
    _share_limits(context, nodes)


def share_admission(admission: Admission, nodes: Nodes, clock: Clock) -> None:
    """Have the limits of connections and requests of an address hold over all nodes."""
    share_budgets("handshakes", admission.handshakes, nodes, clock)
    share_budgets("requests", admission.requests, nodes, clock)
    if admission.max_per_address:
        admission.elsewhere = ConnectionsElsewhere(nodes, admission.max_per_address)


def _share_limits(context: Chat, nodes: Nodes) -> None:
    shares, work, newcomers = context.shares, context.work, context.newcomers
    budgets = {
        "commands": shares.users,
        "commands of an address": shares.addresses,
        "texts": shares.texts,
        "texts of an address": shares.texts_by_address,
        "texts of guests": shares.texts_of_guests,
        "work": work.users,
        "work of an address": work.addresses,
        "guests": newcomers.guests,
        "registrations": newcomers.registrations,
    }
    for name, one in budgets.items():
        share_budgets(name, one, nodes, context.clock)
    share_attempts(context.passwords.attempts, nodes, context.clock)


def _share_held_names(context: Chat, nodes: Nodes) -> None:
    names = context.held_names

    def learn(held: Held) -> None:
        names.add(from_text(held.address), held.user, held.age)

    def whole() -> Iterable[Held]:
        return [Held(as_text(address), user, age) for address, user, age in names.all()]

    nodes.on_held.append(learn)
    nodes.held = whole
    names.on_hold = lambda address, user: nodes.hold(Held(as_text(address), user))
