"""Parses HOCON texts of the usual form, with one statement on a line, into the statements that `hocon_grammar` finds.

A line is empty, or opens a block (`key {`), closes it (`}`), or assigns a value: a number, a text, a word, a
substitution, or a list or a block of those in one line. A list may also have its items on lines of their own. Comments
may follow, though not a number. Whatever else HOCON allows is left to `hocon_grammar`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from config.hocon_statements import Assignment, Block, Include, Substitution, split

_END = r"[ \t]*(?:#.*|//.*)?"
_KEY = r"(?!include\b)(?P<key>[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*)"
_SCALAR = r'"[^"\\]*"|\$\{\??[A-Za-z_]\w*\}|[A-Za-z0-9-][\w./-]*'
_ASSIGNED = rf"{_KEY}[ \t]*(?P<operator>\+=|=|:)[ \t]*"
_EMPTY = re.compile(_END)
_OPEN = re.compile(rf"[ \t]*{_KEY}[ \t]*(?:[=:][ \t]*)?\{{{_END}")
_CLOSE = re.compile(rf"[ \t]*\}}{_END}")
_INLINE = re.compile(rf"[ \t]*{_KEY}[ \t]*(?:[=:][ \t]*)?\{{(?P<inside>[^{{}}\[\]#\n]*)\}}{_END}")
_VALUE = re.compile(rf"[ \t]*{_ASSIGNED}(?P<value>{_SCALAR}){_END}")
_LIST = re.compile(
    rf"[ \t]*{_ASSIGNED}\[[ \t]*(?P<items>(?:(?:{_SCALAR})(?:[ \t]*,[ \t]*(?:{_SCALAR}))*)?)[ \t]*\]{_END}"
)
_OPEN_LIST = re.compile(rf"[ \t]*{_ASSIGNED}\[{_END}")
_ITEM = re.compile(rf"[ \t]*(?P<value>{_SCALAR})[ \t]*,?{_END}")
_CLOSE_LIST = re.compile(rf"[ \t]*\]{_END}")
_PAIR = re.compile(rf"[ \t]*{_ASSIGNED}(?P<value>{_SCALAR})[ \t]*(?:,|$)")
_SCALARS = re.compile(_SCALAR)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?P<fraction>\.[0-9]{1,14})?")
_WORD = re.compile(r"(?!//)(?:[A-Za-z][\w./-]*|(?![0-9.]+[eE])[0-9][\w.]*)", re.ASCII)
_CONSTANTS = {"true": True, "false": False, "null": None}


class _Unusual(Exception):
    """A text of another form."""


def parse_lines(text: str) -> Block | None:
    """The statements of a text, or None if it has another form."""
    try:
        return _block(enumerate(text.split("\n"), 1), nested=False)
    except _Unusual:
        return None


def _block(lines: Iterator[tuple[int, str]], *, nested: bool) -> Block:
    """The statements up to the line that closes their block."""
    statements: list[Assignment | Include] = []
    for number, line in lines:
        if _EMPTY.fullmatch(line):
            continue
        if match := _VALUE.fullmatch(line):
            _check(match)
            statements.append(_assignment(match, (_scalar(match["value"]),), number))
        elif match := _OPEN.fullmatch(line):
            statements.append(Assignment(split(match["key"]), (_block(lines, nested=True),), number))
        elif nested and _CLOSE.fullmatch(line):
            return Block(tuple(statements))
        elif match := _LIST.fullmatch(line):
            items = [(_scalar(item),) for item in _SCALARS.findall(match["items"])]
            if ("",) in items:
                raise _Unusual
            statements.append(_assignment(match, (items,), number))
        elif match := _OPEN_LIST.fullmatch(line):
            statements.append(_assignment(match, (list(_items(lines)),), number))
        elif match := _INLINE.fullmatch(line):
            statements.append(Assignment(split(match["key"]), (_pairs(match["inside"], number),), number))
        else:
            raise _Unusual
    if nested:
        raise _Unusual
    return Block(tuple(statements))


def _items(lines: Iterator[tuple[int, str]]) -> Iterator[tuple[Any, ...]]:
    """The items of a list that are on lines of their own."""
    for _, line in lines:
        if _CLOSE_LIST.fullmatch(line):
            return
        if match := _ITEM.fullmatch(line):
            _check(match)
            if match["value"] == '""':
                raise _Unusual
            yield (_scalar(match["value"]),)
        elif not _EMPTY.fullmatch(line):
            raise _Unusual
    raise _Unusual


def _pairs(text: str, number: int) -> Block:
    """The statements of a block in one line."""
    statements: list[Assignment | Include] = []
    text = text.strip()
    position = 0
    while position < len(text):
        match = _PAIR.match(text, position)
        if match is None:
            raise _Unusual
        statements.append(_assignment(match, (_scalar(match["value"]),), number))
        position = match.end()
    if text.endswith(","):
        raise _Unusual
    return Block(tuple(statements))


def _assignment(match: re.Match[str], tokens: tuple[Any, ...], number: int) -> Assignment:
    return Assignment(split(match["key"]), tokens, number, append=match["operator"] == "+=")


def _check(match: re.Match[str]) -> None:
    """Leave a number with something behind it to the grammar, which takes it for a text."""
    if match.end("value") != match.end() and _NUMBER.fullmatch(match["value"]):
        raise _Unusual


def _scalar(text: str) -> Any:
    if text[0] == '"':
        return text[1:-1]
    if text[0] == "$":
        name = text[2:-1]
        return Substitution(name.removeprefix("?"), name[0] == "?", "")
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if number := _NUMBER.fullmatch(text):
        return float(text) if number["fraction"] else int(text)
    if not _WORD.fullmatch(text) or "//" in text or text.lower() in _CONSTANTS:
        raise _Unusual
    return text
