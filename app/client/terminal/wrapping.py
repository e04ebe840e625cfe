"""Lines of the scrollback on a screen: they break between words, and what follows hangs under the text.

A word that is longer than a line is left to the terminal to break, so that an address can still be clicked and copied.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Self

from prompt_toolkit.utils import get_cwidth

NARROW_INDENT = 6
"""Columns before what follows the first row if the head takes more than half of the screen."""
_STYLE = re.compile("\x1b\\[[0-9;]*m")
_PIECE = re.compile(
    "(\x1b\\[[0-9;]*m)|([\\s\u115f\u1160\u2800\u3164\uffa0]+)|[^\\s\x1b\u115f\u1160\u2800\u3164\uffa0]+"
)
"""A style, blanks, or a word. Blanks that are not to break a line do: they could make the terminal begin a line with
what looks like another message."""
_NOT_FIRST = frozenset(
    "、。，．・：；？！）］｝〕〉》」』】〗ー～…‥’”ぁぃぅぇぉっゃゅょァィゥェォッャュョ々%,.!?:;)]}'\""
)
_NOT_LAST = frozenset("（［｛〔〈《「『【〖‘“([{'\"")
_JOINER = "\u200d"


class Paragraph(str):
    """A line as a whole, with the head under which nothing of the text comes: the time, and who says it."""

    head: str
    body: str

    def __new__(cls, head: str, body: str) -> Self:
        made = super().__new__(cls, head + body)
        made.head, made.body = head, body
        return made


def under(head: str) -> str:
    """The head of further lines of the same text."""
    return " " * _width(head)


def wrapped(line: str, columns: int) -> Iterator[str]:
    """The rows of a line on a screen of as many columns."""
    head, body = (line.head, line.body) if isinstance(line, Paragraph) else ("", str(line))
    indent = _width(head) if _width(head) <= columns // 2 else NARROW_INDENT
    row = head if head.strip() else " " * indent
    column = _width(row)
    if column + _width(body) <= columns:
        yield row + body
        return
    between, blank = "", 0
    style = style_of_row = ""
    begun = False
    for piece, width, is_word in _pieces(body):
        if not is_word:
            between, blank = between + piece, blank + width
            if piece[0] == "\x1b":
                style = "" if piece == "\x1b[0m" else style + piece
            continue
        if begun and column + blank + width > columns:
            yield row + ("\x1b[0m" if style_of_row else "")
            row, column = " " * indent + style, indent
        else:
            row, column = row + between, column + blank
        row, column = row + piece, (column + width - 1) % columns + 1
        between, blank, style_of_row, begun = "", 0, style, True
    yield row + ("\x1b[0m" if style_of_row else "")


def _pieces(body: str) -> Iterator[tuple[str, int, bool]]:
    """Styles, blanks, and what may not be broken, with their widths; and which of the two it is."""
    for found in _PIECE.finditer(body):
        piece = found[0]
        if found[1]:
            yield piece, 0, False
        elif found[2]:
            yield piece, _width(piece), False
        elif piece.isascii():
            yield piece, len(piece), True
        else:
            for part in _parts(piece):
                yield part, get_cwidth(part), True


def _parts(word: str) -> Iterator[str]:
    """The parts of a word between which a line may break: next to a wide character, but not where a line would begin
    with closing punctuation, or end with opening."""
    start = 0
    for index in range(1, len(word)):
        before, after = word[index - 1], word[index]
        if _is_wide(before) or _is_wide(after):
            joined = after == _JOINER or before == _JOINER or unicodedata.category(after) in ("Mn", "Me", "Sk")
            if not joined and after not in _NOT_FIRST and before not in _NOT_LAST:
                yield word[start:index]
                start = index
    yield word[start:]


def _is_wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in "WF"


def _width(text: str) -> int:
    shown = _STYLE.sub("", text)
    return len(shown) if shown.isascii() else get_cwidth(shown)
