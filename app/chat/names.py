"""What people can be called.

A name has two forms: `display` is what others see, `canonical` is what is compared. Names with the same canonical form
are the same name, and only one user has it. Names with the same `skeleton` look alike.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache

import msgspec

from app.chat.errors import Code, Refused
from app.chat.mentions import GROUPS

_ASCII = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_RESERVED = re.compile(r"user[0-9ilo]+[._-]*")
"""`user0`, and what looks like it."""
_LOOKALIKES = str.maketrans("i10", "llo")
"""Characters of names that look like others: `1` and `i` like `l`, since a capital `I` does, and `0` like `o`."""
_PAIRS = (("rn", "m"), ("vv", "w"))
"""Two letters that look like one."""
_GROUPS = (*GROUPS, "all", "channel")
_OFFICIAL = ("admin", "server", "system")
_MODIFIERS = "'^\u02b0-\u02ff\ua700-\ua71f\ua788-\ua78a"


class Name(msgspec.Struct, frozen=True):
    """A name in its two forms."""

    display: str
    canonical: str


NameRule = Callable[[str, int], Name]
"""Makes a Name of at most so many characters from a text; 0 is no limit. Refused if the text can't be a name."""


def ascii_name(text: str, longest: int) -> Name:
    """Allow ASCII letters, digits and `_ . -`. Case makes no difference."""
    if not text or (longest and len(text) > longest):
        raise bad_name(text, longest, "length")
    if not _ASCII.fullmatch(text):
        raise bad_name(text, longest, "characters")
    return Name(text, text.lower())


def skeleton(canonical: str) -> str:
    """Return what is left of a name when only what is easily told apart counts. Names with the same skeleton look
    alike: `alice`, `aIice`, `a1ice` and `alice_`.

    It is for canonical forms of every rule: a letter that looks like an ASCII letter is one already.
    """
    text = canonical if canonical.isascii() else unicodedata.normalize("NFD", canonical)
    text = (_hardly_seen().sub("", text) or text).translate(_LOOKALIKES)
    for pair, letter in _PAIRS:
        text = text.replace(pair, letter)
    return text


def reserved(canonical: str) -> bool:
    """Whether the server assigns this name to guests, `user0`, `user1` and so on, or it looks like one of these."""
    return bool(_RESERVED.fullmatch(canonical))


def addresses_a_group(canonical: str) -> bool:
    """Whether `@` and this name, or what it looks like, would be taken for a mention of everyone."""
    return skeleton(canonical) in _skeletons(_GROUPS)


def sounds_official(canonical: str) -> bool:
    """Whether this name, or what it looks like, would be taken for the server or those who run it."""
    return skeleton(canonical) in _skeletons(_OFFICIAL)


@cache
def _skeletons(words: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(skeleton, words))


@cache
def _hardly_seen() -> re.Pattern[str]:
    """Finds apostrophes, hooks and other modifier letters, and marks at the end, which a sentence may add."""
    return re.compile(rf"[._{_MODIFIERS}-]+\Z|[{_MODIFIERS}]+")


def bad_name(text: str, longest: int, reason: str, problem: str = "") -> Refused:
    """The error for a text that can't be a name. `reason` is for programs; `problem` is for people, or else they get
    the rule."""
    shown = text if len(text) <= 40 else text[:40] + "…"
    many = f"1 to {longest} " if longest else ""
    rule = f"use {many}letters, digits or _ . - and start with a letter or digit"
    refused = Refused(Code.BAD_NAME, f"{shown!r} can't be a name: {problem or rule}", reason=reason, name=shown)
    if longest:
        refused.values["limit"] = longest
    return refused
