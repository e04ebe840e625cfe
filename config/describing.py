"""Every setting with its value, as the server understands it, and where it came from, without secrets."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from config.errors import Origin
from config.hocon import split
from config.schema import key_of
from config.secrets import MASK, is_secret, masked, without_secrets
from config.settings import Settings

SHORTEST = 6
"""Characters that a secret has at least to be looked for in other texts."""
DEFAULT = "default"
Show = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Value:
    """A setting: its plain value, without secrets, and in words where it came from."""

    value: Any
    origin: str


@dataclass(slots=True)
class Group:
    """Settings by their keys."""

    members: dict[str, Group | Value] = field(default_factory=dict)

    def find(self, path: tuple[str, ...]) -> Group | Value | None:
        """What is at `path`, if anything is."""
        node: Group | Value | None = self
        for key in path:
            node = node.members.get(key) if isinstance(node, Group) else None
        return node

    def paths(self, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
        """The path of each setting and each group below this one."""
        for key, member in self.members.items():
            yield (*prefix, key)
            if isinstance(member, Group):
                yield from member.paths((*prefix, key))


def described(settings: Settings, groups: Mapping[str, type[Any]], environment: Mapping[str, str] = {}) -> Group:
    """Every setting. `groups` are those that modules have asked for: by path, the dataclass that says what they are.

    What is the value of a secret, in the settings or in `environment`, isn't shown elsewhere either: `${db.password}`
    may be a part of any text.
    """
    describing = _Describing(settings)
    root = Group()
    _put(root, ("app",), describing.dataclass(settings.app, ("app",), without_secrets))
    for name, kind in groups.items():
        path = split(name)
        _put(root, path, describing.dataclass(settings.group(name, kind), path, without_secrets))
    describing.add_rest(root, settings.tree.values)
    secrets = describing.secrets | {value for name, value in environment.items() if is_secret(name)}
    _hide(root, [secret for secret in secrets if len(secret) >= SHORTEST])
    return root


class _Describing:
    """Describes settings. `show` is what is shown of a value: `masked`, `without_secrets` or `_as_it_is`."""

    def __init__(self, settings: Settings) -> None:
        self.tree = settings.tree
        self.files = ", ".join(str(file) for file in settings.files)
        self.secrets: set[str] = set()
        """The texts that are masked."""

    def dataclass(self, instance: Any, path: tuple[str, ...], show: Show) -> Group:
        """The settings of a dataclass, as they are understood: a number from the environment is no text here."""
        group = Group()
        for one in dataclasses.fields(instance):
            key, value = key_of(one.name), getattr(instance, one.name)
            here, secret = (*path, key), one.metadata.get("secret")
            showing = (masked if secret else _as_it_is) if secret is not None else _below(key, show)
            if dataclasses.is_dataclass(value):
                group.members[key] = self.dataclass(value, here, showing)
            elif (written := self._written(here)) is None:
                group.members[key] = self._value(plain(value), DEFAULT, showing)
            else:
                group.members[key] = self.plain(plain(value, written), here, showing)
        return group

    def plain(self, node: Any, path: tuple[str, ...], show: Show) -> Group | Value:
        """Settings that no dataclass describes."""
        if isinstance(node, dict) and (node or not path):
            return Group({key: self.plain(child, (*path, key), _below(key, show)) for key, child in node.items()})
        origin = self.tree.origins.get(path) or self.tree.origin(path)
        if origin and is_secret(origin.variable) and show is not _as_it_is:
            show = masked
        return self._value(node, _words(origin) if origin else self.files, show)

    def add_rest(self, group: Group, node: Mapping[str, Any], path: tuple[str, ...] = ()) -> None:
        """Add to `group`, which is at `path`, what is in `node` and not described yet."""
        for key, child in node.items():
            known = group.members.get(key)
            if known is None:
                show = masked if any(map(is_secret, (*path, key))) else without_secrets
                group.members[key] = self.plain(child, (*path, key), show)
            elif isinstance(known, Group) and isinstance(child, dict):
                self.add_rest(known, child, (*path, key))

    def _value(self, value: Any, origin: str, show: Show) -> Value:
        if show is masked:
            self.secrets |= set(_texts(value))
        return Value(show(value), origin)

    def _written(self, path: tuple[str, ...]) -> Any:
        """The value at `path` as it was written, or None if it isn't set."""
        node: Any = self.tree.values
        for key in path:
            node = node.get(key) if isinstance(node, dict) else None
        return node


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for child in value.values() if isinstance(value, dict) else value:
            yield from _texts(child)


def _hide(group: Group, secrets: Sequence[str]) -> None:
    """Mask the texts `secrets` wherever they are a part of another one."""
    for key, member in group.members.items():
        if isinstance(member, Group):
            _hide(member, secrets)
        elif any(secret in text for text in _texts(member.value) for secret in secrets):
            group.members[key] = Value(_replaced(member.value, secrets), member.origin)


def _replaced(value: Any, secrets: Sequence[str]) -> Any:
    if isinstance(value, dict):
        return {key: _replaced(child, secrets) for key, child in value.items()}
    if isinstance(value, list):
        return [_replaced(child, secrets) for child in value]
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, MASK)
    return value


def _as_it_is(value: Any) -> Any:
    return value


def _below(key: str, show: Show) -> Show:
    """What is shown of the value at `key` in a group of which `show` is shown."""
    return masked if show is without_secrets and is_secret(key) else show


def plain(value: Any, written: Any = None) -> Any:
    """A value of a settings dataclass as text, number, bool, None, list or dict. `written` is what it was read from."""
    if dataclasses.is_dataclass(value):
        return {key_of(one.name): plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if hasattr(value, "written"):
        return value.written()
    if isinstance(value, dict):
        return {str(key): plain(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 1e15 else float(value)
    return str(value) if isinstance(value, str) or written is None else written


def _put(root: Group, path: tuple[str, ...], group: Group) -> None:
    """Put `group` at `path`. What is there already, from another module, stays beside it."""
    for key in path:
        member = root.members.get(key)
        if not isinstance(member, Group):
            member = root.members[key] = Group()
        root = member
    root.members |= group.members


def _words(origin: Origin) -> str:
    place = " ".join(str(origin).split())
    if origin.is_flag:
        place = f"flag {place}"
    return ", ".join(filter(None, (origin.variable and f"environment variable {origin.variable}", place))) or DEFAULT
