"""The bounds of a configuration. Each is lowered here, so that the texts are small."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from config import ConfigurationError
from config.errors import Origin
from config.hocon import BOUNDS, Bounds, Reader
from config.hocon.joining import Fields, Leaf, merged


def read(text: str, **bounds: int) -> Any:
    reader = Reader({}, bounds=Bounds(**bounds))
    reader.text(text, "x.conf")
    return reader.finish().values


DEEP = "keys and lists are more than 3 levels inside each other"
LARGE = "resolved, this is larger than 60 values and characters"


@pytest.mark.parametrize(
    ("bounds", "within", "beyond", "problem"),
    [
        ({"length": 9}, "a = 12345", "a = 123456", "x.conf: the configuration is longer than 9 characters"),
        ({"depth": 3}, "a { b { c = 1 } }", "a { b { c { d = 1 } } }", f"x.conf:1:17: {DEEP}"),
        ({"depth": 3}, "a.b.c = 1", "a.b.c.d = 1", f"x.conf:1:11: {DEEP}"),
        ({"depth": 3}, "a = [[1]]", "a = [[[1]]]", f"x.conf:1:8: {DEEP}"),
        ({"chain": 3}, "a = ${b}\nb = ${c}\nc = 1", "a = ${b}\nb = ${c}\nc = ${d}\nd = 1", "x.conf:3: a value is more"),
        ({"chain": 3}, "a.b = 1", "a { b { c { d = 1 } } }", "a value is more than 3 steps"),
        ({"resolved": 60}, "x = 12345678\na = ${x}${x}", f"x = 12345678\na = {'${x}' * 4}", f"x.conf:2: a: {LARGE}"),
        ({"resolved": 60}, "x = [1]\na = ${x}", "x = [1]\n" + "".join(f"{k} = ${{x}}\n" for k in "abcde"), LARGE),
        ({"resolved": 60}, "a = ${?b}\nb = ${?c}", "a = ${?b}${?c}\nb = ${?a}${?c}\nc = ${?a}${?b}", LARGE),
    ],
)
def test_more_than_a_bound_is_refused_by_name(bounds: dict[str, int], within: str, beyond: str, problem: str) -> None:
    assert read(within, **bounds) == read(within)
    with pytest.raises(ConfigurationError) as caught:
        read(beyond, **bounds)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "b { k { p = 1, q = 2, r = 3 } }\na = ${b}",
        "b = [1, 2, 3, 4]\na = ${b}${b}${b}",
        "b { k { p = 1, q = 2, r = 3 } }\na = ${b}${b}${b}",
        "b { k { p = 1, q = 2, r = 3 } }\na = ${b}\na = ${b} {}\na.k.s = 1",
    ],
)
def test_whatever_the_bound_the_error_names_the_line(text: str) -> None:
    problems = []
    for bound in range(1, 1000):
        try:
            read(text, resolved=bound)
        except ConfigurationError as error:
            problems.append(str(error))
    told = r"x\.conf:[1-4].*: resolved, this is larger than \d+ values and characters"
    assert len(problems) > 5
    assert [problem for problem in problems if not re.fullmatch(told, problem)] == []


def test_nested_objects_that_are_merged_count() -> None:
    """Each of them is gone through for each merge."""
    fields = ", ".join(f"k{number} = 1" for number in range(50))
    for joined in ("${b}${b}", "${b}\na = ${b}\na.x = 1"):
        text = f"b.c {{ {fields} }}\na = {joined}"
        with pytest.raises(ConfigurationError, match="larger than 250 values"):
            read(text, resolved=250)
        assert len(read(text)["a"]["c"]) == 50


def test_what_joins_would_make_counts_before_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    joins: list[object] = []
    monkeypatch.setattr("config.hocon.resolving.together", lambda *made: joins.append(made))
    for value in ('"1234567890"', "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]"):
        with pytest.raises(ConfigurationError, match=r"x\.conf:2: a: resolved, this is larger than 100 values"):
            read(f"b = {value}\na = {'${b}' * 6}", resolved=100)
    assert not joins


def test_layers_of_an_object_take_a_step_for_each_field() -> None:
    """So a file with thousands of them is read at once."""
    layers = [Fields({f"k{number}": Leaf(number, Origin("x"))}) for number in range(100)]
    steps: list[int] = []

    def spend(amount: int, /, *, of: object) -> None:
        steps.append(amount)

    assert len(merged(layers, spend).fields) == 100
    assert sum(steps) == 100


def test_includes_are_bounded(tmp_path: Path) -> None:
    (tmp_path / "x.conf").write_text('include "d/*.conf"')
    (tmp_path / "d").mkdir()
    for number in range(3):
        (tmp_path / f"d/{number}.conf").write_text(f"a += {number}")

    def includes(bound: int) -> Any:
        reader = Reader({}, bounds=Bounds(includes=bound))
        reader.file(tmp_path / "x.conf", "x.conf")
        return reader.finish().values

    assert includes(3) == {"a": [0, 1, 2]}
    with pytest.raises(
        ConfigurationError, match=r'x\.conf:1:1: include = "d/\*\.conf": more than 2 files are included'
    ):
        includes(2)


def test_all_files_together_are_as_long_as_the_bound(tmp_path: Path) -> None:
    (tmp_path / "x.conf").write_text("a = 1")
    reader = Reader({}, bounds=Bounds(length=8))
    reader.file(tmp_path / "x.conf", "x.conf")
    with pytest.raises(ConfigurationError, match=r"x\.conf: the configuration is longer than 8 characters"):
        reader.file(tmp_path / "x.conf", "x.conf")


def test_a_file_is_not_read_beyond_the_bound(tmp_path: Path) -> None:
    (tmp_path / "x.conf").write_bytes(b"a = \xff" + b" " * 100)
    with pytest.raises(ConfigurationError, match=r"x\.conf: the configuration is longer than 9 characters"):
        Reader({}, bounds=Bounds(length=9)).file(tmp_path / "x.conf", "x.conf")


def test_what_is_at_the_bounds_is_read() -> None:
    """Neither Python's limits nor the reader's own come first."""
    deep = BOUNDS.depth - 1
    assert read("a = " + "[" * deep + "]" * deep)
    assert read(".".join("a" * BOUNDS.depth) + " = 1")
    joins = "a = [0]\n" + "a = ${a} [1]\n" * (BOUNDS.chain - 2)
    assert len(read(joins)["a"]) == BOUNDS.chain - 1
    assert len(read("a += 1\n" * 5_000)["a"]) == 5_000
    links = "".join(f"x{number} = ${{x{number + 1}}}\n" for number in range(BOUNDS.chain - 1))
    assert read(f"{links}x{BOUNDS.chain - 1} = 1")["x0"] == 1
