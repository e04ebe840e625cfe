"""Values that are resolved, and how those that stand beside each other become one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from config.errors import ConfigurationError, Origin
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


def merged(newer: Resolved, older: Resolved) -> Resolved:
    """What counts of two values of one key."""
    if not isinstance(newer, Fields) or not isinstance(older, Fields):
        return newer
    fields = dict(older.fields)
    for key, value in newer.fields.items():
        fields[key] = merged(value, fields[key]) if key in fields else value
    return Fields(fields)


def beside(left: Resolved, right: Resolved, origin: Origin) -> Resolved | None:
    """Join two values that stand beside each other at `origin`. None if that isn't possible."""
    if isinstance(left, Leaf) and isinstance(right, Leaf):
        variable = left.origin.variable or right.origin.variable
        return Leaf(text_of(left.value) + text_of(right.value), replace(origin, variable=variable))
    if isinstance(right, Leaf):
        return left if isinstance(right.value, Blank) else None
    if isinstance(left, Fields) and isinstance(right, Items):
        left = as_items(left, origin) or left
    if isinstance(left, Items) and isinstance(right, Fields):
        right = as_items(right, origin) or right
    if isinstance(left, Items) and isinstance(right, Items):
        return Items((*left.items, *right.items), origin)
    if isinstance(left, Fields) and isinstance(right, Fields):
        return merged(right, left)
    return None


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


def cant_join(origin: Origin, key: str) -> ConfigurationError:
    """The error for values that can't be joined."""
    return ConfigurationError(CANT_JOIN, origin=origin, key=key)
