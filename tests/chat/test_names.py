from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.chat.errors import Code, Refused
from app.chat.names import Name, addresses_a_group, ascii_name, reserved, skeleton, sounds_official


@pytest.mark.parametrize("text", ["ann", "Ann", "0", "a.b-c_d", "9lives", "x" * 32, "a..", "user1"])
def test_a_name_is_seen_as_it_was_typed_and_compared_in_lower_case(text: str) -> None:
    assert ascii_name(text, 32) == Name(text, text.lower())


@pytest.mark.parametrize(
    "text", ["", "x" * 33, "-ann", ".ann", "_ann", "ann bob", "ann\n", "@ann", "a,b", "a]", "é", "аnn", "a\x00", "٣"]
)
def test_what_can_not_be_a_name(text: str) -> None:
    with pytest.raises(Refused) as caught:
        ascii_name(text, 32)
    assert caught.value.code == Code.BAD_NAME
    assert "can't be a name: use 1 to 32 letters" in caught.value.message
    assert len(caught.value.message.splitlines()) == 1


def test_a_name_may_be_of_any_length_where_there_is_no_limit() -> None:
    assert ascii_name("x" * 1000, 0).display == "x" * 1000


@given(st.text())
def test_a_name_holds_nothing_that_has_a_meaning_elsewhere(text: str) -> None:
    with suppress(Refused):
        assert not set("[]:,@#→ \n") & set(ascii_name(text, 32).display)


@given(st.text(st.characters(codec="utf-8"), min_size=33))
def test_a_refusal_is_one_short_line_whatever_was_typed(text: str) -> None:
    with pytest.raises(Refused) as caught:
        ascii_name(text, 32)
    assert len(caught.value.message.splitlines()) == 1
    assert len(caught.value.message) < 600


@pytest.mark.parametrize(
    ("canonical", "is_reserved"),
    [
        ("user0", True),
        ("user1234567", True),
        ("usero", True),
        ("userl2", True),
        ("user7.", True),
        ("user", False),
        ("user1x", False),
        ("auser1", False),
        ("user1\n", False),
    ],
)
def test_the_names_that_are_given_to_who_has_none(canonical: str, *, is_reserved: bool) -> None:
    assert reserved(canonical) == is_reserved


@pytest.mark.parametrize(
    "canonical", ["everyone", "here", "every0ne", "here.", "here-", "everyone...", "all", "ail", "channel", "channe1"]
)
def test_a_name_that_would_be_taken_for_a_mention_of_everyone(canonical: str) -> None:
    assert addresses_a_group(canonical)


@pytest.mark.parametrize("canonical", ["every.one", "heres", "there", "here_1", "..here", "allen"])
def test_a_name_that_only_reminds_of_a_mention_of_everyone(canonical: str) -> None:
    assert not addresses_a_group(canonical)


@pytest.mark.parametrize("canonical", ["admin", "adm1n", "adrnin", "admin_", "server", "system", "system."])
def test_a_name_that_would_be_taken_for_the_server_or_who_runs_it(canonical: str) -> None:
    assert sounds_official(canonical)


@pytest.mark.parametrize("canonical", ["admiral", "administrator1", "servers", "ann.admin"])
def test_a_name_that_only_reminds_of_the_server(canonical: str) -> None:
    assert not sounds_official(canonical)


@pytest.mark.parametrize(
    ("name", "twin"),
    [
        ("alice", "aIice"),
        ("alice", "a1ice"),
        ("alice", "ALiCE"),
        ("alice", "alice."),
        ("alice", "alice-"),
        ("alice", "alice_"),
        ("alice", "alice._-"),
        ("bob", "b0b"),
        ("will", "vvill"),
        ("tom", "torn"),
        ("Bernd", "Bemd"),
    ],
)
def test_names_that_look_alike_have_one_skeleton(name: str, twin: str) -> None:
    assert skeleton(ascii_name(name, 32).canonical) == skeleton(ascii_name(twin, 32).canonical)


@pytest.mark.parametrize(
    ("name", "other"),
    [("ann", "anna"), ("a.b", "ab"), ("a.b", "a-b"), ("a_b", "a.b"), ("clara", "dara"), ("jo", "jo2")],
)
def test_names_that_can_be_told_apart_have_two(name: str, other: str) -> None:
    assert skeleton(name) != skeleton(other)


@given(st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,31}", fullmatch=True))
def test_a_skeleton_is_its_own_skeleton(name: str) -> None:
    assert skeleton(name)
    assert skeleton(skeleton(name)) == skeleton(name)
