"""What an unquoted word means: true, false, null, a number, or text.

A number remembers how it was written: `str` gives `1.10` and `007` back, since a version or a code in a text is joined
as written. As a number it is any other int or float.
"""

from __future__ import annotations

import math
import re
from typing import Any

_CONSTANTS = {"true": True, "false": False, "null": None}
_NUMBER = re.compile(r"-?[0-9]+(?P<fraction>\.[0-9]*)?(?P<exponent>[eE][-+]?[0-9]+)?")
_LONG = 2**63


class WrittenInt(int):
    """A whole number that isn't written as Python writes it, such as `007`."""

    text: str

    def __str__(self) -> str:
        return self.text


class WrittenFloat(float):
    """A number that isn't written as Python writes it, such as `1.10` or `1e6`."""

    text: str

    def __str__(self) -> str:
        return self.text


def meaning(word: str) -> Any:
    """The value of an unquoted word. A number that is too large for 64 bits, or infinite, stays text."""
    if word in _CONSTANTS:
        return _CONSTANTS[word]
    match = _NUMBER.fullmatch(word) if word[0] in "-0123456789" else None
    if match is None:
        return word
    if match["fraction"] is None and match["exponent"] is None:
        if len(word) > 20 or not -_LONG <= int(word) < _LONG:
            return word
        number = int(word)
        return number if str(number) == word else _written(WrittenInt(number), word)
    fraction = float(word)
    if math.isinf(fraction):
        return word
    return fraction if str(fraction) == word else _written(WrittenFloat(fraction), word)


def text_of(value: Any) -> str:
    """A single value as the text that it is joined as."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _written(number: Any, word: str) -> Any:
    number.text = word
    return number
