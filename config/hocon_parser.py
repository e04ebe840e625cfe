"""Parses HOCON text into statements, with pyhocon's grammar but without its evaluation.

pyhocon (0.3.63) parses well but evaluates badly: `a += 3` on a list gives 3, `0123` becomes 123 and `10m` a timedelta.
It silently skips a missing include, an unset optional substitution can bring back an overridden value, and errors name
no file. So the text is tagged before pyhocon gets it:

- Each key is made unique and carries its line and operator, so nothing is merged and the order is kept.
- An unquoted value that starts with a digit and isn't a JSON number (`0123`, `15s`, `64KiB`, `127.0.0.1`) is quoted, so
  that it stays text.
- An include becomes a statement of its own, comments are blanked, and `\\uXXXX` is decoded.

`config.hocon_evaluator` evaluates the statements by the rules of the HOCON specification.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pyhocon import ConfigFactory, ConfigTree
from pyhocon.config_tree import ConfigQuotedString, ConfigSubstitution, ConfigValues
from pyhocon.exceptions import ConfigWrongTypeException
from pyparsing import ParseBaseException

from config.errors import ConfigurationError, Origin


@dataclass(frozen=True, slots=True)
class Substitution:
    """`${path}`, or `${?path}` if optional. `space` is the whitespace after it inside a concatenation."""

    path: str
    optional: bool
    space: str


@dataclass(frozen=True, slots=True)
class Include:
    """`include "path"`. It takes effect where it stands."""

    path: str
    required: bool
    line: int


@dataclass(frozen=True, slots=True)
class Assignment:
    """`key = …`. `path` holds the segments of the key. The value is the concatenation of `tokens`: scalars, lists of
    token tuples, Blocks and Substitutions."""

    path: tuple[str, ...]
    tokens: tuple[Any, ...]
    line: int = 0
    append: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """The statements between two braces, or of a whole file."""

    statements: tuple[Assignment | Include, ...]


_OPAQUE = re.compile(
    r'(?P<string>"""[\s\S]*?"{3,}|"(?:[^"\\\n]|\\.)*")|(?P<substitution>\$\{[^}\n]*\})|(?P<comment>#[^\n]*|(?<![^\s,{}\[\]=])//[^\n]*)'
)
_START = r"(?:\A|(?<=[\n{,]))[ \t]*"
_KEY = re.compile(_START + r"(?P<key>[^\s{}\[\],=:+$][^{}\[\],=:+$\n]*?)[ \t]*(?P<operator>\+=|[=:]|(?=\{))")
_INCLUDE = re.compile(_START + r"(?P<include>include[ \t]+[^\n,}]*)")
_INCLUDED = re.compile(r'include\s*(?P<required>required\s*\(\s*)?(?:(?P<kind>\w+)\s*\(\s*)?"(?P<path>[^"\n]+)"[ \t)]*')
_BARE = re.compile(
    r"(?:\A|(?<=[=:\[,\n]))[ \t]*(?P<bare>[-+]?\d[^\s,{}\[\]\"$]*(?:[ \t]+[^\s,{}\[\]\"$=:]+)*)[ \t]*(?=[\n,}\]]|\Z)"
)
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?")
_LINE = re.compile(r"\(line: (\d+)")
"""Where pyhocon says that a mistake is."""
_SEGMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|([^."]+)')


@lru_cache(maxsize=16)  # tests make hundreds of applications with the same file, which takes 30 ms to parse
def parse(text: str, place: str) -> Block:
    """Parse a HOCON text. `place` is its name in errors. ConfigurationError if it isn't HOCON."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    tagged = _tagged(text, place)
    try:
        tree = ConfigFactory.parse_string(tagged, resolve=False)
    except ParseBaseException as error:
        raise _unparsable(text, error.lineno, place) from None
    except ConfigWrongTypeException as error:  # a value and what follows it, taken for one
        line = _LINE.search(str(error))
        hint = ": a comma or a line break may be missing"
        raise _unparsable(text, int(line[1]) if line else 0, place, hint) from None
    except Exception:  # noqa: BLE001  on some texts pyhocon raises AttributeError, TypeError and others
        raise _unparsable(text, 0, place) from None
    if not isinstance(tree, ConfigTree):
        raise ConfigurationError("expected keys with values, got a list", origin=Origin(place, 1))
    return _block(tree)


def split(path: str) -> tuple[str, ...]:
    """Split a HOCON path into segments: `a."b.c".d` has three."""
    return tuple(quoted or bare.strip() for quoted, bare in _SEGMENT.findall(path))


def _unparsable(text: str, number: int, place: str, hint: str = "") -> ConfigurationError:
    """The error for a text with a mistake on or before line `number` (0: unknown)."""
    if not number:
        return ConfigurationError(f"this is not HOCON{hint}", origin=Origin(place))
    lines = text.split("\n")
    number = min(number, len(lines))
    near = lines[number - 1].strip()
    problem = (
        f"this is not HOCON near `{near[:60]}`{hint}"
        if near
        else "this is not HOCON: a bracket or a quote may not be closed"
    )
    return ConfigurationError(problem, origin=Origin(place, number))


def _tagged(text: str, place: str) -> str:
    """`text` with unique keys that carry line and operator. Line numbers stay the same."""
    mask = _OPAQUE.sub(lambda m: (" " if m["comment"] else "q") * len(m[0]), text)
    edits = [*_tags(text, mask, place)]
    claimed = {position for start, end, _ in edits for position in range(start, end)}
    edits += [edit for edit in _repairs(text, mask) if edit[0] not in claimed]
    pieces: list[str] = []
    position = 0
    for start, end, replacement in sorted(edits):
        pieces += text[position:start], replacement
        position = end
    return "".join(pieces) + text[position:]


def _tags(text: str, mask: str, place: str) -> Iterator[tuple[int, int, str]]:
    """The edits (start, end, replacement) that tag keys and includes. Those are found in objects, not in lists."""
    enclosing = _enclosing(mask)
    for match in _INCLUDE.finditer(mask):
        start = match.start("include")
        included = _INCLUDED.match(text, start)
        if included and enclosing(start) == "{":
            line = text.count("\n", 0, start) + 1
            if included["kind"] not in (None, "file"):
                problem = f'include {included["kind"]}(…): expected include "file" or include required("file")'
                raise ConfigurationError(problem, origin=Origin(place, line))
            operator = "include!" if included["required"] else "include"
            yield *included.span(), f'"{line}.{start}|{operator}|{_hex(included["path"])}" = 0'
    for match in _KEY.finditer(mask):
        start, end = match.span("key")
        if enclosing(start) == "{":
            line = text.count("\n", 0, start) + 1
            yield start, match.end("operator"), f'"{line}.{start}|{match["operator"]}|{_hex(text[start:end])}" ='


def _repairs(text: str, mask: str) -> Iterator[tuple[int, int, str]]:
    """The edits that blank comments, decode `\\uXXXX`, and quote what pyhocon would read as a number or duration."""
    for match in _OPAQUE.finditer(text):
        if match["comment"]:
            yield *match.span(), ""
        elif match["string"] and "\\u" in match["string"]:
            yield *match.span(), re.sub(r"\\u([0-9a-fA-F]{4})", _decoded, match["string"])
    for match in _BARE.finditer(mask):
        bare = match["bare"].rstrip()
        if not _NUMBER.fullmatch(bare):
            start = match.start("bare")
            yield start, start + len(bare), f'"{bare}"'


def _enclosing(mask: str) -> Callable[[int], str]:
    """A function that returns the bracket around a position, `{` or `[`."""
    positions, kinds, stack = [-1], ["{"], ["{"]
    for match in re.finditer(r"[{}\[\]]", mask):
        if match[0] in "{[":
            stack.append(match[0])
        elif len(stack) > 1:
            stack.pop()
        positions.append(match.start())
        kinds.append(stack[-1])
    return lambda position: kinds[bisect_right(positions, position) - 1]


def _decoded(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return match[0] if character in '"\\' or not character.isprintable() else character


def _hex(text: str) -> str:
    return text.encode().hex()


def _block(tree: Any) -> Block:
    return Block(tuple(_statement(key.strip('"'), value) for key, value in tree.items()))


def _statement(tag: str, value: Any) -> Assignment | Include:
    position, operator, name = tag.split("|") if tag.count("|") == 2 else ("0", "=", _hex(tag))
    name = bytes.fromhex(name).decode()
    line = int(position.partition(".")[0])
    if operator.startswith("include"):
        return Include(name, operator.endswith("!"), line)
    return Assignment(split(name), _tokens(value), line, append=operator == "+=")


def _tokens(value: Any) -> tuple[Any, ...]:
    if isinstance(value, ConfigValues):
        return tuple(_token(token, last=index == len(value.tokens) - 1) for index, token in enumerate(value.tokens))
    return (_token(value, last=True),)


def _token(token: Any, *, last: bool) -> Any:
    if isinstance(token, ConfigSubstitution):
        return Substitution(token.variable, token.optional, "" if last else token.ws)
    if isinstance(token, ConfigQuotedString):
        return token.value + ("" if last else token.ws)
    if isinstance(token, ConfigTree):
        return _block(token)
    if isinstance(token, list):
        return [_tokens(item) for item in token]
    return token
