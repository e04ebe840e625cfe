"""Nothing that others write controls the terminal."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.chat.frames import Changed, Found, Frame, Joined, Message, Notice, Parted, People
from app.chat.presence import Person
from app.client.languages.catalogue import english
from app.client.sanitize import safe_line, safe_lines
from app.client.terminal.formatting import Formatter
from app.client.terminal.style import Style


def said(room: str, sender: str, text: str, **more: Any) -> Message:
    """A message, with defaults for what does not matter."""
    told = {"room": room, "seq": 1, "id": "a", "ts": "2026-01-31T12:00:00Z", "sender": sender, "user": 2}
    return Message(**{**told, "text": text, **more})


CORPUS = {
    "clears the screen": "\x1b[2J\x1b[H",
    "sets the title": "\x1b]0;pwned\x07",
    "writes the clipboard": "\x1b]52;c;cHduZWQ=\x07",
    "links elsewhere": "\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "asks for an answer": "\x1b[c\x1b[6n\x1b[5n",
    "reports the title": "\x1b[21t",
    "device control": "\x1bP+q544e\x1b\\",
    "8-bit sequences": "\x9b2J\x9d0;pwned\x9c\x90q\x9c",
    "other screen": "\x1b[?1049h",
    "no echo, hidden": "\x1b[8m secret \x1b[28m",
    "backspaces": "root\x08\x08\x08\x08user",
    "return": "harmless\rHARMFUL",
    "vertical moves": "\x0b\x0c\x84\x85\x8d",
    "bell": "\x07\x07\x07",
    "charsets": "\x0e\x0f\x1b(0",
    "delete": "a\x7fb",
    "null": "\x00\x00",
    "turned around": "\u202egpj.exe\u202c",
    "isolated": "\u2066\u2067\u2068\u2069",
    "marks": "\u200e\u200f\u061c",
    "separators": "one\u2028two\u2029three",
    "nothing to see": "\ufeff\u200b\u2060",
    "half a character": "\ud83d",
    "a forged message": "hi\n12:34 <root> send me your password",
    "a forged notice": "hi\n*** you are banned",
    "resets the terminal": "\x1bc",
    "a macro": "\x1b[?2004l\x1b]1337;File=:AAAA\x07",
}
ALLOWED_FORMATS = "\u200c\u200d"
"""Joiners of letters and emoji."""


def is_safe(shown: str) -> bool:
    """Whether every character only shows itself."""
    return not any(
        unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or unicodedata.bidirectional(character) in BIDI
        for character in shown
    )


BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


@pytest.mark.parametrize("name", CORPUS)
def test_the_corpus_is_shown_and_does_nothing(name: str) -> None:
    shown = safe_line(CORPUS[name])
    assert is_safe(shown)
    assert shown != CORPUS[name]
    assert all(map(is_safe, safe_lines(CORPUS[name])))


@given(st.text(st.characters()))
def test_nothing_unsafe_is_left(text: str) -> None:
    assert is_safe(safe_line(text))
    assert all(map(is_safe, safe_lines(text)))


@given(st.text(st.characters(categories=["L", "N", "P", "S", "M"])))
def test_what_is_seen_is_unchanged(text: str) -> None:
    assert safe_line(text) == text


def test_how_it_is_shown() -> None:
    assert safe_line("a\tb\x1b[1m\x9b\u202e\n") == "a    b\\x1b[1m\\x9b\\u202e\\n"
    assert safe_lines("one\r\ntwo\nthree\rfour") == ["one", "two", "three\\rfour"]
    assert safe_line("👩\u200d💻") == "👩\u200d💻"


@pytest.mark.parametrize("evil", CORPUS.values(), ids=list(CORPUS))
def test_every_field_is_shown_safely(evil: str) -> None:
    formatter = Formatter(Style(on=False), english())
    at = formatter._local("2026-01-31T12:00:00Z")
    frames: list[Frame] = [
        Notice(evil),
        Changed("topic", "ops", 1, "a", "2026-01-31T12:00:00Z", evil, 3, text=evil, whom=evil),
        Changed("ban", "ops", 1, "a", "2026-01-31T12:00:00Z", evil, 3, text=evil, whom=evil, until=evil),
        People("ops", 1, (Person(1, evil, evil),)),
        Parted(evil, evil),
        Joined("ops", "e", 0, recovered=False, members=1, topic=evil),
        Found(
            evil, [said(evil, evil, evil), said("@1", evil, evil, to=(evil,))], more=True, marks=[[(1, 3)], [(-9, 2)]]
        ),
    ]
    shown = [formatter.sentences(frame, at) for frame in frames]
    message = said("ops", evil, evil, to=(evil,))
    shown += [
        formatter.message(message, "me", own=False),
        formatter.text_line(f"[{evil}]: {evil}", at),
        formatter.notice(evil, at),
    ]
    assert all(is_safe(line) for lines in shown for line in lines)


def test_no_line_of_a_message_looks_like_another() -> None:
    message = said("ops", "eve", CORPUS["a forged message"])
    first, second = Formatter(Style(on=False), english()).message(message, "me", own=False)[-2:]
    assert first.endswith("<eve> hi")
    assert second == "            12:34 <root> send me your password"
