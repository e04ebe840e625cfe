"""The text dialect, that of the tutorial: one text frame a message."""

from __future__ import annotations

import re

_FORGERY = re.compile(r"(?<=[\n\r\v\f\x1c-\x1e\x85\u2028\u2029])(?=\[|\*\*\* )")


def greeting(users: int) -> str:
    """What a joiner is told; `users` counts it."""
    return f"You are connected! There are {users} users here."


def message(name: str, text: str) -> str:
    """`text` as everyone sees it.

    A line inside it that looks like somebody's message or a notice is indented by a space, so that nobody can speak
    in another's name; all else is unchanged.
    """
    return f"[{name}]: {_FORGERY.sub(' ', text)}"


def notice(text: str) -> str:
    """Something for the reader alone, which nobody else can have said: on one line."""
    return f"*** {' '.join(text.split())}"
