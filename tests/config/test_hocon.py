"""What HOCON text means here, beyond the cases of `test_lightbend.py`. Where pyhocon's own result differs (a trap), the
test shows both."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pyhocon import ConfigFactory

from config import ConfigurationError, load


def values(text: str, tmp_path: Path, **environment: str) -> Any:
    file = tmp_path / "x.conf"
    file.write_text(text, encoding="utf-8")
    return load([file], environment=environment).tree.values


def pyhocon(text: str) -> Any:
    return ConfigFactory.parse_string(text).as_plain_ordered_dict()


@pytest.mark.parametrize(
    ("text", "theirs", "ours"),
    [
        ("a = [1]\na += 3", 3, [1, 3]),
        ("a = [1]\na += [2]", [1, 2], [1, [2]]),
        ("a = every 5 minutes", "every 0:05:00", "every 5 minutes"),
        ("a = 64KiB", "64KiB", "64KiB"),
        ('a = "\\u00e9"', "\\u00e9", "é"),
        ("a = 1.0.0", "1.0.0", "1.0.0"),
        ("a = 127.0.0.1", "127.0.0.1", "127.0.0.1"),
    ],
)
def test_trap(text: str, theirs: Any, ours: Any, tmp_path: Path) -> None:
    assert pyhocon(text)["a"] == theirs
    assert values(text, tmp_path)["a"] == ours


@pytest.mark.parametrize("text", ["a = 15s", "a = 10m", "a = 15 seconds"])
def test_trap_a_period_stays_text(text: str, tmp_path: Path) -> None:
    assert type(pyhocon(text)["a"]).__name__ == "timedelta"
    assert values(text, tmp_path)["a"] == text.partition(" = ")[2]


def test_trap_an_unset_substitution_does_not_bring_back_what_was_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "a { p = 1\np = ${?SET} }\na { p = 2\np = ${?NOT_SET} }"
    monkeypatch.setenv("SET", "9")
    assert pyhocon(text)["a"]["p"] == "9"
    assert values(text, tmp_path, SET="9") == {"a": {"p": 2}}


def test_trap_appending_to_a_dotted_key(tmp_path: Path) -> None:
    text = "a { m = [1] }\na { m += 2 }\na.m += 3\na.m += four"
    assert pyhocon(text) == {"a": {"m": "3 four"}}
    assert values(text, tmp_path) == {"a": {"m": [1, 2, 3, "four"]}}


def test_trap_a_value_from_the_environment_is_text(tmp_path: Path) -> None:
    assert values("a = 1\na = ${?N}", tmp_path, N="2") == {"a": "2"}


def test_trap_an_empty_variable_is_set(tmp_path: Path) -> None:
    assert values("a = 1\na = ${?N}", tmp_path, N="") == {"a": ""}


def test_trap_a_missing_include_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.conf").write_text('include "none.conf"\na = 1')
    settings = load([tmp_path / "x.conf"], environment={})
    assert settings.tree.values == {"a": 1}
    assert settings.tree.warnings == (f'{tmp_path}/x.conf:1: include "none.conf": no such file; skipped',)


@pytest.mark.parametrize("include", ['required("none.conf")', 'required(file("none.conf"))'])
def test_a_required_include_must_be_there(include: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r'x\.conf:1:1: include = "none\.conf": can\'t be read: no such file'):
        values(f"include {include}", tmp_path)


def test_trap_errors_name_the_file_and_the_line(tmp_path: Path) -> None:
    (tmp_path / "bad.conf").write_text("a = 1\n\nb = @\n")
    with pytest.raises(ConfigurationError, match=r"bad\.conf:3:5: found `@`; put text that has it in quotes"):
        values('include "bad.conf"', tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("{ a = 1, b : 2 }", {"a": 1, "b": 2}),
        ("a.b = 1\na { c = 2 }", {"a": {"b": 1, "c": 2}}),
        ("a\n{ b = 1 }", {"a": {"b": 1}}),
        ("a {b = 1} \n a = 5 \n a {c = 2}", {"a": {"c": 2}}),
        ('"a.b" = 1, c."d.e" = 2', {"a.b": 1, "c": {"d.e": 2}}),
        ("a = x y  z # c\nb = http://h:1/p // c", {"a": "x y  z", "b": "http://h:1/p"}),
        ('a = "# no comment // here"', {"a": "# no comment // here"}),
        ('a = """ x\n "y" """', {"a": ' x\n "y" '}),
        (
            "a = true, b = no, c = null, d = -5, e = 1.5, f = 1e3",
            {"a": True, "b": "no", "c": None, "d": -5, "e": 1.5, "f": 1e3},
        ),
        ("a = [ m.n:f,\n g.h:i\n]", {"a": ["m.n:f", "g.h:i"]}),
        ("a = [{ b = 1 }, { b = 5s }]", {"a": [{"b": 1}, {"b": "5s"}]}),
        ("a = [1] [2]\na = ${a} [3]", {"a": [1, 2, 3]}),
        ("b { x = 1 }\na = ${b} { y = 2 }\na.z = 3", {"b": {"x": 1}, "a": {"x": 1, "y": 2, "z": 3}}),
        ("a = http://${h}:80/x\nh = b", {"a": "http://b:80/x", "h": "b"}),
        ("a = ${b}\nb = ${c}\nc = 3", {"a": 3, "b": 3, "c": 3}),
        ("a = ${?N} ${?M}", {"a": " "}),
        ("a = 0123, b = x${a}", {"a": 123, "b": "x0123"}),
        ("a = x${?N}y", {"a": "xy"}),
        ("a = [${?N}, 1]", {"a": [1]}),
        ("a = 1\r\nb = 2\r\n", {"a": 1, "b": 2}),
        ("\ufeffa = 1", {"a": 1}),
        ("a =\n 5s", {"a": "5s"}),
        (
            "a = [https://h:1/p, m:f, x y:z]\nb = 'it', c = 1",
            {"a": ["https://h:1/p", "m:f", "x y:z"], "b": "'it'", "c": 1},
        ),
        ("a = [{ l += 1 }, ${x} [2]]\nx = [1]", {"a": [{"l": [1]}, [1, 2]], "x": [1]}),
        ('a { "1" = y, "0" = x }\na += z', {"a": ["x", "y", "z"]}),
        ("a = 1\nb = ${a}\na = ${b}x", {"a": "1x", "b": "1x"}),
        ("b = 1\na = ${b}\nb = ${a}x", {"a": "1x", "b": "1x"}),
        ("w.v = x\nw.v = ${w.v} y\nw = ${w} { b = 2 }\nw.v { z = 1 }", {"w": {"v": {"z": 1}, "b": 2}}),
        ("a.v = 5\na.v { x = 1 }\nc.v { y = 2 }\nc = ${a}", {"a": {"v": {"x": 1}}, "c": {"v": {"x": 1, "y": 2}}}),
        ("w.v { a = 1 }\nw = ${?n}\nw.v = []\nw.v { b = 2 }", {"w": {"v": {"b": 2}}}),
        ("w.v {}\nw.v = ${w.v} { a = 1 }\nw = ${w} { b = 2 }\nw.v = [3]", {"w": {"v": [3], "b": 2}}),
        ("a = 99999999999999999999, b = 1e999, c = -", {"a": "99999999999999999999", "b": "1e999", "c": "-"}),
        ("a = -.5, b = -.5e3, c = -0.5", {"a": "-.5", "b": "-.5e3", "c": -0.5}),
        ("a = {b = 1} {c = 2}", {"a": {"b": 1, "c": 2}}),
        ("x = {0 = p}\na = [o]${x}${x}{1 = q}", {"x": {"0": "p"}, "a": ["o", "p", "p", "q"]}),
        (
            "x { k { p = 1 } }\ny { k = 5 }\nz { k { q = 2 } }\na = ${x}\na = ${y}\na = ${z}",
            {"x": {"k": {"p": 1}}, "y": {"k": 5}, "z": {"k": {"q": 2}}, "a": {"k": {"q": 2}}},
        ),
    ],
)
def test_meaning(text: str, expected: Any, tmp_path: Path) -> None:
    assert values(text, tmp_path) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a {", r"x\.conf:1:4: found the end of the file, expected a key or `}` for the `{` of line 1$"),
        ("\na = [1,\n 2", r"x\.conf:3:3: found the end of the file, expected a comma, .*`]` for the `\[` of line 2$"),
        ("a = {b = 1}}", r"x\.conf:1:12: found `}`, expected a comma, a line break or the end of the file$"),
        (
            "\na = 1 b = 2",
            r"x\.conf:2:9: found `=`, expected a comma, a line break or the end of the file; put a comma",
        ),
        ('a = "x', r'x\.conf:1:5: found a quote that isn\'t closed on its line; expected `"`'),
        ('a = """x\n', r'x\.conf:1:5: found `"""` that is never closed'),
        ('a = "\\d"', r"x\.conf:1:6: found `\\d`, which is no escape; write \\\\ for a backslash"),
        ('a = "\\u12"', r"x\.conf:1:6: found `\\u12`, which is no escape"),
        ('a = "\\ud83d"', r"x\.conf:1:5: found half of a surrogate pair"),
        ('a = "x\ty"', r"x\.conf:1:7: found `\\t` in quotes; write \\t for it"),
        ('a = "\u00a0\x07"', r"x\.conf:1:7: found `\\u0007` in quotes; write \\u0007 for it"),
        ("a = ${x", r"x\.conf:1:5: found `\$\{` that isn't closed on its line; expected `}`"),
        ("a = ${x.}", r"x\.conf:1:5: found `\$\{x\.}`; expected the path of a key"),
        ("a = $x", r"x\.conf:1:5: found `\$` without `{`"),
        ("a..b = 1", r'x\.conf:1:1: found the key `a\.\.b`; expected a name before and after each dot, or "" for an'),
        ("a = host:80", r"x\.conf:1:9: found `:`, expected a comma, .*, or quotes around text that has `:`$"),
        ("\u00a0\u200b= 1 2 =", r"x\.conf:1:9: found `=`, expected a comma"),
        ("a\u200b 1", r"x\.conf:1:5: found the end of the file, expected `=` and a value for the key `a\\u200b 1`$"),
        ("a\u00a0b } = 1", r"x\.conf:1:5: found `}`, expected `=` and a value for the key `a\\u00a0b`$"),
        (
            "a = 1\nb {\n  c { d = 1 } e = 2\n}",
            r"x\.conf:3:15: found `e`, expected a comma, a line break or `}`$",
        ),
        ("a {b = 1} {c = 2}", r"x\.conf:1:11: found `{`, expected a comma, a line break or the end of the file$"),
        ("a {b = 1} ${?c}", r"x\.conf:1:11: found `\$\{\?c}`, expected a comma, a line break or the end of the file$"),
        ("[1, 2]", r"x\.conf:1:1: found `\[`, expected keys with values, as in `key = value`"),
        ("{ a = 1 }\nb = 2", r"x\.conf:2:1: found `b`, expected nothing after the last brace"),
        (
            "include more",
            r'x\.conf:1:9: found `more`, expected the name of a file in quotes, as in include "more\.conf"',
        ),
        ("a = ${b}\nb = ${a}", r"x\.conf:\d:5: \w: \$\{\w\} goes in a circle: it leads to itself"),
        ('a = ${"\x00 b"}', r'x\.conf:1:5: a: \$\{"\\u0000 b"} is set neither in the configuration nor'),
        ("a = ${NOWHERE}", r"x\.conf:1:5: a: \$\{NOWHERE\} is set neither in the configuration nor in the environment"),
        pytest.param(
            "a = 5\na += 1",
            r"x\.conf:2: a: \+= needs a list to append to, found a single value",
            id="a = 5\na += 1-x\\.conf:2: a = 5: \\+= wants a list before it",
        ),
        pytest.param(
            "a = [1] x${?N}",
            r"x\.conf:1: a: can't join a list or an object with something else",
            id="a = [1] x${?N}-x\\.conf:1: a: a list or an object next to something else",
        ),
        ('include "x.conf"', r'x\.conf:1:1: include = "x\.conf": a file can\'t include itself'),
        ('include url("http://h/c")', r"x\.conf:1:1: include url\(…\): expected include"),
    ],
)
def test_error(text: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=problem) as caught:
        values(text, tmp_path)
    assert "\n" not in str(caught.value)


def test_includes_stand_where_they_are_written(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/a.conf").write_text('p = 1\nq = ${p}\ninclude "b.conf"')
    (tmp_path / "sub/b.conf").write_text("list += 2")
    text = 'list = [1]\nx { p = 0\ninclude "sub/a.conf"\n}\ninclude file("sub/b.conf")'
    assert values(text, tmp_path) == {"list": [1, 2], "x": {"p": 1, "q": 1, "list": [2]}}


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "expected the name of a file"),
        ("/", "expected the name of a file"),
        ("\\u0000", "expected the name of a file"),
        ("n" * 300, "can't be read: file name too long"),
        ("folder.conf", "can't be read: is a directory"),
        ("*/x.conf", "a pattern is possible in the last part of the path only"),
        ("a**", "a pattern is possible in the last part of the path only, without **"),
        ("loop.conf", ""),
        ("[x].conf", ""),
    ],
)
def test_a_name_that_can_not_be_included(name: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "folder.conf").mkdir()
    (tmp_path / "loop.conf").symlink_to("loop.conf")
    (tmp_path / "[x].conf").touch()
    if not problem:
        assert values(f'include "{name}"', tmp_path) == {}
        return
    with pytest.raises(ConfigurationError, match="x.conf:1:1: include = .*" + re.escape(problem)):
        values(f'include "{name}"', tmp_path)


def test_a_file_that_links_to_itself_can_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "loop.conf").symlink_to("loop.conf")
    with pytest.raises(ConfigurationError, match=r"loop\.conf: can't be read: too many levels of symbolic links"):
        load([tmp_path / "loop.conf"], environment={})


def test_a_properties_file_is_read_as_such(tmp_path: Path) -> None:
    (tmp_path / "x.properties").write_text(
        "# a comment\n! another\n\na.b = true\na.c=1 # text\\\n   and more\n"
        "d\\ e\\u0021 : x\\ty\ng\na = hidden\r\nh\\=i = \\\\"
    )
    tree = load([tmp_path / "x.properties"], environment={}).tree
    assert tree.values == {"a": {"b": "true", "c": "1 # textand more"}, "d e!": "x\ty", "g": "", "h=i": "\\"}
    assert tree.origins["a", "c"].line == 5
    assert tree.origins["g",].line == 8


def test_an_include_can_be_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    for number in (2, 1):
        (tmp_path / f"conf.d/{number}.conf").write_text(f"last = {number}\nall += {number}")
    assert values('include "conf.d/*.conf"', tmp_path) == {"last": 2, "all": [1, 2]}


def test_of_several_files_the_right_one_wins(tmp_path: Path) -> None:
    left, right = tmp_path / "left.conf", tmp_path / "right.conf"
    left.write_text("a { x = 1, y = 1, l = [1] }\nhost = left\nurl = http://${host}/")
    right.write_text("a { y = 2\ny = ${?NOT_SET} }\na.l += 2\nhost = right")
    assert load([left, right], environment={}).tree.values == {
        "a": {"x": 1, "y": 2, "l": [1, 2]},
        "host": "right",
        "url": "http://right/",
    }


def test_overrides_come_last(tmp_path: Path) -> None:
    file = tmp_path / "x.conf"
    file.write_text("a = 1\na = ${?N}\nb = [1]\nc { d = ${a} }")
    overrides = ["a=2", "b=[x, y]", 'c.e="q = r"', "f.g=it's plain, text", "h="]
    assert load([file], overrides, environment={"N": "3"}).tree.values == {
        "a": "2",
        "b": ["x", "y"],
        "c": {"d": "2", "e": "q = r"},
        "f": {"g": "it's plain, text"},
        "h": "",
    }


def test_overrides_of_a_test_are_plain_values() -> None:
    tree = load([], {"a.b": 1, "a.c": [1, {"d": 2}], "e": {"f": None}}, environment={}).tree
    assert tree.values == {"a": {"b": 1, "c": [1, {"d": 2}]}, "e": {"f": None}}
