from __future__ import annotations

import time
import unicodedata
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.chat.errors import Code, Refused
from app.chat.names import Name, ascii_name, reserved, skeleton
from app.identity.unicode_names import unicode_name

ASCII_NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}", fullmatch=True)
LETTERS = st.text(st.characters(categories=["L", "M", "N"]), min_size=1, max_size=10)


@pytest.mark.parametrize(
    "text",
    [
        "Jürgen",
        "émile",
        "Наташа",
        "Νίκος",
        "李小龙",
        "田中ハナ",
        "ひろ子",
        "김철수",
        "राजेश",
        "สมชาย",
        "שרה",
        "محمد",
        "Ægir_9.x-y",
    ],
)
def test_a_name_in_any_script_is_seen_as_it_was_typed(text: str) -> None:
    assert unicode_name(text, 32).display == text


@given(ASCII_NAMES)
def test_an_ascii_name_is_the_same_under_both_rules(text: str) -> None:
    assert unicode_name(text, 32) == ascii_name(text, 32)


@pytest.mark.parametrize(
    ("text", "twin"),
    [
        ("асе", "ace"),  # Cyrillic
        ("АСЕ", "ace"),
        ("ѕсоре", "scope"),
        ("НЕВА", "heba"),
        ("οο", "oo"),  # Greek
        ("ı", "i"),
        ("İvan", "ivan"),
        ("i\u0307van", "ivan"),
        ("ａｎｎ", "ann"),  # full width
        ("а\u0301", "á"),
        ("JÜRGEN", "jürgen"),
        ("ju\u0308rgen", "jürgen"),
        ("ΝΊΚΟΣ", "νίκος"),
        ("ΝΊΚΟΣ", "νίκοσ"),
    ],
)
def test_a_name_that_looks_like_another_is_the_other(text: str, twin: str) -> None:
    assert unicode_name(text, 32).canonical == unicode_name(twin, 32).canonical


@pytest.mark.parametrize(
    ("text", "twin"),
    [
        ("а\u04cfісе", "alice"),  # Cyrillic, with a palochka
        ("А\u04c0ІСЕ", "alice"),
        ("alice\u02bc", "alice"),  # an apostrophe
        ("a\u02bblice", "alice"),
        ("\u013aa", "ía"),  # l and i with an acute accent
        ("jürgen.", "jürgen"),
        ("Наташа_", "наташа"),
    ],
)
def test_names_that_look_alike_have_one_skeleton(text: str, twin: str) -> None:
    assert skeleton(unicode_name(text, 32).canonical) == skeleton(unicode_name(twin, 32).canonical)


@pytest.mark.parametrize(("text", "other"), [("jürgen", "jurgen"), ("ハナー", "ハナ"), ("é", "è"), ("李", "李小")])
def test_names_that_can_be_told_apart_have_two(text: str, other: str) -> None:
    assert skeleton(unicode_name(text, 32).canonical) != skeleton(unicode_name(other, 32).canonical)


@pytest.mark.parametrize(
    "text",
    [
        "аdmin",  # one Cyrillic letter
        "Ꭰan",
        "υser0",
        "ΝΙΚΗ",  # reads as NIKH, and is not the same as it in lower case
        "a→b",
        "é:b",
        "é]",
        "[é",
        "é,b",
        "é@b",
        "é#b",
        "é b",
        "é\u00a0b",
        "é：b",
        "éː",
        "é\u202eb",
        "é\u200b",
        "é\u200d",
        "é\u2066",
        "é\n",
        "é\x00",
        "é\x9b",
        "é\ud800",
        "\u3164",
        "\u115f",
        "é\u034f",
        "é\ufe0f",
        "😀",
        "ℌ",
        "ﬀ",
        "é٣",
        "-é",
        ".é",
        "\u0301a",
        "é" * 33,
        "é" * 10_000,
        "a\u0316\u0317\u0318",
        "a\u0344\u0344",
        "אa",
    ],
)
def test_what_can_not_be_a_name(text: str) -> None:
    with pytest.raises(Refused) as caught:
        unicode_name(text, 32)
    assert caught.value.code == Code.BAD_NAME
    assert "can't be a name: " in caught.value.message
    assert len(caught.value.message.splitlines()) == 1


@given(LETTERS | st.text(max_size=40))
def test_any_text_is_a_name_that_splits_nothing_or_is_refused(text: str) -> None:
    with suppress(Refused):
        name = unicode_name(text, 32)
        assert 1 <= len(name.display) <= 32
        assert name.display == unicodedata.normalize("NFC", name.display)
        assert name.display.isprintable()
        assert not set("[]:,@#→ ") & set(name.display)
        assert name.canonical
        name.display.encode()
        assert unicode_name(name.display, 32) == name


@given(LETTERS)
def test_upper_case_and_lower_case_are_the_same_name(text: str) -> None:
    with suppress(Refused):
        names: list[Name] = [unicode_name(case, 32) for case in (text, text.lower())]
        assert len({name.canonical for name in names}) == 1


@given(st.text(st.sampled_from("аеорсхуіѕјԁԛԝһӏυοαρ0123456789"), min_size=1, max_size=8))
def test_letters_that_look_like_ascii_count_as_ascii(text: str) -> None:
    with suppress(Refused):
        assert unicode_name(text, 32).canonical.isascii()


def test_a_name_that_was_not_given_can_not_look_as_if_it_was() -> None:
    with suppress(Refused):
        assert reserved(unicode_name("υѕеr7", 32).canonical)


def test_a_pile_of_marks_costs_nothing() -> None:
    start = time.process_time()
    with pytest.raises(Refused):
        unicode_name("a" + "\u0316\u0301" * 30_000, 0)
    assert time.process_time() - start < 1
