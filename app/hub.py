"""This node's connections. One event becomes one frame, put into the outbox of everybody in the room."""

from __future__ import annotations

from threading import Lock

from app.chat import text
from app.chat.room import Room
from app.transports.stock import Frame, Outbox


class Hub:
    """A room with its members' outboxes.

    Every call is atomic: it may come from any thread (TestClient gives each session a thread and loop of its own), and
    everybody sees what is said in one order. No call waits for a connection.
    """

    def __init__(self) -> None:
        self._room: Room[Outbox] = Room()
        self._lock = Lock()

    def join(self, outbox: Outbox) -> str:
        """Let a connection in and greet it, before it can hear anything else. The answer is its name."""
        with self._lock:
            name = self._room.join(outbox)
            outbox.put(Frame.of(text.greeting(len(self._room))))
        return name

    def leave(self, name: str) -> None:
        """Let a connection go; it hears nothing more."""
        with self._lock:
            self._room.leave(name)

    def say(self, name: str, said: str) -> None:
        """Tell everybody in the room, the speaker too, what `name` said."""
        frame = Frame.of(text.message(name, said))
        with self._lock:
            for outbox in self._room:
                outbox.put(frame)
