"""What a document's values are until they are resolved, each with its place.

A key's value may hide an earlier one, which counts if the later one turns out to be unset or an object. So every value
has its `overridden_value`. The names are those of pyhocon's tree classes.
"""

from __future__ import annotations

from typing import Any

from config.errors import Origin
from config.hocon.paths import Path, joined

Node = Any
"""An Object or a Value."""


class Object(dict[str, Node]):
    """An object. Its keys are names, not paths."""

    def __init__(self, overridden: Node = None) -> None:
        super().__init__()
        self.overridden_value = overridden


class List(list[Node]):
    """A list of Nodes."""


class Substitution:
    """`${path}`. It is looked up below `scope` first, the path of the object that its file is included in."""

    def __init__(self, path: Path, origin: Origin, *, optional: bool, listed: bool, scope: Path, key: Path) -> None:
        self.path, self.origin, self.optional = path, origin, optional
        self.listed, self.scope, self.key = listed, scope, key

    def __str__(self) -> str:
        return f"${{{'?' * self.optional}{joined(self.path)}{'[]' * self.listed}}}"


class Value:
    """Pieces that stand beside each other: single values, Lists, Objects and Substitutions. Often it is only one.

    With `append`, they are one more element of the list before.
    """

    def __init__(self, pieces: list[Any], origin: Origin, path: Path, *, append: bool = False) -> None:
        self.tokens, self.origin, self.path, self.append = pieces, origin, path, append
        self.overridden_value: Node = None
        self.is_open = append or any(isinstance(piece, Substitution) for piece in pieces)
