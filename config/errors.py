"""The error of the configuration.

ConfigurationError
    A file, key or value that can't be used. Its text is one line:
    `<file>:<line>:<column>: <key> = <value> (from the environment variable <NAME>): <what is wrong or expected>`, or
    `-P:<key> = <value>: <what is wrong or expected>`, with the parts that are known.
ConfigurationErrors
    Several of them at once, a line each.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

FLAG = "-P:"
"""The flag that sets a single value: `-P:key=value`."""
SHORTCUTS = {"-host": "app.deployment.host", "-port": "app.deployment.port", "-path": "app.deployment.root-path"}
"""Flags for single values, and the values that they set."""
OVERRIDES = "overrides"
"""The place of a setting from a mapping of overrides."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was set: `place` is a file name or a flag (empty: the file inside Natter), `line` counts from 1 (0:
    unknown), and `variable` is the environment variable that it came from. A mistake in a text has a `column` too, from
    1."""

    place: str
    line: int = 0
    variable: str = ""
    column: int = field(default=0, compare=False)

    @property
    def is_flag(self) -> bool:
        """Whether a flag on the command line set it."""
        return self.place.startswith(FLAG) or self.place in SHORTCUTS

    @property
    def is_override(self) -> bool:
        """Whether a flag or a mapping of overrides set it, rather than a file."""
        return self.is_flag or self.place == OVERRIDES

    def __str__(self) -> str:
        if self.is_flag or not self.line or not self.place:
            return self.place
        return f"{self.place}:{self.line}:{self.column}" if self.column else f"{self.place}:{self.line}"


class ConfigurationError(Exception):
    """A problem in the configuration, as one line (see the module's docstring)."""

    def __init__(self, problem: str, *, origin: Origin | None = None, key: str = "", value: Any = ...) -> None:
        self.problem, self.origin, self.key, self.value = problem, origin, key, value
        super().__init__(self._line())

    def _line(self) -> str:
        subject = escaped(self.key)
        if self.value is not ...:
            subject = f"{subject} = {shown(self.value)}".removeprefix(" = ")
        if self.origin and self.origin.variable:
            subject = f"{subject} (from the environment variable {self.origin.variable})"
        place = str(self.origin) if self.origin else ""
        if self.key and place == f"{FLAG}{self.key}":  # the flag names the key already
            place, subject = "", f"{FLAG}{subject}"
        parts = (place, subject, self.problem)
        return ": ".join(escaped(" ".join(part.split())) for part in parts if part)


class ConfigurationErrors(ConfigurationError):
    """Several problems, of which one is not worth more than the others. The text has a line for each."""

    def __init__(self, errors: Sequence[ConfigurationError]) -> None:
        self.errors = tuple(errors)
        super().__init__("", origin=self.errors[0].origin, key=self.errors[0].key)

    def _line(self) -> str:
        return "\n".join(map(str, self.errors))


def shown(value: Any) -> str:
    """`value` as HOCON, with at most 80 characters. What is left out is in the middle: a path's last part matters."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    text = str(value) if is_number else escaped(json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= 80 else f"{text[:38]}...{text[-39:]}"


def escaped(text: str) -> str:
    """`text`, with what can't be seen, such as a no-break space, as JSON writes it."""
    return "".join(c if c == " " or (c.isprintable() and not c.isspace()) else json.dumps(c)[1:-1] for c in text)


def reason(error: OSError) -> str:
    """What the system says is wrong."""
    return (error.strerror or str(error)).lower()


def closest(name: str, known: Iterable[str]) -> str:
    """The known name closest to `name`, or an empty text if none is close."""
    from difflib import get_close_matches  # a configuration without mistakes needs it never

    near = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return near[0] if near else ""


def suggestion(name: str, known: Iterable[str]) -> str:
    """`; did you mean X?` with the known name closest to `name`, or an empty text if none is close."""
    near = closest(name, known)
    return f"; did you mean {near}?" if near else ""
