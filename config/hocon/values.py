"""What a document's values are until they are resolved: pyhocon's tree classes, each with its place.

A key's value may hide an earlier one, which counts if the later one turns out to be unset or an object. So every value
has its `overridden_value`, as in pyhocon.
"""

from __future__ import annotations

from typing import Any

from pyhocon.config_tree import ConfigList, ConfigSubstitution, ConfigTree, ConfigValues

from config.errors import Origin
from config.hocon.paths import Path, joined

Node = Any
"""An Object or a Value."""


class Object(ConfigTree):  # type: ignore[misc]  # pyhocon has no types
    """An object. Its keys are names, not paths as in a plain ConfigTree: `"a.b"` is one key."""

    get: Any = dict.get
    items: Any = dict.items
    __getitem__: Any = dict.__getitem__
    __contains__: Any = dict.__contains__

    def __init__(self, overridden: Node = None) -> None:
        super().__init__()
        self.overridden_value = overridden


class List(ConfigList):  # type: ignore[misc]  # pyhocon has no types
    """A list of Nodes."""


class Substitution(ConfigSubstitution):  # type: ignore[misc]  # pyhocon has no types
    """`${path}`. It is looked up below `scope` first, the path of the object that its file is included in."""

    def __init__(self, path: Path, origin: Origin, *, optional: bool, listed: bool, scope: Path, key: Path) -> None:
        super().__init__(joined(path), optional, "", "", 0)
        self.path, self.origin, self.listed, self.scope, self.key = path, origin, listed, scope, key

    def __str__(self) -> str:
        return f"${{{'?' * self.optional}{self.variable}{'[]' * self.listed}}}"


class Value(ConfigValues):  # type: ignore[misc]  # pyhocon has no types
    """Pieces that stand beside each other: single values, Lists, Objects and Substitutions. Often it is only one.

    With `append`, they are one more element of the list before.
    """

    def __init__(self, pieces: list[Any], origin: Origin, path: Path, *, append: bool = False) -> None:
        super().__init__(pieces, "", 0)
        self.origin, self.path, self.append = origin, path, append
        self.is_open = append or any(isinstance(piece, Substitution) for piece in pieces)

    def recompute(self) -> None:
        """Keep the pieces as they are. pyhocon would strip white space from the last one."""
