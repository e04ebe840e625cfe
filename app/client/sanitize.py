"""Text from others, made safe for a terminal: nothing in it moves the cursor, changes colours or reorders a line.

Characters that could are shown as Python writes them, `\\x1b` or `\\u202e`, so that people see that they are there.
"""

from __future__ import annotations

import re

TAB = "    "
_UNSAFE = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0, DEL and C1: escape sequences begin with one of these
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional controls
    "\u2028\u2029"  # line breaks of Unicode
    "\u200b\u2060-\u2064\u206a-\u206f\ufeff\ufff9-\ufffb"  # invisible, except for joiners of letters and emoji
    "\ud800-\udfff"  # halves of surrogate pairs
    "\U000e0001"
    "]"
)
_BREAK = re.compile("\r\n|\n")


def safe_line(text: str) -> str:
    """`text` on one line; line breaks become `\\n`."""
    return text if text.isascii() and text.isprintable() else _UNSAFE.sub(_escape, text.replace("\t", TAB))


def safe_lines(text: str) -> list[str]:
    """The lines of `text`, each safe."""
    return [safe_line(part) for part in _BREAK.split(text)]


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code == 10:
        return "\\n"
    if code == 13:
        return "\\r"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
