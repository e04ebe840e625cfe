"""The format of an export: lines of JSON, one record each.

A header comes first. Then come users, names that were given up, events, states, trims, read markers and ignores, in
this order. Events are in the order in which they were stored: positions ascend in each room, and over all
conversations, which share one counter. The last line says how many lines come before it, which tells a complete file
from one that was cut off. Mailboxes, conversations and the search index are not in an export, since an import can build
them from the rest.

In version 1, one counter gave out the positions of all rooms and conversations. Before version 3, nothing was known of
operators and of names that were given up.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, BinaryIO, TypeVar

from msgspec import DecodeError, Meta, Struct, ValidationError, json

from app.chat.events import PLAIN, Detail

T = TypeVar("T")

VERSION = 3
MAX_LINE = 1 << 26
"""The most bytes in a line of an export."""

Number = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Position = Annotated[int, Meta(ge=1, le=2**53 - 1)]
NonEmpty = Annotated[str, Meta(min_length=1)]


class ArchiveError(Exception):
    """An export that can't be loaded, or a backup that can't be made. The text is one line."""


class Line(Struct, omit_defaults=True, forbid_unknown_fields=True, tag_field="t"):
    """One line of an export."""


class Header(Line, tag="natter"):
    """The first line: the version of the format, the epoch, and the room (empty for an export of everything). An export
    of everything has the highest user id and position of a whisper that the store ever gave out, since they are never
    used again. Version 1 has `last_position`, of all logs, instead of `last_whisper`.
    """

    version: int
    epoch: str
    room: str = ""
    last_user: Number = 0
    last_position: Number = 0
    last_whisper: Number = 0


class UserLine(Line, tag="user"):
    """A user. `tokens` are digests in hexadecimal. `canonical` defaults to the name in lower case. `operator` has the
    names whose rank it has."""

    id: Position
    name: NonEmpty
    canonical: str = ""
    password: str = ""
    seen: Number = 0
    tokens: tuple[str, ...] = ()
    operator: tuple[str, ...] = ()


class GivenUpLine(Line, tag="given_up"):
    """A name that a user gave up, when that was, and what it looks like."""

    user: Position
    canonical: NonEmpty
    at: Number
    skeleton: str = ""


class EventLine(Line, tag="event"):
    """An event, with the fields of Event in the order of COLUMNS."""

    room: NonEmpty
    seq: Position
    id: NonEmpty
    at: Number
    user: Number
    name: str
    text: str
    cid: str
    kind: NonEmpty
    of: Number = 0
    detail: Detail = PLAIN


class StateLine(Line, tag="state"):
    """The position of the event that set a key of a room's state last."""

    room: NonEmpty
    key: NonEmpty
    seq: Position


class TrimLine(Line, tag="trim"):
    """The position up to which a room, a conversation or a mailbox has been trimmed."""

    room: NonEmpty
    through: Position


class MarkLine(Line, tag="mark"):
    """A read marker: the position up to which a user has read."""

    user: Position
    room: NonEmpty
    seq: Position


class IgnoreLine(Line, tag="ignore"):
    """A user, and another whom that user ignores."""

    user: Position
    whom: Position


class End(Line, tag="end"):
    """The last line: the number of lines before it."""

    lines: Number


Record = UserLine | GivenUpLine | EventLine | StateLine | TrimLine | MarkLine | IgnoreLine
ORDER = (UserLine, GivenUpLine, EventLine, StateLine, TrimLine, MarkLine, IgnoreLine)


class _Start(Struct):
    """The part of the header that all versions share."""

    t: str
    version: int


_start = json.Decoder(_Start)
_header = json.Decoder(Header)
_line = json.Decoder(Record | End)


class Reader:
    """Reads the lines of an export, checks each by itself, and counts them. `name` is what errors call the file."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.file, self.name = file, name
        self.number = 0
        """The number of the line that was read last, from 1."""

    def error(self, problem: str) -> ArchiveError:
        """Return an error about the line that was read last."""
        return ArchiveError(f"{self.name}:{self.number}: {' '.join(problem.split())}")

    def header(self) -> Header:
        """Read the first line."""
        line = self._next()
        try:
            start = _start.decode(line)
        except (DecodeError, UnicodeDecodeError):
            start = _Start("", 0)
        if start.t != "natter":
            raise self.error("this is not an export: expected a first line that begins with " + '{"t":"natter"')
        if start.version > VERSION:
            raise self.error(
                f"the export has version {start.version}, of a newer Natter: expected {VERSION}, or a newer Natter here"
            )
        return self._decode(_header, line)

    def records(self) -> Iterator[Record]:
        """Read the lines after the header, in their order, up to the last line."""
        before = 0
        while not isinstance(line := self._decode(_line, self._next()), End):
            order = ORDER.index(type(line))
            if order < before:
                raise self.error(
                    "the lines are out of order: expected users, names given up, events, state, trims, marks, ignores"
                )
            before = order
            yield line
        if line.lines != self.number - 1:
            raise self.error(f"lines are missing or too many: expected {line.lines} before this one")
        if self.file.readline(1):
            self.number += 1
            raise self.error("something comes after the end: expected no more lines")

    def _next(self) -> bytes:
        self.number += 1
        line = self.file.readline(MAX_LINE)
        if not line:
            raise self.error("the file ends here: expected " + ("an export" if self.number == 1 else "its last line"))
        return line

    def _decode(self, decoder: json.Decoder[T], line: bytes) -> T:
        try:
            return decoder.decode(line)
        except ValidationError as error:
            raise self.error(f"expected a line of an export: {error}") from None
        except (DecodeError, UnicodeDecodeError):
            raise self.error("expected a line of JSON; the file is damaged or cut off") from None
