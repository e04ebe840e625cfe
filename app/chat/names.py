"""What somebody can be called.

A name has two forms: `display` is what others see, `canonical` is who it is. Two names with one canonical form are the
same name, and only one person has it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from app.chat.errors import Code, Refused

_ASCII = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_RESERVED = re.compile(r"user[0-9]+")


@dataclass(frozen=True, slots=True)
class Name:
    """A name as others see it, and what it is compared by."""

    display: str
    canonical: str


NameRule = Callable[[str, int], Name]
"""Makes a Name of at most so many characters from a text, 0 for no limit. Refused for what can't be one."""


def ascii_name(text: str, longest: int) -> Name:
    """A name of ASCII letters, digits and `_ . -`; upper case and lower case are the same."""
    if not text or (longest and len(text) > longest):
        raise bad_name(text, longest, "length")
    if not _ASCII.fullmatch(text):
        raise bad_name(text, longest, "characters")
    return Name(text, text.lower())


def reserved(canonical: str) -> bool:
    """Whether the name is one of those that are given to who has none: `user0`, `user1` and so on."""
    return bool(_RESERVED.fullmatch(canonical))


def bad_name(text: str, longest: int, reason: str, problem: str = "") -> Refused:
    """`text` can't be a name. `reason` is for programs; `problem` is for people, who otherwise are told the rule."""
    shown = text if len(text) <= 40 else text[:40] + "…"
    many = f"1 to {longest}" if longest else "some"
    message = problem or f"expected {many} letters, digits or _ . - with a letter or digit first"
    refused = Refused(Code.BAD_NAME, f"{shown!r} can't be a name: {message}", reason=reason, name=shown)
    if longest:
        refused.values["limit"] = longest
    return refused
