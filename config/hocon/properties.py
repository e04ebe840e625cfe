"""Reads Java's `.properties` files: `a.b = text` on each line. All values are text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from config.errors import ConfigurationError, Origin, shown
from config.hocon.parser import Assignment, Block
from config.hocon.paths import Path
from config.hocon.tokens import whole

_LINE = re.compile(r"[ \t\f]*(?P<key>(?:\\.|[^\\ \t\f=:])*)[ \t\f]*[=:]?[ \t\f]*(?P<value>.*)", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


def parse_properties(text: str, name: str) -> Block:
    """The assignments of a `.properties` file, which is called `name`. Keys with others below them win over a text,
    whatever their order."""
    found: dict[Path, Assignment] = {}
    for number, line in _logical_lines(text):
        match = _LINE.fullmatch(line)
        if match:
            origin = Origin(name, number)
            path = tuple(_plain(match["key"], origin).split("."))
            found[path] = Assignment(path, (_plain(match["value"], origin),), number)
    parents = {path[:length] for path in found for length in range(1, len(path))}
    return Block(tuple(assignment for path, assignment in found.items() if path not in parents))


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that aren't blank or a comment, each with those that a backslash at its end continues it with, and the
    number of its first."""
    pending, start = "", 0
    for number, written in enumerate(re.split(r"\r\n|\r|\n", text), start=1):
        line = written.lstrip(" \t\f")
        if not pending:
            if not line or line[0] in "#!":
                continue
            start = number
        if (len(line) - len(line.rstrip("\\"))) % 2:
            pending += line[:-1]
            continue
        yield start, pending + line
        pending = ""
    if pending:
        yield start, pending


def _plain(text: str, origin: Origin) -> str:
    def unescaped(match: re.Match[str]) -> str:
        if match[1]:
            return chr(int(match[1], 16))
        if match[2] == "u":
            problem = f"expected four hexadecimal digits after \\u, found {shown(text[match.end() :][:4])}"
            raise ConfigurationError(problem, origin=origin)
        return _ESCAPES.get(match[2], match[2])

    try:
        return whole(_ESCAPE.sub(unescaped, text))
    except ValueError as error:
        raise ConfigurationError(str(error), origin=origin) from None
