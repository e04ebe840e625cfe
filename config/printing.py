"""Writes settings as HOCON that reads back to the same settings."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from config.describing import Group, Value

WIDTH = 100
"""Characters that a list may have on one line."""
_PLAIN_KEY = re.compile(r"(?!include$)[A-Za-z_][A-Za-z0-9_-]*")


def document(group: Group | Value, path: tuple[str, ...] = (), *, origins: bool = False) -> str:
    """`group`, which is at `path`, as HOCON. With `origins`, a comment says where each value came from."""
    name = ".".join(map(_key, path))
    if isinstance(group, Value):
        lines = [*_value_lines(name, group, "", origins=origins)]
    elif not path:
        lines = [*_lines(group, "", origins=origins)]
    else:
        lines = [f"{name} {{", *_lines(group, "  ", origins=origins), "}"]
    return "".join(f"{line}\n" for line in lines)


def _lines(group: Group, indent: str, *, origins: bool) -> Iterator[str]:
    for key, member in group.members.items():
        if isinstance(member, Group):
            yield f"{indent}{_key(key)} {{"
            yield from _lines(member, f"{indent}  ", origins=origins)
            yield f"{indent}}}"
        else:
            yield from _value_lines(f"{indent}{_key(key)}", member, indent, origins=origins)


def _value_lines(name: str, value: Value, indent: str, *, origins: bool) -> Iterator[str]:
    comment = f"  # {_safe(value.origin)}" if origins else ""
    line = f"{name} = {_hocon(value.value)}"
    if isinstance(value.value, list) and len(line) > WIDTH:
        yield f"{name} = [{comment}"
        yield from (f"{indent}  {_hocon(item)}" for item in value.value)
        yield f"{indent}]"
    else:
        yield line + comment


def _key(key: str) -> str:
    return key if _PLAIN_KEY.fullmatch(key) else _hocon(key)


def _hocon(value: Any) -> str:
    return _safe(json.dumps(value, ensure_ascii=False))


def _safe(text: str) -> str:
    """`text`, with what a terminal doesn't show as a character escaped as JSON does."""
    return text if text.isprintable() else "".join(one if one.isprintable() else _escaped(one) for one in text)


def _escaped(one: str) -> str:
    if "\ud800" <= one <= "\udfff":  # a byte of an environment variable that isn't UTF-8: no text can have it
        one = "\ufffd"
    return json.dumps(one)[1:-1] if ord(one) != 0x7F else "\\u007f"
