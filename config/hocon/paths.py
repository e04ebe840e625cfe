"""Paths: names with dots between them, such as `app.deployment.port`. A name in quotes may have any character."""

from __future__ import annotations

import re
from collections.abc import Iterable

from config.hocon.tokens import RESERVED, unescaped

Path = tuple[str, ...]

_PART = re.compile(r'"((?:[^"\\]|\\.)*)"|([^"]+)')
_SEGMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|([^."]+)')
_NOT_IN_PATHS = re.compile(f"[{re.escape(RESERVED)}]|//")
_PLAIN = re.compile(r"[\w-]+")


def split(path: str) -> Path:
    """Split a path that a person or a module wrote: `a."b.c".d` has three names."""
    return tuple(quoted or bare.strip() for quoted, bare in _SEGMENT.findall(path))


def joined(path: Iterable[str]) -> str:
    """A path as it is written, with quotes where they are needed."""
    return ".".join(name if _PLAIN.fullmatch(name) else f'"{name}"' for name in path)


def names(parts: Iterable[tuple[str, bool]]) -> Path:
    """The names of a path, from its parts: texts, and whether each is quoted. ValueError for a name that is empty."""
    found, name, quoted = [], "", False
    for text, in_quotes in parts:
        first, *others = [text] if in_quotes else text.split(".")
        name, quoted = name + first, quoted or in_quotes
        for other in others:
            if not name and not quoted:
                raise ValueError("an empty name")
            found.append(name)
            name, quoted = other, False
    if not name and not quoted:
        raise ValueError("an empty name")
    return (*found, name)


def substituted(written: str) -> Path:
    """The names of the path inside `${…}`. ValueError if it isn't a path."""
    parts = [
        (unescaped(part[1]), True) if part[2] is None else (part[2], False) for part in _PART.finditer(written.strip())
    ]
    if any(not quoted and _NOT_IN_PATHS.search(text) for text, quoted in parts):
        raise ValueError("a character that needs quotes")
    return names(parts)
