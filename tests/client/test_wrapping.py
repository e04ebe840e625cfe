"""How lines break on a screen."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.utils import get_cwidth

from app.client.terminal.style import Style
from app.client.terminal.wrapping import Paragraph, under, wrapped

HEAD = "12:34 <ann> "


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("it fits into one row, just so", ["12:34 <ann> it fits into one row, just", "            so"]),
        (
            "words are not broken, and hang under the text",
            ["12:34 <ann> words are not broken, and", "            hang under the text"],
        ),
        ("twenty-eight characters, yes", ["12:34 <ann> twenty-eight characters, yes"]),
        ("    indented code", ["12:34 <ann>     indented code"]),
        (
            "see https://example.com/a/very/long/address",
            ["12:34 <ann> see", "            https://example.com/a/very/long/address"],
        ),
        (
            "https://example.com/a/very/long/address at the start",
            ["12:34 <ann> https://example.com/a/very/long/address at the start"],
        ),
        (
            "今日はとても良い天気ですね、散歩に行きましょう。",
            ["12:34 <ann> 今日はとても良い天気ですね、", "            散歩に行きましょう。"],
        ),
        (
            "今日はとても良い天気ですねよ、散歩に行きましょう。",
            ["12:34 <ann> 今日はとても良い天気ですね", "            よ、散歩に行きましょう。"],
        ),
        (
            "a forged\u00a0line\u00a0with\u00a0no-break\u00a0blanks\u00a0in\u00a0it",
            ["12:34 <ann> a forged\u00a0line\u00a0with\u00a0no-break", "            blanks\u00a0in\u00a0it"],
        ),
        ("👩\u200d💻👩\u200d💻👩\u200d💻👩\u200d💻👩\u200d💻👩\u200d💻👩\u200d💻👩\u200d💻", None),
        ("", ["12:34 <ann> "]),
    ],
)
def test_rows_break_between_words_and_hang_under_the_text(text: str, rows: list[str] | None) -> None:
    shown = list(wrapped(Paragraph(HEAD, text), 40))
    if rows is not None:
        assert shown == rows
    assert "".join(shown).count("\u200d") == text.count("\u200d")
    assert not any(row.lstrip().startswith("\u200d") or row.endswith("\u200d") for row in shown)


def test_a_name_that_takes_half_of_the_screen_leaves_the_rest_to_the_text() -> None:
    head = "12:34 <alexandrina> "
    assert list(wrapped(Paragraph(head, "hello to all of you"), 30)) == [
        "12:34 <alexandrina> hello to",
        "      all of you",
    ]
    assert list(wrapped(Paragraph(under(head), "second line"), 30)) == ["      second line"]
    assert list(wrapped(Paragraph(under(head), "second line"), 60)) == [" " * 20 + "second line"]


def test_a_style_does_not_reach_into_the_indent() -> None:
    body = f"some {Style(on=True).hit('green tea')} here"
    assert list(wrapped(Paragraph("12:34 *** ", body), 21)) == [
        "12:34 *** some \x1b[1;4mgreen\x1b[0m",
        "          \x1b[1;4mtea\x1b[0m here",
    ]


@given(st.text(st.sampled_from("ab, 今。（)\u200d🎉\u0301\u00a0")), st.integers(12, 60))
def test_nothing_is_lost_and_only_long_words_are_wider_than_the_screen(text: str, columns: int) -> None:
    rows = list(wrapped(Paragraph("12:34 *** ", text), columns))
    assert re.sub(r"\s", "", "".join(rows)) == re.sub(r"\s", "", "12:34 *** " + text)
    for row in rows:
        assert get_cwidth(row.rstrip()) <= columns or max(map(get_cwidth, re.split(r"\s", row))) > columns - 12
