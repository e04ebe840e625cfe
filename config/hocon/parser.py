"""Parses a HOCON text into statements, by the grammar of the HOCON specification. Nothing is merged or looked up yet.

A value is a tuple of pieces, which stand beside each other: single values, Blocks, Series and Lookups. The white space
between two pieces that may become text is a piece too, a Blank.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

from config.errors import ConfigurationError
from config.hocon.bounds import BOUNDS, Bounds
from config.hocon.paths import Path, names, substituted
from config.hocon.tokens import Token, column_of, error_at, tokenize, visible

Pieces = tuple[Any, ...]


class Assignment(NamedTuple):
    """`path = pieces`, or `path += pieces`."""

    path: Path
    pieces: Pieces
    line: int = 0
    append: bool = False


class Include(NamedTuple):
    """`include "name"`. It takes effect where it stands. `kind` is `file`, `url` and so on, if that is written."""

    name: str
    required: bool
    kind: str
    line: int
    column: int


class Block(NamedTuple):
    """An object: the statements between two braces, or of a whole document."""

    statements: tuple[Assignment | Include, ...]
    line: int = 1


class Series(NamedTuple):
    """A list: the pieces of each element, and the line where it begins."""

    elements: tuple[tuple[Pieces, int], ...]
    line: int = 1


class Lookup(NamedTuple):
    """`${path}`, `${?path}` if it is optional, or `${path[]}` if it may be a list in the environment."""

    path: Path
    optional: bool
    listed: bool
    line: int
    column: int


class Blank(str):
    """White space between two pieces, of which one at least is a Lookup."""


@lru_cache(maxsize=16)  # tests make hundreds of applications with the same file
def parse(text: str, place: str, bounds: Bounds = BOUNDS) -> Block:
    """Parse a HOCON text. `place` is its name in errors. ConfigurationError if it isn't HOCON."""
    return _Parser(text.removeprefix("\ufeff"), place, bounds).document()


_OPENING = re.compile(r"(?:required\()?(?:\w+\()?", re.ASCII)
_SIMPLE = ("text", "string", "substitution")
_NAMES = {"newline": "the end of the line", "end": "the end of the file"}


class _Parser:
    def __init__(self, text: str, place: str, bounds: Bounds) -> None:
        self.text, self.place, self.bounds = text, place, bounds
        self.tokens = tokenize(text, place)
        self.at, self.depth = 0, 0
        self.opened: list[tuple[str, int]] = []
        """The brackets that are open, with their lines."""

    def document(self) -> Block:
        """A file: an object, of which the braces may be left out."""
        first = self.skip_lines()
        if first.kind == "[":
            raise self.wrong(first, "keys with values, as in `key = value`")
        if first.kind != "{":
            return Block(self.statements("end"))
        block = self.block()
        rest = self.skip_lines()
        if rest.kind != "end":
            raise self.wrong(rest, "nothing after the last brace")
        return block

    def block(self) -> Block:
        """`{ … }`."""
        line = self.next().line
        self.opened.append(("{", line))
        block = Block(self.statements("}"), line)
        self.opened.pop()
        return block

    def statements(self, end: str) -> tuple[Assignment | Include, ...]:
        """Statements with a comma or line breaks between them, and the sign that ends them."""
        found: list[Assignment | Include] = []
        token = self.skip_lines()
        while token.kind != end:
            found.append(self.statement(end))
            token = self.separator(end)
        self.next()
        return tuple(found)

    def series(self) -> Series:
        """`[ … ]`."""
        line = self.next().line
        self.deeper(1)
        self.opened.append(("[", line))
        elements = []
        token = self.skip_lines()
        while token.kind != "]":
            if token.kind == "end":
                raise self.wrong(token, f"a value{self.closing(']')}")
            elements.append((self.value(in_list=True), token.line))
            token = self.separator("]")
        self.next()
        self.opened.pop()
        self.depth -= 1
        return Series(tuple(elements), line)

    def separator(self, end: str) -> Token:
        """Read the comma or the line breaks before the next statement or element, which is returned, or `end`."""
        before = self.peek()
        token = self.skip_lines()
        if token.kind == ",":
            self.next()
            return self.skip_lines()
        if token.kind != end and before.kind != "newline":
            raise self.wrong(token, f"a comma, a line break{self.closing(end)}{_quotes(token)}")
        return token

    def statement(self, end: str) -> Assignment | Include:
        """`key = value` or `include "…"`."""
        first = self.peek()
        if first.kind == "text" and first.text == "include":
            return self.include()
        path = self.key(end)
        operator = self.skip_lines()
        if operator.kind not in ("=", ":", "+=", "{"):
            raise self.wrong(operator, f"`=` and a value for the key {visible('.'.join(path))}")
        if operator.kind != "{":
            self.next()
        self.deeper(len(path))
        pieces = (self.block(),) if operator.kind == "{" else self.value(in_list=False)
        self.depth -= len(path)
        return Assignment(path, pieces, first.line, operator.kind == "+=")

    def key(self, end: str) -> Path:
        """The names before `=`, all on one line."""
        first = token = self.peek()
        parts: list[tuple[str, bool]] = []
        while token.kind in ("text", "string"):
            if parts and token.blank:
                parts.append((token.blank, False))
            quoted = token.kind == "string"
            parts.append((token.value if quoted else token.text, quoted))
            self.next()
            token = self.peek()
        if not parts:
            raise self.wrong(first, f"a key{self.closing(end)}")
        try:
            return names(parts)
        except ValueError:
            shown = visible(self.text[first.start : token.start].strip())
            problem = f'found the key {shown}; expected a name before and after each dot, or "" for an empty name'
            raise error_at(self.text, first.start, self.place, problem) from None

    def value(self, *, in_list: bool) -> Pieces:
        """The pieces of a value. They end with the line, unless a bracket is open."""
        pieces: list[Any] = []
        simple: list[Token] = []  # single values beside each other, which are one text
        token = first = self.skip_lines()
        word = self.at  # where the tokens begin that have no white space between them
        while True:
            if token.blank:
                word = self.at
            if token.kind in ("text", "string") or (token.kind == ":" and self.is_text(word, in_list=in_list)):
                simple.append(token)
                self.next()
            elif token.kind == "substitution":
                self.finish(simple, pieces, token)
                pieces.append(self.substitution())
            elif token.kind in ("{", "["):
                self.finish(simple, pieces, None)
                pieces.append(self.block() if token.kind == "{" else self.series())
                word = self.at
            else:
                break
            token = self.peek()
        self.finish(simple, pieces, None)
        if not pieces:
            raise self.wrong(first, 'a value, or "" for an empty text')
        return tuple(pieces)

    def finish(self, simple: list[Token], pieces: list[Any], following: Token | None) -> None:
        """Add what is in `simple` as one piece, with the white space on both sides if that may be part of a text."""
        after_one = bool(pieces) and isinstance(pieces[-1], Lookup)
        before_one = following is not None and (after_one or bool(simple))
        blank = following.blank if following is not None and before_one else ""
        if simple:
            lead = simple[0].blank if after_one else ""
            if len(simple) == 1 and not lead and not blank:
                pieces.append(simple[0].value)
            else:
                texts = (t.blank + (t.value if t.kind == "string" else t.text) for t in simple)
                pieces.append(lead + "".join(texts)[len(simple[0].blank) :] + blank)
            simple.clear()
        elif blank:
            pieces.append(Blank(blank))

    def is_text(self, word: int, *, in_list: bool) -> bool:
        """Whether a colon is inside a word that begins at `word`, in a list or in an address such as
        `http://${host}:80/`. So it is text."""
        following = self.tokens[self.at + 1]
        inside = word < self.at and not following.blank and following.kind in (*_SIMPLE, ":")
        return inside and (in_list or "://" in self.tokens[word].text)

    def substitution(self) -> Lookup:
        """`${path}`, `${?path}` or `${path[]}`."""
        token = self.next()
        written, optional = token.value
        written = written.strip()
        try:
            path = substituted(written.removesuffix("[]"))
        except ValueError:
            problem = f"found {visible(token.text)}; expected the path of a key, such as ${{app.deployment.port}}"
            raise error_at(self.text, token.start, self.place, problem) from None
        return Lookup(path, optional, written.endswith("[]"), token.line, column_of(self.text, token.start))

    def include(self) -> Include:
        """`include "name"`, `include required("name")`, `include file("name")` or both."""
        keyword = self.next()
        token = self.skip_lines()
        opening = token.text if token.kind == "text" and _OPENING.fullmatch(token.text) else ""
        parts = [part for part in opening.split("(") if part]
        while opening and (token := self.following()).kind == "text" and _OPENING.fullmatch(token.text):
            parts += [part for part in token.text.split("(") if part]
        if token.kind != "string" or len(parts) > 2 or (len(parts) == 2 and parts[0] != "required"):
            raise self.wrong(token, 'the name of a file in quotes, as in include "more.conf"')
        self.next()
        closing = ""
        while len(closing) < len(parts):
            closer = self.next()
            closing += closer.text
            if closer.kind != "text" or closing.strip(")") or len(closing) > len(parts):
                raise self.wrong(closer, "`)`")
        kind = "".join(part for part in parts if part != "required")
        return Include(token.value, "required" in parts, kind, keyword.line, column_of(self.text, keyword.start))

    def peek(self) -> Token:
        return self.tokens[self.at]

    def next(self) -> Token:
        """The current token, which is then behind us."""
        token = self.tokens[self.at]
        self.at += token.kind != "end"
        return token

    def following(self) -> Token:
        """The token after the current one."""
        self.next()
        return self.peek()

    def skip_lines(self) -> Token:
        """The next token that isn't a line break."""
        while self.tokens[self.at].kind == "newline":
            self.at += 1
        return self.tokens[self.at]

    def deeper(self, levels: int) -> None:
        """Count levels. ConfigurationError if there are more than the bound."""
        self.depth += levels
        if self.depth > self.bounds.depth:
            token = self.peek()
            problem = f"keys and lists are more than {self.bounds.depth} levels inside each other"
            raise error_at(self.text, token.start, self.place, problem)

    def closing(self, end: str) -> str:
        """What may stand instead of more: `end`, and at the end of the file, where its bracket was opened."""
        if end == "end":
            return " or the end of the file"
        sign, line = self.opened[-1]
        return f" or `{end}`" + (f" for the `{sign}` of line {line}" if self.peek().kind == "end" else "")

    def wrong(self, token: Token, expected: str) -> ConfigurationError:
        """The error for `token`, which stands where `expected` should."""
        found = _NAMES.get(token.kind) or visible(token.text)
        return error_at(self.text, token.start, self.place, f"found {found}, expected {expected}")


def _quotes(token: Token) -> str:
    """What to do about a sign that was meant as text."""
    if token.kind not in (":", "=", "+="):
        return ""
    return f"; put a comma before the next key, or quotes around text that has {visible(token.text)}"
