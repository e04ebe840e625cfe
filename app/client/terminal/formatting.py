"""Lines for the scrollback: safe to show, styled, with the time in front."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, tzinfo

from msgspec import UnsetType

from app.chat.frames import Changed, Found, Frame, Message
from app.client.languages.catalogue import Catalogue
from app.client.sanitize import safe_line, safe_lines
from app.client.terminal.sentences import Pieces, Sentences
from app.client.terminal.style import Style
from app.client.terminal.wrapping import Paragraph, under

_TEXT_MESSAGE = re.compile(r"\[([^\]\n]{1,64})\]: (.*)", re.DOTALL)
"""A message in the text dialect."""


class Formatter:
    """Formats messages and notices. It remembers the day of the last line: the first line of another day gets a
    heading."""

    def __init__(self, style: Style, catalogue: Catalogue, zone: tzinfo | None = None) -> None:
        self._style, self.catalogue, self._zone = style, catalogue, zone
        self._sentences = Sentences(catalogue)
        self._day = ""

    def message(self, frame: Message, me: str, *, own: bool, mentions: bool = False) -> list[str]:
        """A message: `12:34 <ann> hi`, `12:34 * ann waves`, `12:34 <ann → you> psst`, with a `!` before the name if it
        mentions you. `me` is your name; `own` says whether you wrote it."""
        at = self._local(frame.ts)
        if frame.deleted:
            deleted = self.catalogue.text("message.deleted")
            return self._with_date(at, self._lines(at, " ", self._style.dim("***"), [safe_line(deleted)]))
        text = self.catalogue.text("message.edited", text=frame.text) if frame.edited else frame.text
        mark = self._style.highlight("!") if mentions else " "
        return self._with_date(at, self._lines(at, mark, self._who(frame, me, own=own), safe_lines(text)))

    def text_line(self, text: str, now: datetime) -> list[str]:
        """A text from a server that speaks only the text dialect."""
        found = _TEXT_MESSAGE.fullmatch(text)
        if not found:
            return self._with_date(now, self._lines(now, " ", "", safe_lines(text)))
        name = safe_line(found[1])
        who = f"<{self._style.name(name)}>"
        return self._with_date(now, self._lines(now, " ", who, safe_lines(found[2])))

    def notice(self, text: str, now: datetime) -> list[str]:
        """A line from the client itself. A Translatable is translated."""
        return self._notices(now, [self.catalogue.translate(text)])

    def sentences(self, frame: Frame, now: datetime) -> list[str]:
        """A frame in words; no line for a frame that needs none. Hits of a search stand out."""
        if isinstance(frame, Found):
            head = self._style.dim(f"{now:%H:%M} *** ")
            return self._with_date(now, [Paragraph(head, self._pieces(line)) for line in self._sentences.found(frame)])
        return self._notices(self._local(frame.ts) if isinstance(frame, Changed) else now, self._sentences.of(frame))

    def command(self, line: str) -> str:
        """A command as it was typed."""
        return Paragraph(self._style.dim("> "), self._style.dim(safe_line(line)))

    def heading(self, text: str) -> str:
        """A line that separates what is above from what is below."""
        return self._style.bold(f"── {safe_line(text)} ──")

    def _notices(self, at: datetime, lines: Iterable[str]) -> list[str]:
        head = self._style.dim(f"{at:%H:%M} *** ")
        return self._with_date(at, [Paragraph(head, self._style.dim(safe_line(line))) for line in lines])

    def _pieces(self, pieces: Pieces) -> str:
        return "".join((self._style.hit if hit else self._style.dim)(safe_line(piece)) for piece, hit in pieces)

    def _lines(self, at: datetime, mark: str, who: str, lines: list[str]) -> list[str]:
        head = self._style.dim(f"{at:%H:%M}") + mark + (f"{who} " if who else "")
        first, *others = lines
        return [Paragraph(head, first), *(Paragraph(under(head), line) for line in others)]

    def _who(self, frame: Message, me: str, *, own: bool) -> str:
        you = safe_line(self.catalogue.text("message.you"))
        name = safe_line(frame.sender)
        shown = you if own and not isinstance(frame.to, UnsetType) else name
        styled = self._style.name(name, shown, 0 if isinstance(frame.user, UnsetType) else frame.user)
        if not isinstance(frame.to, UnsetType):
            others = ", ".join(you if to == me else safe_line(to) for to in frame.to)
            styled = f"{styled} → {others}"
        return f"* {styled}" if frame.me else f"<{styled}>"

    def _local(self, timestamp: str) -> datetime:
        try:
            return datetime.fromisoformat(timestamp).astimezone(self._zone)
        except ValueError:
            return datetime.now(self._zone)

    def _with_date(self, at: datetime, lines: list[str]) -> list[str]:
        day = f"{at:%Y-%m-%d}"
        if not lines or day == self._day:
            return lines
        first, self._day = not self._day, day
        if first and day == f"{datetime.now(self._zone):%Y-%m-%d}":
            return lines
        weekday = self.catalogue.text(f"weekday.{at.isoweekday()}")
        return [self.heading(self.catalogue.text("log.date", weekday=weekday, date=day)), *lines]
