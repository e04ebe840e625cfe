"""A client of a test: someone in the chat. What both dialects have in common."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, NoReturn, Self

from app.testing.heard import SAID, Heard, Refusal, says
from app.testing.sockets import Closed, Socket

Wanted = str | re.Pattern[str] | None
"""A text, a pattern to search for in it, or any text."""


class Client(ABC):
    """One connection to the chat, and the user behind it.

    What it does (`say`, `whisper`, `nick` …) returns once the server has done it, so what happens in a test has one
    order; Refusal if the server refuses it. What it waits for (`hears`, `notice` …) has a deadline, after which an
    AssertionError shows what came instead. Such a wait passes over what came before in the same room: a test names what
    it cares about, in order. Whispers count as a room of their own. A client's own messages are returned by `say`, and
    are not heard a second time.
    """

    def __init__(self, socket: Socket, settle: Callable[[], None], name: str, room: str) -> None:
        self.socket, self.name, self.room = socket, name, room
        self._settle_all = settle
        self._arrived: list[Any] = []
        self._answered = True
        """Whether the server has carried out everything that was sent."""
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
        """Say something in the room; the message, as everyone gets it."""

    @abstractmethod
    def me(self, text: str, *, room: str = "") -> Heard:
        """Say what you do, as in `/me waves`."""

    @abstractmethod
    def whisper(self, to: str | Client | Sequence[str | Client], text: str) -> Heard:
        """Whisper to someone, or to several people."""

    @abstractmethod
    def command(self, line: str) -> str:
        """Type a slash command, such as `/roll 2d6`; what the server answers to you alone, or nothing."""

    @abstractmethod
    def join(self, room: str = "") -> Any:
        """Go to another room, or to the one where people begin. In JSON you stay in those where you are, and get the
        frame `joined`."""

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
        """Become the one who registered `name`, in the same room."""

    def leave(self) -> None:
        """Close the connection, and return when the server has noticed. To leave again does nothing."""
        self._left = True
        self.socket.close()

    # What it gets

    def hears(self, text: Wanted = None, *, name: str = "", room: str = "") -> Heard:
        """Wait for a message in a room: with this text, by `name`, in `room`, as far as these are given."""
        return self._hear(text, name, room, whispered=False)

    def hears_whisper(self, text: Wanted = None, *, name: str = "") -> Heard:
        """Wait for a whisper: with this text, by `name`, as far as these are given."""
        return self._hear(text, name, "", whispered=True)

    @abstractmethod
    def notice(self, text: Wanted = None) -> str:
        """Wait for words of the server to this client alone. In the text dialect that is any line that begins with
        `***`; what is returned, and compared, is without that."""

    @abstractmethod
    def error(self, code: str = "", message: Wanted = None) -> Refusal:
        """Wait for the error to something that was sent raw; it must have this code and message, as far as given."""

    def receive(self) -> Any:
        """The next frame that is no hint (presence, typing, read): a dict in JSON, or a line of text."""
        return self._take(lambda frame: not self._is_hint(frame), "a frame")

    def frame(self) -> Any:
        """The very next frame, hints included."""
        return self._take(lambda _: True, "a frame")

    def expect_nothing(self) -> None:
        """AssertionError if anything came that was not waited for. Hints don't count.

        It does not wait for a time, but for everything that was set going: what clients sent is carried out, listeners
        have heard what was said, what they said is delivered, and a question of this client is answered, which is
        delivered after everything before it. What a module does later by itself, on a timer or in a task, is not
        waited for.
        """
        self._settle_all()
        self._round_trip()
        came = [frame for frame in self._arrived if not self._is_hint(frame)]
        self._arrived.clear()
        if came:
            raise AssertionError(f"{self!r} expected nothing. {_listed(came)}")

    def closed(self) -> int:
        """Wait until the server closes the connection; the code. What comes before stays."""
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
        """Send a frame as it is: a text, bytes, or a dict, which is sent as JSON. Nothing is waited for."""
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
    def _decoded(self, message: str | bytes) -> Any: ...

    @abstractmethod
    def _is_hint(self, frame: Any) -> bool: ...

    @abstractmethod
    def _log(self, frame: Any) -> str:
        """Which order the frame is part of: its room, `@` for whispers, or nothing."""

    @abstractmethod
    def _heard(self, frame: Any) -> Heard | None: ...

    @abstractmethod
    def _ask_something(self) -> None:
        """Ask the server something that changes nothing and is answered by the store, and take the answer."""

    def settle(self) -> None:
        """Return once the server has carried out everything that this client sent."""
        if self._left or self._over or self._answered:
            return
        try:
            self._round_trip()
        except AssertionError:
            if not self._over:  # the server has closed the connection: it has carried out all it is going to
                raise

    def _round_trip(self) -> None:
        self._ask_something()
        self._answered = True

    def _hear(self, text: Wanted, name: str, room: str, *, whispered: bool) -> Heard:
        def fits(frame: Any) -> bool:
            heard = self._heard(frame)
            return (
                heard is not None
                and heard.kind in SAID
                and bool(heard.to) == whispered
                and says(heard, text)
                and name in ("", heard.name)
                and room in ("", heard.room)
            )

        what = "a whisper" if whispered else "a message"
        heard = self._heard(self._wait(fits, _described(what, text, name, room)))
        assert heard is not None
        return heard

    def _wait(self, fits: Callable[[Any], bool], what: str) -> Any:
        """The first frame that fits; those before it in the same room are dropped."""
        index = self._find(fits, what)
        frame = self._arrived[index]
        log, before = self._log(frame), self._arrived[:index]
        stay = [other for other in before if not log or self._log(other) != log]
        self._arrived = stay + self._arrived[index + 1 :]
        return frame

    def _take(self, fits: Callable[[Any], bool], what: str) -> Any:
        """The first frame that fits; all others stay."""
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
        self._arrived.append(self._decoded(message))

    def _fail(self, problem: str) -> NoReturn:
        raise AssertionError(f"{self!r} {problem}. {_listed(self._arrived)}") from None


def names_of(to: str | Client | Sequence[str | Client]) -> list[str]:
    """The names of people, who may be clients."""
    people = [to] if isinstance(to, (str, Client)) else to
    return [one.name if isinstance(one, Client) else one for one in people]


def matches(text: str, wanted: Wanted) -> bool:
    """Whether `text` is `wanted`, matches it, or nothing is wanted."""
    if isinstance(wanted, re.Pattern):
        return wanted.search(text) is not None
    return wanted is None or text == wanted


def _described(what: str, text: Wanted, name: str, room: str) -> str:
    shown = f"/{text.pattern}/" if isinstance(text, re.Pattern) else repr(text) if text is not None else ""
    parts = (what, shown, f"by {name}" if name else "", f"in {room}" if room else "")
    return " ".join(filter(None, parts))


def _listed(frames: Sequence[Any]) -> str:
    """What came, one frame a line."""
    if not frames:
        return "Nothing came."
    lines = (frame if isinstance(frame, str) else json.dumps(frame, ensure_ascii=False) for frame in frames)
    return "This came:\n" + "\n".join(f"  {line}" for line in lines)
