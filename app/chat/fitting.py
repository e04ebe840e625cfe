"""How much fits in one frame from the server, so that every client can take it.

A client may refuse frames over a size of its own: many libraries do at 1 MiB. So a page of a log, like any other list,
has at most PAGE_BYTES in JSON. An event is never split: its text alone may take more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec

T = TypeVar("T")

PAGE_BYTES = 256 * 1024
"""Bytes of JSON in a list, at most, if it has more than one entry."""
FOUND_BYTES = 192 * 1024
"""Bytes of JSON in the messages of search results. The rest of PAGE_BYTES is for the hits in them."""
MAX_HITS = 4_000
"""Hits in search results, each of up to 14 bytes of JSON."""
ENVELOPE = 16 * 1024
"""Bytes that a frame may have beside its list, or beside the text of its event."""
ESCAPED = 6
"""Bytes of JSON that a byte of text takes at most: a control character is `\\u0000`."""
MANY = 16
"""With more items than this, a list is encoded as a whole first, which is faster if it fits."""
_encoder = msgspec.json.Encoder()


def text_size(text: str) -> int:
    """Return the bytes of a text in JSON."""
    return len(_encoder.encode(text))


def fit(items: Sequence[T], budget: int = PAGE_BYTES) -> list[T]:
    """Return the first items, as many as fit in one frame, and at least one if there is any."""
    if len(items) > MANY and len(_encoder.encode(items)) <= budget:
        return list(items)
    size = 0
    for count, item in enumerate(items):
        size += len(_encoder.encode(item)) + 1
        if size > budget and count:
            return list(items[:count])
    return list(items)


def shortened(text: str) -> str:
    """Return the text as far as it fits in one frame."""
    if ESCAPED * len(text) <= PAGE_BYTES or text_size(text) <= PAGE_BYTES:
        return text
    return text[: PAGE_BYTES // ESCAPED - 1] + "…"


def largest_frame(text: int) -> int:
    """Return the bytes of the largest frame that the server sends, if no text has more than `text` bytes of UTF-8."""
    return max(PAGE_BYTES, ESCAPED * text) + ENVELOPE
