"""The client's side of the text dialect, without sockets and clocks: for servers that speak nothing else, the one of
Ktor's tutorial among them.

There are no acks. What one said comes back to oneself as to everybody, `[user0]: hi`: that is taken for one. What was
sent and did not come back when the connection broke is not sent again, as it could be said twice.
"""

from __future__ import annotations

from collections import deque

from app.chat import frames
from app.client.errors import ChatError, Uncertain, Unsupported
from app.client.events import Action, Connected, Line, Send, Settle, Tell

ECHO = 10.0
"""Seconds without anything coming back after which nothing is expected any more."""
WINDOW = 256


class PlainProtocol:
    """One line of talk with one server; the methods are those of Protocol. What one is called nobody says."""

    def __init__(self, *, name: str = "") -> None:
        self.name, self.wanted = "", name
        self.token = ""
        self.limits: dict[str, float] = {}
        self.connected = False
        self.wake: float | None = None
        self._queue: deque[tuple[str, str]] = deque()
        self._flying: deque[tuple[str, str]] = deque()
        self._numbers = 0
        self._before = False
        self._actions: list[Action] = []

    def say(self, cid: str, command: frames.Say | frames.Whisper, now: float) -> None:
        """Say a text, to everybody."""
        if isinstance(command, frames.Whisper) or command.me:
            self._actions.append(Settle(cid, _unsupported()))
            return
        self._queue.append((cid, command.text))
        self._pump(now)

    def ask(self, command: frames.Request, now: float) -> int:  # noqa: ARG002
        """There is nothing to ask for."""
        self._numbers += 1
        self._actions.append(Settle(self._numbers, _unsupported()))
        return self._numbers

    def read_on(self, now: float) -> None:
        """Nothing can be asked for again."""

    def fall_behind(self, event: frames.Message | frames.Changed) -> None:
        """Nothing can be asked for again."""

    def opened(self) -> None:
        """There is a connection: that is all that there is to being in the chat."""
        again, self._before = self._before, True
        self.connected = True
        self._actions.append(Tell(Connected("", again)))

    def received(self, text: str, now: float) -> None:
        """A text came: what somebody said, or it comes back."""
        said = text.partition("]: ")[2] if text.startswith("[") else None
        own = False
        for index, (cid, sent) in enumerate(self._flying):
            if sent == said:
                del self._flying[index]
                self.wake, own = now + ECHO, True
                self._actions.append(Settle(cid, frames.Ack(cid, "", 0, "")))
                break
        self._actions.append(Tell(Line(text, own)))
        self._pump(now)

    def lost(self, now: float) -> None:  # noqa: ARG002
        """The connection is over."""
        self.connected = False
        self._give_up("the connection broke before the message came back")

    def too_big(self) -> None:
        """What was too big is among what did not come back."""

    def ticked(self, now: float) -> None:
        """It is later."""
        if self.wake is not None and now >= self.wake:
            self._give_up("the message did not come back")
        self._pump(now)

    def failed(self, error: ChatError) -> None:
        """Nothing more comes."""
        self._give_up(str(error))
        self._actions += [Settle(cid, error) for cid, _ in self._queue]
        self._queue.clear()

    def take(self) -> list[Action]:
        """What is to be done, in order."""
        actions, self._actions = self._actions, []
        return actions

    def _pump(self, now: float) -> None:
        while self.connected and self._queue and len(self._flying) < WINDOW:
            cid, text = self._queue.popleft()
            self._flying.append((cid, text))
            self.wake = now + ECHO
            self._actions.append(Send(text))
        if not self._flying:
            self.wake = None

    def _give_up(self, reason: str) -> None:
        self._actions += [Settle(cid, Uncertain(f"{reason}: it may have been said or not")) for cid, _ in self._flying]
        self._flying.clear()
        self.wake = None


def _unsupported() -> Unsupported:
    return Unsupported("the server speaks only text: one says something to everybody there, and no more")
