"""The catalogue: texts by key, from one JSON file for each language, in the format of the page's.

    {
      "status.reconnecting": "Reconnecting",
      "notice.missed": {"one": "You missed {count} message", "other": "You missed {count} messages"},
      "event.kick": ["{name} kicked {whom}: {why}", "{name} kicked {whom}"]
    }

`{name}` stands for a value. A text that depends on a number has one form for each plural category of its language
(`app.client.languages.plurals`), and the value of `count` chooses among them. Of a list, the first text is shown that
needs no empty value, or else the last. The file of a language is named by its BCP 47 tag: `de.json`, `pt-BR.json`. A
key that a language does not have is shown in English.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Self

from app.client.languages.plurals import category

DIRECTORY = Path(__file__).parent
ENGLISH = "en"
_PLACEHOLDER = re.compile(r"\{(\w+)\}")

Form = str | Mapping[str, str]
"""A text, or its forms by plural category."""
Entry = Form | Sequence[Form]
"""A text, or alternatives for when not all values are known."""


class MissingValueError(LookupError):
    """A text has a placeholder for which no value was given."""


class Translatable(str):
    """A text in English that remembers how to say it in another language.

    `keys` are its entries in the catalogue, the best one first, and `values` what their placeholders stand for. Values
    may be Translatable too.
    """

    keys: tuple[str, ...]
    values: Mapping[str, object]

    def __new__(cls, text: str, keys: tuple[str, ...] = (), values: Mapping[str, object] | None = None) -> Self:
        made = super().__new__(cls, text)
        made.keys, made.values = keys, values or {}
        return made


class Catalogue:
    """The texts of one language."""

    def __init__(self, language: str, entries: Mapping[str, Entry], fallback: Catalogue | None = None) -> None:
        self.language = language
        self._entries, self._fallback = entries, fallback

    def text(self, key: str, /, **values: object) -> str:
        """The text of `key`, with its values. KeyError for an unknown key, MissingValueError if a value is
        missing."""
        entry = self._entries.get(key)
        if entry is None:
            if self._fallback is None:
                raise KeyError(f"there is no text {key!r} in the catalogue")
            return self._fallback.text(key, **values)
        texts = self._texts(entry, values.get("count"))
        complete = (text for text in texts if all(values.get(name) not in (None, "") for name in _names(text)))
        text = next(complete, texts[-1])
        if missing := set(_names(text)) - values.keys():
            raise MissingValueError(f"the text {key!r} needs a value for {sorted(missing)}")
        return _PLACEHOLDER.sub(lambda found: self._shown(values[found[1]]), text)

    def __contains__(self, key: str) -> bool:
        return key in self._entries or (self._fallback is not None and key in self._fallback)

    def translate(self, text: str) -> str:
        """`text` in this language. A text that the catalogue does not have, or not all values of, stays as it is."""
        if isinstance(text, Translatable):
            for key in text.keys:
                if key in self:
                    try:
                        return self.text(key, **text.values)
                    except MissingValueError:
                        break
        return str(text)

    def _texts(self, entry: Entry, count: object) -> list[str]:
        """The alternatives of an entry, in the plural form for `count`."""
        form = category(self.language, count) if isinstance(count, int) else "other"
        alternatives = [entry] if isinstance(entry, str | Mapping) else entry
        return [one if isinstance(one, str) else one.get(form) or one["other"] for one in alternatives]

    def _shown(self, value: object) -> str:
        if isinstance(value, str):
            return self.translate(value)
        if value is None:
            return ""
        if isinstance(value, datetime):
            return f"{value:%Y-%m-%d %H:%M}"
        return f"{value:g}" if isinstance(value, float) else str(value)


def translatable(key: str, /, **values: object) -> Translatable:
    """The text of `key`, in English until it is translated."""
    return Translatable(english().text(key, **values), (key,), values)


def _names(text: str) -> list[str]:
    """The names of the values in a text."""
    return _PLACEHOLDER.findall(text)


@cache
def english() -> Catalogue:
    """The catalogue that has every text."""
    return Catalogue(ENGLISH, _read(DIRECTORY / f"{ENGLISH}.json"))


def load(environment: Mapping[str, str], directory: Path = DIRECTORY) -> Catalogue:
    """The catalogue of the language that the environment asks for, or English if `directory` has no file for it."""
    for language in languages(environment):
        if language == ENGLISH:
            break
        path = directory / f"{language}.json"
        if path.is_file():
            return Catalogue(language, _read(path), english())
    return english()


def languages(environment: Mapping[str, str]) -> Iterator[str]:
    """The languages to look for, as BCP 47 tags, the best one first: `pt-BR`, then `pt`, for `LANG=pt_BR.UTF-8`.

    Of LC_ALL, LC_MESSAGES and LANG the first that is set counts, as POSIX has it.
    """
    names = (environment.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    locale = next(filter(None, names), "")
    language, _, region = re.split(r"[.@]", locale)[0].partition("_")
    if re.fullmatch(r"[A-Za-z]{2,3}", language):
        if re.fullmatch(r"[A-Za-z]{2}|[0-9]{3}", region):
            yield f"{language.lower()}-{region.upper()}"
        yield language.lower()


def _read(path: Path) -> dict[str, Entry]:
    entries: dict[str, Entry] = json.loads(path.read_bytes())
    return entries
