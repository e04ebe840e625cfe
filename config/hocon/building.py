"""Puts statements into an Object, in their order: a later value hides an earlier one, objects merge, `+=` appends.

What can't be known before substitutions are resolved stays open: a Value keeps what it hides, and an Object on top of
such a Value keeps it too.
"""

from __future__ import annotations

from typing import Any

from config.errors import ConfigurationError, Origin
from config.hocon.files import Files, Source
from config.hocon.joining import CANT_JOIN, indexed
from config.hocon.parser import Assignment, Block, Include, Lookup, Pieces, Series
from config.hocon.paths import Path, joined
from config.hocon.values import List, Node, Object, Substitution, Value


class Builder:
    """Evaluates the statements of one document. `files` opens what it includes."""

    def __init__(self, source: Source, files: Files) -> None:
        self.source, self.files = source, files

    def statements(self, block: Block, into: Object, at: Path) -> None:
        """Put the statements of `block` into the object at the path `at`."""
        for statement in block.statements:
            if isinstance(statement, Include):
                for included, source in self.files.included(statement, self.source, at):
                    Builder(source, self.files).statements(included, into, at)
            else:
                self.assign(statement, into, at)

    def assign(self, statement: Assignment, into: Object, at: Path) -> None:
        """Put one value into the object at the path `at`."""
        *parents, key = statement.path
        path = (*at, *statement.path)
        if len(path) > self.files.bounds.depth:
            problem = f"a path has more than {self.files.bounds.depth} names"
            raise ConfigurationError(problem, origin=Origin(self.source.name, statement.line), key=joined(path))
        for parent in parents:
            into = _object_at(into, parent)
        pieces = statement.pieces
        if not statement.append and all(isinstance(piece, Block) for piece in pieces):
            target = _object_at(into, key)
            for piece in pieces:
                self.statements(piece, target, path)
            return
        node = self.node(pieces, path, statement.line, append=statement.append)
        if isinstance(node, Value) and node.is_open:
            node.overridden_value = into.get(key)
        into[key] = node

    def node(self, pieces: Pieces, path: Path, line: int, *, append: bool = False) -> Node:
        """The value that `pieces` make. `path` is the key that it belongs to."""
        origin = Origin(self.source.name, line)
        made: list[Any] = []
        for piece in pieces:
            part = self.part(piece, path)
            if made and not isinstance(part, Substitution) and not isinstance(made[-1], Substitution):
                made[-1] = _beside(made[-1], part, origin, path)
            else:
                made.append(part)
        if len(made) == 1 and isinstance(made[0], Object) and not append:
            return made[0]
        return Value(made, origin, path, append=append)

    def part(self, piece: Any, path: Path) -> Any:
        """One piece of a value."""
        if isinstance(piece, Block):
            made = Object()
            self.statements(piece, made, path)
            return made
        if isinstance(piece, Series):
            return List(self.node(element, path, line) for element, line in piece.elements)
        if isinstance(piece, Lookup):
            origin = Origin(self.source.name, piece.line, column=piece.column)
            scope = self.source.scope
            return Substitution(piece.path, origin, optional=piece.optional, listed=piece.listed, scope=scope, key=path)
        return piece


def _object_at(into: Object, key: str) -> Object:
    """The object at `key`, created if there is none. On top of a Value that isn't resolved yet, a new one."""
    existing = into.get(key)
    if isinstance(existing, Object):
        return existing
    fresh = Object(existing)
    into[key] = fresh
    return fresh


def _beside(left: Any, right: Any, origin: Origin, path: Path) -> Any:
    """Join two pieces that are known already. The parser has joined single values that stand beside each other."""
    if isinstance(left, Object) and isinstance(right, Object):
        _merge(left, right)
        return left
    if isinstance(left, Object) and isinstance(right, List):
        left = List(indexed(left.items())) or left
    if isinstance(left, List) and isinstance(right, Object):
        right = List(indexed(right.items())) or right
    if isinstance(left, List) and isinstance(right, List):
        left += right
        return left
    raise ConfigurationError(CANT_JOIN, origin=origin, key=joined(path))


def _merge(into: Object, other: Object) -> None:
    """Put the values of `other` on top of those in `into`."""
    for key, node in other.items():
        existing = into.get(key)
        if isinstance(existing, Object) and isinstance(node, Object) and node.overridden_value is None:
            _merge(existing, node)
            continue
        lowest = node
        while lowest.overridden_value is not None:
            lowest = lowest.overridden_value
        if isinstance(lowest, Object) or lowest.is_open:
            lowest.overridden_value = existing
        into[key] = node
