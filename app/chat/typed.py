"""What a text is that someone typed: blank, a command, or a password that must not be said.

`tests/chat/typed.json` has texts that this module and the page (`app/page/static/text/typed.js`) must judge alike.
"""

from __future__ import annotations

import re
from collections.abc import Container
from functools import cache

INVISIBLE = (
    r"\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    r"\u202a-\u202e\u2060-\u206f\u2800\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Characters that show nothing, for a class of a regular expression: controls, Unicode's Default_Ignorable_Code_Point,
and the empty pattern of Braille."""

_BLANK = rf"[\s{INVISIBLE}]"


def unpadded(text: str) -> str:
    """The text without blanks and invisible characters before it."""
    nothing = _nothing().match(text)
    return text[nothing.end() :] if nothing else text


def is_blank(text: str) -> bool:
    """Whether nothing of a text is to be seen."""
    return _nothing().fullmatch(text) is not None


def has_password(text: str) -> bool:
    """Whether a text looks like `/login NAME PASSWORD`, `/register PASSWORD` or `/password OLD NEW`, also with blanks
    before it, with more slashes or with full-width ones. Nobody means to say such a text."""
    return ("/" in text or "／" in text) and _password().match(text) is not None


def command_line(text: str, known: Container[str]) -> str:
    """The command in a text, from its slash on; empty if the text is to be said. With blanks before the slash it is one
    only if it is `known`, by its name in lower case: ` /etc/passwd` is a text."""
    found = _command().fullmatch(text)
    if found is None:
        return text if text.startswith("/") and not text.startswith("//") else ""
    return found[1] if text.startswith("/") or found[2].lower() in known else ""


# These are large, and a server should start fast.


@cache
def _nothing() -> re.Pattern[str]:
    """Finds what shows nothing."""
    return re.compile(rf"{_BLANK}*")


@cache
def _command() -> re.Pattern[str]:
    """Finds a command, and its name."""
    return re.compile(rf"{_BLANK}*(/([^\s/]\S*)(?:\s.*)?)", re.DOTALL)


@cache
def _password() -> re.Pattern[str]:
    """Finds a command with a password, without backtracking: whatever someone sends is looked at once."""
    words = "login|register|password"
    pattern = rf"{_BLANK}*+[/／][\s{INVISIBLE}/／]*+(?:{words}){_BLANK}++[^\s{INVISIBLE}]"
    return re.compile(pattern, re.IGNORECASE)
