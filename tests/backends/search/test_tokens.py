"""Tokens: what is in the index, and how texts are folded and split."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.backends.search.index import quote
from app.backends.search.tokens import BREAK, CHUNK, START, align, broken, canonical, fold, scope, tokenize


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Crème BRÛLÉE", "creme brulee"),
        ("cre\u0300me", "creme"),
        ("Straße", "strasse"),
        ("Ёлка Йод", "елка иод"),
        ("ΆΣΟΣ", "ασοσ"),
        ("İstanbul", "istanbul"),
        ("ﾊﾞｽ ＡＢＣ", "バス abc"),
        ("が か", "が か"),
        ("か\u3099", "が"),
        ("ﬁne ①", "fine 1"),
        ("Donau\u00addampf", "donaudampf"),
        ("한국어", "한국어"),
        ("Tiếng Việt", "tieng viet"),
    ],
)
def test_folding(text: str, folded: str) -> None:
    assert fold(text) == folded
    assert fold(folded) == folded


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", []),
        (" ,.-_ \x01\0", []),
        ("A fox!", ["a", "fox", "^a", "^fo"]),
        ("getUserName", ["getusername", "get", "user", "name", "^ge", "^us", "^na"]),
        ("XMLHttp2", ["xmlhttp2", "xml", "http2", "^xm", "^ht"]),
        ("snake_case", ["snake", "case", "^sn", "^ca"]),
        ("東京都", ["東京", "京都", "都"]),
        ("京", ["京"]),
        ("行くabc", ["行く", "く", "abc", "^ab"]),
        ("สวัส", ["สว", "วั", "ัส", "ส"]),
        ("한국어를 a", ["한국", "국어", "어를", "를", "a", "^a"]),
        ("हिन्दी", ["हिन्दी", "^हि"]),
        ("👩\u200d💻 👍🏽 ❤\ufe0f", ["👩", "💻", "👍", "🏽", "❤"]),
    ],
)
def test_tokens(text: str, tokens: list[str]) -> None:
    assert set(tokenize(text)) == {token.replace("^", START) for token in tokens}


def test_long_words_are_in_overlapping_chunks() -> None:
    word = "".join(chr(0x61 + number % 26) + str(number) for number in range(100))
    chunks = set(tokenize(word)) - {START + "a0"}
    assert all(len(chunk) <= CHUNK for chunk in chunks)
    for start in range(len(word) - CHUNK // 2):
        assert any(word[start : start + CHUNK // 2] in chunk for chunk in chunks)


def test_scopes() -> None:
    assert scope("room") == "\x82726f6f6d"
    assert scope("@3,5") == f"\x82{b'@3,5'.hex()} \x833 \x835"


TEXTS = st.text(alphabet=st.one_of(st.sampled_from("aBc 1é\u0301が한국\u1100\u1161京👍\u200d\x01_İ"), st.characters()))


@given(TEXTS)
def test_fts5_takes_the_tokens_as_they_are(text: str) -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE words USING fts5 (tokens, detail = none, tokenize = 'ascii')")
    connection.execute("CREATE VIRTUAL TABLE tokens USING fts5vocab (words, row)")
    tokens = set(tokenize(text))
    connection.execute("INSERT INTO words VALUES (?)", (" ".join(tokenize(text)),))
    assert {term for (term,) in connection.execute("SELECT term FROM tokens")} == tokens
    for token in tokens:
        assert connection.execute("SELECT count(*) FROM words WHERE words MATCH ?", (quote(token),)).fetchone() == (1,)
    connection.close()


@given(TEXTS)
def test_a_text_is_aligned_with_its_canonical_form(text: str) -> None:
    reading, origins = align(text)
    assert reading.split() == canonical(fold(broken(text))).split()
    assert len(reading) == len(origins)
    real = [origin for sign, origin in zip(reading, origins, strict=True) if sign not in (" ", BREAK)]
    assert all(0 <= start < end <= len(text) for start, end in real)
    assert real == sorted(real)
