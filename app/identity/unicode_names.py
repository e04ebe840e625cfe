"""Names in any script: RFC 8265, and nobody looks like somebody else.

It is apart because its tables are large: only who lets such names in loads it.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from confusable_homoglyphs import categories, confusables
from precis_i18n import get_profile

from app.chat.errors import Refused
from app.chat.names import Name, ascii_name, bad_name

_MARKS = 2
"""Combining marks that may follow each other: more pile up over the lines above."""
_BESIDE_LETTERS = frozenset("0123456789_.-")
_FORGING = frozenset("[]:,@#*→")
"""What parts a name from the rest of a line. Letters that look like it are no better."""
_TOGETHER = (
    {"LATIN", "HAN", "HIRAGANA", "KATAKANA"},
    {"LATIN", "HAN", "HANGUL"},
    {"LATIN", "HAN", "BOPOMOFO"},
)
"""Scripts that are written in one word, by UTS 39."""
_ANY_SCRIPT = {"COMMON", "INHERITED"}
_TWINS = str.maketrans("i10", "llo")
"""ASCII's own lookalikes, against which ASCII names have no guard either."""

_preserved = get_profile("UsernameCasePreserved")
_mapped = get_profile("UsernameCaseMapped")


def unicode_name(text: str, longest: int) -> Name:
    """A name of letters of one script, ASCII digits and `_ . -`.

    It is canonical by what it looks like: a letter that looks like an ASCII letter counts as that one. Refused for what
    mixes scripts, or reads as an ASCII name that its canonical form is not.
    """
    if text.isascii():
        return ascii_name(text, longest)
    if longest and len(text) > longest * (1 + _MARKS):
        raise bad_name(text, longest, "length")
    # Before normalizing, which takes time in the square of a run of marks.
    if _too_many_marks(text):
        raise _many_marks(text, longest)
    try:
        display, lower = _preserved.enforce(text), _mapped.enforce(text)
    except UnicodeEncodeError:
        raise bad_name(text, longest, "characters") from None
    if display.isascii():
        return ascii_name(display, longest)
    if longest and len(display) > longest:
        raise bad_name(text, longest, "length")
    if not _allowed(display):
        raise bad_name(text, longest, "characters")
    if _too_many_marks(display):
        raise _many_marks(text, longest)
    if _mixes(display):
        raise bad_name(text, longest, "scripts", "expected letters of one script")
    # Beyond lower case: a letter has forms of which none is upper case, such as the last sigma of a word.
    canonical = "".join(map(_counts_as, _bare(lower.casefold())))
    shown = "".join(map(_looks_like, _bare(display))).lower()
    if shown.isascii() and shown.translate(_TWINS) != canonical.translate(_TWINS):
        raise bad_name(text, longest, "lookalike", f"it reads as {shown!r}")
    return Name(display, unicodedata.normalize("NFC", canonical))


def _allowed(name: str) -> bool:
    first = name[0]
    return (first.isalpha() or first in "0123456789") and all(map(_may_be_inside, name))


def _may_be_inside(char: str) -> bool:
    if char in _BESIDE_LETTERS:
        return True
    return unicodedata.category(char)[0] in "LM" and not _FORGING.intersection(_lookalikes(char))


def _too_many_marks(name: str) -> bool:
    run = 0
    for char in name:
        run = run + 1 if unicodedata.category(char)[0] == "M" else 0
        if run > _MARKS:
            return True
    return False


def _many_marks(text: str, longest: int) -> Refused:
    return bad_name(text, longest, "marks", f"expected at most {_MARKS} combining marks in a row")


def _mixes(name: str) -> bool:
    scripts = categories.unique_aliases(name) - _ANY_SCRIPT
    return len(scripts) > 1 and not any(scripts <= together for together in _TOGETHER)


def _bare(name: str) -> str:
    """`name` in pieces, without what can't be seen: the dot over a letter that has one."""
    pieces: list[str] = []
    base = ""
    for char in unicodedata.normalize("NFD", name):
        if not unicodedata.combining(char):
            base = _looks_like(char)
        elif char == "\N{COMBINING DOT ABOVE}" and base in ("i", "j"):
            continue
        pieces.append(char)
    return "".join(pieces)


def _counts_as(char: str) -> str:
    """What `char`, in lower case, counts as: the ASCII that it looks like, or else the ASCII that its capital does, or
    else one of all that look alike."""
    for case in (char, char.upper()):
        seen = _looks_like(case)
        if seen.isascii():
            return seen.lower()
    return _looks_like(char).lower()


@lru_cache(maxsize=4096)
def _looks_like(char: str) -> str:
    """One for all characters that look like `char`: ASCII if one of them is."""
    if char.isascii():
        return char
    alike = _lookalikes(char)
    ascii_ones = [other for other in alike if other.isascii() and set(other) <= _ASCII_OF_NAMES]
    if ascii_ones:
        return min(ascii_ones, key=len)
    # A character that many look like has many lookalikes; each of those has it alone. Of two, neither is the one.
    return char if len(alike) != 1 else min(char, alike[0])


_ASCII_OF_NAMES = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") | _BESIDE_LETTERS


def _lookalikes(char: str) -> list[str]:
    return [entry["c"] for entry in confusables.confusables_data.get(char, ())]
