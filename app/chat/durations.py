"""Durations as people type them: `10m`, `1h30m`, `1d 12h`, `2 hours`, `an hour`, `permanently`.

A text that may begin with a duration may also begin with something else, such as a reason. What looks like the
beginning of a duration and can't be read is an error, and never something else: a ban that should have ended
after a while would be permanent. Months and years are errors too, since they vary in length.
"""

from __future__ import annotations

import math
import re

FORMS = "30s, 10m, 1h30m, 2 hours, 7d, or 4 weeks"
"""Examples of what is read."""

_UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3_600),
    **dict.fromkeys(("d", "day", "days"), 86_400),
    **dict.fromkeys(("w", "wk", "wks", "week", "weeks"), 604_800),
}
_NUMBERS = {
    "half a": 0.5, "half an": 0.5, "a": 1, "an": 1, "one": 1, "two": 2, "a couple of": 2, "three": 3, "four": 4,
    "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "fifteen": 15,
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "ninety": 90,
}  # fmt: skip
_UNIT = r"(?:(?:min|minute|hr|hour|day|wk|week|fortnight|weekend|month|yr|year)s?|secs|seconds)(?![^\W_])"
_PERMANENTLY = re.compile(
    r"(?:permanent(?:ly)?|for\s?ever|for\s+good(?=\s*(?:[,;:.!]|$))|indefinitely)(?![^\W_])[,;:.!]?", re.IGNORECASE
)
_FOR = re.compile(r"for\s+", re.IGNORECASE)
_AMOUNT = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?)\s*(?P<unit>[a-z]+)(?![^\W\d_])", re.IGNORECASE)
_NUMBER = "|".join(_NUMBERS).replace(" ", r"\s+")
_WORDS = re.compile(rf"(?P<number>{_NUMBER})\s+(?P<unit>{_UNIT})", re.IGNORECASE)
"""A number in words goes with a unit in words, but not with a second: someone may be banned for `a second offence`."""
_SOME = re.compile(
    r"(?:(?:half|an?|the|next|couple|of|few|several|some|many|and|dozen|hundred|one|two|three|four|five|six|seven|"
    r"eight|nine|ten|eleven|[a-z]{3,5}teen|twelve|(?:twen|thir|for|fif|six|seven|eigh|nine)ty)[\s-]+){1,6}" + _UNIT,
    re.IGNORECASE,
)
"""Other words for an amount: `a few days`, `twenty-five minutes`, `one and a half hours`."""
_BETWEEN = re.compile(r"\s*,\s*|\s+and\s+|\s*", re.IGNORECASE)
_END = re.compile(r"[,;:.]?(?:\s|$)")
_LOOKS_LIKE_ONE = re.compile(r"[^\w\s#]*\s*(?P<digit>\S)|$")
_UNTIL = re.compile(r"(?:un)?till?\s", re.IGNORECASE)


def split_duration(text: str) -> tuple[float | None, str]:
    """Return the seconds that `text` begins with, and what follows. They are None if it begins with no duration, or
    says that it is permanent. ValueError if it begins like a duration and can't be read."""
    text = text.lstrip()
    if found := _PERMANENTLY.match(text):
        return None, text[found.end() :]
    start = found.end() if (found := _FOR.match(text)) else 0
    seconds, end = _in_words(text, start) or _in_digits(text, start)
    if end == start:
        if _begins_like_one(text, start):
            raise ValueError(text)
        return None, text
    ended = _END.match(text, end)
    if not ended:
        raise ValueError(text)
    return seconds, text[ended.end() :]


def _in_words(text: str, start: int) -> tuple[float, int] | None:
    found = _WORDS.match(text, start)
    if not found:
        return None
    unit = _UNITS.get(found["unit"].lower())
    if unit is None:
        raise ValueError(text)
    return _NUMBERS[" ".join(found["number"].lower().split())] * unit, found.end()


def _in_digits(text: str, start: int) -> tuple[float, int]:
    """Return the sum of the amounts from `start` on, each of a smaller unit than the one before, and where they end."""
    seconds, end, last = 0.0, start, math.inf
    at = start
    while found := _AMOUNT.match(text, at):
        unit = _UNITS.get(found["unit"].lower(), math.inf)
        if unit >= last:
            break
        seconds, end, last = seconds + float(found["number"]) * unit, found.end(), unit
        between = _BETWEEN.match(text, end)
        at = between.end() if between else end
    return seconds, end


def _begins_like_one(text: str, start: int) -> bool:
    found = _LOOKS_LIKE_ONE.match(text, start)
    return bool(found and (found["digit"] or "").isnumeric()) or bool(_UNTIL.match(text) or _SOME.match(text, start))
