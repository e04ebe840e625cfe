"""A group of settings that a module reads whole, without a dataclass: pyhocon's ConfigTree, a dict with typed getters.

pyhocon brings its grammar along, which takes a tenth of a start to load. So this is loaded for those who ask for it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from pyhocon.config_tree import ConfigTree, UndefinedKey

from config.errors import ConfigurationError
from config.hocon.paths import Path, joined


class Group(ConfigTree):  # type: ignore[misc]  # pyhocon has no types
    """A dict with `get_int("most")`, `get_float`, `get_bool`, `get_string`, `get_list` and `get_config`, each with or
    without a default. Its keys are names, not paths as in a plain ConfigTree: `"a.b"` is one key."""

    items: Any = dict.items
    __getitem__: Any = dict.__getitem__
    __contains__: Any = dict.__contains__

    def __init__(self, values: Mapping[str, Any], path: Path) -> None:
        super().__init__()
        self._path = path
        for key, value in values.items():
            OrderedDict.__setitem__(self, key, _with_getters(value, (*path, key)))

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key. Where there is no default, pyhocon's getters ask for UndefinedKey: ConfigurationError."""
        found = dict.get(self, key, default)
        if found is UndefinedKey:
            raise ConfigurationError("missing, and it has no default", key=joined((*self._path, key)))
        return found


def _with_getters(value: Any, path: Path) -> Any:
    if isinstance(value, dict):
        return Group(value, path)
    return [_with_getters(item, path) for item in value] if isinstance(value, list) else value
