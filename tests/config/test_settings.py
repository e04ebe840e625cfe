from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import pytest

import config.schema
from config import App, ConfigurationError, Duration, Settings, Size, find, load, shipped
from tests.clients import ROOT


def read(text: str, tmp_path: Path, *overrides: str, **environment: str) -> Settings:
    file = tmp_path / "my.conf"
    file.write_text(text, encoding="utf-8")
    return load([file], overrides, environment=environment)


def test_the_shipped_file_holds_every_setting_with_its_default() -> None:
    settings = load([shipped("application.conf")], environment={})
    assert settings.app == App()
    written = {".".join(path) for path in settings.tree.origins if path[0] == "app"}
    assert written == set(config.schema.keys(App, ("app",)))


def test_settings_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        load([], environment={}).app.modules = ()  # type: ignore[misc]


def test_port_comes_from_the_environment_only_through_a_substitution(tmp_path: Path) -> None:
    assert load([shipped("application.conf")], environment={"PORT": "9", "HOST": "::1"}).app.deployment.port == 9
    assert read("app.deployment.port = 7", tmp_path, PORT="9").app.deployment.port == 7


def test_hosts_are_a_list_or_a_text_with_commas(tmp_path: Path) -> None:
    def hosts(text: str, **environment: str) -> tuple[str, ...]:
        return read(f"app.deployment.host = {text}", tmp_path, **environment).app.deployment.host

    assert hosts("127.0.0.1") == hosts("[127.0.0.1]") == ("127.0.0.1",)
    assert hosts('["127.0.0.1", "::1"]') == hosts('"127.0.0.1, ::1"') == ("127.0.0.1", "::1")
    assert hosts("${HOST}", HOST="127.0.0.1,::1") == ("127.0.0.1", "::1")
    for wrong in ("[]", '""', '"a,,b"', "[[a]]", "{ a = 1 }"):
        with pytest.raises(ConfigurationError, match="expected an address such as"):
            hosts(wrong)


def test_an_empty_host_port_or_store_in_the_environment_counts_as_not_set(tmp_path: Path) -> None:
    shipped_file = shipped("application.conf")
    empty = load([shipped_file], environment={"HOST": "", "PORT": "", "CHAT_STORE": ""})
    assert empty.app == App()
    assert empty.property("chat.store") == "chat.db"


def test_an_empty_variable_is_a_value_elsewhere(tmp_path: Path) -> None:
    settings = read("chat.room = lobby, chat.room = ${?ROOM}, a.b = ${PORT}", tmp_path, ROOM="", PORT="")
    assert settings.property("chat.room") == ""
    assert settings.property("a.b") == ""


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("15s", 15),
        ("500ms", 0.5),
        ("2m", 120),
        ("1 hour", 3600),
        ("1.5 seconds", 1.5),
        ("1e3", 1),
        ('"+.5 s"', 0.5),
        ("3 weeks", 3 * 7 * 86400),
        *((f"7{unit}", 7 * 86400) for unit in ("d", " day", "days")),
        *((f"7{unit}", 7 * 3600) for unit in ("h", " hour", "hours")),
        *((f"7{unit}", 420) for unit in ("m", " minute", "minutes")),
        *((f"7{unit}", 7) for unit in ("s", " second", "seconds")),
        *((f"700{unit}", 0.7) for unit in ("ms", " milli", "millis", "millisecond", "milliseconds")),
        *((f"700000{unit}", 0.7) for unit in ("us", " micro", "micros", "microsecond", "microseconds")),
        *((f"700000000{unit}", 0.7) for unit in ("ns", " nano", "nanos", "nanosecond", "nanoseconds")),
        ("1500", 1.5),
        ("0", 0),
        ('"3s"', 3),
    ],
)
def test_duration(written: str, seconds: float, tmp_path: Path) -> None:
    settings = read(f"app.websockets.ping-period = {written}", tmp_path)
    assert settings.app.websockets.ping_period == seconds
    assert read(f"d = {written}", tmp_path).group("", Holder).d == seconds


@dataclasses.dataclass(frozen=True)
class Holder:
    d: Duration


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("64KiB", 65536),
        ("64K", 65536),
        ("64k", 65536),
        ("64 kB", 64000),
        ("1m", 1 << 20),
        ("2MiB", 2 << 20),
        ("65536", 65536),
        ("0.5 KiB", 512),
        ("512B", 512),
        ("512 b", 512),
        ("512 byte", 512),
        ("512bytes", 512),
        ("0.6001KiB", 614),
        *((f"3{unit}", 3 << 10) for unit in ("k", "K", "Ki", "KiB", " kibibyte", "kibibytes")),
        *((f"3{unit}", 3000) for unit in ("kB", " kilobyte", "kilobytes")),
        *((f"3{unit}", 3 << 20) for unit in ("m", "M", "Mi", "MiB", " mebibyte", "mebibytes")),
        *((f"3{unit}", 3 * 10**6) for unit in ("MB", " megabyte", "megabytes")),
        *((f"3{unit}", 3 << 30) for unit in ("g", "G", "Gi", "GiB", "gibibyte", "gibibytes")),
        *((f"3{unit}", 3 * 10**9) for unit in ("GB", "gigabyte", "gigabytes")),
        *((f"3{unit}", 3 << 40) for unit in ("t", "T", "Ti", "TiB", "tebibyte", "tebibytes")),
        *((f"3{unit}", 3 * 10**12) for unit in ("TB", "terabyte", "terabytes")),
        *((f"3{unit}", 3 << 50) for unit in ("p", "P", "Pi", "PiB", "pebibyte", "pebibytes")),
        *((f"3{unit}", 3 * 10**15) for unit in ("PB", "petabyte", "petabytes")),
        *((f"3{unit}", 3 << 60) for unit in ("e", "E", "Ei", "EiB", "exbibyte", "exbibytes")),
        *((f"3{unit}", 3 * 10**18) for unit in ("EB", "exabyte", "exabytes")),
        *((f"0.003{unit}", (3 << 70) // 1000) for unit in ("z", "Z", "Zi", "ZiB", "zebibyte", "zebibytes")),
        *((f"0.003{unit}", 3 * 10**18) for unit in ("ZB", "zettabyte", "zettabytes")),
        *((f"0.000003{unit}", (3 << 80) // 10**6) for unit in ("y", "Y", "Yi", "YiB", "yobibyte", "yobibytes")),
        *((f"0.000003{unit}", 3 * 10**18) for unit in ("YB", "yottabyte", "yottabytes")),
    ],
)
def test_size(written: str, size: int, tmp_path: Path) -> None:
    assert read(f"app.websockets.max-frame-size = {written}", tmp_path).app.websockets.max_frame_size == size


@pytest.mark.parametrize(
    ("written", "value"),
    [("true", True), ("yes", True), ("on", True), ("false", False), ("no", False), ("off", False), ('"true"', True)],
)
def test_boolean(written: str, value: bool, tmp_path: Path) -> None:
    assert read(f"app.deployment.reload = {written}", tmp_path).app.deployment.reload is value


def test_an_object_with_numbers_as_keys_is_a_list_where_one_is_expected(tmp_path: Path) -> None:
    settings = read(
        'app { deployment.host { "1" = "::1", "0" = 127.0.0.1 }, modules { 10 = b.c, 2 = a.b, x = y } }', tmp_path
    )
    assert settings.app.deployment.host == ("127.0.0.1", "::1")
    assert settings.app.modules == ("a.b", "b.c")
    assert read("", tmp_path, "app.modules.0=a.b").app.modules == ("a.b",)
    with pytest.raises(ConfigurationError, match=r"app\.modules = \{\"x\": 1\}: expected a list"):
        read("app.modules = { x = 1 }", tmp_path)


def test_a_list_in_the_environment_has_numbered_variables(tmp_path: Path) -> None:
    text = "app.websockets.origins = ${?ORIGINS[]}"
    settings = read(text, tmp_path, ORIGINS_0="https://a.example", ORIGINS_1="https://b.example")
    assert settings.app.websockets.origins == ("https://a.example", "https://b.example")


def test_a_list_in_the_environment_has_commas(tmp_path: Path) -> None:
    text = "app.websockets.origins = ${?ORIGINS}"
    settings = read(text, tmp_path, ORIGINS="https://a.example, https://B.example:8443/")
    assert settings.app.websockets.origins == ("https://a.example", "https://b.example:8443")


BAD = [
    ("app.deployment.port = abc", 'app.deployment.port = "abc": expected a port number from 0 to 65535'),
    ('app.deployment.port = ""', 'app.deployment.port = "": expected a port number'),
    ("app.deployment.port = 65536", "app.deployment.port = 65536: expected a port number"),
    ("app.deployment.port = -1", "app.deployment.port = -1: expected a port number"),
    ("app.deployment.port = 08080", "app.deployment.port = 08080: expected a port number"),
    ("app.deployment.port = 80.5", "app.deployment.port = 80.5: expected a port number"),
    ("app.deployment.port = true", "app.deployment.port = true: expected a port number"),
    ("app.deployment.prot = 1", "app.deployment.prot: unknown key; did you mean port?"),
    ("app.deployment.zzz = 1", "app.deployment.zzz: unknown key; expected one of host, port, host-names, root-path"),
    ("app.deployement { port = 1 }", "app.deployement: unknown key; did you mean deployment?"),
    ("app.deployment.shutdown-grace = soon", 'app.deployment.shutdown-grace = "soon": expected a duration such as 15s'),
    ("app.deployment.shutdown-grace = -1s", 'app.deployment.shutdown-grace = "-1s": expected a duration'),
    ("app.websockets.ping-period = 15", "app.websockets.ping-period = 15: expected 0 for never, or at least 100ms"),
    ("app.deployment.shutdown-grace = 300y", 'app.deployment.shutdown-grace = "300y": expected a duration'),
    ("app.deployment.shutdown-grace = 1e99d", 'app.deployment.shutdown-grace = "1e99d": expected a duration'),
    ("app.websockets.max-frame-size = 8EiB", 'max-frame-size = "8EiB": expected a size such as 64KiB'),
    ("app.websockets.max-frame-size = 64QiB", 'max-frame-size = "64QiB": expected a size such as 64KiB'),
    ("app.websockets.max-frame-size = 1", "max-frame-size = 1: expected at least 125 bytes"),
    ("app.websockets.masking = true", "masking = true: expected false: RFC 6455, section 5.1"),
    ('app.deployment.host-names = ["https://chat.example.com"]', "expected a name such as chat.example.com"),
    ('app.deployment.host-names = ["chat.example.com:80"]', "without a scheme or a port"),
    ("app.websockets.origins = [chat.example.com]", 'origins = "chat.example.com": expected an origin such as'),
    ("app.websockets.origins = x", 'origins = "x": expected a list, in brackets'),
    ("app.deployment.reload = maybe", 'reload = "maybe": expected true or false'),
    ("app.deployment.root-path = team", 'root-path = "team": expected a path such as "/team"'),
    (
        "app.deployment.tls.certificate = a.pem",
        "app.deployment.tls.key: missing: a certificate and its key go together",
    ),
    ("app.modules = []", "app.modules = []: expected at least one module"),
    ("app.modules = [[x]]", "expected text, in quotes"),
    ("app = 5", "app = 5: expected a group of keys, in braces"),
]


@pytest.mark.parametrize(("text", "problem"), BAD)
def test_a_wrong_value_is_named_with_its_place_and_what_was_expected(text: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read("# a comment\n" + text, tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}/my.conf:2: app")
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_can_not_be_seen_is_written_as_an_escape(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r'app\.deployment\.port = "9\\u00a00\\u200b": expected a port'):
        read('app.deployment.port = "9\u00a00\u200b"', tmp_path)
    with pytest.raises(ConfigurationError, match=r"my\.conf:1: app\.deployment\\u00a0port: unknown key"):
        read("app { deployment\u00a0port = 1 }", tmp_path)


def test_a_wrong_value_from_the_environment_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r'port = "x" \(from the environment variable PORT\): expected a port'):
        read("app.deployment.port = 1\napp.deployment.port = ${?PORT}", tmp_path, PORT="x")


def test_a_wrong_value_from_a_flag_names_the_flag(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r'^-P:app\.deployment\.port = "x": expected'):
        read("app.deployment.port = 1", tmp_path, "app.deployment.port=x")
    with pytest.raises(ConfigurationError, match=r"^-P:nonsense: expected key=value"):
        read("", tmp_path, "nonsense")


def test_a_wrong_value_from_a_shortcut_names_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r'^-port: app\.deployment\.port = "x": expected'):
        read("app.deployment.port = 1", tmp_path, "-port=x")
    settings = read("app.deployment.port = 1", tmp_path, "app.deployment.port=2", "-port=3", "-host=::1", "-path=/x")
    assert settings.app.deployment.port == 3
    assert settings.overridden("app.deployment.port")
    assert (settings.app.deployment.host, settings.app.deployment.root_path) == (("::1",), "/x")


def test_of_a_long_value_both_ends_are_shown() -> None:
    path = f"/{'folder/' * 20}name.pem"
    with pytest.raises(ConfigurationError, match=r'port = "/folder/[^"]*\.\.\.[^"]*/name\.pem": expected') as caught:
        load([], {"app.deployment.port": path}, environment={})
    assert caught.value.value == path


@pytest.mark.parametrize(
    ("problem", "make"),
    [
        ("none.conf: can't be read: no such file or directory", lambda path: None),
        ("none.conf: can't be read: is a directory", lambda path: path.mkdir()),
        pytest.param(
            "none.conf: found the byte 0xe9 in line 2, expected UTF-8: save the file as UTF-8",
            lambda path: path.write_bytes("a = 1\nb = café".encode("latin-1")),
            id="latin-1",
        ),
    ],
)
def test_a_file_that_can_not_be_read(problem: str, make: Any, tmp_path: Path) -> None:
    make(tmp_path / "none.conf")
    with pytest.raises(ConfigurationError) as caught:
        load([tmp_path / "none.conf"], environment={})
    assert problem in str(caught.value)


@dataclasses.dataclass(frozen=True)
class Nested:
    size: Size = Size(1)
    kind: Literal["a", "b"] = "a"


@dataclasses.dataclass(frozen=True)
class Bot:
    greeting: str
    channels: tuple[str, ...] = ()
    every: Duration | None = None
    weights: dict[str, float] = dataclasses.field(default_factory=dict)
    nested: Nested = Nested()


def test_a_module_reads_its_own_group_typed(tmp_path: Path) -> None:
    text = 'bot { greeting = 007, channels = [a], every = 2s, weights { x = 1, y = "0.5" }, nested { kind = b } }'
    expected = Bot("007", ("a",), Duration(2), {"x": 1.0, "y": 0.5}, Nested(kind="b"))
    assert read(text, tmp_path).group("bot", Bot) == expected
    assert read("bot { greeting = hi, every = null }", tmp_path).group("bot", Bot) == Bot("hi")
    assert read("bot { greeting = 1.10, channels = [true] }", tmp_path).group("bot", Bot) == Bot("1.10", ("true",))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("bot { }", "bot.greeting: missing, and it has no default"),
        ("bot { greting = x }", "my.conf:1: bot.greting: unknown key; did you mean greeting?"),
        ("bot { greeting = [1.10] }", "bot.greeting = [1.1]: expected text, in quotes"),
        ("bot { greeting = x, nested { kind = c } }", 'bot.nested.kind = "c": expected a or b'),
        ("bot { greeting = x, weights { x = much } }", 'bot.weights.x = "much": expected a number'),
        ("bot { greeting = x, weights = 1 }", "bot.weights = 1: expected an object, in braces"),
    ],
)
def test_a_wrong_group(text: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(text, tmp_path).group("bot", Bot)
    assert problem in str(caught.value)


def test_a_module_reads_a_property_by_path(tmp_path: Path) -> None:
    settings = read("bot { a = [1], b { c = x } }", tmp_path)
    assert settings.property("bot.a") == [1]
    assert settings.property("bot.b") == {"c": "x"}
    assert settings.property_or_none("bot.b.d") is None
    assert settings.property_or_none("bot.b.c.d") is None
    with pytest.raises(ConfigurationError, match=r"my\.conf: bot\.z: missing, and it has no default"):
        settings.property("bot.z")


def test_a_module_reads_a_whole_group(tmp_path: Path) -> None:
    settings = read('bot { most = 6, on = yes, "a.b" = 1.5, names = [x, { y = 2 }], deep { name = ann } }', tmp_path)
    bot = settings.property("bot")
    values = {"most": 6, "on": "yes", "a.b": 1.5, "names": ["x", {"y": 2}], "deep": {"name": "ann"}}
    assert bot == values
    assert json.loads(json.dumps(bot)) == values
    assert ({**bot}, list(bot), list(bot.values())) == (values, list(values), list(values.values()))
    assert (bot["a.b"], bot.get("none"), bot.get("none", 3), "a.b" in bot, "none" in bot) == (1.5, None, 3, True, False)
    assert (bot.get_int("most"), bot.get_bool("on"), bot.get_float("a.b"), bot.get_int("none", 4)) == (6, True, 1.5, 4)
    assert (bot.get_config("deep").get_string("name"), bot.get_list("names")[1].get_int("y")) == ("ann", 2)
    with pytest.raises(ConfigurationError, match=r"bot\.deep\.none: missing"):
        bot.get_config("deep").get_string("none")


def test_reading_a_configuration_does_not_load_what_only_groups_need() -> None:
    loaded = {}
    for end in (".property_or_none('no.group')", ".property('app')"):
        script = f"import sys, config; config.load([config.shipped('application.conf')]){end}; print(*sys.modules)"
        done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
        loaded[end] = {"pyhocon", "pyparsing"} & set(done.stdout.split())
    assert list(loaded.values()) == [set(), {"pyhocon", "pyparsing"}]


def test_the_file_is_found(tmp_path: Path) -> None:
    assert find({}, tmp_path) == shipped("application.conf")
    (tmp_path / "application.conf").touch()
    assert find({}, tmp_path) == tmp_path / "application.conf"
    assert find({"APP_CONFIG": "other.conf"}, tmp_path) == Path("other.conf")
    assert find({"APP_CONFIG": ""}, tmp_path) == tmp_path / "application.conf"


@pytest.mark.parametrize("suffix", ["yaml", "yml"])
def test_yaml_is_refused_by_name(suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"application.{suffix}"
    file.write_text("ktor:\n  deployment:\n    port: 8080\n")
    told = "Natter reads HOCON, JSON and .properties, not YAML (see docs/from-ktor.md): write the settings in"
    with pytest.raises(ConfigurationError) as caught:
        find({}, tmp_path)
    assert str(caught.value).startswith(f"application.{suffix}: {told} application.conf, or name another")
    for name in (f"application.{suffix}", f"missing.{suffix}", f"X.{suffix.upper()}"):
        with pytest.raises(ConfigurationError) as caught:
            load([tmp_path / name], environment={})
        assert str(caught.value) == f"{tmp_path}/{name}: {told} a file that ends in .conf"
    (tmp_path / "application.conf").touch()
    assert find({}, tmp_path) == tmp_path / "application.conf"


def test_json_is_read(tmp_path: Path) -> None:
    (tmp_path / "my.json").write_text('{"app": {"deployment": {"port": 1, "root-path": "/x"}}, "a": ["1", null, true]}')
    settings = load([tmp_path / "my.json"], environment={})
    assert settings.app.deployment.port == 1
    assert settings.property("a") == ["1", None, True]
