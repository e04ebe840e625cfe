"""Texts that are parsed line by line: the statements are those that the parser for all of HOCON finds."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config import ConfigurationError, shipped
from config.hocon_grammar import parse_text
from config.hocon_lines import parse_lines
from config.hocon_statements import Assignment, Block
from tests.clients import ROOT


def typed(value: Any) -> Any:
    """A value with the types of all that is in it: 1, 1.0 and True are equal."""
    if isinstance(value, Block):
        return [typed(statement) for statement in value.statements]
    if isinstance(value, Assignment):
        return value.path, typed(value.tokens), value.line, value.append
    if isinstance(value, list | tuple):
        return [type(value).__name__, *map(typed, value)]
    return type(value).__name__, value


def check(text: str) -> bool:
    """Whether a text is parsed by lines. Then the grammar must agree."""
    block = parse_lines(text)
    if block is not None:
        assert typed(block) == typed(parse_text(text, "x"))
    return block is not None


SCALARS = (
    *("1", "-3", "0", "1.5", "-0.25", "2026", "true", "false", "null", "yes", "on", "lobby", "chat.db", "15s", "64KiB"),
    *("127.0.0.1", "1.0.0", "0123", "a-b_c/d", "app.modules.chat.module", "trueish", "nullable", "http", "inf"),
    *(
        '"a b"',
        '""',
        '"::"',
        '"#no comment"',
        '"// none either"',
        '"${no}"',
        '"é{}[],="',
        "${X}",
        "${?X}",
        "500ms",
        "10m",
    ),
)
OTHERS = (
    *(
        "a b",
        "5 m",
        '"a\\nb"',
        '"""a"""',
        "a:b",
        "${?X} y",
        "~",
        "+5",
        ".5",
        "5.",
        "1e3",
        "True",
        "a//b",
        "$x",
        "[",
        "{",
    ),
    *("[[1]]", "-", "", '"', "a'b", "${a.b}", "include"),
)


def test_the_shipped_file_is_parsed_by_lines() -> None:
    assert check(shipped("application.conf").read_text())


@pytest.mark.parametrize("value", SCALARS)
def test_values(value: str) -> None:
    assert check(f"a = {value}")
    assert check(f"a.b-c: {value}\na += {value}")
    assert check(f"a {{\n  b = {value}\n}}")
    check(f"a = [{value}, {value}]")
    for text in (f"a = {value} # so", f"a {{ b = {value} }}", f"a = [\n  {value},\n\n  # so\n  {value} # so\n]"):
        check(text)


@pytest.mark.parametrize("value", OTHERS)
def test_other_values_are_left_to_the_grammar_or_parsed_alike(value: str) -> None:
    for text in (f"a = {value}", f"a = [{value}]", f"a {{ b = {value} }}", f"a = [\n{value}\n]"):
        try:
            parse_text(text, "x")
        except ConfigurationError:
            assert parse_lines(text) is None, text
        else:
            check(text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "\n",
            "# c",
            "a {}",
            "a {\n}",
            "a = {\n}",
            "a: { b = 1, c = 2 }",
            "a = []",
            "a = [\n]",
            "a=1",
            "a {\nb=1\n}\n",
        ),
        *(
            "a = 1\na = 2",
            "a { b { c = 1 } }",
            "a { b {\n c = 1\n } }",
            "a = 1,",
            "a = 1, b = 2",
            "{ a = 1 }",
            "a { b = 1, }",
        ),
        *(
            "a = [1,]",
            "a = [1,,2]",
            "a = [1 2]",
            "a = [\n1 2\n]",
            "a { b = 1 c = 2 }",
            "}",
            "a {",
            "a = [",
            "a",
            '"a" = 1',
        ),
        *("a..b = 1", ".a = 1", 'include "x.conf"', "include = 1", "a = 1 b = 2", "a b = 1", "a {\n}}", "a = {} b = 1"),
        *("a {\n b = 1 }", "a = [1\n]", "\ta = 1\t", "a = \u00a01", "a =\n1", "a\n= 1", "a = 1 /", "a = [\n1\n,\n2\n]"),
        *("a { b = 1, c }", "a {,}", "a = [1], b", "a += {}", "a { # c\n}", "a = [ # c\n1 # d\n] # e", 'a { b = "}" }'),
    ],
)
def test_texts_of_both_forms(text: str) -> None:
    try:
        parse_text(text, "x")
    except ConfigurationError:
        assert parse_lines(text) is None
    else:
        check(text)


PARTS = st.sampled_from(
    [
        *SCALARS,
        *OTHERS,
        "a",
        "b.c",
        "=",
        "+=",
        ":",
        "{",
        "}",
        "[",
        "]",
        ",",
        "\n",
        "\n",
        " ",
        "# c",
        "// c",
        "include",
        "${?X}",
    ]
)


@settings(max_examples=300)
@given(st.lists(PARTS, max_size=12).map(" ".join))
def test_any_text(text: str) -> None:
    try:
        parse_text(text, "x")
    except ConfigurationError:
        assert parse_lines(text) is None
    else:
        check(text)


def test_a_start_with_the_shipped_file_needs_no_grammar() -> None:
    program = "import sys; from app import create_app; create_app(); sys.exit('pyhocon' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=60).returncode == 0
