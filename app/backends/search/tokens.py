"""Splitting text into tokens: what the index has of a message, and what the terms of a query are compared with.

A text is folded first: case, accents and widths are dropped, and soft breaks are put where an identifier changes its
case. Then it is split into words, runs of signs from scripts without blanks, and emoji:

=============================  ==================  =====================================================
`Grüße an getUserName`         tokens              grusse, an, getusername, get, user, name
`東京都`                        pairs               東京, 京都, and the last sign, 都
=============================  ==================  =====================================================

To the index, a word is also known by its first two letters, and a message by its room and participants. These tokens
start with a sign that no word has.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache, lru_cache
from itertools import groupby
from operator import add
from unicodedata import normalize

from app.chat.logs import participants

FORMAT = 1
"""Changes whenever a text gets other tokens than before. An index in another format is rebuilt."""
BREAK = "\x01"
"""Stands inside a word where an identifier changes its case."""
START, ROOM, PERSON = "\x81", "\x82", "\x83"
"""What the tokens of a word's first two letters, of a room and of a participant start with."""
PART = 4
"""The fewest letters that are found inside a longer word."""
CHUNK, OVERLAP = 128, 64
"""Longer words are indexed in overlapping chunks. Any part of up to OVERLAP letters is in one chunk as a whole."""
SHORT = 32
"""The tokens of up to so many signs between two blanks are kept for the next time."""

_PAIRED = (
    # Scripts that put no blanks between words, and Hangul, whose words have endings.
    *((0x0E00, 0x109F), (0x1100, 0x11FF), (0x1780, 0x17FF), (0x1950, 0x1AAF), (0x1B00, 0x1B7F), (0x2E80, 0x2FDF)),
    *((0x3005, 0x3007), (0x3021, 0x3029), (0x3031, 0x3035), (0x3038, 0x318F), (0x31A0, 0x31FF), (0x3400, 0x4DBF)),
    *((0x4E00, 0xA4CF), (0xA960, 0xA9DF), (0xAC00, 0xD7FF), (0xF900, 0xFAFF), (0x1B000, 0x1B16F), (0x20000, 0x3FFFF)),
)
_EMOJI = ((0x2300, 0x23FF), (0x25A0, 0x27BF), (0x2B00, 0x2BFF), (0x1F000, 0x1FAFF))
_LAST_SCANNED = 0x1FFFF
_IGNORED = "\u00ad\u200b-\u200f\u2060\ufe00-\ufe0f\ufeff"
_dropped = re.compile(f"[\u0300-\u036f{_IGNORED}]+")
_case_change = re.compile("[A-Z](?:(?<=[a-z0-9].)|(?<=[A-Z].)(?=[a-z]))")
_ascii_word = re.compile("[a-z0-9]+")
_blanked = bytes(code if chr(code).isalnum() or chr(code) == BREAK else 32 for code in range(128)) + bytes(128)


def fold(text: str) -> str:
    """Drop case, accents and widths, and signs that are not seen."""
    if text.isascii():
        return text.lower()
    text = normalize("NFKC", text).casefold()
    if _accented().search(text):  # to take all apart and put it together again would take most of the time
        text = _dropped.sub("", normalize("NFD", text))
    return normalize("NFC", text)


def broken(text: str) -> str:
    """Put soft breaks into identifiers."""
    text = text.replace(BREAK, " ")
    return text if text.islower() else _case_change.sub(rf"{BREAK}\g<0>", text)


def _ascii_words(folded: str) -> list[str]:
    """The words of a folded ASCII text. This takes a quarter of the time of a regular expression."""
    return folded.encode().translate(_blanked).decode().split()


def units(folded: str) -> list[tuple[str, str, str]]:
    """Split a folded text. Of each triple, one is not empty: a run of signs, a word with its soft breaks, an emoji."""
    return _units().findall(folded)


def canonical(folded: str) -> str:
    """The units of a folded text with one blank between them and around."""
    if folded.isascii():
        return f" {' '.join(_ascii_words(folded))} "
    return f" {' '.join([run or word or emoji for run, word, emoji in units(folded)])} "


def tokenize(text: str) -> list[str]:
    """The tokens of a text. Some may be there twice, which makes no difference to the index."""
    folded = fold(broken(text))
    if folded.isascii():
        return _word_tokens(_ascii_words(folded), folded)
    tokens: list[str] = []
    for piece in folded.split():
        tokens += _short_tokens(piece) if len(piece) <= SHORT else _tokens(piece)
    return tokens


def _tokens(folded: str) -> list[str]:
    if folded.isascii():
        return _word_tokens(_ascii_words(folded), folded)
    found = units(folded)
    tokens = _word_tokens([word for _, word, _ in found if word], folded)
    for run, _, emoji in found:
        if run:
            tokens += pairs(run)
            tokens.append(run[-1])
        elif emoji:
            tokens.append(emoji)
    return tokens


_short_tokens = lru_cache(1 << 11)(_tokens)


def _word_tokens(words: list[str], folded: str) -> list[str]:
    if BREAK in folded:
        parts = [part[:CHUNK] for word in words if BREAK in word for part in word.split(BREAK)]
        words = [word.replace(BREAK, "") for word in words] + parts
    starts = [START + word[:2] for word in words]
    if len(folded) > CHUNK:
        words = [word[first : first + CHUNK] for word in words for first in _chunks(word)]
    return words + starts


def _chunks(word: str) -> Iterable[int]:
    """Where the chunks of a word begin."""
    return range(0, len(word), OVERLAP) if len(word) > CHUNK else (0,)


def pairs(run: str) -> Iterable[str]:
    """The overlapping pairs of signs in a run."""
    return map(add, run, run[1:])


def room_token(room: str) -> str:
    """The token of a room or conversation. In hexadecimal, any name is one token."""
    return ROOM + room.encode().hex()


def person_token(user: int) -> str:
    """The token of a conversation's participant."""
    return f"{PERSON}{user}"


def scope(room: str) -> str:
    """The tokens of the logs that have the events of a room or conversation, with blanks between them."""
    return " ".join([room_token(room), *map(person_token, participants(room))])


def align(text: str) -> tuple[str, list[tuple[int, int]]]:
    """Return the canonical form of a text, and where each of its characters comes from: start and end in the text.
    Blanks and breaks have no meaningful origin."""
    breaks = {match.start() for match in _case_change.finditer(text)}
    if text.isascii() and not breaks:
        return _align_ascii(fold(text))
    folded: list[str] = []
    origin: list[tuple[int, int]] = []
    for match in _clusters().finditer(text.replace(BREAK, " ")):
        start, end = match.span()
        if start in breaks:
            folded.append(BREAK)
            origin.append((start, start))
        piece = fold(match[0])
        folded.append(piece)
        origin.extend([(start, end)] * len(piece))
    signs, origins = [" "], [(0, 0)]
    for match in _units().finditer("".join(folded)):
        signs.append(match[0])
        origins.extend(origin[match.start() : match.end()])
        signs.append(" ")
        origins.append((0, 0))
    return "".join(signs), origins


def _align_ascii(folded: str) -> tuple[str, list[tuple[int, int]]]:
    """`align` where each character stays where it is, which takes a tenth of the time."""
    signs, origins = [" "], [(0, 0)]
    for match in _ascii_word.finditer(folded):
        signs.append(match[0])
        origins.extend((place, place + 1) for place in range(*match.span()))
        signs.append(" ")
        origins.append((0, 0))
    return "".join(signs), origins


def _ranges(codes: list[int]) -> str:
    """A part of a character class: the ranges of these ascending numbers."""
    parts = []
    for _, group in groupby(enumerate(codes), lambda pair: pair[1] - pair[0]):
        run = [code for _, code in group]
        parts.append(f"{re.escape(chr(run[0]))}-{re.escape(chr(run[-1]))}")
    return "".join(parts)


@cache
def _classes() -> tuple[str, str, str]:
    """Character classes: signs of paired scripts, other signs of words, and marks."""
    paired = {code for first, last in _PAIRED for code in range(first, min(last, _LAST_SCANNED) + 1)}
    category = unicodedata.category
    kinds = [category(chr(code))[0] for code in range(_LAST_SCANNED + 1)]
    words = [code for code, kind in enumerate(kinds) if kind in "LMN"]
    runs = _ranges([code for code in words if code in paired]) + "\U00020000-\U0003ffff"
    others = _ranges([code for code in words if code not in paired and not 0x300 <= code <= 0x36F])
    return runs, others, _ranges([code for code, kind in enumerate(kinds) if kind == "M"])


@cache
def _accented() -> re.Pattern[str]:
    """The signs that have something to drop."""
    codes = [code for code in range(0x80, _LAST_SCANNED + 1) if _dropped.search(normalize("NFD", chr(code)))]
    return re.compile(f"[{_ranges(codes)}]")


@cache
def _units() -> re.Pattern[str]:
    runs, words, _ = _classes()
    emoji = "".join(f"{chr(first)}-{chr(last)}" for first, last in _EMOJI)
    return re.compile(f"([{runs}]+)|([{words}]+(?:\x01[{words}]+)*)|([{emoji}])")


@cache
def _clusters() -> re.Pattern[str]:
    """A character with what may be composed with it."""
    return re.compile(f"(?s:.)[{_classes()[2]}{_IGNORED}\u1160-\u11ff\ud7b0-\ud7ff\uff9e\uff9f]*")
