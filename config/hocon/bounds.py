"""How large a configuration may be, so that no text makes the start wait or fail in an unnamed way.

Each bound is checked before the work that it bounds. ConfigurationError names the bound that is passed.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds of one configuration, all its files together."""

    length: int = 250_000
    """Characters of all documents."""
    includes: int = 100
    """Files that are included."""
    depth: int = 64
    """Keys and lists inside each other."""
    chain: int = 80
    """Steps from an object to what is in it, and from a substitution to what it stands for, to find one value."""
    resolved: int = 1_000_000
    """Values, characters of joined texts, and ten for each time that a substitution is looked up."""


BOUNDS = Bounds()
