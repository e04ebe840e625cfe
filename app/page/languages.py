"""The languages of the page: one catalogue of messages each, in `static/languages`.

A file `de.json` there is all that a language needs: it is read once, offered to browsers, and has English in place of
what it lacks. English itself is a part of the scripts, so that nobody waits for it: the messages that the first screens
may show are in the first script, and the others come with what shows them.

A message is a string with the names of its values in braces, an object with such a string for each plural category of
the value `count`, or a list of these, of which the first counts that has all its values. `language.direction` is `ltr`
or `rtl`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

DEFAULT = "en"
FOLDER = "languages"
ENGLISH, REST = "i18n/english.js", "i18n/rest.js"
"""The modules that have the English catalogue: what the first script may show, and the rest."""
ENTERING = (
    *("bad_name", "banned", "invitation_only", "muted", "name_taken", "rate_limited", "slow_mode", "too_many_rooms"),
    "wrong_password",
)
"""Errors that people may get while they enter."""
FAMILIES = ("event.", "refused.", *(f"error.{code}" for code in ENTERING))
"""Messages that the first script may show, although their keys aren't in it: it puts them together. For any other error
it has the server's words until the rest is there."""

Messages = Mapping[str, Any]
"""The messages of a language by their keys."""

PLACEHOLDER = re.compile(r"\{([a-z_]+(?:\.[a-z_]+)+)\}")
"""A key in braces, in the documents that the server writes in the reader's language."""
QUOTED = re.compile(r'"([a-z_]+(?:\.[a-z0-9_]+)+)"')
LANGUAGE_TAG = "language.tag"
"""A key that documents may have beside those of the catalogue."""


def read(folder: Path) -> dict[str, Messages]:
    """The catalogues in `folder` by the tags of their languages. ValueError for one that isn't a JSON object, and
    without English."""
    catalogues = {path.stem: _messages(path) for path in sorted((folder / FOLDER).glob("*.json"))}
    if DEFAULT not in catalogues:
        raise ValueError(
            f"{folder / FOLDER}: expected {DEFAULT}.json, whose messages every other language falls back to"
        )
    return {tag: {**catalogues[DEFAULT], **messages} for tag, messages in catalogues.items()}


def name_of(tag: str) -> str:
    """The name of a language's file among those of the page."""
    return f"{FOLDER}/{tag}.json"


def files(catalogues: Mapping[str, Messages], first: Collection[str]) -> dict[str, bytes | None]:
    """The contents of the files that catalogues are served in, by their names among those of the page; None for the
    file of English, which is not served. `first` are the keys in the first script."""
    encoded = {name_of(tag): _json(catalogues[tag]) for tag in catalogues if tag != DEFAULT}
    begins: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    for key, message in catalogues[DEFAULT].items():
        (begins if key in first or key.startswith(FAMILIES) else rest)[key] = message
    modules = {ENGLISH: f"export const ENGLISH = {_json(begins)};\n", REST: f"export const REST = {_json(rest)};\n"}
    return {name: text.encode() for name, text in (encoded | modules).items()} | {name_of(DEFAULT): None}


def keys_in(script: str) -> set[str]:
    """The words in a script that may be keys of messages."""
    return set(QUOTED.findall(script))


def _json(messages: Mapping[str, Any]) -> str:
    return json.dumps(messages, ensure_ascii=False, separators=(",", ":"))


def negotiate(accepted: str, tags: Collection[str]) -> str:
    """The best of `tags` for a header `Accept-Language`: `de` for `de-AT`; English if there is none."""
    known = {tag.lower(): tag for tag in tags}
    for wanted in _preferred(accepted):
        parts = wanted.lower().split("-")
        for length in range(len(parts), 0, -1):
            if found := known.get("-".join(parts[:length])):
                return found
    return DEFAULT


def fill(document: str, tag: str, messages: Messages, escape: Callable[[str], str]) -> str:
    """A document with its messages in place of their keys in braces. KeyError for a key that the catalogue lacks."""
    values = {**messages, LANGUAGE_TAG: tag}
    return PLACEHOLDER.sub(lambda found: escape(values[found[1]]), document)


def _messages(path: Path) -> dict[str, Any]:
    try:
        messages = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: expected JSON: {error}") from None
    if not isinstance(messages, dict):
        raise ValueError(f"{path}: expected an object of messages by their keys")
    return messages


def _preferred(accepted: str) -> list[str]:
    """The languages of the header that are accepted, the best first."""
    weighted = []
    for part in accepted.split(","):
        tag, _, parameters = part.partition(";")
        quality = re.fullmatch(r"\s*q=([01](?:\.\d{0,3})?)\s*", parameters)
        weight = float(quality[1]) if quality else 0.0 if parameters.strip() else 1.0
        if tag.strip() and weight:
            weighted.append((weight, tag.strip()))
    return [tag for _, tag in sorted(weighted, key=lambda one: -one[0])]
