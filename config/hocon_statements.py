"""The statements of a HOCON text, as `hocon_parser` finds them and `hocon_evaluator` evaluates them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_SEGMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|([^."]+)')


@dataclass(frozen=True, slots=True)
class Substitution:
    """`${path}`, or `${?path}` if optional. `space` is the whitespace after it inside a concatenation."""

    path: str
    optional: bool
    space: str


@dataclass(frozen=True, slots=True)
class Include:
    """`include "path"`. It takes effect where it stands."""

    path: str
    required: bool
    line: int


@dataclass(frozen=True, slots=True)
class Assignment:
    """`key = …`. `path` holds the segments of the key. The value is the concatenation of `tokens`: scalars, lists of
    token tuples, Blocks and Substitutions."""

    path: tuple[str, ...]
    tokens: tuple[Any, ...]
    line: int = 0
    append: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """The statements between two braces, or of a whole file."""

    statements: tuple[Assignment | Include, ...]


def split(path: str) -> tuple[str, ...]:
    """Split a HOCON path into segments: `a."b.c".d` has three."""
    return tuple(quoted or bare.strip() for quoted, bare in _SEGMENT.findall(path))
