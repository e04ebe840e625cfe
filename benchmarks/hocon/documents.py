"""HOCON documents that are made together with what they mean, for hypothesis.

A document says what a few keys are. Some are constants: each is set once, and others refer to it. The rest change with
every statement, and may refer to what they were before. So what each statement means is known when it is written, in
whichever file it stands.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")

ENVIRONMENT = {"WHO": "ann", "EMPTY": "", "PAD": " x ", "ROOMS_0": "red", "ROOMS_1": "5"}
KEYS = ("a", "b", "front door", "x-y", "10", "true", "dé", "included")
QUOTED_KEYS = ("", "a.b", "{", "include", "q#", " lead", 'say "hi"', "back\\slash", "\t")
WORDS = ("lobby", "a-b/c", "10m", "trueish", "it's", "2026-11-27", "1.2.3", "5%", "münchen", "-x", ".5", "Null", "(x)")
NUMBERS = {"5": 5, "-3": -3, "0": 0, "007": 7, "1.50": 1.5, "1e3": 1000.0, "2.": 2.0, "-1.5E-2": -0.015}
CONSTANTS = {"true": True, "false": False, "null": None}
TEXTS = st.text(st.sampled_from('ab "\\/#{}[]$=:,.+\n\t\r\u00a0\u0001\u2028é👋'), max_size=6)
LINES = ("\n", "\n\n", " # it's \"half\n", "\t// {[${\n", "\r\n", " \u00a0\n")
JUNK = (*'"{}[]=:,\n\\#.+\0\ufeff\ud800', '"""', "${", "+=", "//", "include ", "${v}", "${?w.v}", 'include "x.conf"')
EQUALS = (" = ", "=", ":", " : ", "=\n", " \n= ")
UNSET = ("${?nobody}", "${?c0.nobody.there}", "${?NOBODY}", "${?NOBODY[]}")


class Single(NamedTuple):
    """A single value, the text that it is joined as, and how it is written."""

    value: Any
    text: str
    written: str


@dataclass
class Document:
    """The files of a document, of which the first is read, and the value that it has."""

    files: dict[str, str] = field(default_factory=dict)
    value: dict[str, Any] = field(default_factory=dict)


def plain(model: Any) -> Any:
    """The value that a model stands for."""
    if isinstance(model, dict):
        return {key: plain(child) for key, child in model.items()}
    if isinstance(model, list):
        return [plain(item) for item in model]
    return model.value if isinstance(model, Single) else model


def merge(older: Any, newer: Any) -> Any:
    """What a key has after `newer` is set on top of `older`."""
    if not isinstance(older, dict) or not isinstance(newer, dict):
        return newer
    return {**older, **{key: merge(older.get(key), child) for key, child in newer.items()}}


class Writer:
    """Writes one document, with the choices that hypothesis makes."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self.draw = draw
        self.constants: dict[str, Any] = {}
        self.document = Document()
        self.open: set[str] = set()
        """Keys that a substitution was set to. What is inside them can't refer to what it was before."""

    def one_of(self, choices: Sequence[T]) -> T:
        """One of `choices`."""
        chosen: T = self.draw(st.sampled_from(choices))
        return chosen

    def up_to(self, most: int, least: int = 0) -> int:
        """A number."""
        number: int = self.draw(st.integers(least, most))
        return number

    def write(self) -> Document:
        """The document."""
        constants = []
        for number in range(self.up_to(3, 1)):
            value, written = self.value(2) if number else self.alone()
            self.constants[f"c{number}"] = value
            constants.append(f"c{number}" + self.one_of(EQUALS) + written)
        self.document.value = dict(self.constants)
        statements = [self.statement() for _ in range(self.up_to(6))]
        for constant in constants:
            statements.insert(self.up_to(len(statements)), constant)
        self.document.files["x.conf"] = self.file(statements)
        self.document.value = plain(self.document.value)
        return self.document

    def file(self, statements: Sequence[str]) -> str:
        """The text of the first file. Some statements stand in others, which it includes."""
        lines = []
        for statement in statements:
            if self.up_to(9) == 0:
                name = f"more{len(self.document.files)}"
                suffix = self.one_of((".conf", ".json", ""))
                self.document.files[name + (suffix or ".conf")] = statement
                include = self.one_of(('include "{}"', 'include required("{}")', 'include file("{}")'))
                statement = include.format(name + suffix)
            lines.append(statement + self.one_of((*LINES, ",", " ,\n")))
        text = "".join(lines)
        return f"{{{text}}}" if self.up_to(9) == 0 else self.one_of(("", "\ufeff", "# x\n")) + text

    def statement(self) -> str:
        """Set a key that is no constant."""
        path = tuple(self.one_of(("v", "w")) for _ in range(self.up_to(2, 1)))
        before: Any = self.document.value
        for key in path:
            before = before.get(key) if isinstance(before, dict) else None
        name = self.one_of((".".join(path), ".".join(f'"{key}"' for key in path)))
        set_to: Any
        choice = self.up_to(7) if len(path) == 1 or path[0] not in self.open else self.up_to(7, 5)
        if choice == 0:
            set_to, written = before, f"{name} = {self.one_of(UNSET)}"
        elif choice == 1 and (before is None or isinstance(before, list)):
            item, spelling = self.value(1)
            set_to, written = [*(before or []), item], name + self.one_of((" += ", "+=")) + spelling
        elif choice == 2 and isinstance(before, list):
            items, spelling = self.series(1)
            set_to, written = [*before, *items], f"{name} = {self.reference(name)} {spelling}"
        elif choice == 3 and isinstance(before, Single):
            single = self.single()
            set_to = Single(before.text + " " + single.text, before.text + " " + single.text, "")
            written = f"{name} = {self.reference(name)} {single.written}"
        elif choice == 4 and isinstance(before, dict):
            fields, spelling = self.fields(1)
            set_to, written = merge(before, fields), f"{name} = {self.reference(name)} {spelling}"
        elif choice == 5:
            fields, spelling = self.fields(2)
            set_to, written = merge(before, fields), name + self.one_of((" ", "", "\n", *EQUALS)) + spelling
        else:
            value, spelling = self.value(2)
            set_to, written = merge(before, value), name + self.one_of(EQUALS) + spelling
        if len(path) == 1 and "${" in written:
            self.open.add(path[0])
        for key in reversed(path):
            set_to = {key: set_to} if set_to is not None else {}
        self.document.value = merge_keeping(self.document.value, set_to, path)
        return written

    def value(self, depth: int) -> tuple[Any, str]:
        """Any value, and how it is written."""
        choice = self.up_to(9)
        if choice == 0 and depth:
            return self.series(depth - 1)
        if choice == 1 and depth:
            return self.fields(depth - 1)
        if choice == 2 and self.constants:
            name = self.one_of([*self.constants])
            return self.constants[name], self.reference(name)
        if choice == 3 and self.names(list):
            name = self.one_of(self.names(list))
            items, spelling = self.series(0)
            return [*self.constants[name], *items], f"{self.reference(name)} {spelling}"
        if choice == 4 and self.names(dict):
            name = self.one_of(self.names(dict))
            fields, spelling = self.fields(0)
            return merge(self.constants[name], fields), f"{self.reference(name)} {spelling}"
        if choice == 5:
            return self.one_of(
                (
                    (Single("ann", "ann", ""), "${WHO}"),
                    (Single("", "", ""), "${?EMPTY}"),
                    (Single(" x ", " x ", ""), "${PAD}"),
                    ([Single("red", "red", ""), Single("5", "5", "")], "${ROOMS[]}"),
                )
            )
        return self.text() if choice in (6, 7) else self.alone()

    def alone(self) -> tuple[Single, str]:
        """A single value."""
        single = self.single()
        return single, single.written

    def text(self) -> tuple[Single, str]:
        """Single values and substitutions beside each other, which make a text."""
        text, written = "", ""
        previous = self.single()
        text, written = previous.text, previous.written
        for _ in range(self.up_to(3, 1)):
            blank = self.one_of((" ", "  ", "\t", "\u00a0"))
            names = self.names(Single)
            if names and self.up_to(2) == 0:
                name = self.one_of(names)
                blank = self.one_of(("", blank))
                text, written = text + blank + self.constants[name].text, written + blank + self.reference(name)
            elif self.up_to(5) == 0:
                text, written = text + blank, written + blank + self.one_of(UNSET[:3])
            else:
                single = self.single()
                text, written = text + blank + single.text, written + blank + single.written
        return Single(text, text, ""), written

    def single(self) -> Single:
        """A number, a word, a text in quotes, or true, false or null."""
        choice = self.up_to(5)
        if choice == 0:
            written = self.one_of([*NUMBERS])
            return Single(NUMBERS[written], written, written)
        if choice == 1:
            written = self.one_of([*CONSTANTS])
            return Single(CONSTANTS[written], written, written)
        if choice == 2:
            text: str = self.draw(TEXTS)
            return Single(text, text, self.quoted(text))
        if choice == 3:
            text = self.draw(TEXTS)
            return Single(text, text, self.quoted(text) if '"""' in text else f'"""{text}"""')
        word = self.one_of(WORDS)
        return Single(word, word, word)

    def quoted(self, text: str) -> str:
        """`text` in quotes."""
        return json.dumps(text, ensure_ascii=self.up_to(1) == 0)

    def series(self, depth: int) -> tuple[list[Any], str]:
        """A list, of which some elements may not be set."""
        items: list[Any] = []
        lines = []
        for _ in range(self.up_to(3)):
            if self.up_to(7) == 0:
                lines.append(self.one_of(UNSET))
            else:
                item, written = self.value(depth)
                items.append(item)
                lines.append(written)
        between = self.one_of((",", ", ", *LINES, " ,\n "))
        end = self.one_of(("", *LINES, ",")) if lines else ""
        return items, "[" + self.one_of(("", *LINES)) + between.join(lines) + end + "]"

    def fields(self, depth: int) -> tuple[dict[str, Any], str]:
        """An object, of which some keys may not be set, or be set twice."""
        fields: dict[str, Any] = {}
        lines = []
        for _ in range(self.up_to(3)):
            key = self.one_of((*KEYS, *QUOTED_KEYS))
            name = key if key in KEYS and self.up_to(2) else self.quoted(key)
            if self.up_to(7) == 0:
                lines.append(f"{name} = {self.one_of(UNSET)}")
                continue
            value, written = self.value(depth)
            if self.up_to(4) == 0:
                inner = self.one_of(KEYS)
                value, name = {inner: value}, f"{name}.{inner}"
            if isinstance(value, dict) and not isinstance(fields.get(key, value), dict):
                continue  # it would hide what is below this object too, which no value here says
            fields[key] = merge(fields.get(key), value)
            lines.append(name + self.one_of(EQUALS) + written)
        between = self.one_of((",", ", ", *LINES))
        return fields, "{" + self.one_of(("", " ", *LINES)) + between.join(lines) + self.one_of(("", " ", *LINES)) + "}"

    def names(self, kind: type[Any]) -> list[str]:
        """The constants that are of a kind."""
        return [name for name, value in self.constants.items() if isinstance(value, kind)]

    def reference(self, name: str) -> str:
        """`${name}`, in one of its spellings."""
        return self.one_of(("${%s}", "${?%s}", "${ %s }")) % name


def merge_keeping(older: dict[str, Any], newer: dict[str, Any], path: Sequence[str]) -> dict[str, Any]:
    """`older` with the value that `newer` has at `path`, in place of the one it had there."""
    key, *rest = path
    if key not in newer:
        return older
    before = older.get(key)
    if rest:
        return {**older, key: merge_keeping(before if isinstance(before, dict) else {}, newer[key], rest)}
    return {**older, key: newer[key]}


@st.composite
def documents(draw: Callable[[st.SearchStrategy[Any]], Any]) -> Document:
    """Documents, each with its value."""
    return Writer(draw).write()


@st.composite
def damaged(draw: Callable[[st.SearchStrategy[Any]], Any]) -> str:
    """The first file of a document, in which something was put, taken away or repeated."""
    text = Writer(draw).write().files["x.conf"]
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 5)))
        text = text[:start] + draw(st.sampled_from((*JUNK, "", text[start:end] * 2))) + text[end:]
    return text
