"""The attacks, a module for each family. A new module is found without being listed."""

from __future__ import annotations

import pkgutil
from importlib import import_module


def load() -> None:
    """Import every family, so that ATTACKS has all attacks."""
    for module in pkgutil.iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
