"""Ids of events. They are random, and so tell nothing about what else was said."""

from __future__ import annotations

import os
from base64 import urlsafe_b64encode

_ID_SIZE = 16
"""Characters of an id: 96 random bits."""
_unused_ids: list[str] = []
os.register_at_fork(after_in_child=_unused_ids.clear)


def new_id() -> str:
    """Return a random id for an event, in letters, digits, `-` and `_`. Any thread may call this."""
    try:
        return _unused_ids.pop()
    except IndexError:
        # A system call for each would take longer than everything else that is done for a draft.
        text = urlsafe_b64encode(os.urandom(512 * _ID_SIZE * 6 // 8)).decode()
        _unused_ids.extend([text[start : start + _ID_SIZE] for start in range(_ID_SIZE, len(text), _ID_SIZE)])
        return text[:_ID_SIZE]
