"""Resolves substitutions, by the rules of the HOCON specification.

A key's value is that of its latest layer. If that turns out to be unset, it is that of the layer below; if it is an
object, the layers below are merged into it, down to the first that is no object.

A substitution inside a layer sees the layers below when it leads back to its own key: `path = ${path}":/bin"`. So while
a layer is resolved, its key is *lowered*. A substitution that leads to itself, with nothing lowered in between, goes in
a circle.

What was found is kept, so that no work is done twice. A value that was found while a key was lowered is kept only if
it didn't depend on that: `touched` is the outermost level of what was looked at.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from typing import Any, Final

from config.errors import ConfigurationError, Origin
from config.hocon.bounds import Bounds
from config.hocon.joining import CANT_JOIN, Fields, Items, Leaf, Resolved, as_items, merged, place_of, together
from config.hocon.parser import Blank
from config.hocon.paths import Path, joined
from config.hocon.values import List, Node, Object, Substitution, Value

Ignored = Callable[[Path, str], bool]
"""Whether a key ignores a text of an environment variable, as if it weren't set."""
_NOTHING: Final = sys.maxsize


class _Circle(Exception):
    """A substitution leads to itself."""


class _Hidden(Exception):
    """A path leads through a value that is no object. Nothing below that counts."""


class Resolver:
    """Resolves the values of one tree. `environment` is for what isn't set in it."""

    def __init__(self, root: Object, environment: Mapping[str, str], ignored: Ignored | None, bounds: Bounds) -> None:
        self.root, self.environment, self.ignored, self.bounds = root, environment, ignored, bounds
        self.lowered: dict[int, tuple[Node, int]] = {}  # for the latest layer of a key, the one to look at instead
        self.active: dict[int, tuple[int, int]] = {}  # for a substitution, the lowering and the level it began with
        self.known: dict[int, Resolved | None] = {}
        self.lowering, self.lowerings = 0, 0
        self.latest: Origin | None = None
        self.level, self.touched, self.depth, self.spent, self.seals = 0, _NOTHING, 0, 0, 0

    def resolve(self) -> Fields:
        """Everything. ConfigurationError for what isn't set, or goes in a circle, or can't be joined."""
        return self.fields(self.root)

    def spend(self, amount: int, origin: Origin | None = None, key: Path = (), *, of: Resolved | None = None) -> None:
        """Count values and characters. ConfigurationError if there are more than the bound. It names `origin`, or else
        where something in `of` is written, or else the latest substitution."""
        self.spent += amount
        self.latest = origin or self.latest
        if self.spent > self.bounds.resolved:
            problem = f"resolved, this is larger than {self.bounds.resolved} values and characters"
            raise ConfigurationError(problem, origin=origin or (of and place_of(of)) or self.latest, key=joined(key))

    def field(self, top: Node, rest: Path = ()) -> Resolved | None:
        """The value at the path `rest` below a key with the latest layer `top`; None if it isn't set."""
        if isinstance(top, Value) and not top.is_open and not rest:
            return self.piece(top.tokens[0], top, top)
        layer = top
        if id(top) in self.lowered:
            layer, level = self.lowered[id(top)]
            self.touched = min(self.touched, level)
        elif not rest and id(top) in self.known:
            return self.known[id(top)]
        outer, self.touched = self.touched, _NOTHING
        try:
            found = self.layers(top, layer, rest)
            if not rest and layer is top and self.touched > self.level:
                self.known[id(top)] = found
            return found
        finally:
            self.touched = min(outer, self.touched)

    def layers(self, top: Node, layer: Node, rest: Path) -> Resolved | None:
        """Merge the layers of a key from `layer` down."""
        found: list[Fields] = []
        hidden: set[str] = set()
        sealed = False
        while layer is not None:
            try:
                part = self.layer(top, layer, rest, hidden)
            except _Hidden:
                if not found:
                    raise
                sealed = True
                break
            if isinstance(part, Fields):
                self.spend(len(part.fields) + 1, of=part)
                found.append(part)
                hidden |= {key for key, value in part.fields.items() if not isinstance(value, Fields) or value.sealed}
            elif part is not None:
                self.spend(1, of=part)
                if not found:
                    return part
                sealed = True
                break
            layer = layer.overridden_value
        if not found:
            return None
        found.reverse()
        whole = merged(found, self.spend)
        self.seals += sealed
        return Fields(whole.fields, sealed=True) if sealed else whole

    def layer(self, top: Node, layer: Node, rest: Path, hidden: AbstractSet[str]) -> Resolved | None:
        """The value of one layer at the path `rest`, but for the fields that are `hidden` by those above it."""
        if isinstance(layer, Value):
            found = self.value(layer, top)
            for name in rest:
                if found is not None and not isinstance(found, Fields):
                    raise _Hidden
                found = None if found is None else found.fields.get(name)
            return found
        if not rest:
            return self.fields(layer, hidden)
        child = layer.get(rest[0])
        return None if child is None else self.field(child, rest[1:])

    def fields(self, node: Object, hidden: AbstractSet[str] = frozenset()) -> Fields:
        """An object with all its fields that aren't `hidden`."""
        with self.deeper():
            found = {key: self.field(child) for key, child in node.items() if key not in hidden}
            return Fields({key: value for key, value in found.items() if value is not None})

    def value(self, node: Value, top: Node) -> Resolved | None:
        """What the pieces of `node` make. Its key, which has the latest layer `top`, is lowered meanwhile."""
        if not node.is_open:
            return self.pieces(node, top)
        with self.deeper(node.origin):
            if node.append:
                return self.appended(node, top)
            if node.overridden_value is None:
                return self.pieces(node, top)
            return self.lowered_pieces(node, top)

    def lowered_pieces(self, node: Value, top: Node) -> Resolved | None:
        """The same, for a layer with others below."""
        with self.lower(top, node.overridden_value):
            return self.pieces(node, top)

    def appended(self, node: Value, top: Node) -> Items:
        """`+=`, with those before it: what was there, and one more element for each."""
        nodes = [node]
        while isinstance(below := nodes[-1].overridden_value, Value) and below.append:
            nodes.append(below)
        base = None
        if below is not None:
            with self.lower(top, below):
                base = self.field(top)
        before = Items((), node.origin) if base is None else as_items(base, node.origin)
        if before is None:
            found = "a single value" if isinstance(base, Leaf) else "an object"
            problem = f"+= needs a list to append to, found {found}"
            raise ConfigurationError(problem, origin=nodes[-1].origin, key=joined(node.path))
        added = [
            self.lowered_pieces(one, top) if one.overridden_value is not None else self.pieces(one, top)
            for one in reversed(nodes)
        ]
        items = (*before.items, *(item for item in added if item is not None))
        self.spend(len(items), node.origin, node.path)
        return Items(items, node.origin)

    def pieces(self, node: Value, top: Node) -> Resolved | None:
        """Join the pieces that are set."""
        parts = [part for piece in node.tokens if (part := self.piece(piece, node, top)) is not None]
        if not parts:
            return None
        found: Resolved | None = parts[0]
        if len(parts) > 1:
            for part in parts:
                self.spend(_size(part), node.origin, node.path)
            found = together(parts, node.origin, self.spend)
            if found is None:
                raise ConfigurationError(CANT_JOIN, origin=node.origin, key=joined(node.path))
        if isinstance(found, Leaf) and isinstance(found.value, Blank):
            return Leaf(str(found.value), found.origin)
        return found

    def piece(self, piece: Any, node: Value, top: Node) -> Resolved | None:
        """One piece of a value."""
        if isinstance(piece, Substitution):
            return self.substitution(piece, top, is_whole=len(node.tokens) == 1 and not node.append)
        if isinstance(piece, Object):
            return self.fields(piece)
        if isinstance(piece, List):
            with self.deeper(node.origin):
                items = (self.field(item) for item in piece)
                return Items(tuple(item for item in items if item is not None), node.origin)
        return Leaf(piece, node.origin)

    def substitution(self, piece: Substitution, top: Node, *, is_whole: bool) -> Resolved | None:
        """What a substitution stands for. ConfigurationError if that isn't set, but must be."""
        before = self.active.get(id(piece))
        if before is not None and before[0] == self.lowering:
            self.touched = min(self.touched, before[1])
            raise _Circle
        self.spend(10, piece.origin, piece.key)
        self.level += 1
        self.active[id(piece)] = (self.lowering, self.level)
        try:
            found = self.lookup(piece, top, is_whole=is_whole)
        except _Circle:
            if not piece.optional:
                problem = f"{piece} goes in a circle: it leads to itself"
                raise ConfigurationError(problem, origin=piece.origin, key=joined(piece.key)) from None
            return None
        finally:
            self.level -= 1
            self.active.pop(id(piece))
            if before is not None:
                self.active[id(piece)] = before
        if found is None and not piece.optional:
            problem = f"{piece} is set neither in the configuration nor in the environment"
            raise ConfigurationError(problem, origin=piece.origin, key=joined(piece.key))
        return self.unsealed(found)

    def unsealed(self, found: Resolved | None) -> Resolved | None:
        """`found` for another key, where it is merged like any object."""
        if not isinstance(found, Fields) or not self.seals:
            return found
        self.spend(len(found.fields), of=found)
        return Fields({key: self.unsealed(value) for key, value in found.fields.items()})

    def lookup(self, piece: Substitution, top: Node, *, is_whole: bool) -> Resolved | None:
        """What is at the path of a substitution in the tree, or else in the environment."""
        paths = dict.fromkeys(((*piece.scope, *piece.path), piece.path))
        if piece.key in paths and id(top) in self.lowered and (found := self.field(top)) is not None:
            return found  # what the key itself was before, whatever an object around it was set to later
        for path in paths:
            try:
                child = self.root.get(path[0])
                found = None if child is None else self.field(child, path[1:])
            except _Hidden:
                continue
            if found is not None:
                return found
        if len(piece.path) > 1:
            return None
        (name,) = piece.path
        place = Origin(piece.origin.place, piece.origin.line, name)
        text = self.environment.get(name)
        if text is not None and not (is_whole and self.ignored and self.ignored(piece.key, text)):
            return Leaf(text, place)
        listed: list[Leaf] = []
        while piece.listed and (text := self.environment.get(f"{name}_{len(listed)}")) is not None:
            listed.append(Leaf(text, Origin(place.place, place.line, f"{name}_{len(listed)}")))
        return Items(tuple(listed), place) if listed else None

    @contextmanager
    def lower(self, top: Node, layer: Node) -> Iterator[None]:
        """Look at `layer` instead of `top` where a path leads to this key."""
        before, outer = self.lowered.get(id(top)), self.lowering
        self.level += 1
        self.lowerings += 1
        self.lowered[id(top)], self.lowering = (layer, self.level), self.lowerings
        try:
            yield
        finally:
            self.level -= 1
            self.lowering = outer
            self.lowered.pop(id(top))
            if before is not None:
                self.lowered[id(top)] = before

    @contextmanager
    def deeper(self, origin: Origin | None = None) -> Iterator[None]:
        """Count one step. ConfigurationError if there are more than the bound."""
        self.depth += 1
        try:
            if self.depth > self.bounds.chain:
                problem = f"a value is more than {self.bounds.chain} steps from substitution to substitution away"
                raise ConfigurationError(problem, origin=origin)
            yield
        finally:
            self.depth -= 1


def _size(value: Resolved) -> int:
    if isinstance(value, Leaf):
        return len(str(value.value))
    return len(value.items) if isinstance(value, Items) else len(value.fields)
