"""What a node tells, in messages that aren't too long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from app.chat.presence import Here

PART = 100_000
"""Characters in one message, about: each takes four bytes at most."""
Sized = tuple[str, Any, int]
"""The field that an item is in, the item, and how many characters it takes, about."""


def sized_here(here: Here) -> Sized:
    """Return a user as an item of a message."""
    return "here", here, 64 + len(here.name) + len(here.away or "") + sum(map(len, here.rooms))


def sized(field: str, item: Any) -> Sized:
    """Return anything else, which is short, as an item of a field."""
    return field, item, 128


def parts_of(items: Iterable[Sized]) -> Iterator[dict[str, Any]]:
    """Return the fields of messages that have these items together, in their order. There is one at least."""
    size, fields = 0, dict[str, list[Any]]()
    for field, item, length in items:
        if size and size + length > PART:
            yield _fields(fields)
            size, fields = 0, {}
        size += length
        fields.setdefault(field, []).append(item)
    yield _fields(fields)


def _fields(lists: Mapping[str, list[Any]]) -> dict[str, Any]:
    return {field: dict(items) if field == "heard" else tuple(items) for field, items in lists.items()}
