"""How what happens looks in the terminal: lines, safe and painted."""

from __future__ import annotations

import re
from datetime import datetime, tzinfo

from msgspec import UnsetType

from app.chat.dialects import TEXT
from app.chat.frames import Frame, Message
from app.client import safe
from app.client.terminal.paint import Paint

_PLAIN = re.compile(r"\[([^\]\n]{1,64})\]: (.*)", re.DOTALL)


class Words:
    """Says things. It keeps the day that was shown last: the first line of another is below its date."""

    def __init__(self, paint: Paint, zone: tzinfo | None = None) -> None:
        self._paint, self._zone = paint, zone
        self._day = ""

    def message(self, frame: Message, me: str, *, own: bool) -> list[str]:
        """What somebody said: `12:34 <ann> hi`, `12:34 * ann waves`, `12:34 <ann → you> psst`; a `!` before the name
        where it names you. `me` is what you are called, `own` whether you said it."""
        at = self._local(frame.ts)
        if frame.deleted:
            return self._dated(at, self._lines(at, " ", self._paint.faint("***"), ["a message was deleted"]))
        text = frame.text + (" (edited)" if frame.edited else "")
        mark = self._paint.marked("!") if not own and mentions(frame, me) else " "
        return self._dated(at, self._lines(at, mark, self._who(frame, me, own=own), safe.lines(text)))

    def plain(self, text: str, now: datetime) -> list[str]:
        """What came from a server that speaks text."""
        found = _PLAIN.fullmatch(text)
        if not found:
            return self._dated(now, self._lines(now, " ", "", safe.lines(text)))
        name = safe.line(found[1])
        who = f"<{self._paint.name(name)}>"
        return self._dated(now, self._lines(now, " ", who, safe.lines(found[2])))

    def notice(self, text: str, now: datetime) -> list[str]:
        """Words of the client's own."""
        return self._dated(now, [self._notice(now, line) for line in safe.lines(text)])

    def answer(self, frame: Frame, now: datetime) -> list[str]:
        """A frame in the words of the text dialect; nothing where that has none."""
        said = TEXT.encode(frame)
        lines = [] if said is None else said.split("\n")
        return self._dated(now, [self._notice(now, safe.line(line.removeprefix("*** "))) for line in lines])

    def typed(self, line: str) -> str:
        """A command, as it was typed."""
        return self._paint.faint(f"> {safe.line(line)}")

    def headline(self, text: str) -> str:
        """What comes below belongs to something else."""
        return self._paint.strong(f"── {safe.line(text)} ──")

    def _notice(self, at: datetime, line: str) -> str:
        return self._paint.faint(f"{at:%H:%M} *** {line}")

    def _lines(self, at: datetime, mark: str, who: str, lines: list[str]) -> list[str]:
        head = self._paint.faint(f"{at:%H:%M}") + mark
        first, *others = lines
        return [f"{head}{who} {first}" if who else f"{head}{first}", *(f"      {line}" for line in others)]

    def _who(self, frame: Message, me: str, *, own: bool) -> str:
        name = safe.line(frame.sender)
        shown = "you" if own and not isinstance(frame.to, UnsetType) else name
        painted = self._paint.name(name, shown, 0 if isinstance(frame.user, UnsetType) else frame.user)
        if not isinstance(frame.to, UnsetType):
            others = ", ".join("you" if to == me else safe.line(to) for to in frame.to)
            painted = f"{painted} → {others}"
        return f"* {painted}" if frame.me else f"<{painted}>"

    def _local(self, timestamp: str) -> datetime:
        try:
            return datetime.fromisoformat(timestamp).astimezone(self._zone)
        except ValueError:
            return datetime.now(self._zone)

    def _dated(self, at: datetime, lines: list[str]) -> list[str]:
        day = f"{at:%Y-%m-%d}"
        if not lines or day == self._day:
            return lines
        first, self._day = not self._day, day
        if first and day == f"{datetime.now(self._zone):%Y-%m-%d}":
            return lines
        return [self.headline(f"{at:%A} {day}"), *lines]


def mentions(frame: Message, me: str) -> bool:
    """Whether a message has your name in it, as a word."""
    if not me or frame.deleted:
        return False
    # What may be within a name, `.` and `-`, may also end a sentence after it.
    return re.search(rf"(?<![\w.-]){re.escape(me)}(?!\w|[.-]\w)", frame.text, re.IGNORECASE) is not None
