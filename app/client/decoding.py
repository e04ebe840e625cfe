"""Frames from a server of `chat.v1.json`, decoded: unknown ones are nothing, as the protocol wants it."""

from __future__ import annotations

import json
from typing import Any, get_args

import msgspec

from app.chat.events import Kind
from app.chat.frames import Changed, Found, Frame, Message, Page, RequestId

CHANGES = frozenset(set(Kind) - {Kind.MSG, Kind.ME})


class _Envelope(msgspec.Struct):
    """What is looked at first."""

    t: str = ""


class _Paged(msgspec.Struct):
    """A page, or what was found, whose events are each of their own type."""

    room: str
    events: list[Any]
    more: bool
    words: str = ""
    rid: RequestId = msgspec.UNSET


_envelope = msgspec.json.Decoder(_Envelope)
_paged = msgspec.json.Decoder(_Paged)
_TYPES: dict[str, type[Frame]] = {
    **{frame.__struct_config__.tag: frame for frame in get_args(Frame) if frame not in (Changed, Page, Found)},
    **dict.fromkeys(CHANGES, Changed),
}
_decoders = {t: msgspec.json.Decoder(type_) for t, type_ in _TYPES.items()}


def decode(text: str) -> Frame | None:
    """The frame in `text`, or None for one of an unknown type. ValueError for what is no frame at all."""
    try:
        t = _envelope.decode(text).t
        if t in ("history", "found"):
            return _page(t, text)
        decoder = _decoders.get(t)
        return None if decoder is None else decoder.decode(text)
    except msgspec.DecodeError as error:
        return _half(text, error)


def event(fields: Any) -> Message | Changed | None:
    """An event of a log from its fields, or None for one of an unknown type."""
    t = fields.get("t") if isinstance(fields, dict) else None
    if t == "msg":
        return msgspec.convert(fields, Message)
    return msgspec.convert(fields, Changed) if t in CHANGES else None


def _page(t: str, text: str) -> Frame:
    page = _paged.decode(text)
    events = [found for found in map(event, page.events) if found is not None]
    if t == "history":
        return Page(room=page.room, events=events, more=page.more, rid=page.rid)
    return Found(room=page.room, words=page.words, events=events, more=page.more, rid=page.rid)


def _half(text: str, problem: msgspec.DecodeError) -> Frame | None:
    """A frame with half of a surrogate pair in it, which is no JSON to everybody; each half becomes U+FFFD."""
    try:
        repaired = json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8", "replace").decode()
    except (ValueError, RecursionError):
        raise ValueError(str(problem)) from None
    if repaired == text or "\\ud" not in text.lower():
        raise ValueError(str(problem)) from None
    return decode(repaired)
