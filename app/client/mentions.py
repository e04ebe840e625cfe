"""Which known names a text mentions. The page goes by the same rules: `tests/chat/mentions.json` is for both."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator

Knows = Callable[[str], bool]
"""Whether there is someone of a name, as names are compared."""

LONGEST = 300
"""Characters of a name that are looked at."""
_NEXT = re.compile(
    r"```.+?```|`[^`\n]+`|<https?://[^\s<>|\"`]+\|[^<>\n]+>"  # code, and links with a label
    r"|(?P<address>https?://|(?<![a-z0-9_.@/-])www\.)"
    r"|(?<![a-z0-9_.@-])(?P<at>@)",
    re.DOTALL | re.IGNORECASE | re.ASCII,
)
_IN_ADDRESS = frozenset("!#$%&'()*+,-./0123456789:;=?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_abcdefghijklmnopqrstuvwxyz~·・")
_AROUND_ADDRESS = frozenset("—―⸺⸻〜")


def fold(name: str) -> str:
    """A name as names are compared."""
    return unicodedata.normalize("NFC", name).lower()


def mentions(text: str, knows: Knows, bare: Knows | None = None) -> Iterator[str]:
    """The names that a text mentions, as they are compared, in their order. `bare` are those that it also mentions
    without @. Code and addresses mention nobody."""
    done = 0
    while found := _NEXT.search(text, done):
        start = end = found.end()
        if bare:
            yield from _words(text[done : found.start()], bare)
        if found["address"]:
            end = _end(text, start, _is_in_address)
        elif found["at"]:
            run_end = _end(text, start, _is_in_names)
            run = text[start:run_end] if _begins_name(text[start : start + 1]) else ""
            name = name_in(run, knows)
            if name:
                yield fold(name)
            end = start + len(name or run)
        done = end
    if bare:
        yield from _words(text[done:], bare)


def name_in(run: str, knows: Knows) -> str:
    """The known name that a run of such characters as names have is, or begins with; empty if there is none. Dots after
    a name may end a sentence. A name also ends where people write no space: at another script, or at a letter without
    cases."""
    run = run[:LONGEST]
    for end in range(len(run), 0, -1):
        if end < len(run) and not _ends_word(run, end):
            continue
        for at in range(end, 0, -1):
            if knows(fold(run[:at])):
                return run[:at]
            if run[at - 1] != ".":
                break
    return ""


def _ends_word(run: str, end: int) -> bool:
    after = run[end]
    if unicodedata.category(after) in ("Lo", "Lm"):
        return True
    last = next((sign for sign in reversed(run[:end]) if not unicodedata.category(sign).startswith("M")), "")
    return unicodedata.category(after).startswith("L") and _is_latin(after) != _is_latin(last)


def _words(text: str, knows: Knows) -> Iterator[str]:
    """The known names among the words of a text."""
    position = 0
    while position < len(text):
        end = _end(text, position, _is_in_names)
        if end == position:
            position += 1
            continue
        around = text[position - 1 : position] + text[end : end + 1]
        if _begins_name(text[position]) and "@" not in around and (name := name_in(text[position:end], knows)):
            yield fold(name)
        position = end


def _end(text: str, start: int, belongs: Callable[[str], bool]) -> int:
    end = start
    while end < len(text) and belongs(text[end]):
        end += 1
    return end


def _is_in_names(sign: str) -> bool:
    if sign.isascii():
        return sign.isalnum() or sign in "_.-"
    return unicodedata.category(sign)[0] in "LM"


def _begins_name(sign: str) -> bool:
    return bool(sign) and (sign.isalnum() if sign.isascii() else unicodedata.category(sign)[0] == "L")


def _is_in_address(sign: str) -> bool:
    if sign.isascii() or sign in "·・":
        return sign in _IN_ADDRESS
    return not sign.isspace() and sign not in _AROUND_ADDRESS and unicodedata.category(sign)[0] != "P"


def _is_latin(sign: str) -> bool:
    return sign.isascii() or sign in "ªº" or "LATIN" in unicodedata.name(sign, "")
