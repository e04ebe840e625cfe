"""The types of single values.

A value type is a class with `parse`, a class method that raises ValueError for a value it doesn't accept, and
`expected`, which completes the sentence "expected …" in the error. All of them accept text, since environment variables
are always text. Where Python's own value says too little, `written` returns what a person would write.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar, Self

from config.hocon.joining import indexed
from config.hocon.words import text_of

_SECONDS = {
    ("ns", "nano", "nanosecond"): Decimal("1e-9"),
    ("us", "micro", "microsecond"): Decimal("1e-6"),
    ("", "ms", "milli", "millisecond"): Decimal("1e-3"),
    ("s", "second"): Decimal(1),
    ("m", "minute"): Decimal(60),
    ("h", "hour"): Decimal(3600),
    ("d", "day"): Decimal(86400),
    ("w", "week"): Decimal(604800),
}
_DURATIONS = {
    spelling: seconds
    for names, seconds in _SECONDS.items()
    for name in names
    for spelling in ((name, f"{name}s") if len(name) > 2 else (name,))
}
"""The seconds of each unit of durations. Those of HOCON, and weeks."""
_PREFIXES = ("kilo", "mega", "giga", "tera", "peta", "exa", "zetta", "yotta")
_BINARY_PREFIXES = ("kibi", "mebi", "gibi", "tebi", "pebi", "exbi", "zebi", "yobi")


def _sizes() -> dict[str, int]:
    """The bytes of each unit of sizes, as HOCON has them: a letter alone is a power of 1024."""
    sizes = dict.fromkeys(("", "b", "B", "byte", "bytes"), 1)
    for power, (decimal, binary) in enumerate(zip(_PREFIXES, _BINARY_PREFIXES, strict=True), start=1):
        letter = decimal[0].upper()
        short = "kB" if letter == "K" else f"{letter}B"
        sizes |= dict.fromkeys((short, f"{decimal}byte", f"{decimal}bytes"), 1000**power)
        letters = (letter.lower(), letter, f"{letter}i", f"{letter}iB")
        sizes |= dict.fromkeys((*letters, f"{binary}byte", f"{binary}bytes"), 1024**power)
    return sizes


_SIZES = _sizes()
_QUANTITY = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,3})?)\s*([A-Za-z]*)", re.ASCII)
_LONGEST, _LARGEST = 2**63 // 10**9, 2**63 - 1
"""The seconds and the bytes that fit into 64 bits, durations in nanoseconds."""


class Duration(float):
    """A length of time in seconds, not negative. As HOCON specifies, a number without a unit is in milliseconds."""

    expected: ClassVar[str] = "a duration such as 15s, 500ms or 2m (a number without a unit is milliseconds)"

    @classmethod
    def parse(cls, value: Any) -> Self:
        seconds = _quantity(value, _DURATIONS)
        return cls(seconds) if seconds <= _LONGEST else _refuse()

    def written(self) -> str:
        """The same length of time in the largest unit up to days that needs no fraction."""
        seconds = Decimal(repr(float(self)))
        for unit in ("d", "h", "m", "s", "ms", "us", "ns"):
            amount = seconds / _DURATIONS[unit]
            if seconds and amount == int(amount):
                return f"{int(amount)}{unit}"
        return f"{seconds:f}s" if seconds else "0s"


class Size(int):
    """A number of bytes, not negative: `64KiB`, `64K` and `65536` are the same, `64kB` is 64000. A fraction of a
    byte is left out."""

    expected: ClassVar[str] = "a size such as 64KiB or 1MiB (a number without a unit is bytes)"

    @classmethod
    def parse(cls, value: Any) -> Self:
        size = int(_quantity(value, _SIZES))
        return cls(size) if size <= _LARGEST else _refuse()

    def written(self) -> str | int:
        """The same number of bytes, in the largest unit that needs no fraction."""
        for power, unit in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
            if self and self % 1024**power == 0:
                return f"{self // 1024**power}{unit}"
        return int(self)


class Port(int):
    """A TCP port. With 0 the system picks a free one."""

    expected: ClassVar[str] = "a port number from 0 to 65535"

    @classmethod
    def parse(cls, value: Any) -> Self:
        number = integer(value)
        return cls(number) if 0 <= number <= 65535 else _refuse()


class Hosts(tuple[str, ...]):
    """Addresses or host names to listen on: a list, or a text with commas between them."""

    expected: ClassVar[str] = 'an address such as 127.0.0.1, or a list such as ["127.0.0.1", "::1"]'

    @classmethod
    def parse(cls, value: Any) -> Self:
        items = listed(value)
        if items is None:
            items = text(value).split(",")
        hosts = cls(re.sub(r"\[([0-9a-fA-F:.]+)\]", r"\1", text(item).strip()) for item in items)
        return hosts if hosts and all(hosts) else _refuse()


class Unmasked(int):
    """The setting `masking`: Ktor has it, but WebSocket servers must not mask, so only `false` is accepted."""

    expected: ClassVar[str] = (
        "false: RFC 6455, section 5.1, doesn't allow servers to mask frames, and browsers disconnect"
    )

    @classmethod
    def parse(cls, value: Any) -> Self:
        return _refuse() if boolean(value) else cls(0)

    def written(self) -> bool:
        """False, always."""
        return False


class RootPath(str):
    """A prefix of every route: empty, or `/` and segments without a trailing slash."""

    expected: ClassVar[str] = 'a path such as "/team", or ""'

    @classmethod
    def parse(cls, value: Any) -> Self:
        path = text(value).rstrip("/")
        return cls(path) if re.fullmatch(r"(/[\w.~-]+)*", path, re.ASCII) else _refuse()


class HostName(str):
    """A host name without scheme and port; with `*.` in front, all names that end so; or `*` for any."""

    expected: ClassVar[str] = 'a name such as chat.example.com, "*.example.com" or "*", without a scheme or a port'

    @classmethod
    def parse(cls, value: Any) -> Self:
        name = text(value).lower()
        return cls(name) if re.fullmatch(r"\*|(\*\.)?[\w-]+(\.[\w-]+)*\.?", name, re.ASCII) else _refuse()


class Origin(str):
    """A web origin (scheme, host, and port unless it is the default), or `*` for any."""

    expected: ClassVar[str] = 'an origin such as "https://chat.example.com", or "*"'

    @classmethod
    def parse(cls, value: Any) -> Self:
        origin = text(value).lower().rstrip("/")
        return cls(origin) if origin == "*" or re.fullmatch(r"https?://[^/\s@?#*]+", origin) else _refuse()


def boolean(value: Any) -> bool:
    """Parse `true` or `false`, or HOCON's `yes`, `no`, `on` or `off`."""
    words = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
    if isinstance(value, bool):
        return value
    return words[value] if isinstance(value, str) and value in words else _refuse()


def integer(value: Any) -> int:
    """Parse a whole number. `0123` is refused, since it could be meant as octal."""
    written = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return int(value) if re.fullmatch(r"-?(0|[1-9][0-9]{0,18})", written) else _refuse()


def number(value: Any) -> float:
    """Parse a number, with or without a fraction."""
    if isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?([eE][-+]?\d+)?", value, re.ASCII):
        return float(value)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else _refuse()


def text(value: Any) -> str:
    """Parse text. A number, true or false is text as it is written."""
    return text_of(value) if isinstance(value, str | int | float) else _refuse()


def listed(value: Any) -> list[Any] | None:
    """A list, or an object with numbers as keys as the list of its values, as HOCON reads it. None for others."""
    if isinstance(value, dict):
        return indexed(value.items()) or None
    return value if isinstance(value, list) else None


PLAIN = {
    bool: (boolean, "true or false"),
    int: (integer, "a whole number"),
    float: (number, "a number"),
    str: (text, "text, in quotes"),
}
"""How to parse Python's own types, and what they expect."""


def _quantity(value: Any, units: Mapping[str, Decimal | int]) -> Decimal:
    """A number that isn't negative, times the unit that is written after it."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    match = _QUANTITY.fullmatch(value.strip()) if isinstance(value, str) and len(value) < 100 else None
    if match is None or match[2] not in units or Decimal(match[1]) < 0:
        return _refuse()  # type: ignore[no-any-return]
    return Decimal(match[1]) * units[match[2]]


def _refuse() -> Any:
    raise ValueError
