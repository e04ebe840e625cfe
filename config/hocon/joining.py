"""Values that are resolved, and how those that stand beside each other become one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby, takewhile
from typing import Any, NamedTuple, Protocol, TypeVar

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
    """An object. If it is `sealed`, it stands on a value that is none, so nothing below is merged into it."""

    fields: dict[str, Any]
    sealed: bool = False


Resolved = Leaf | Items | Fields


class Spend(Protocol):
    """Counts what is about to be made, and refuses it beyond a bound."""

    def __call__(self, amount: int, /, *, of: Resolved) -> None: ...


def place_of(value: Resolved) -> Origin | None:
    """Where the first value in `value` is written. None if there is none in it."""
    if not isinstance(value, Fields):
        return value.origin
    return next((place for child in value.fields.values() if (place := place_of(child))), None)


def merged(objects: Sequence[Fields], spend: Spend) -> Fields:
    """Objects on top of each other, the lowest first."""
    if len(objects) == 1:
        return objects[0]
    layers: dict[str, list[Any]] = {}
    for one in objects:
        spend(len(one.fields), of=one)
        for key, value in one.fields.items():
            below = layers.get(key)
            if below and isinstance(value, Fields) and isinstance(below[0], Fields) and not value.sealed:
                below.append(value)
            else:
                layers[key] = [value]
    fields = {key: merged(found, spend) if len(found) > 1 else found[0] for key, found in layers.items()}
    return Fields(fields, objects[0].sealed)


def together(parts: Iterable[Resolved], origin: Origin, spend: Spend) -> Resolved | None:
    """Join values that stand beside each other at `origin`. None if that isn't possible."""
    runs: list[Resolved] = []
    for is_text, group in groupby(parts, key=lambda part: isinstance(part, Leaf)):
        run = list(group)
        runs += [_text(run, origin)] if is_text else run
    first, *others = runs
    others = [part for part in others if not (isinstance(part, Leaf) and isinstance(part.value, Blank))]
    if not others or isinstance(first, Leaf):
        return None if others else first
    values: list[Any] = [first, *others]
    objects = list(takewhile(lambda part: isinstance(part, Fields), values))
    if objects:
        values[: len(objects)] = [merged(objects, spend)]
    if len(values) == 1:
        return values[0]  # type: ignore[no-any-return]
    lists = [as_items(part, origin) for part in values]
    return Items(_items(lists), origin) if all(lists) else None


def _items(lists: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(item for one in lists for item in one.items)


def _text(run: Sequence[Any], origin: Origin) -> Leaf:
    """Single values as one text. A value alone stays what it is."""
    if len(run) == 1:
        return run[0]  # type: ignore[no-any-return]
    text = "".join(text_of(leaf.value) for leaf in run)
    variable = next((leaf.origin.variable for leaf in run if leaf.origin.variable), "")
    is_blank = all(isinstance(leaf.value, Blank) for leaf in run)
    return Leaf(Blank(text) if is_blank else text, replace(origin, variable=variable) if variable else origin)


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
