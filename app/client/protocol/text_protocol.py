"""The client's side of the text dialect: for servers that speak nothing else, such as the one of Ktor's tutorial.

There are no acks. What you sent comes back to you as to everyone, `[user0]: hi`, and counts as acknowledged then.
Messages that did not come back before the connection was lost are not sent again, since they could be shown twice.
"""

from __future__ import annotations

from collections import deque

from app.chat import frames
from app.client.errors import ChatError, Uncertain, Unsupported
from app.client.events import Connected, Line
from app.client.languages.catalogue import translatable
from app.client.protocol.actions import Action, Deliver, Send, Settle

ECHO_TIMEOUT = 10.0
"""Seconds without anything coming back after which nothing is expected any more."""
WINDOW = 256
"""Messages in flight at once."""


class TextProtocol:
    """The same methods as JsonProtocol. The dialect does not say what you are called, so `name` is empty."""

    def __init__(self, *, name: str = "") -> None:
        self.name, self.wanted_name = "", name
        self.token = ""
        self.limits: dict[str, float] = {}
        self.connected = False
        self.wake_at: float | None = None
        self._queue: deque[tuple[str, str]] = deque()
        self._in_flight: deque[tuple[str, str]] = deque()
        self._requests = 0
        self._connected_before = False
        self._actions: list[Action] = []

    def send(self, cid: str, command: frames.Say | frames.Whisper, now: float) -> None:
        """Send a text to everyone; nothing else is supported."""
        if isinstance(command, frames.Whisper) or command.me:
            self._actions.append(Settle(cid, _unsupported()))
            return
        self._queue.append((cid, command.text))
        self._pump(now)

    def request(self, command: frames.Request, now: float) -> int:  # noqa: ARG002
        """No request is supported."""
        self._requests += 1
        self._actions.append(Settle(self._requests, _unsupported()))
        return self._requests

    def resume_reading(self, now: float) -> None:
        """Do nothing: the dialect can't ask for events again."""

    def skip(self, event: frames.Message | frames.Changed) -> None:
        """Do nothing: the dialect can't ask for events again."""

    def connection_made(self) -> None:
        """Count as connected at once: the dialect has no greeting that could be relied on."""
        again, self._connected_before = self._connected_before, True
        self.connected = True
        self._actions.append(Deliver(Connected("", again)))

    def text_received(self, text: str, now: float) -> None:
        """Take a text: a message of someone's, or one of your own that comes back."""
        message = text.partition("]: ")[2] if text.startswith("[") else None
        own = False
        for index, (cid, sent) in enumerate(self._in_flight):
            if sent == message:
                del self._in_flight[index]
                self.wake_at, own = now + ECHO_TIMEOUT, True
                self._actions.append(Settle(cid, frames.Ack(cid, "", 0, "")))
                break
        self._actions.append(Deliver(Line(text, own)))
        self._pump(now)

    def connection_lost(self, now: float) -> None:  # noqa: ARG002
        """Finish what is in flight."""
        self.connected = False
        self._give_up("uncertain.lost")

    def frame_too_big(self) -> None:
        """Do nothing: the message that was too big is among those that did not come back."""

    def tick(self, now: float) -> None:
        """Finish what should have come back by now."""
        if self.wake_at is not None and now >= self.wake_at:
            self._give_up("uncertain.no_echo")
        self._pump(now)

    def fail(self, error: ChatError) -> None:
        """Finish everything: nothing more comes."""
        self._give_up("uncertain.ended", error=error.message)
        self._actions += [Settle(cid, error) for cid, _ in self._queue]
        self._queue.clear()

    def take_actions(self) -> list[Action]:
        """What is to be done, in order. They are returned once."""
        actions, self._actions = self._actions, []
        return actions

    def _pump(self, now: float) -> None:
        while self.connected and self._queue and len(self._in_flight) < WINDOW:
            cid, text = self._queue.popleft()
            self._in_flight.append((cid, text))
            self.wake_at = now + ECHO_TIMEOUT
            self._actions.append(Send(text))
        if not self._in_flight:
            self.wake_at = None

    def _give_up(self, key: str, **values: object) -> None:
        self._actions += [Settle(cid, Uncertain(translatable(key, **values))) for cid, _ in self._in_flight]
        self._in_flight.clear()
        self.wake_at = None


def _unsupported() -> Unsupported:
    return Unsupported(translatable("unsupported"))
