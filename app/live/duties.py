"""What one node does for all: it calls the listeners, and the others know how far these are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.chat.events import Event
from app.live.listening import Backlog, Listener
from app.live.nodes import Nodes

MOST = 10_000
"""Rooms of which it is remembered how far the listeners are, at most."""
SEPARATOR = "\n"


class ListenersDuty:
    """Whether this node calls its listeners, and what it tells of that."""

    def __init__(self, nodes: Nodes, backlogs: Sequence[Backlog]) -> None:
        self._nodes, self._backlogs = nodes, backlogs
        self._heard: dict[str, int] = {}
        nodes.heard = lambda: self._heard
        nodes.on_heard.append(self._heard_elsewhere)
        nodes.on_tick.append(self._look)

    @property
    def leads(self) -> bool:
        return self._nodes.leads

    def heard(self, listener: str, event: Event) -> None:
        key = listener + SEPARATOR + event.room
        self._heard.pop(key, None)
        self._heard[key] = event.seq
        while len(self._heard) > MOST:
            del self._heard[next(iter(self._heard))]
        self._nodes.tell_heard({key: event.seq})

    def _heard_elsewhere(self, heard: Mapping[str, int]) -> None:
        for key, seq in heard.items():
            name, _, room = key.partition(SEPARATOR)
            for backlog in self._backlogs:
                if backlog.name == name:
                    backlog.heard_elsewhere(room, seq)

    def _look(self) -> None:
        for backlog in self._backlogs:
            backlog.look()


def names_of(listeners: Sequence[Listener]) -> list[str]:
    """Return names that the listeners have on all nodes alike."""
    names: list[str] = []
    for listener in listeners:
        named = listener if hasattr(listener, "__qualname__") else type(listener)
        name = f"{named.__module__}.{named.__qualname__}"
        names.append(f"{name} {sum(other.startswith(name) for other in names)}")
    return names
