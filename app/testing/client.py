"""A person in a test: what the clients of both dialects have in common."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, NoReturn, Self

from app.testing.heard import SAID, Heard, Refusal, Wanted, says
from app.testing.sockets import Closed, Socket


class Client(ABC):
    """One connection to the chat.

    Methods that do something (`say`, `whisper`, `nick` …) return once the server has done it, so that events happen in
    the order in which the test causes them. They raise Refusal if the server refuses. Methods that wait for something
    (`hears`, `notice` …) have a deadline, and fail with an AssertionError that shows what arrived instead. They skip
    what arrived earlier in the same room; whispers count as a room. A client doesn't hear its own messages: `say`
    returns them.
    """

    def __init__(self, socket: Socket, settle: Callable[[], None], name: str, room: str) -> None:
        self.socket, self.name, self.room = socket, name, room
        self._settle_all = settle
        self._arrived: list[Any] = []
        self._answered = True
        """Whether the server has carried out everything that the client sent."""
        self._left = self._over = False
        """Whether the test has closed the connection; whether the server has."""

    def __repr__(self) -> str:
        return self.name or "a guest"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.leave()

    # What it does

    @abstractmethod
    def say(self, text: str, *, room: str = "") -> Heard:
        """Say something in the room. Return the message as everyone gets it."""

    @abstractmethod
    def me(self, text: str, *, room: str = "") -> Heard:
        """Say what you do, as `/me waves` does. Return the message."""

    @abstractmethod
    def whisper(self, to: str | Client | Sequence[str | Client], text: str) -> Heard:
        """Whisper to one or more people. Return the whisper."""

    @abstractmethod
    def command(self, line: str) -> str:
        """Type a slash command, such as `/roll 2d6`. Return what the server answers to this client alone, or ""."""

    @abstractmethod
    def join(self, room: str = "") -> Any:
        """Join a room, by default the one where the server lets people begin. In JSON, stay in the other rooms, and
        return the frame `joined`."""

    @abstractmethod
    def part(self, room: str = "") -> None:
        """Leave the room."""

    @abstractmethod
    def nick(self, name: str) -> None:
        """Take another name."""

    @abstractmethod
    def register(self, password: str) -> None:
        """Protect the name with a password."""

    @abstractmethod
    def login(self, name: str, password: str) -> None:
        """Log in as the user who registered `name`, and join the same room again."""

    def leave(self) -> None:
        """Disconnect, and wait until the server has noticed. Leaving twice is fine."""
        self._left = True
        self.socket.close()

    # What it gets

    def hears(self, text: Wanted = None, *, name: str = "", room: str = "") -> Heard:
        """Wait for a message in a room. `text`, `name` and `room` narrow it down."""
        return self._hear(text, name, room, whispered=False)

    def hears_whisper(self, text: Wanted = None, *, name: str = "") -> Heard:
        """Wait for a whisper. `text` and `name` narrow it down."""
        return self._hear(text, name, "", whispered=True)

    @abstractmethod
    def notice(self, text: Wanted = None) -> str:
        """Wait for a notice from the server. In the text dialect, that is a line that begins with `***`, which is not
        part of the text that is compared and returned."""

    @abstractmethod
    def error(self, code: str = "", message: Wanted = None) -> Refusal:
        """Wait for the error to a raw frame. AssertionError if it has another code or message."""

    def receive(self) -> Any:
        """Return the next frame: a dict in JSON, or a line of text. Skip hints (presence, typing, read)."""
        return self._take(lambda frame: not self._is_hint(frame), "a frame")

    def frame(self) -> Any:
        """Return the next frame, also if it's a hint."""
        return self._take(lambda _: True, "a frame")

    def expect_nothing(self) -> None:
        """AssertionError if anything arrived that the test didn't wait for, hints apart.

        Doesn't sleep: waits until everything under way is done (`Host.settle`), then asks the server a question, whose
        answer arrives after everything else. What a module does later in a task or on a timer is not waited for. In the
        text dialect, a rate limit can keep the question from being answered.
        """
        self._settle_all()
        self._round_trip()
        came = [frame for frame in self._arrived if not self._is_hint(frame)]
        self._arrived.clear()
        if came:
            raise AssertionError(f"{self!r} expected nothing. {_listed(came)}")

    def closed(self) -> int:
        """Wait until the server closes the connection, and return the close code. Skip nothing that arrived before."""
        deadline = monotonic() + self.socket.deadline
        try:
            while True:
                self._pull(deadline)
        except Closed as closed:
            return closed.code
        except TimeoutError:
            self._fail("expected the server to close the connection")

    # Raw frames

    def send(self, frame: Any) -> None:
        """Send a raw frame: a text, bytes, or a dict, which becomes JSON. Don't wait for anything."""
        self._answered = False
        try:
            self.socket.send(self._encoded(frame))
        except Closed as closed:
            self._over = True
            self._fail(f"can't send {frame!r}: {closed}")

    # What the dialects and the host need

    @abstractmethod
    def _encoded(self, frame: Any) -> str | bytes: ...

    @abstractmethod
    def _decoded(self, message: str) -> Any: ...

    @abstractmethod
    def _is_hint(self, frame: Any) -> bool: ...

    @abstractmethod
    def _log(self, frame: Any) -> str:
        """Return the log that a frame belongs to: its room, `@` for a whisper, or "" for no log."""

    @abstractmethod
    def _heard(self, frame: Any) -> Heard | None: ...

    @abstractmethod
    def _ask_something(self) -> None:
        """Send a request that changes nothing and that the store has to answer, and take the answer."""

    def settle(self) -> None:
        """Wait until the server has carried out everything that this client sent."""
        if self._left or self._over or self._answered:
            return
        try:
            self._round_trip()
        except AssertionError:
            if not self._over:  # if the server has closed the connection, nothing more will be carried out
                raise

    def _round_trip(self) -> None:
        self._ask_something()
        self._answered = True

    def _hear(self, text: Wanted, name: str, room: str, *, whispered: bool) -> Heard:
        def fits(heard: Heard) -> bool:
            return (
                heard.kind in SAID
                and bool(heard.to) == whispered
                and says(heard, text)
                and name in ("", heard.name)
                and room in ("", heard.room)
            )

        what = "a whisper" if whispered else "a message"
        return self._wait_heard(fits, _described(what, text, name, room))

    def _wait_heard(self, fits: Callable[[Heard], bool], what: str) -> Heard:
        """Wait for a message or another event that fits."""

        def is_it(frame: Any) -> bool:
            heard = self._heard(frame)
            return heard is not None and fits(heard)

        heard = self._heard(self._wait(is_it, what))
        assert heard is not None
        return heard

    def _wait(self, fits: Callable[[Any], bool], what: str) -> Any:
        """Take the first frame that fits, and drop those before it in the same log."""
        index = self._find(fits, what)
        frame = self._arrived[index]
        log, before = self._log(frame), self._arrived[:index]
        stay = [other for other in before if not log or self._log(other) != log]
        self._arrived = stay + self._arrived[index + 1 :]
        return frame

    def _take(self, fits: Callable[[Any], bool], what: str) -> Any:
        """Take the first frame that fits, and keep all others."""
        return self._arrived.pop(self._find(fits, what))

    def _find(self, fits: Callable[[Any], bool], what: str) -> int:
        deadline = monotonic() + self.socket.deadline
        looked_at = 0
        while True:
            while looked_at < len(self._arrived):
                if fits(self._arrived[looked_at]):
                    return looked_at
                looked_at += 1
            try:
                self._pull(deadline)
            except TimeoutError:
                self._fail(f"expected {what} within {self.socket.deadline:g} s")
            except Closed as closed:
                self._fail(f"expected {what}, but {closed}")

    def _pull(self, deadline: float) -> None:
        """Take one frame from the socket."""
        try:
            message = self.socket.wait(max(0.0, deadline - monotonic()))
        except Closed:
            self._over = True
            raise
        if isinstance(message, bytes):
            raise AssertionError(f"{self!r} got a binary message, which the chat does not send: {message!r}")
        self._arrived.append(self._decoded(message))

    def _fail(self, problem: str) -> NoReturn:
        raise AssertionError(f"{self!r} {problem}. {_listed(self._arrived)}") from None


def names_of(to: str | Client | Sequence[str | Client]) -> list[str]:
    """Return the names of people, who may be clients."""
    people = [to] if isinstance(to, (str, Client)) else to
    return [one.name if isinstance(one, Client) else one for one in people]


def _described(what: str, text: Wanted, name: str, room: str) -> str:
    shown = f"/{text.pattern}/" if isinstance(text, re.Pattern) else repr(text) if text is not None else ""
    parts = (what, shown, f"by {name}" if name else "", f"in {room}" if room else "")
    return " ".join(filter(None, parts))


def _listed(frames: Sequence[Any]) -> str:
    """List frames, one a line."""
    if not frames:
        return "Nothing came."
    lines = (frame if isinstance(frame, str) else json.dumps(frame, ensure_ascii=False) for frame in frames)
    return "This came:\n" + "\n".join(f"  {line}" for line in lines)
