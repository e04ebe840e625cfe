"""The settings of the application, typed and frozen. `application.conf` explains each of them.

`load` reads files, overrides and the environment into Settings. A module reads its own group with `Settings.group`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any, TypeVar

from config.errors import FLAG, OVERRIDES, SHORTCUTS, ConfigurationError, Origin, suggestion
from config.former_names import with_former_names
from config.hocon import Reader, Tree, split
from config.schema import build, keys
from config.value_types import Duration, HostName, Hosts, Port, RootPath, Size, Unmasked
from config.value_types import Origin as WebOrigin

T = TypeVar("T")

FORMER_NAMES: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("chat", "limits", "connections"): ("app", "websockets", "connections"),
    ("chat", "limits", "connections-per-address"): ("app", "websockets", "connections-per-address"),
}
"""Settings that are still read under a former name."""
YAML = (".yaml", ".yml")
NOT_YAML = "Natter reads HOCON, JSON and .properties, not YAML (see docs/from-ktor.md): write the settings in"
EMPTY_IS_UNSET = frozenset({("app", "deployment", "host"), ("app", "deployment", "port"), ("chat", "store")})
"""Settings for which an environment variable that is empty counts as not set."""

DEFAULT_MODULES = (
    "app.modules.chat.module",
    "app.modules.echo.module",
    "app.modules.health.module",
    "app.modules.web.module",
)


def _at_least_100ms(value: Duration) -> str | None:
    return (
        None
        if not value or value >= 0.1
        else "0 for never, or at least 100ms (a number without a unit is milliseconds)"
    )


def _not_empty(value: tuple[str, ...]) -> str | None:
    return None if value else "at least one module, such as app.modules.chat.module"


def _at_least_125_bytes(value: Size) -> str | None:
    return None if value >= 125 else "at least 125 bytes, such as 64KiB"


def _not_negative(value: float) -> str | None:
    return None if value >= 0 else "0 for no limit, or more"


def _networks(values: tuple[str, ...]) -> str | None:
    for value in values:
        try:
            if value != "unix":
                ip_network(value)
        except ValueError:
            return "addresses such as 10.0.0.5, networks such as 10.0.0.0/8, or unix"
    return None


@dataclass(frozen=True, slots=True)
class Tls:
    """Paths of PEM files: both or none."""

    certificate: str = ""
    key: str = field(default="", metadata={"secret": False})


@dataclass(frozen=True, slots=True)
class Deployment:
    """How the server listens, and how it stops."""

    host: Hosts = Hosts(("0.0.0.0", "::"))  # noqa: S104  (a server in a container must be reachable from outside)
    port: Port = Port(8080)
    host_names: tuple[HostName, ...] = ()
    root_path: RootPath = RootPath("")
    shutdown_grace: Duration = Duration(3)
    reload: bool = False
    requests_per_address: float = field(default=50.0, metadata={"check": _not_negative})
    trusted_proxies: tuple[str, ...] = field(default=(), metadata={"check": _networks})
    tls: Tls = Tls()


@dataclass(frozen=True, slots=True)
class WebSockets:
    """Settings of every WebSocket route."""

    ping_period: Duration = field(default=Duration(15), metadata={"check": _at_least_100ms})
    timeout: Duration = field(default=Duration(15), metadata={"check": _at_least_100ms})
    deflate: bool = False
    max_frame_size: Size = field(default=Size(64 * 1024), metadata={"check": _at_least_125_bytes})
    connections: int = field(default=10_000, metadata={"check": _not_negative})
    connections_per_address: int = field(default=100, metadata={"check": _not_negative})
    frames: float = field(default=100.0, metadata={"check": _not_negative})
    masking: Unmasked = Unmasked(0)
    origins: tuple[WebOrigin, ...] = ()


@dataclass(frozen=True, slots=True)
class App:
    """The group `app`."""

    deployment: Deployment = Deployment()
    modules: tuple[str, ...] = field(default=DEFAULT_MODULES, metadata={"check": _not_empty})
    websockets: WebSockets = WebSockets()


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration: the group `app`, the values of all other groups, and the files they came from."""

    app: App
    tree: Tree
    files: tuple[Path, ...] = ()

    def group(self, name: str, type_: type[T]) -> T:
        """The top-level group `name` as a frozen dataclass `type_` (see `config.schema`).

        A group that isn't configured gets the dataclass's defaults. ConfigurationError for an unknown key, a wrong
        value, or a missing key that has no default.
        """
        return build(type_, self.tree, split(name))

    def property(self, path: str) -> Any:
        """The value at `path`, such as `chat.room`, as written: text, number, bool, list, or a group, which is a dict
        with typed getters (`config.groups`). ConfigurationError if it isn't set."""
        found = self.property_or_none(path)
        if found is None:
            place = ", ".join(file.name for file in self.files)
            origin = Origin(place) if place else None
            raise ConfigurationError("missing, and it has no default", origin=origin, key=path)
        return found

    def property_or_none(self, path: str) -> Any:
        """The value at `path`, or None if it isn't set."""
        node: Any = self.tree.values
        for key in split(path):
            node = node.get(key) if isinstance(node, dict) else None
        if not isinstance(node, dict):
            return node
        from config.groups import Group

        return Group(node, split(path))

    def overridden(self, path: str) -> bool:
        """Whether an override set the value at `path`, rather than a file."""
        origin = self.tree.origins.get(split(path))
        return origin is not None and origin.is_override

    def unread_groups(self, read: Iterable[str]) -> tuple[str, ...]:
        """Return the top-level groups that no module asked for. `read` are those that modules did ask for.

        ConfigurationError for a name that looks like a misspelling of a known one.
        """
        known = {"app", *read}
        unread = []
        for name, value in self.tree.values.items():
            if name in known:
                continue
            if near := suggestion(name, known) or _misplaced(name):
                raise ConfigurationError(f"unknown key{near}", origin=self.tree.origin((name,)), key=name)
            if isinstance(value, dict):
                unread.append(name)
        return tuple(unread)


def load(
    files: Sequence[Path] = (),
    overrides: Mapping[str, Any] | Sequence[str] = (),
    *,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Load the settings from `files`, in which later ones override earlier ones, and from `overrides`, which override
    the files: texts such as `key=value` and `-port=9090`, or a mapping of paths to plain values.

    `${NAME}` is looked up in `environment`, by default that of the process. ConfigurationError for any problem.
    """
    reader = Reader(os.environ if environment is None else environment, ignores=_empty_is_unset)
    for file in files:
        _refuse_yaml(file, _name(file))
        reader.file(file, _name(file))
    if isinstance(overrides, Mapping):
        for path, value in overrides.items():
            reader.value(split(path), value, OVERRIDES)
    else:
        for override in overrides:
            _override(reader, override)
    tree = with_former_names(reader.finish(), FORMER_NAMES)
    if "ktor" in tree.values:
        from config.ktor_hints import refusal  # here, since few files need it

        raise refusal(tree)
    app = _app(tree)
    tls = app.deployment.tls
    if bool(tls.certificate) != bool(tls.key):
        given, missing = ("certificate", "key") if tls.certificate else ("key", "certificate")
        problem = "missing: a certificate and its key go together"
        origin = tree.origin(("app", "deployment", "tls", given))
        raise ConfigurationError(problem, origin=origin, key=f"app.deployment.tls.{missing}")
    return Settings(app, tree, tuple(files))


def _app(tree: Tree) -> App:
    try:
        return build(App, tree, ("app",))
    except ConfigurationError as error:
        from config.ktor_hints import with_renamed

        raise with_renamed(error, tree, keys(App, ("app",))) from None


def find(environment: Mapping[str, str], directory: Path) -> Path:
    """The file to load if none is named: `$APP_CONFIG`, or `application.conf` in `directory`, or the shipped one.

    ConfigurationError if the configuration in `directory` is in YAML.
    """
    if environment.get("APP_CONFIG"):
        return Path(environment["APP_CONFIG"])
    local = directory / "application.conf"
    if local.is_file():
        return local
    for suffix in YAML:
        if (directory / f"application{suffix}").is_file():
            other = "if this file is for another program, create an empty application.conf"
            problem = f"{NOT_YAML} application.conf, or name another file with -config or APP_CONFIG; {other}"
            raise ConfigurationError(problem, origin=Origin(f"application{suffix}"))
    return shipped("application.conf")


def shipped(name: str) -> Path:
    """The path of a file that ships with Natter: inside this package if installed, at the top level of a checkout."""
    package = Path(__file__).parent
    installed = package / name
    return installed if installed.is_file() else package.parent / name


def _misplaced(name: str) -> str:
    """`; did you mean X?` for the last part of a setting's name."""
    leaves = {path.rpartition(".")[2]: path for path in (*keys(App, ("app",)), "app.deployment", "app.websockets")}
    return f"; did you mean {leaves[name]}?" if name in leaves else ""


def _refuse_yaml(file: Path, name: str) -> None:
    if file.suffix.lower() in YAML:
        raise ConfigurationError(f"{NOT_YAML} a file that ends in .conf", origin=Origin(name))


def _empty_is_unset(key: tuple[str, ...], text: str) -> bool:
    return not text and key in EMPTY_IS_UNSET


def _name(file: Path) -> str:
    """The name of `file` in errors: empty for the one inside Natter, which has the defaults and isn't the user's."""
    try:
        return str(file.resolve().relative_to(Path.cwd()))
    except (ValueError, OSError, RuntimeError):  # outside of it, or a link to itself
        return "" if file == shipped("application.conf") else str(file)


def _override(reader: Reader, override: str) -> None:
    key, separator, value = override.partition("=")
    key, value = key.strip(), value.strip()
    if not separator or not split(key):
        raise ConfigurationError("expected key=value", origin=Origin(f"{FLAG}{override}"))
    place, key = (key, SHORTCUTS[key]) if key in SHORTCUTS else (f"{FLAG}{key}", key)
    if value[:1] in ("[", "{", '"'):
        reader.text(f"{key} = {value}", place)
    else:
        reader.value(split(key), value, place)
