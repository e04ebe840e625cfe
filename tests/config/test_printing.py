"""Settings as HOCON: it reads back to the same settings, and says where each value came from."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings, strategies

from config import App, Duration, Port, Settings, Size, load, shipped
from config.describing import described
from config.printing import document
from config.schema import keys
from config.secrets import without_secrets


class Colour(str):
    """A value type of a module's own, which says nothing about how it is written."""

    expected = "a colour"

    @classmethod
    def parse(cls, value: Any) -> Colour:
        return cls(str(value).lower())


class Point:
    """A value type that isn't a text or a number."""

    expected = "a point such as 1x2"

    def __init__(self, x: int, y: int) -> None:
        self.x, self.y = x, y

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and (self.x, self.y) == (other.x, other.y)

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def parse(cls, value: str) -> Point:
        x, _, y = value.partition("x")
        return cls(int(x), int(y))


@dataclass(frozen=True)
class Part:
    size: Size = Size(1536)
    kind: Literal["a", "b"] = "a"


@dataclass(frozen=True)
class Bot:
    greeting: str = "hi"
    every: Duration | None = None
    pause: Duration = Duration(0.25)
    weights: dict[str, float] = field(default_factory=dict)
    rooms: tuple[str, ...] = ("lobby",)
    parts: tuple[Part, ...] = ()
    part: Part = Part()
    colour: Colour = field(default_factory=lambda: Colour("red"))
    point: Point | None = None
    port: Port = field(default=Port(0))
    loud: bool = True


def read(text: str, folder: Path, *overrides: str, **environment: str) -> Settings:
    (folder / "my.conf").write_text(text, encoding="utf-8")
    return load([folder / "my.conf"], overrides, environment=environment)


def printed(settings: Settings, path: str = "", *, origins: bool = False) -> str:
    root = described(settings, {"bot": Bot})
    split = tuple(path.split(".")) if path else ()
    found = root.find(split)
    assert found
    return document(found, split, origins=origins)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "app.deployment { port = 0, host = \"127.0.0.1, ::1\" }, app.websockets.origins = [\"https://a.example\"]",
        "app.websockets { ping-period = 1500, max-frame-size = 100000, timeout = 1.5 seconds, frames = 0.5 }",
        "bot { every = 2h, pause = 1ns, weights { x = 1, \"y.z\" = 0.5, \"include\" = 2 }, rooms = [], loud = off }",
        "bot { parts = [{ size = 1K }, { kind = b }], part { kind = b }, colour = BLUE, point = 1x2 }",
        'bot.greeting = "tab\\t, quote \\", backslash \\\\, ü, \\u0085\\u00a0\\u2028\\u007f, ${x} # no comment\\nline"',
        'bot.greeting = "", bot.rooms = ["a", "", "${?x}", " b "], bot.every = null',
        f"bot.rooms = [{', '.join(f'room-{number}' for number in range(50))}]",
        'other { a = [1, [2, {b = 3}]], "c.d" = { e = null }, f = 1.5, g = true, h = "007", i {} }',
        "x = 5, y = [1], z = abc",
    ],
)  # fmt: skip
def test_what_is_printed_reads_back(text: str, tmp_path: Path) -> None:
    settings = read(text, tmp_path)
    for origins in (False, True):
        (tmp_path / "printed").mkdir(exist_ok=True)
        again = read(printed(settings, origins=origins), tmp_path / "printed")
        assert again.app == settings.app
        assert again.group("bot", Bot) == settings.group("bot", Bot)
        for name in settings.tree.values.keys() - {"app", "bot"}:
            assert again.tree.values[name] == settings.tree.values[name]


def test_it_has_every_setting_with_its_default(tmp_path: Path) -> None:
    settings = read("", tmp_path)
    text = printed(settings, origins=True)
    written = set(read(text, tmp_path).tree.origins)
    assert {".".join(path) for path in written} >= {*keys(App, ("app",)), *keys(Bot, ("bot",))} - {"bot.weights"}
    assert all(
        line.endswith(("# default", "{", "}")) for line in text.splitlines() if not re.match(r' +("app\.|\])', line)
    )


def test_what_it_prints_is_what_the_shipped_file_says() -> None:
    settings = load([shipped("application.conf")], environment={})
    for key in ('ping-period = "15s"', 'max-frame-size = "64KiB"', 'shutdown-grace = "3s"', "masking = false"):
        assert f"    {key}\n" in printed(settings)


def test_values_are_those_that_the_server_uses(tmp_path: Path) -> None:
    settings = read(
        "app.deployment { port = ${PORT}, host = ${HOST} }\n"
        "app.websockets { ping-period = 90000, max-frame-size = 65536 }",
        tmp_path,
        PORT="9000",
        HOST="127.0.0.1,::1",
    )
    assert printed(settings, "app.deployment.port") == "app.deployment.port = 9000\n"
    assert printed(settings, "app.deployment.host") == 'app.deployment.host = ["127.0.0.1", "::1"]\n'
    assert printed(settings, "app.websockets.ping-period") == 'app.websockets.ping-period = "90s"\n'
    assert printed(settings, "app.websockets.max-frame-size") == 'app.websockets.max-frame-size = "64KiB"\n'


def test_each_value_says_where_it_came_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "part.conf").write_text("\nkind = b")
    text = """\
app.deployment.port = 1
app.deployment.port = ${?PORT}
app.websockets.connections = 7
bot {
  greeting = hello
  greeting = ${?GREETING}
  weights { x = 1 }
  weights.y = 2
  part { include "part.conf" }
}
other.a = 1
chat.limits.connections-per-address = 5
"""
    settings = read(text, tmp_path, "bot.loud=false", "other.b=2", PORT="9")
    root = described(settings, {"bot": Bot})
    origins = {
        "app.deployment.port": "environment variable PORT, my.conf:2",
        "app.deployment.reload": "default",
        "app.websockets.connections": "my.conf:3",
        "app.websockets.connections-per-address": "my.conf:12",
        "bot.greeting": "my.conf:5",
        "bot.weights.x": "my.conf:7",
        "bot.weights.y": "my.conf:8",
        "bot.part.kind": "part.conf:2",
        "bot.part.size": "default",
        "bot.loud": "flag -P:bot.loud",
        "bot.rooms": "default",
        "other.a": "my.conf:11",
        "other.b": "flag -P:other.b",
    }
    for path, origin in origins.items():
        value = root.find(tuple(path.split(".")))
        assert getattr(value, "origin", None) == origin, path
    assert root.find(("chat", "limits", "connections-per-address")) is None


def test_an_origin_is_in_the_line_of_its_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = read("app.deployment.port = 1", tmp_path, BOT="x")
    assert printed(settings, "app.deployment.port", origins=True) == "app.deployment.port = 1  # my.conf:1\n"
    assert printed(settings, "app.modules", origins=True).startswith('app.modules = [  # default\n  "app.modules.chat')


def test_the_name_of_a_file_stays_in_its_comment(tmp_path: Path) -> None:
    (tmp_path / "a\nb\u2028c = 1.conf").write_text("app.deployment.port = 1")
    settings = load([tmp_path / "a\nb\u2028c = 1.conf"], environment={})
    line = document(described(settings, {}).find(("app", "deployment", "port")), ("x",), origins=True)  # type: ignore[arg-type]
    assert line == f"x = 1  # {tmp_path}/a b\\u2028c = 1.conf:1\n".replace("\\u2028", " ")


@dataclass(frozen=True)
class Guarded:
    token: str = "abc"
    plain: str = field(default="abc", metadata={"secret": True})
    key: str = field(default="a.pem", metadata={"secret": False})
    secrets: Part = Part()
    address: str = ""
    words: tuple[str, ...] = ()
    empty_password: str = ""


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    text = """\
guarded { address = "https://ann:hunter2@chat.example/", words = [${DB_PASSWORD}, "to "${other.users.ann.password}] }
other { users { ann { password = swordfish } }, tokens = [hunter2], login = ${?API_TOKEN}, pin = 123456, password = "" }
"""
    flags = ("app.deployment.tls.key=key.pem", "app.deployment.tls.certificate=c.pem")
    environment = {"DB_PASSWORD": "correct horse", "API_TOKEN": "hunter2"}
    settings = read(text, tmp_path, *flags, **environment)
    shown = document(described(settings, {"guarded": Guarded}, environment))
    assert not re.search("hunter2|swordfish|correct horse|abc|123456", shown)
    lines = [
        'key = "a.pem"', 'key = "key.pem"', 'empty-password = ""', 'password = ""', '"https://***@chat.example/"',
        'words = ["***", "to ***"]', 'token = "***"', 'plain = "***"', 'size = "***"', 'kind = "***"',
        'tokens = ["***"]', 'login = "***"', 'pin = "***"',
    ]  # fmt: skip
    assert [line for line in lines if line not in shown] == []


def test_a_short_secret_hides_no_other_value(tmp_path: Path) -> None:
    settings = read("bot { greeting = hello }, other.password = hell", tmp_path)
    shown = document(described(settings, {"bot": Bot}, {"USE_TOKEN": "lobby", "MAX_TOKENS": "0"}))
    assert 'greeting = "hello"' in shown
    assert 'rooms = ["lobby"]' in shown
    assert "port = 8080" in shown


TEXTS = strategies.text(
    strategies.sampled_from("ab0 .-_${}[]=:+#\"'\\/\n\t,?\x00\x1b\x7f\x85\xa0ü😀\u2028\ufeff")
    | strategies.characters(exclude_categories=["Cs"]),
    max_size=8,
)
SCALARS = strategies.none() | strategies.booleans() | strategies.integers(-(2**63), 2**63 - 1) | TEXTS
VALUES = strategies.recursive(
    SCALARS | strategies.floats(allow_nan=False, allow_infinity=False),
    lambda inner: strategies.lists(inner, max_size=4) | strategies.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(value=VALUES, origins=strategies.booleans())
def test_any_values_read_back(folder: Path, value: Any, *, origins: bool) -> None:
    """Whatever the texts and keys have in them."""
    written = load([], {"root": value}, environment={})
    (folder / "my.conf").write_text(document(described(written, {}), origins=origins), encoding="utf-8")
    read_back = load([folder / "my.conf"], environment={})
    assert read_back.property_or_none("root") == without_secrets(written.property_or_none("root"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("printed")
