"""Which form of a text goes with a number: "1 message", "2 messages".

The categories and rules are those of Unicode CLDR for cardinal whole numbers
(https://www.unicode.org/cldr/charts/latest/supplemental/language_plural_rules.html), which browsers follow in
`Intl.PluralRules`.
"""

from __future__ import annotations

from collections.abc import Callable

Rule = Callable[[int], str]
"""The category of a number: zero, one, two, few, many or other."""


def category(language: str, count: int) -> str:
    """The category of `count` in `language`, a BCP 47 tag. A language that is not listed has `one` and `other`."""
    rule = _RULES.get(language) or _RULES.get(language.partition("-")[0], _one_is_singular)
    return rule(abs(count))


def _never(n: int) -> str:  # noqa: ARG001  (as every rule)
    return "other"


def _one_is_singular(n: int) -> str:
    return "one" if n == 1 else "other"


def _one_or_million(n: int) -> str:
    return "one" if n == 1 else "many" if n and n % 1_000_000 == 0 else "other"


def _zero_is_singular(n: int) -> str:
    return "one" if n < 2 else "other"


def _zero_or_million(n: int) -> str:
    return "one" if n < 2 else "many" if n % 1_000_000 == 0 else "other"


def _last_digit_is_one(n: int) -> str:
    return "one" if n % 10 == 1 and n % 100 != 11 else "other"


def _south_slavic(n: int) -> str:
    if 2 <= n % 10 <= 4 and not 12 <= n % 100 <= 14:
        return "few"
    return _last_digit_is_one(n)


def _east_slavic(n: int) -> str:
    return _south_slavic(n).replace("other", "many")


def _polish(n: int) -> str:
    return "one" if n == 1 else "few" if _south_slavic(n) == "few" else "many"


def _czech(n: int) -> str:
    return "one" if n == 1 else "few" if 2 <= n <= 4 else "other"


def _slovenian(n: int) -> str:
    return {1: "one", 2: "two", 3: "few", 4: "few"}.get(n % 100, "other")


def _lithuanian(n: int) -> str:
    if 11 <= n % 100 <= 19 or n % 10 == 0:
        return "other"
    return "one" if n % 10 == 1 else "few"


def _latvian(n: int) -> str:
    if 11 <= n % 100 <= 19 or n % 10 == 0:
        return "zero"
    return "one" if n % 10 == 1 else "other"


def _romanian(n: int) -> str:
    return "one" if n == 1 else "few" if n == 0 or 1 <= n % 100 <= 19 else "other"


def _arabic(n: int) -> str:
    if n < 3:
        return ("zero", "one", "two")[n]
    return "few" if 3 <= n % 100 <= 10 else "many" if n % 100 >= 11 else "other"


def _hebrew(n: int) -> str:
    return {1: "one", 2: "two"}.get(n, "other")


def _irish(n: int) -> str:
    return {1: "one", 2: "two"}.get(n, "few" if 3 <= n <= 6 else "many" if 7 <= n <= 10 else "other")


def _welsh(n: int) -> str:
    return {0: "zero", 1: "one", 2: "two", 3: "few", 6: "many"}.get(n, "other")


def _filipino(n: int) -> str:
    return "other" if n % 10 in (4, 6, 9) else "one"


_RULES: dict[str, Rule] = {
    **dict.fromkeys(["id", "ja", "km", "ko", "lo", "ms", "my", "th", "yue", "zh"], _never),
    **dict.fromkeys(["ca", "es", "gl", "it", "pt-PT"], _one_or_million),
    **dict.fromkeys(["am", "as", "bn", "fa", "gu", "hi", "hy", "kn", "pa", "vi", "zu"], _zero_is_singular),
    **dict.fromkeys(["fr", "pt"], _zero_or_million),
    **dict.fromkeys(["is", "mk"], _last_digit_is_one),
    **dict.fromkeys(["bs", "hr", "sr"], _south_slavic),
    **dict.fromkeys(["be", "ru", "uk"], _east_slavic),
    "pl": _polish,
    **dict.fromkeys(["cs", "sk"], _czech),
    "sl": _slovenian,
    "lt": _lithuanian,
    "lv": _latvian,
    "ro": _romanian,
    "ar": _arabic,
    "he": _hebrew,
    "ga": _irish,
    "cy": _welsh,
    **dict.fromkeys(["fil", "tl"], _filipino),
}
