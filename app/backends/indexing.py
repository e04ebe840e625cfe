"""The search index of a store, as its other parts see it: in a process of its own, or in memory."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any

from app.backends import search
from app.backends.readers import Read


class MemoryIndex:
    def __init__(self, connection: sqlite3.Connection | None = None) -> None:
        self.forgotten = 2**62

    def keep_up(self) -> bool:
        return False

    def finish(self, connection: sqlite3.Connection) -> None:
        pass

    def read(self, query: search.Query, future: asyncio.Future[Any]) -> Read:
        raise NotImplementedError


class FileIndex(MemoryIndex):
    def __init__(self, path: str) -> None:
        super().__init__()
