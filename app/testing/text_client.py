"""A client of the text dialect, which is what someone with websocat sends and sees."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from typing import Any

from app.chat import text as words
from app.chat.events import Kind
from app.chat.logs import WHISPERS
from app.testing.client import Client, names_of
from app.testing.heard import NOTICE, Heard, Refusal, Wanted, from_line, matches, says
from app.testing.sockets import Socket

GREETING = re.compile(r"You are connected! There are [0-9]+ users here\.")


class TextClient(Client):
    """A client of the text dialect. It is in one room. A guest's `name` is empty until the guest has said something,
    because the server doesn't tell it."""

    def __init__(self, socket: Socket, settle: Callable[[], None], name: str = "", room: str = "") -> None:
        super().__init__(socket, settle, name, room)
        self._first_room = room
        self._asked = 0
        self._prefix = secrets.token_hex(4)
        self.greeting = self.receive()
        """The first line, which says how many people are in the room."""
        if name:
            self._round_trip()
            if any(line.startswith(NOTICE) for line in self._arrived):  # perhaps an error about the name: ask again
                self.nick(name)

    # What it does

    def say(self, text: str, *, room: str = "") -> Heard:
        self._refuse_room(room)
        return self._speak("/" + text if text.startswith("/") else text, Kind.MSG, text)

    def me(self, text: str, *, room: str = "") -> Heard:
        self._refuse_room(room)
        return self._speak(f"/me {text}", Kind.ME, text)

    def whisper(self, to: str | Client | Sequence[str | Client], text: str) -> Heard:
        return self._speak(f"/whisper {','.join(names_of(to))} {text}", Kind.MSG, text)

    def command(self, line: str) -> str:
        """Type a slash command. Return the notices that arrive until it is done, without `***`. They include errors,
        and events that others cause at the same time."""
        self.send(line)
        return "\n".join(self._answers())

    def join(self, room: str = "") -> Any:
        room = room or self._first_room
        self.send(f"/join {room}")
        self._succeed(lambda line: GREETING.fullmatch(line) is not None)
        self.room = room

    def part(self, room: str = "") -> None:
        self._refuse_room(room)
        self.send("/part")
        self._answers()
        self.room = ""

    def nick(self, name: str) -> None:
        self._named(f"/nick {name}", name)

    def register(self, password: str) -> None:
        self._named(f"/register {password}", self.name)

    def login(self, name: str, password: str) -> None:
        self._named(f"/login {name} {password}", name)
        self._arrived = [line for line in self._arrived if not GREETING.fullmatch(line)]

    # What it gets

    def notice(self, text: Wanted = None) -> str:
        def fits(line: Any) -> bool:
            return line.startswith(NOTICE) and matches(line.removeprefix(NOTICE), text)

        return str(self._wait(fits, f"a notice {text!r}")).removeprefix(NOTICE)

    def error(self, code: str = "", message: Wanted = None) -> Refusal:
        if code:
            raise ValueError("the text dialect has no codes: expected message=")
        return Refusal(repr(self), "", self.notice(message))

    # Lines

    def _speak(self, line: str, kind: str, text: str) -> Heard:
        def own(frame: str) -> bool:
            heard = self._heard(frame)
            return heard is not None and heard.kind == kind and self.name in ("", heard.name) and says(heard, text)

        self.send(line)
        heard = self._heard(self._succeed(own))
        assert heard is not None
        self.name = heard.name
        return heard

    def _named(self, line: str, name: str) -> None:
        self.send(line)
        found = re.compile(re.escape(words.named(name)), re.IGNORECASE)  # a login may write the name another way
        said = self._succeed(lambda line: found.fullmatch(line) is not None)
        at = words.named(name).index(name)
        self.name = said[at : at + len(name)]

    def _succeed(self, fits: Callable[[str], bool]) -> str:
        """Take the line that confirms a command. If there is none, raise Refusal with the notices that arrived."""
        self._round_trip()
        for index, line in enumerate(self._arrived):
            if fits(line):
                return str(self._arrived.pop(index))
        raise Refusal(repr(self), "", "; ".join(dict.fromkeys(self._notices())))

    def _answers(self) -> list[str]:
        """Wait until the server has carried out everything, and take the notices that arrived, without `***`."""
        self._round_trip()
        return self._notices()

    def _notices(self) -> list[str]:
        notices = [line for line in self._arrived if line.startswith(NOTICE)]
        self._arrived = [line for line in self._arrived if not line.startswith(NOTICE)]
        return [line.removeprefix(NOTICE) for line in notices]

    def _refuse_room(self, room: str) -> None:
        if room not in ("", self.room):
            raise ValueError(f"the text dialect is in one room, which is {self.room or 'none'}: join {room} first")

    def _encoded(self, frame: Any) -> str | bytes:
        if isinstance(frame, dict):
            raise TypeError("a client of the text dialect sends text: use dialect='json'")
        return frame  # type: ignore[no-any-return]

    def _decoded(self, message: str) -> Any:
        return message

    def _log(self, frame: Any) -> str:
        heard = self._heard(frame)
        return WHISPERS if heard is not None and heard.to else self.room

    def _is_hint(self, frame: Any) -> bool:  # noqa: ARG002  (the text dialect has none)
        return False

    def _heard(self, frame: Any) -> Heard | None:
        return from_line(frame, self.room)

    def _ask_something(self) -> None:
        """Ignore someone who doesn't exist: the error has the name, so it can be told from other notices."""
        self._asked += 1
        nobody = f"nobody.{self._prefix}.{self._asked}"
        self.send(f"/ignore {nobody}")
        self._take(lambda line: line.startswith(NOTICE) and nobody in line, "an answer to a question")
