"""What can go wrong between a node and the servers.

EngineError
  └─ Rejected
Purged
"""

from __future__ import annotations


class EngineError(Exception):
    """The servers did not do it, or may not have. The text is one line."""


class Rejected(EngineError):
    """The servers did not do it, and won't. `code` is JetStream's number of the error, or 0."""

    def __init__(self, text: str, code: int = 0) -> None:
        super().__init__(text)
        self.code = code


class Purged(Exception):
    """The position to read is gone. The first one that is left is `first`."""

    def __init__(self, first: int) -> None:
        super().__init__(f"everything before position {first} has been purged")
        self.first = first
