"""Text styles, in the sixteen colours of the terminal so that they fit its theme; or none."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

STEP = 5
"""Distance between the colours of consecutive user ids. It has no divisor in common with the number of colours."""
_COLOURS = ("31", "32", "33", "34", "35", "36", "91", "92", "93", "94", "95", "96")


def colour_allowed(environment: Mapping[str, str]) -> bool:
    """Whether the environment lets a program use colours: see https://no-color.org."""
    return not environment.get("NO_COLOR") and environment.get("TERM", "dumb") != "dumb"


class Style:
    """Adds escape sequences to text that is safe already."""

    def __init__(self, *, on: bool) -> None:
        self.on = on

    def name(self, name: str, shown: str = "", user: int = 0) -> str:
        """`shown`, or else the name, in a colour that belongs to the user id; or to the name if the id is not known."""
        number = user * STEP if user else zlib.crc32(name.casefold().encode("utf-8", "replace"))
        return self._sgr(_COLOURS[number % len(_COLOURS)], shown or name)

    def dim(self, text: str) -> str:
        """What matters less: times and notices."""
        return self._sgr("2", text)

    def highlight(self, text: str) -> str:
        """What must not be missed: a mention."""
        return self._sgr("1;7", text)

    def hit(self, text: str) -> str:
        """What a search found."""
        return self._sgr("1;4", text)

    def bold(self, text: str) -> str:
        """A heading."""
        return self._sgr("1", text)

    def _sgr(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.on and text else text
