"""Queries: which texts they match, and where."""

from __future__ import annotations

import pytest

from app.backends.search.query import MAX_MARKS, Matcher, parse


@pytest.mark.parametrize(
    ("words", "text", "hits"),
    [
        ("fox", "A FOX, a fox", ["FOX", "fox"]),
        ("fox", "foxes", None),
        ("fo", "fox", None),
        ("fo*", "fox of forever", ["fo", "fo"]),
        ("tea", "instead", None),
        ("tea", "Tea!", ["Tea"]),
        ("team", "steamer", ["team"]),
        ("maschine", "die Spülmaschine", ["maschine"]),
        ("spulm*", "die Spülmaschine", ["Spülm"]),
        ("maschine*", "die Spülmaschine", None),
        ('"maschine"', "die Spülmaschine", None),
        ("username", "getUserName()", ["UserName"]),
        ("getuser", "getUserName()", ["getUser"]),
        ("get", "getUserName()", ["get"]),
        ("name", "getUserName()", ["Name"]),
        ("us*", "getUserName()", ["Us"]),
        ("getu*", "getUserName()", ["getU"]),
        ('"get user"', "getUserName()", ["getUser"]),
        ("getUserName", "see getusername", ["getusername"]),
        ("fox-hunt", "a fox-hunt", ["fox-hunt"]),
        ("fox-hunt", "a fox hunt", ["fox hunt"]),
        ("fox-hunt", "a hunt, a fox", None),
        ("fox-hunt", "a fox-hunter", None),
        ("fox-hu*", "a fox-hunter", ["fox-hu"]),
        ('"brown fox"', "the brown, fox", ["brown, fox"]),
        ('"brown fox"', "the fox brown", None),
        ("„brown fox“", "the brown fox", ["brown fox"]),
        ('"brown fo"*', "the brown fox", ["brown fo"]),
        ('"brown', "the brown fox", ["brown"]),
        ('one"two words"', "two words and one", ["two words", "one"]),
        ("京", "東京都", ["京"]),
        ("東京", "東京都", ["東京"]),
        ("東京都", "東京都", ["東京都"]),
        ("都東", "東京都", None),
        ("か", "が", None),
        ("ｶﾞ", "ガ", ["ガ"]),
        ("ガ", "ｶﾞ", ["ｶﾞ"]),
        ("วัส", "สวัสดี", ["วัส"]),
        ("국", "한국어를", ["국"]),
        ("東京tower", "東京 tower", ["東京 tower"]),
        ("7", "7 up", ["7"]),
        ("7", "77", None),
        ("strasse", "Straße", ["Straße"]),
        ("STRASSE", "Straßen", ["Straße"]),
        ("cafe", "cafe\u0301s", ["cafe\u0301"]),
        ("😀", "so 😀😀", ["😀😀"]),
        ("👍", "👍🏽", ["👍"]),
        ("👍🏽", "👍", None),
        ("👍🏽", "👍🏽", ["👍🏽"]),
        ("👩\u200d💻", "a 👩\u200d💻", ["👩\u200d💻"]),
        ("fox brown", "brown fox", ["brown", "fox"]),
        ("fox absent", "brown fox", None),
        ("foxy oxyg", "foxygen", ["foxyg"]),
    ],
)
def test_matches_and_marks(words: str, text: str, hits: list[str] | None) -> None:
    matcher = Matcher(parse(words))
    assert matcher.matches(text) == (hits is not None)
    if hits is not None:
        assert [text[start:end] for start, end in matcher.marks(text)] == hits


@pytest.mark.parametrize("words", ["", " \t\n ", "*", "- \" ' ** !?", "\0", "\ufffd", '""', "\x01"])
def test_nothing_to_search_for(words: str) -> None:
    assert parse(words) == []


def test_terms_are_taken_once() -> None:
    assert len(parse("Fox fox FOX, \0fox!")) == 1


def test_very_many_hits_are_not_all_marked() -> None:
    assert len(Matcher(parse("a*")).marks("a " * 1000)) == MAX_MARKS
