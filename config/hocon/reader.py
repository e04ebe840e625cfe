"""Reads files and texts, in their order, into one Tree of plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.errors import Origin
from config.hocon.bounds import BOUNDS, Bounds
from config.hocon.building import Builder
from config.hocon.files import Files, Source
from config.hocon.joining import Fields, Items, Resolved
from config.hocon.parser import Assignment, Block, Series
from config.hocon.paths import Path as KeyPath
from config.hocon.resolving import Ignored, Resolver
from config.hocon.values import Object


@dataclass(frozen=True, slots=True)
class Tree:
    """The finished configuration: nested dicts, lists and single values, and the origin of each leaf by its path."""

    values: dict[str, Any]
    origins: Mapping[KeyPath, Origin]
    warnings: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    """The files that were read, included ones too."""

    def origin(self, path: KeyPath) -> Origin | None:
        """Where `path` was set, or else the closest of its parents or children."""
        for length in range(len(path), 0, -1):
            for known, origin in self.origins.items():
                if known[:length] == path[:length]:
                    return origin
        return None


class Reader:
    """Collects values in order, and resolves them in `finish`.

    A substitution that isn't set in the tree is looked up in `environment`, unless the key that it belongs to
    `ignores` that text.
    """

    def __init__(
        self, environment: Mapping[str, str], *, ignores: Ignored | None = None, bounds: Bounds = BOUNDS
    ) -> None:
        self._environment, self._ignores, self._bounds = environment, ignores, bounds
        self._root, self._files = Object(), Files(bounds)

    def file(self, path: Path, name: str) -> None:
        """Add the file at `path`. `name` is its name in errors."""
        self._add(*self._files.open(path, name))

    def text(self, text: str, place: str) -> None:
        """Add a HOCON text."""
        self._add(*self._files.text(text, place))

    def value(self, path: KeyPath, value: Any, place: str) -> None:
        """Add one assignment of a plain value. A mapping merges."""
        self._add(Block((Assignment(path, (_piece(value),)),)), Source(Path(), place))

    def finish(self) -> Tree:
        """Resolve everything. ConfigurationError for a required substitution that isn't set, or for a circle."""
        resolver = Resolver(self._root, self._environment, self._ignores, self._bounds)
        origins: dict[KeyPath, Origin] = {}
        values = _plain(resolver.resolve(), (), origins, resolver)
        return Tree(values, origins, tuple(self._files.warnings), tuple(self._files.read))

    def _add(self, block: Block, source: Source) -> None:
        Builder(source, self._files).statements(block, self._root, ())


def _plain(value: Resolved, path: KeyPath, origins: dict[KeyPath, Origin] | None, resolver: Resolver) -> Any:
    """`value` as dicts, lists and single values. The place of each leaf is put into `origins`."""
    if isinstance(value, Fields):
        resolver.spend(len(value.fields), key=path, of=value)
        return {key: _plain(child, (*path, key), origins, resolver) for key, child in value.fields.items()}
    if origins is not None:
        origins[path] = value.origin
    if isinstance(value, Items):
        resolver.spend(len(value.items), value.origin, path)
        return [_plain(item, path, None, resolver) for item in value.items]
    return value.value


def _piece(value: Any) -> Any:
    """A plain Python value as a piece of a statement."""
    if isinstance(value, Mapping):
        return Block(tuple(Assignment((str(key),), (_piece(child),)) for key, child in value.items()))
    if isinstance(value, list | tuple):
        return Series(tuple(((_piece(item),), 0) for item in value), 0)
    return value
