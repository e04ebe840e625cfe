"""Stylesheets joined into one: a file for each concept on disk, one request on the wire."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

IMPORT = re.compile(r'^@import "([^"]+)";\n*', re.MULTILINE)
UNNEEDED = re.compile(r"/\*.*?\*/\n*|^ +", re.DOTALL | re.MULTILINE)


def join(sources: Mapping[str, str]) -> dict[str, str]:
    """The stylesheets that no other one imports, each with its imports in their place, and without comments and
    indentation.
    ValueError for an import of a file that does not exist, is in another folder (its addresses would no longer hold),
    or imports itself."""
    imported = {_target(name, path) for name, source in sources.items() for path in IMPORT.findall(source)}
    return {name: _joined(name, sources, ()) for name in sources if name not in imported}


def _joined(name: str, sources: Mapping[str, str], path: tuple[str, ...]) -> str:
    if name in path:
        raise ValueError(f"{' → '.join([*path, name])}: expected no stylesheet to import itself")
    if name not in sources:
        raise ValueError(f"{path[-1]} imports {name}, which does not exist")

    def content(found: re.Match[str]) -> str:
        return _joined(_target(name, found[1]), sources, (*path, name))

    return IMPORT.sub(content, UNNEEDED.sub("", sources[name]))


def _target(name: str, path: str) -> str:
    if "/" in path:
        raise ValueError(f"{name} imports {path}: expected a stylesheet in the same folder")
    return posixpath.join(posixpath.dirname(name), path)
