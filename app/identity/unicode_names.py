"""Names in any script, by RFC 8265, without names that look like others.

It is loaded only if `chat.names.unicode` is set, because its tables are large.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from confusable_homoglyphs import categories, confusables
from precis_i18n import get_profile

from app.chat.errors import Refused
from app.chat.names import Name, ascii_name, bad_name

_MARKS = 2
"""Combining marks that may follow each other. More of them would reach into the lines above."""
_OTHER_CHARACTERS = frozenset("0123456789_.-")
_DELIMITERS = frozenset("[]:,@#*→")
"""What separates a name from the rest of a line. Letters that look like one of these are not allowed either."""
_MIXED_SCRIPTS = (
    {"LATIN", "HAN", "HIRAGANA", "KATAKANA"},
    {"LATIN", "HAN", "HANGUL"},
    {"LATIN", "HAN", "BOPOMOFO"},
)
"""Scripts that may be mixed in one word, by UTS 39."""
_ANY_SCRIPT = {"COMMON", "INHERITED"}
_ASCII_LOOKALIKES = str.maketrans("i10", "llo")
"""Lookalikes within ASCII, which ASCII names may use as well."""

_case_preserved = get_profile("UsernameCasePreserved")
_case_mapped = get_profile("UsernameCaseMapped")


def unicode_name(text: str, longest: int) -> Name:
    """Allow letters of one script, ASCII digits and `_ . -`.

    Names that look alike have the same canonical form: a letter that looks like an ASCII letter counts as that one.
    Refused if the text mixes scripts, or looks like an ASCII name with another canonical form.
    """
    if text.isascii():
        return ascii_name(text, longest)
    if longest and len(text) > longest * (1 + _MARKS):
        raise bad_name(text, longest, "length")
    # Checked before normalizing, which takes quadratic time for a run of marks.
    if _too_many_marks(text):
        raise _too_many_marks_error(text, longest)
    try:
        display, lower = _case_preserved.enforce(text), _case_mapped.enforce(text)
    except UnicodeEncodeError:
        raise bad_name(text, longest, "characters") from None
    if display.isascii():
        return ascii_name(display, longest)
    if longest and len(display) > longest:
        raise bad_name(text, longest, "length")
    if not _allowed(display):
        raise bad_name(text, longest, "characters")
    if _too_many_marks(display):
        raise _too_many_marks_error(text, longest)
    if _mixes_scripts(display):
        raise bad_name(text, longest, "scripts", "use letters of one script")
    # More than lower case: some letters have forms that are not about case, such as the last sigma of a word.
    canonical = "".join(map(_canonical_of, _visible_pieces(lower.casefold())))
    shown = "".join(map(_representative, _visible_pieces(display))).lower()
    if shown.isascii() and shown.translate(_ASCII_LOOKALIKES) != canonical.translate(_ASCII_LOOKALIKES):
        raise bad_name(text, longest, "lookalike", f"it looks like {shown!r}")
    return Name(display, unicodedata.normalize("NFC", canonical))


def _allowed(name: str) -> bool:
    first = name[0]
    return (first.isalpha() or first in "0123456789") and all(map(_allowed_inside, name))


def _allowed_inside(char: str) -> bool:
    if char in _OTHER_CHARACTERS:
        return True
    return unicodedata.category(char)[0] in "LM" and not _DELIMITERS.intersection(_lookalikes(char))


def _too_many_marks(name: str) -> bool:
    run = 0
    for char in name:
        run = run + 1 if unicodedata.category(char)[0] == "M" else 0
        if run > _MARKS:
            return True
    return False


def _too_many_marks_error(text: str, longest: int) -> Refused:
    return bad_name(text, longest, "marks", f"use at most {_MARKS} combining marks in a row")


def _mixes_scripts(name: str) -> bool:
    scripts = categories.unique_aliases(name) - _ANY_SCRIPT
    return len(scripts) > 1 and not any(scripts <= together for together in _MIXED_SCRIPTS)


def _visible_pieces(name: str) -> str:
    """Decompose `name`, and drop a dot over a letter that has one anyway, where it can't be seen."""
    pieces: list[str] = []
    base = ""
    for char in unicodedata.normalize("NFD", name):
        if not unicodedata.combining(char):
            base = _representative(char)
        elif char == "\N{COMBINING DOT ABOVE}" and base in ("i", "j"):
            continue
        pieces.append(char)
    return "".join(pieces)


def _canonical_of(char: str) -> str:
    """Return what a lower-case `char` counts as: the ASCII that it looks like, or else the ASCII that its capital looks
    like, or else the representative of its lookalikes."""
    for case in (char, char.upper()):
        seen = _representative(case)
        if seen.isascii():
            return seen.lower()
    return _representative(char).lower()


@lru_cache(maxsize=4096)
def _representative(char: str) -> str:
    """Return one character for all that look like `char`: an ASCII one if there is one."""
    if char.isascii():
        return char
    alike = _lookalikes(char)
    ascii_ones = [other for other in alike if other.isascii() and set(other) <= _ASCII_NAME_CHARACTERS]
    if ascii_ones:
        return min(ascii_ones, key=len)
    # The representative of a group lists all others as lookalikes, while each of them lists only it. In a pair, either
    # could be it: take the smaller one.
    return char if len(alike) != 1 else min(char, alike[0])


_ASCII_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") | _OTHER_CHARACTERS


def _lookalikes(char: str) -> list[str]:
    return [entry["c"] for entry in confusables.confusables_data.get(char, ())]
