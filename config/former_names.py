"""Settings that were moved, and may still be set where they were."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from config.hocon import Tree

Path = tuple[str, ...]


def with_former_names(tree: Tree, names: Mapping[Path, Path]) -> Tree:
    """Move what is set under a former name to the present one, with a warning. `names` has the present name for each
    former one.

    If both are set, the present name counts, unless it is in a file and an override has the former one.
    """
    origins, warnings = dict(tree.origins), list(tree.warnings)
    for former, present in names.items():
        origin = origins.pop(former, None)
        if origin is None:
            continue
        value = _parent(tree.values, former).pop(former[-1])
        here = origins.get(present)
        counts = here is None or (origin.is_override and not here.is_override)
        if counts:
            _parent(tree.values, present)[present[-1]] = value
            origins[present] = origin
        told = "" if counts else ", which is set as well and counts"
        warnings.append(f"{origin}: {'.'.join(former)} is called {'.'.join(present)} now{told}")
    return replace(tree, origins=origins, warnings=tuple(warnings))


def _parent(values: dict[str, Any], path: Path) -> dict[str, Any]:
    for key in path[:-1]:
        values = values.setdefault(key, {})
    return values
