"""Values that are resolved, and how those that stand beside each other become one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, NamedTuple, TypeVar

from config.errors import Origin
from config.hocon.parser import Blank
from config.hocon.words import text_of

T = TypeVar("T")

CANT_JOIN = "can't join a list or an object with something else"


class Leaf(NamedTuple):
    """A single value."""

    value: Any
    origin: Origin


class Items(NamedTuple):
    """A list."""

    items: tuple[Any, ...]
    origin: Origin


class Fields(NamedTuple):
    """An object."""

    fields: dict[str, Any]


Resolved = Leaf | Items | Fields


def merged(newer: Fields, older: Fields) -> Fields:
    """An object on top of another one."""
    fields = dict(older.fields)
    for key, value in newer.fields.items():
        below = fields.get(key)
        fields[key] = merged(value, below) if isinstance(value, Fields) and isinstance(below, Fields) else value
    return Fields(fields)


def together(parts: Sequence[Resolved], origin: Origin) -> Resolved | None:
    """Join values that stand beside each other at `origin`. None if that isn't possible."""
    runs: list[Resolved] = []
    for is_text, group in groupby(parts, key=lambda part: isinstance(part, Leaf)):
        run = list(group)
        runs += [_text(run, origin)] if is_text else run
    found = runs[0]
    for right in runs[1:]:
        joint = _beside(found, right, origin)
        if joint is None:
            return None
        found = joint
    return found


def _text(run: Sequence[Any], origin: Origin) -> Leaf:
    """Single values as one text. A value alone stays what it is."""
    if len(run) == 1:
        return run[0]  # type: ignore[no-any-return]
    text = "".join(text_of(leaf.value) for leaf in run)
    variable = next((leaf.origin.variable for leaf in run if leaf.origin.variable), "")
    is_blank = all(isinstance(leaf.value, Blank) for leaf in run)
    return Leaf(Blank(text) if is_blank else text, replace(origin, variable=variable) if variable else origin)


def _beside(left: Resolved, right: Resolved, origin: Origin) -> Resolved | None:
    if isinstance(right, Leaf) or isinstance(left, Leaf):
        return left if isinstance(right, Leaf) and isinstance(right.value, Blank) else None
    if isinstance(left, Fields) and isinstance(right, Fields):
        return merged(right, left)
    first, second = as_items(left, origin), as_items(right, origin)
    return Items((*first.items, *second.items), origin) if first and second else None


def as_items(value: Resolved, origin: Origin) -> Items | None:
    """A list, or an object whose keys are numbers as the list of its values. None for another value."""
    if isinstance(value, Fields) and (items := indexed(value.fields.items())):
        return Items(tuple(items), origin)
    return value if isinstance(value, Items) else None


def indexed(fields: Iterable[tuple[str, T]]) -> list[T]:
    """The values whose keys are numbers, in the order of those. HOCON reads such an object as a list where it needs
    one, since `-P:list.0=x` can't be written otherwise."""
    numbered = {int(key): value for key, value in fields if re.fullmatch("[0-9]{1,9}", key)}
    return [numbered[number] for number in sorted(numbered)]
