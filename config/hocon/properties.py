"""Reads Java's `.properties` files: `a.b = text` on each line. All values are text."""

from __future__ import annotations

import re

from config.hocon.parser import Assignment, Block
from config.hocon.paths import Path

_LINE = re.compile(r"[ \t\f]*(?P<key>(?:\\.|[^\\\s=:])*)[ \t\f]*[=:]?[ \t\f]*(?P<value>.*)", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


def parse_properties(text: str) -> Block:
    """The assignments of a `.properties` file. Keys with others below them win over a text, whatever their order."""
    found: dict[Path, Assignment] = {}
    pending, start = "", 0
    for number, written in enumerate(re.split(r"\r\n|\r|\n", text), start=1):
        line = written.lstrip(" \t\f") if pending else written
        start = start if pending else number
        if not pending and (not line.strip() or line.lstrip()[0] in "#!"):
            continue
        if (len(line) - len(line.rstrip("\\"))) % 2:
            pending += line[:-1]
            continue
        match = _LINE.fullmatch(pending + line)
        pending = ""
        if match:
            path = tuple(_plain(match["key"]).split("."))
            found[path] = Assignment(path, (_plain(match["value"]),), start)
    parents = {path[:length] for path in found for length in range(1, len(path))}
    return Block(tuple(assignment for path, assignment in found.items() if path not in parents))


def _plain(text: str) -> str:
    return _ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else _ESCAPES.get(m[2], m[2]), text)
