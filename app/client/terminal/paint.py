"""Colours: the sixteen of the terminal, so that they fit its theme; or none."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

STEP = 5
"""Colours of ids that follow each other are so far apart; it has no divisor in common with the number of colours."""
_NAMES = ("31", "32", "33", "34", "35", "36", "91", "92", "93", "94", "95", "96")


def wanted(environment: Mapping[str, str]) -> bool:
    """Whether the environment lets a program use colours: see https://no-color.org."""
    return not environment.get("NO_COLOR") and environment.get("TERM", "dumb") != "dumb"


class Paint:
    """Puts colours around what is safe already."""

    def __init__(self, *, on: bool) -> None:
        self.on = on

    def name(self, name: str, shown: str = "", user: int = 0) -> str:
        """A name in the colour of whoever has the id `user`, for good; or that of the name where no id is known."""
        number = user * STEP if user else zlib.crc32(name.casefold().encode("utf-8", "replace"))
        return self._sgr(_NAMES[number % len(_NAMES)], shown or name)

    def faint(self, text: str) -> str:
        """What matters less: the time, the words of the server."""
        return self._sgr("2", text)

    def marked(self, text: str) -> str:
        """What must not be missed: who names you."""
        return self._sgr("1;7", text)

    def strong(self, text: str) -> str:
        """A headline."""
        return self._sgr("1", text)

    def _sgr(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.on and text else text
