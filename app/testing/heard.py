"""What a client gets, in either dialect: messages, other events, and refusals."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.chat import text
from app.chat.events import Kind

SAID = frozenset({Kind.MSG, Kind.ME})
NOTICE = "*** "

Wanted = str | re.Pattern[str] | None
"""A text, a pattern to search for in it, or any text."""

_LINE = re.compile(r"\[(?P<name>[^\]→]+?)(?: → (?P<to>[^\]]+))?\](?P<colon>:?) (?P<text>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Heard:
    """A message or another event in a room, as a client got it.

    `name` is its author, `kind` one of `app.Kind`, and `to` the recipients of a whisper. The text dialect has no `seq`,
    `id`, `user`, `whom`, `about` and `of`, which docs/protocol.md explains. `frame` is the original: a dict in JSON, or
    a line of text.
    """

    name: str
    text: str
    kind: str
    room: str = ""
    to: tuple[str, ...] = ()
    seq: int = 0
    id: str = ""
    user: int = 0
    whom: str = ""
    about: int = 0
    of: int = 0
    frame: Any = field(default=None, repr=False, compare=False)


class Refusal(AssertionError):
    """The server refused a request. Unless the test catches it, the test fails.

    `code` is one of `app.Code`, and empty in the text dialect, which has no codes. `message` is the text for people.
    `frame` is the whole error frame in JSON, and empty in the text dialect.
    """

    def __init__(self, who: object, code: str, message: str, frame: Mapping[str, Any] | None = None) -> None:
        self.code, self.message, self.frame = code, message, dict(frame or {})
        super().__init__(f"{who} was refused: {': '.join(filter(None, (code, message)))}")


def from_frame(frame: Mapping[str, Any]) -> Heard | None:
    """Convert a frame of JSON. None if it isn't a message or another event."""
    if not {"seq", "id", "from"} <= frame.keys():
        return None
    kind = frame["t"]
    return Heard(
        name=frame["from"],
        text=frame.get("text", ""),
        kind=str(Kind.ME) if kind == Kind.MSG and frame.get("me") else kind,
        room=frame["room"],
        to=tuple(frame.get("to", ())),
        seq=frame["seq"],
        id=frame["id"],
        user=frame.get("user", 0),
        whom=frame.get("whom", ""),
        about=frame.get("about", 0),
        of=frame.get("of", 0),
        frame=frame,
    )


def from_line(line: str, room: str) -> Heard | None:
    """Convert a line of the text dialect. None if it isn't a message. `room` is the client's room."""
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    to = tuple(found["to"].split(", ")) if found["to"] else ()
    kind = str(Kind.MSG if found["colon"] else Kind.ME)
    return Heard(found["name"], found["text"], kind, "" if to else room, to, frame=line)


def matches(text: str, wanted: Wanted) -> bool:
    """Return whether `text` is `wanted` or matches it. None matches everything."""
    if isinstance(wanted, re.Pattern):
        return wanted.search(text) is not None
    return wanted is None or text == wanted


def says(heard: Heard, wanted: Wanted) -> bool:
    """Return whether the text of a message matches."""
    if matches(heard.text, wanted):
        return True
    if not isinstance(wanted, str) or not isinstance(heard.frame, str):
        return False
    # In the text dialect a line that looks like someone's message is indented.
    return heard.text == text.message(heard.name, wanted).partition("]: ")[2]
