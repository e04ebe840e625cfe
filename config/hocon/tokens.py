"""Splits a HOCON text into tokens, each with its place. Comments and white space are no tokens."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from config.errors import ConfigurationError, Origin, escaped
from config.hocon.words import meaning

BLANKS = " \t\\v\\f\r\x1c-\x1f\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
"""What counts as white space on a line, as a set of characters in a pattern."""
RESERVED = '$"{}[]:=,+#`^?!@*&\\'
"""Characters that unquoted text can't have."""

_WORD = rf"(?:[^{re.escape(RESERVED)}{BLANKS}\n/]|/(?!/))"
_ADDRESS = rf"[A-Za-z][A-Za-z0-9.-]*://(?=[^{BLANKS}\n])(?:[^{re.escape(RESERVED)}{BLANKS}\n]|:(?=[^{BLANKS}\n]))*"
_TOKEN = re.compile(
    rf"""
    (?P<blank>[{BLANKS}]*)
    (?:
      (?P<newline>(?:(?:\#|//)[^\n]*)?\n(?:[{BLANKS}]*(?:(?:\#|//)[^\n]*)?\n)*)
    | (?P<comment>(?:\#|//)[^\n]*)
    | (?P<end>\Z)
    | (?P<sign>\+=|[{{}}\[\],:=])
    | (?P<triple>\"\"\")
    | (?P<string>"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{{4}})*")
    | \$\{{(?P<optional>\??)(?P<path>(?:"(?:[^"\\\n]|\\.)*"|[^"}}\n])*)\}}
    | (?P<text>-?[0-9]+(?:\.[0-9]*)?[eE]\+[0-9]+(?![0-9+]){_WORD}*|{_ADDRESS}|{_WORD}+)
    )
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))")
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class Token(NamedTuple):
    """`kind` is a sign such as `{`, or "newline", "text" (unquoted), "string" (quoted), "substitution" or "end".

    `text` is how it is written, `value` what it means, and `blank` the white space before it on its line.
    """

    kind: str
    text: str
    value: Any
    blank: str
    start: int
    line: int


def tokenize(text: str, place: str) -> list[Token]:
    """Split `text`. ConfigurationError, with `place` as its file, for what is no token."""
    tokens: list[Token] = []
    position, line, match_at = 0, 1, _TOKEN.match
    while True:
        match = match_at(text, position)
        if match is None:
            raise _no_token(text, position, place)
        kind, blank, position = match.lastgroup or "", match["blank"], match.end()
        start = match.end("blank")
        if kind == "comment":
            continue
        written = text[start:position]
        value: Any = None
        if kind == "sign":
            kind = written
        elif kind == "text":
            value = meaning(written)
        elif kind == "string":
            try:
                value = unescaped(written[1:-1])
            except ValueError as error:
                raise error_at(text, start, place, str(error)) from None
        elif kind == "triple":
            kind, position = "string", _end_of_triple(text, start, place)
            written = text[start:position]
            value = written[3:-3]
        elif kind == "path":
            kind, value = "substitution", (match["path"], bool(match["optional"]))
        tokens.append(Token(kind, written, value, blank, start, line))
        if kind == "end":
            return tokens
        if kind in ("newline", "string"):
            line += written.count("\n")


def origin_at(text: str, position: int, place: str) -> Origin:
    """The line and column of `position`."""
    return Origin(place, text.count("\n", 0, position) + 1, column=column_of(text, position))


def column_of(text: str, position: int) -> int:
    """How far in its line `position` is, from 1."""
    return position - text.rfind("\n", 0, position)


def error_at(text: str, position: int, place: str, problem: str) -> ConfigurationError:
    """The error for a mistake at `position`."""
    return ConfigurationError(problem, origin=origin_at(text, position, place))


def visible(text: str) -> str:
    """`text` between backticks, cut to 40 characters. Characters that can't be seen are written as escapes."""
    return f"`{escaped(text[:40])}...`" if len(text) > 40 else f"`{escaped(text)}`"


def unescaped(inside: str) -> str:
    """What is between quotes, without its escapes. ValueError for half of a surrogate pair."""
    if "\\" not in inside:
        return inside
    return whole(_ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else _ESCAPES.get(m[2], m[2]), inside))


def whole(text: str) -> str:
    """`text` with one character for each surrogate pair. ValueError for half of one."""
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        problem = "found half of a surrogate pair; write the character itself, or both halves, such as \\ud83d\\udc4b"
        raise ValueError(problem) from None


def _end_of_triple(text: str, start: int, place: str) -> int:
    end = text.find('"""', start + 3)
    if end < 0:
        raise error_at(text, start, place, 'found `"""` that is never closed; expected `"""` after the text')
    end += 3
    while text[end : end + 1] == '"':  # quotes before the last three belong to the text
        end += 1
    return end


def _no_token(text: str, position: int, place: str) -> ConfigurationError:
    """The error for what begins at `position`, where no token does."""
    blank = re.compile(f"[{BLANKS}]*").match(text, position)
    position = blank.end() if blank else position
    character = text[position]
    if character == '"':
        return _no_string(text, position, place)
    if character == "$":
        if text.startswith("${", position):
            return error_at(
                text, position, place, "found `${` that isn't closed on its line; expected `}` after the path"
            )
        return error_at(text, position, place, "found `$` without `{`; put text that has it in quotes")
    return error_at(text, position, place, f"found {visible(character)}; put text that has it in quotes")


def _no_string(text: str, position: int, place: str) -> ConfigurationError:
    """The error for a quoted text with a mistake inside."""
    good = re.compile(r'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*').match(text, position)
    wrong = good.end() if good else position
    character = text[wrong : wrong + 1]
    if character in ("", "\n"):
        problem = 'found a quote that isn\'t closed on its line; expected `"`, or `"""` around a text of several lines'
        return error_at(text, position, place, problem)
    if character == "\\":
        escape = re.compile(r"\\u[0-9a-fA-F]{0,4}|\\.?").match(text, wrong)
        shown = visible(escape[0]) if escape else "`\\`"
        return error_at(text, wrong, place, f"found {shown}, which is no escape; write \\\\ for a backslash")
    return error_at(text, wrong, place, f"found {visible(character)} in quotes; write {escaped(character)} for it")
