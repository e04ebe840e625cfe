"""Evaluates HOCON statements to one tree of plain values, by the rules of the HOCON specification.

Statements apply in order, across all files: a later value replaces an earlier one, objects merge, `+=` appends, and an
unset optional substitution keeps the earlier value. Substitutions are looked up in the finished tree first, then in the
environment. Every leaf keeps its Origin, so that an error can name the file, the line and the environment variable.
"""

from __future__ import annotations

import glob
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from config.errors import ConfigurationError, Origin, reason
from config.hocon_parser import Assignment, Block, Include, Substitution, parse

_UNSET: Final = object()


@dataclass(slots=True, eq=False)
class _Pending:
    """A value that is resolved once the tree is finished. `previous` is the value that it replaces."""

    tokens: tuple[Any, ...]
    origin: Origin
    scope: tuple[str, ...] = ()
    append: bool = False
    previous: Any = _UNSET
    resolving: bool = False


@dataclass(frozen=True, slots=True)
class Tree:
    """The finished configuration: nested dicts, lists and scalars, and the origin of each leaf by its path."""

    values: dict[str, Any]
    origins: Mapping[tuple[str, ...], Origin]
    warnings: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    """The files that were read, included ones too."""

    def origin(self, path: tuple[str, ...]) -> Origin | None:
        """Where `path` was set, or else the closest of its parents or children."""
        for length in range(len(path), 0, -1):
            for known, origin in self.origins.items():
                if known[:length] == path[:length]:
                    return origin
        return None


@dataclass(frozen=True, slots=True)
class _Source:
    """A file being read: its path, its name in errors, the files that include it, and the object it is included in."""

    path: Path
    name: str
    stack: tuple[Path, ...] = ()
    scope: tuple[str, ...] = ()


@dataclass(slots=True)
class Evaluator:
    """Collects statements in order. `finish` resolves them to a Tree. At the paths `empty_is_unset`, an environment
    variable that is empty counts as not set."""

    environment: Mapping[str, str]
    empty_is_unset: frozenset[tuple[str, ...]] = frozenset()
    root: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    _origins: dict[tuple[str, ...], Origin] = field(default_factory=dict)

    def file(self, path: Path, name: str) -> None:
        """Add the statements of the file at `path`. `name` is its name in errors."""
        block = parse(_read(path, Origin(name)), name)
        self.files.append(path.resolve())
        self._evaluate(block, self.root, (), _Source(path, name, (path.resolve(),)))

    def text(self, text: str, place: str) -> None:
        """Add the statements of a HOCON text."""
        self._evaluate(parse(text, place), self.root, (), _Source(Path(), place))

    def value(self, path: tuple[str, ...], value: Any, place: str) -> None:
        """Add one assignment of a plain value. A mapping merges."""
        self._assign(self.root, (), Assignment(path, (_token(value),)), _Source(Path(), place))

    def finish(self) -> Tree:
        """Resolve everything. ConfigurationError for a required substitution that isn't set, or for a cycle."""
        values = self._resolve(self.root, ())
        return Tree(values, self._origins, tuple(self.warnings), tuple(self.files))

    def _evaluate(self, block: Block, into: dict[str, Any], at: tuple[str, ...], source: _Source) -> None:
        for statement in block.statements:
            if isinstance(statement, Include):
                self._include(into, at, statement, source)
            else:
                self._assign(into, at, statement, source)

    def _include(self, into: dict[str, Any], at: tuple[str, ...], include: Include, source: _Source) -> None:
        origin = Origin(source.name, include.line)
        target = source.path.parent / include.path
        targets = sorted(source.path.parent.glob(include.path)) if glob.has_magic(include.path) else [target]
        for target in targets:
            if target.resolve() in source.stack:
                problem = "a file can't include itself"
                raise ConfigurationError(problem, origin=origin, key="include", value=include.path)
            if not target.exists() and not include.required:
                self.warnings.append(f'{origin}: include "{include.path}": no such file; skipped')
                continue
            name = str(Path(source.name).parent / Path(include.path).parent / target.name)
            block = parse(_read(target, origin, include.path), name)
            self.files.append(target.resolve())
            self._evaluate(block, into, at, _Source(target, name, (*source.stack, target.resolve()), at))

    def _assign(self, into: dict[str, Any], at: tuple[str, ...], statement: Assignment, source: _Source) -> None:
        *parents, key = statement.path
        origin = Origin(source.name, statement.line)
        for parent in parents:
            into = _object_at(into, parent, origin)
        if len(statement.tokens) == 1 and isinstance(statement.tokens[0], Block) and not statement.append:
            self._evaluate(statement.tokens[0], _object_at(into, key, origin), (*at, *statement.path), source)
            return
        tokens = tuple(self._prepare(token, origin, source) for token in statement.tokens)
        into[key] = _Pending(tokens, origin, source.scope, statement.append, into.get(key, _UNSET))

    def _prepare(self, token: Any, origin: Origin, source: _Source) -> Any:
        """`token` with each Block in it evaluated to an object."""
        if isinstance(token, Block):
            child: dict[str, Any] = {}
            self._evaluate(token, child, (), source)
            return child
        if isinstance(token, list):
            parts = [tuple(self._prepare(part, origin, source) for part in item) for item in token]
            return [_Pending(part, origin, source.scope) for part in parts]
        return token

    def _resolve(self, node: Any, path: tuple[str, ...]) -> Any:
        if isinstance(node, dict):
            resolved = {key: self._resolve(child, (*path, key)) for key, child in node.items()}
            return {key: child for key, child in resolved.items() if child is not _UNSET}
        if isinstance(node, list):
            items = [self._resolve(item, path) for item in node]
            return [item for item in items if item is not _UNSET]
        if isinstance(node, _Pending):
            return self._resolve_pending(node, path)
        return node

    def _resolve_pending(self, node: _Pending, path: tuple[str, ...]) -> Any:
        if node.resolving:
            raise ConfigurationError(
                "these substitutions refer to each other in a cycle", origin=node.origin, key=".".join(path)
            )
        node.resolving = True
        origin = node.origin
        values = []
        for token in node.tokens:
            value = token
            if isinstance(token, Substitution):
                value, variable = self._substituted(token, node, path)
                if variable:
                    origin = replace(origin, variable=variable)
                if token.space and isinstance(value, str):
                    value += token.space
            else:
                value = self._resolve(token, path)
            if value is not _UNSET:
                values.append(value)
        node.resolving = False
        if not values and node.tokens:
            return self._resolve(node.previous, path)
        value = _concatenate(values, node, path)
        if node.append:
            previous = self._resolve(node.previous, path)
            before = [] if previous is _UNSET else previous
            if not isinstance(before, list):
                raise ConfigurationError(
                    "+= needs a list to append to", origin=node.origin, key=".".join(path), value=before
                )
            value = [*before, *(value if isinstance(value, list) else [value])]
        if not isinstance(value, dict):
            self._origins[path] = origin
        return value

    def _substituted(self, token: Substitution, node: _Pending, path: tuple[str, ...]) -> tuple[Any, str]:
        """The value of a substitution, and the environment variable it came from, if any."""
        segments = tuple(part.strip('" ') for part in token.path.split("."))
        for candidate in dict.fromkeys(((*node.scope, *segments), segments)):
            found = self._lookup(candidate, node)
            if found is not _UNSET:
                return found, ""
        variable = self.environment.get(token.path)
        if variable is not None and (variable or path not in self.empty_is_unset):
            return variable, token.path
        if token.optional:
            return _UNSET, ""
        raise ConfigurationError(
            f"${{{token.path}}} is set neither in the configuration nor in the environment",
            origin=node.origin,
            key=".".join(path),
        )

    def _lookup(self, path: tuple[str, ...], asking: _Pending) -> Any:
        node: Any = self.root
        for index, key in enumerate(path):
            if isinstance(node, _Pending):
                node = self._resolve_pending(node, path[:index])
            if not isinstance(node, dict) or key not in node:
                return _UNSET
            node = node[key]
        if node is asking or (isinstance(node, _Pending) and node.resolving and _replaces(node, asking)):
            return self._resolve(asking.previous, path)
        return self._resolve(node, path)


def _replaces(node: _Pending, asking: _Pending) -> bool:
    """Whether `asking` is an earlier value of the key that now has the value `node`."""
    while isinstance(node.previous, _Pending):
        node = node.previous
        if node is asking:
            return True
    return False


def _object_at(into: dict[str, Any], key: str, origin: Origin) -> dict[str, Any]:
    """The object at `key`, created if there is none. On top of one that isn't resolved yet, a new layer."""
    existing = into.get(key)
    if isinstance(existing, dict):
        return existing
    fresh: dict[str, Any] = {}
    mergeable = isinstance(existing, _Pending) and any(isinstance(t, dict | Substitution) for t in existing.tokens)
    into[key] = _Pending((existing, fresh), origin) if mergeable else fresh
    return fresh


def _concatenate(values: list[Any], node: _Pending, path: tuple[str, ...]) -> Any:
    if len(values) == 1:
        return values[0]
    if all(isinstance(value, dict) for value in values):
        merged: dict[str, Any] = {}
        for value in values:
            _merge(merged, value)
        return merged
    if all(isinstance(value, list) for value in values):
        return [item for value in values for item in value]
    if any(isinstance(value, dict | list) for value in values):
        problem = "can't join a list or an object with something else"
        raise ConfigurationError(problem, origin=node.origin, key=".".join(path))
    return "".join(str(value).lower() if isinstance(value, bool) else str(value) for value in values).rstrip()


def _merge(into: dict[str, Any], other: dict[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _token(value: Any) -> Any:
    """Convert a plain Python value to a token."""
    if isinstance(value, Mapping):
        return Block(tuple(Assignment((str(key),), (_token(child),)) for key, child in value.items()))
    if isinstance(value, list | tuple):
        return [(_token(item),) for item in value]
    return value


def _read(path: Path, origin: Origin, included: str = "") -> str:
    subject = {"key": "include", "value": included} if included else {}
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigurationError("expected UTF-8 text", origin=origin, **subject) from None
    except OSError as error:
        raise ConfigurationError(f"can't be read: {reason(error)}", origin=origin, **subject) from None
