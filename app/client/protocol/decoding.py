"""Decodes the frames of a `chat.v1.json` server. Unknown types are ignored, as the protocol asks."""

from __future__ import annotations

import json
from functools import cache
from itertools import zip_longest
from typing import Any, get_args

import msgspec

from app.chat.events import Kind
from app.chat.frames import Changed, Found, Frame, Message, Page, RequestId

CHANGES = frozenset(set(Kind) - {Kind.MSG, Kind.ME})
"""The types of frames that are decoded as Changed."""


class _Envelope(msgspec.Struct):
    """The part of a frame that says how to decode the rest."""

    t: str = ""


class _Page(msgspec.Struct):
    """A page of history, whose events are decoded one by one."""

    room: str
    events: list[Any]
    more: bool
    rid: RequestId = msgspec.UNSET


class _Found(msgspec.Struct):
    """Search results, whose events are decoded one by one. Older servers send no marks."""

    words: str
    events: list[Any]
    more: bool
    room: str = ""
    partial: bool = False
    behind: int = 0
    marks: list[list[tuple[int, int]]] = []
    next: int = 0
    rid: RequestId = msgspec.UNSET


_envelope = msgspec.json.Decoder(_Envelope)
_pages = msgspec.json.Decoder(_Page)
_results = msgspec.json.Decoder(_Found)
_TYPES: dict[str, type[Frame]] = {
    **{frame.__struct_config__.tag: frame for frame in get_args(Frame) if frame not in (Changed, Page, Found)},
    **dict.fromkeys(CHANGES, Changed),
}


def decode(text: str) -> Frame | None:
    """The frame in `text`, or None for one of an unknown type. ValueError if it is no frame."""
    try:
        t = _envelope.decode(text).t
        if t == "history":
            return _page(text)
        if t == "found":
            return _found(text)
        return _decoder(t).decode(text) if t in _TYPES else None
    except msgspec.DecodeError as error:
        return _repaired(text, error)


@cache
def _decoder(t: str) -> msgspec.json.Decoder[Frame]:
    """The decoder for a type. Making one takes long, and few types come before the first room is shown."""
    return msgspec.json.Decoder(_TYPES[t])


def event(fields: Any) -> Message | Changed | None:
    """The event of a log with these fields, or None for one of an unknown type."""
    t = fields.get("t") if isinstance(fields, dict) else None
    if t == "msg":
        return msgspec.convert(fields, Message)
    return msgspec.convert(fields, Changed) if t in CHANGES else None


def _page(text: str) -> Page:
    page = _pages.decode(text)
    events = [found for found in map(event, page.events) if found is not None]
    return Page(room=page.room, events=events, more=page.more, rid=page.rid)


def _found(text: str) -> Found:
    results = _results.decode(text)
    pairs = zip_longest(map(event, results.events), results.marks[: len(results.events)], fillvalue=())
    known = [(found, list(marks)) for found, marks in pairs if found]
    return Found(
        words=results.words,
        events=[found for found, _ in known],
        more=results.more,
        room=results.room,
        partial=results.partial,
        behind=results.behind,
        marks=[marks for _, marks in known],
        next=results.next,
        rid=results.rid,
    )


def _repaired(text: str, problem: msgspec.DecodeError) -> Frame | None:
    """The frame in a text with an unpaired surrogate, which msgspec refuses; each becomes U+FFFD."""
    try:
        repaired = json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8", "replace").decode()
    except (ValueError, RecursionError):
        raise ValueError(str(problem)) from None
    if repaired == text or "\\ud" not in text.lower():
        raise ValueError(str(problem)) from None
    return decode(repaired)
