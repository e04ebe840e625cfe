"""The text of a message, made safe for the text dialect: it is shown as it is, and as nothing else.

Programs such as websocat write what they get to a terminal. So control characters, which could move the cursor, erase
the author or reach the clipboard, are shown as Python writes them, `\\x1b`, except for tabs and line ends. No line
after the first can look like one that begins a message, a notice or the greeting: such a line is indented by a space. A
line that begins with a combining mark gets something to combine with.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from app.chat.typed import INVISIBLE

BASE = "\N{DOTTED CIRCLE}"
"""What Unicode shows a combining mark on that has nothing to combine with."""
MANY = 1000
"""Lines of a message that are looked at one by one. If there are more, all are indented."""
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(9), 11, 12, *range(14, 32), *range(127, 160))}
_BREAKS = "\n\u2028\u2029"
_BRACKETS = "\\[\uff3b\u2772\u301a\u27e6"
_STARS = "*\uff0a\u2217\u204e\u066d"
_TURNS = "\u202a-\u202e\u2066-\u2069"
"""Characters that change the direction of what follows, so that it may end where the line begins."""
_TWINS = {"a": "\u0430", "c": "\u0441", "e": "\u0435", "o": "\u043e\u03bf", "y": "\u0443\u03c5"}
"""Cyrillic and Greek letters that look like Latin ones."""


def safe(text: str) -> str:
    """Make the text of a message safe."""
    # Line breaks and control characters aren't printable and most texts are, so that few need the slow search.
    if text.isprintable():
        return text
    text = escaped(text)
    lines = sum(map(text.count, _BREAKS))
    if lines > MANY:
        for one in _BREAKS:
            text = text.replace(one, f"{one} ")
        return text
    return _forgery().sub(" ", _mark().sub(_with_base, text)) if lines else text


def escaped(text: str) -> str:
    """Show control characters, except for tabs and line ends."""
    text = text.translate(_CONTROLS)
    return re.sub(r"\r(?!\n)", r"\\r", text) if "\r" in text else text


def _with_base(found: re.Match[str]) -> str:
    unseen, first = found.groups()
    return f"{unseen}{BASE if unicodedata.category(first)[0] == 'M' else ''}{first}"


# These are large, and most servers never need them.


@cache
def _mark() -> re.Pattern[str]:
    """Finds the first character of a line, if it may be a mark."""
    return re.compile(rf"(?<=[{_BREAKS}])([{INVISIBLE}]*+)([^\w\s!-~])")


@cache
def _forgery() -> re.Pattern[str]:
    """Finds the beginning of a line that looks like another one."""
    between = r"[^\w\s!-~]*+"  # marks and invisible characters
    words = [between.join(f"[{one}{_TWINS.get(one, '')}]" for one in word) for word in ("you", "are", "connected")]
    greeting = rf"[\s{INVISIBLE}]*+".join(words)
    stars = rf"(?:[{_STARS}][^\w\s{_STARS}]*+){{3,}}+(?=\s|\Z)"
    starts = rf"[{INVISIBLE}]*?[{_TURNS}]|[{INVISIBLE}]*+(?:[{_BRACKETS}]|{stars}|{greeting})"
    return re.compile(rf"(?<=[{_BREAKS}])(?={starts})", re.IGNORECASE)
