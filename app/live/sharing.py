"""What the connections of all nodes have in common, if several share a history: a node alone loads none of this."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from app.backends import Backend
from app.chat.node_messages import Held, as_text, from_text
from app.clock import Clock
from app.live.departures import Departures
from app.live.held_names import HeldNames
from app.live.hub import Hub
from app.live.nodes import Nodes
from app.live.user_updates import UserUpdates


class Chat(Protocol):
    """What this module needs of the chat."""

    backend: Backend
    hub: Hub
    clock: Clock
    held_names: HeldNames
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


def _share_held_names(context: Chat, nodes: Nodes) -> None:
    names = context.held_names

    def learn(held: Held) -> None:
        names.add(from_text(held.address), held.user, held.age)

    def whole() -> Iterable[Held]:
        return [Held(as_text(address), user, age) for address, user, age in names.all()]

    nodes.on_held.append(learn)
    nodes.held = whole
    names.on_hold = lambda address, user: nodes.hold(Held(as_text(address), user))
