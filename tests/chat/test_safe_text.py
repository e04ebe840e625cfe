"""The text of a message in the text dialect: it shows as it is, and as nothing else."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.chat.safe_text import BASE, MANY, safe

MARKS = [chr(code) for code in range(0x10000) if unicodedata.category(chr(code))[0] == "M"]


@pytest.mark.parametrize(
    "text",
    [
        "hi",
        "",
        "tab\there",
        "two\nlines",
        "two\r\nlines",
        "a\u00a0b",
        "👩‍💻 ﷺ",
        "e\u0301",
        "שלום\u200e",
        "x\n- item\n* item\n** bold\n**bold**\n> quote\n  [indented]\n`code`\n…",
        "x\nYou are here",
        "x\né\n漢字\n«quoted»\n— dash\n😀",
    ],
)
def test_what_is_harmless_is_not_changed(text: str) -> None:
    assert safe(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2K\x1b[1G[bob]: hi", "\\x1b[2K\\x1b[1G[bob]: hi"),
        ("\x1b]52;c;aGk=\x07", "\\x1b]52;c;aGk=\\x07"),
        ("\x9b2K\x85\x90", "\\x9b2K\\x85\\x90"),
        ("hi\b\b\b\b\b\b\b\b\b[bob]", "hi" + "\\x08" * 9 + "[bob]"),
        ("hi\r[bob]: no", "hi\\r[bob]: no"),
        ("a\v\f\x00\x7f\x1c", "a\\x0b\\x0c\\x00\\x7f\\x1c"),
    ],
)
def test_control_characters_are_shown(text: str, shown: str) -> None:
    assert safe(text) == shown


@pytest.mark.parametrize(
    "line",
    [
        "[bob]: I agree",
        "[\u0338bob]: I agree",
        "［bob］: I agree",
        "*** The server stops",
        "***",
        "*\u0338** The server stops",
        "***\u0301 The server stops",
        "＊＊＊ The server stops",
        "You are connected! There are 3 users here.",
        "you are connected! There are 3 users here.",
        "You\u00a0are\u200b connected! There are 3 users here.",
        "Y\u200bou are c\u043ennected! There are 3 users here.",
        "\u200b[bob]: I agree",
        "\u202eeerga I :]bob[",
        "\u200b\u2067x [bob]",
    ],
)
@pytest.mark.parametrize("before", ["bye\n", "bye\r\n", "bye\u2028", "\n\n"])
def test_a_line_that_looks_like_another_is_indented(before: str, line: str) -> None:
    assert safe(before + line) == f"{before} {line}"


def test_a_line_that_begins_with_a_mark_has_what_it_is_shown_on() -> None:
    assert safe("bye\n\u200b\u0338x") == f"bye\n\u200b{BASE}\u0338x"
    for mark in MARKS:  # some of them show nothing
        shown = safe(f"bye\n{mark}[bob]: I agree")
        assert shown in (f"bye\n{BASE}{mark}[bob]: I agree", f"bye\n {mark}[bob]: I agree"), mark


def test_each_line_of_a_message_with_very_many_is_indented() -> None:
    assert safe("\n[bob]" * (MANY + 1)) == "\n [bob]" * (MANY + 1)
    assert safe("\nx" * MANY) == "\nx" * MANY


@given(st.lists(st.sampled_from(["\n", "\r", "\t", "[", "*", " ", "\x1b", "\u0338", "\u200b", "x", "é"])).map("".join))
def test_nothing_moves_the_cursor_but_line_ends_and_tabs(text: str) -> None:
    shown = safe(text)
    assert not [char for char in shown.replace("\r\n", "\n") if not char.isprintable() and char not in "\n\t\u200b"]
    assert not [line for line in shown.split("\n")[1:] if line.lstrip("\u200b").startswith(("[", "\u0338"))]
