"""Turns a group of plain values into typed settings: a frozen dataclass, for `app` as for a module's own group.

The field `ping_period` is the key `ping-period`. A null counts as not set. A field's type is one of
`config.value_types`, bool, int, float or str, a `tuple[X, ...]` of those, `X | None`, `dict[str, X]`, a `Literal` of
texts, or another such dataclass. `metadata={"check": f}` adds a rule: `f(value)` returns None, or what was expected
instead. `metadata={"secret": True}` keeps the value out of `natter config`, and `False` shows it there, whatever its
name is (see `config.secrets`).
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from config.errors import ConfigurationError, suggestion
from config.hocon import Tree
from config.value_types import PLAIN, listed

T = TypeVar("T")


def build(type_: type[T], tree: Tree, path: tuple[str, ...]) -> T:
    """Build a `type_` from the values at `path`. ConfigurationError for an unknown or missing key, or a wrong value."""
    node: Any = tree.values
    for key in path:
        node = node.get(key, {}) if isinstance(node, dict) else node
    return typing.cast(T, _Builder(tree).build(type_, node, path))


def keys(type_: type[Any], prefix: tuple[str, ...] = ()) -> dict[str, Any]:
    """Every key of a settings dataclass as a full path, with its default. For tests and documentation."""
    found: dict[str, Any] = {}
    hints = _hints(type_)
    for field in dataclasses.fields(type_):
        path = (*prefix, key_of(field.name))
        if dataclasses.is_dataclass(hints[field.name]):
            found |= keys(typing.cast(type[Any], hints[field.name]), path)
        else:
            found[".".join(path)] = field.default
    return found


_hints: Callable[[Any], dict[str, Any]] = cache(typing.get_type_hints)


def key_of(name: str) -> str:
    """The key of the field `name`."""
    return name.replace("_", "-")


class _Builder:
    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.secrets: dict[tuple[str, ...], bool] = {}
        """Fields that say themselves whether errors may show their values."""

    def build(self, type_: Any, node: Any, path: tuple[str, ...]) -> Any:
        origin = typing.get_origin(type_)
        arguments = typing.get_args(type_)
        if dataclasses.is_dataclass(type_):
            return self._dataclass(typing.cast(type[Any], type_), node, path)
        if origin in (typing.Union, types.UnionType):
            (inner,) = [argument for argument in arguments if argument is not types.NoneType]
            return None if node is None else self.build(inner, node, path)
        if origin is tuple:
            return tuple(self.build(arguments[0], item, path) for item in self._list(node, path))
        if origin is dict:
            if not isinstance(node, dict):
                raise self._wrong(node, path, "an object, in braces")
            return {key: self.build(arguments[1], child, (*path, key)) for key, child in node.items()}
        if origin is typing.Literal:
            if node not in arguments:
                raise self._wrong(node, path, " or ".join(str(argument) for argument in arguments))
            return node
        parse, expected = PLAIN.get(type_) or (type_.parse, type_.expected)
        try:
            return parse(node)
        except (ValueError, TypeError):
            raise self._wrong(node, path, expected) from None

    def _dataclass(self, type_: type[Any], node: Any, path: tuple[str, ...]) -> Any:
        if not isinstance(node, dict):
            raise self._wrong(node, path, "a group of keys, in braces")
        fields = {key_of(field.name): field for field in dataclasses.fields(type_)}
        hints = _hints(type_)
        for key in node:
            if key not in fields:
                full = (*path, key)
                raise ConfigurationError(
                    f"unknown key{suggestion(key, fields) or '; expected one of ' + ', '.join(fields)}",
                    origin=self.tree.origin(full),
                    key=".".join(full),
                )
        values = {}
        for key, field in fields.items():
            if "secret" in field.metadata:
                self.secrets[*path, key] = field.metadata["secret"]
            if node.get(key) is not None:
                values[field.name] = self.build(hints[field.name], node[key], (*path, key))
                expected = field.metadata["check"](values[field.name]) if "check" in field.metadata else None
                if expected:
                    raise self._wrong(node[key], (*path, key), expected)
            elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                where = self.tree.origin(path)
                raise ConfigurationError("missing, and it has no default", origin=where, key=".".join((*path, key)))
        return type_(**values)

    def _list(self, node: Any, path: tuple[str, ...]) -> list[Any]:
        items = listed(node)
        if items is not None:
            return items
        origin = self.tree.origin(path)
        if isinstance(node, str) and origin and origin.variable:
            return [item.strip() for item in node.split(",") if item.strip()]
        raise self._wrong(node, path, "a list, in brackets")

    def _wrong(self, node: Any, path: tuple[str, ...], expected: str) -> ConfigurationError:
        from config.secrets import (  # here, so that a start without an error needs no time for it
            is_secret,
            masked,
            without_secrets,
        )

        origin = self.tree.origin(path)
        secret = origin is not None and is_secret(origin.variable)
        for index, key in enumerate(path):
            secret = self.secrets.get(path[: index + 1], secret or is_secret(key))
        value = masked(node) if secret else without_secrets(node)
        return ConfigurationError(f"expected {expected}", origin=origin, key=".".join(path), value=value)
