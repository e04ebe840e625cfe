"""`.properties` files, read by Java's rules. What is expected is what com.typesafe:config 1.4.10 makes of each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from config import ConfigurationError, Duration, Settings, load


def read(text: str, folder: Path) -> Settings:
    (folder / "my.properties").write_bytes(text.encode())
    return load([folder / "my.properties"], environment={"X": "1"})


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        ("a=1\nb = 2\nc:3\nd 4\ne\t=\t5\nf", {"a": "1", "b": "2", "c": "3", "d": "4", "e": "5", "f": ""}),
        ("# no\n ! no\n\n \t\f\na=1 # yes", {"a": "1 # yes"}),
        ("a.b=1\na.c.d=2", {"a": {"b": "1", "c": {"d": "2"}}}),
        ("a.b=1\na=2", {"a": {"b": "1"}}),
        ("a=2\na.b=1", {"a": {"b": "1"}}),
        ("a=1\na=2", {"a": "2"}),
        ("a=one, \\\n   two\nb=3", {"a": "one, two", "b": "3"}),
        ("a=1\\\\\nb=2", {"a": "1\\", "b": "2"}),
        ("a=1\\\n", {"a": "1"}),
        ("a=1\\", {"a": "1"}),
        ("a\\\n  b=1", {"ab": "1"}),
        ("\\\n# no\na=1", {"a": "1"}),
        ("a=\\t\\n\\r\\f\\u00e9\\q\\\\\\=", {"a": "\t\n\r\fé" + "q\\="}),
        ("a\\ b\\=\\:\\#c=1", {"a b=:#c": "1"}),
        ("a==1\nb=:1\nc = = 1", {"a": "=1", "b": ":1", "c": "= 1"}),
        ("a=1 \r\nb=2\t\rc=3", {"a": "1 ", "b": "2\t", "c": "3"}),
        ("a=ü€😀\nü=1", {"a": "ü€😀", "ü": "1"}),
        ('a="1"\nb=${X}\nc=[1]', {"a": '"1"', "b": "${X}", "c": "[1]"}),
        ("a\u00a0b\x0bc=1", {"a\u00a0b\x0bc": "1"}),
        ("a..b=1", {"a": {"": {"b": "1"}}}),
        ("a\\ud83d\\ude00=\\ud83d\\ude00", {"a😀": "😀"}),
    ],
)
def test_it_is_read_as_java_reads_it(text: str, values: dict[str, Any], tmp_path: Path) -> None:
    assert read(text, tmp_path).tree.values == values


def test_settings_are_read_from_it(tmp_path: Path) -> None:
    settings = read("# ours\napp.deployment.port=9000\napp.websockets.ping-period=30s\nchat.room=den", tmp_path)
    assert settings.app.deployment.port == 9000
    assert settings.app.websockets.ping_period == Duration(30)
    assert str(settings.tree.origin(("chat", "room"))) == f"{tmp_path}/my.properties:4"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("\na=1\\\n\napp.deployment.port=many", '4: app.deployment.port = "many": expected a port number'),
        ("a=1\nb=\\u12\n", '2: expected four hexadecimal digits after \\u, found "12"'),
        ("a=\\\n \\u00zz9", '1: expected four hexadecimal digits after \\u, found "00zz"'),
        ("a=1\nb=x\\ud83d", "2: found half of a surrogate pair; write the character itself, or both halves"),
        ("\\u=1", '1: expected four hexadecimal digits after \\u, found ""'),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(text, tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}/my.properties:{problem}")
