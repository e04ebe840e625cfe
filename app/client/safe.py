"""What others write, made safe for a terminal: nothing in it moves a cursor, changes a colour, or turns a line around.

What could is shown as Python would write it, `\\x1b` or `\\u202e`, so that one sees that it is there.
"""

from __future__ import annotations

import re

TAB = "    "
_UNSAFE = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0, DEL and C1: escape sequences begin with one of these
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # what orders text from right to left
    "\u2028\u2029"  # line breaks that are not ours
    "\u200b\u2060-\u2064\u206a-\u206f\ufeff\ufff9-\ufffb"  # what nobody sees, but for what joins letters and emoji
    "\ud800-\udfff"  # halves of characters
    "\U000e0001"
    "]"
)
_BREAK = re.compile("\r\n|\n")


def line(text: str) -> str:
    """`text` on one line; line breaks are shown as `\\n`."""
    return text if text.isascii() and text.isprintable() else _UNSAFE.sub(_shown, text.replace("\t", TAB))


def lines(text: str) -> list[str]:
    """The lines of `text`, each safe."""
    return [line(part) for part in _BREAK.split(text)]


def _shown(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code == 10:
        return "\\n"
    if code == 13:
        return "\\r"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
