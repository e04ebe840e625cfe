"""Those who want to be called, until they don't."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Lock
from typing import Generic, TypeVar

F = TypeVar("F")


class Followers(Generic[F]):
    """Functions to call, in the order in which they came. Any thread may add and remove some while another one goes
    through them: that one goes through those who were there when it began."""

    def __init__(self) -> None:
        self._known: dict[object, F] = {}
        """Replaced when it changes, so that it can be read without the lock."""
        self._changing = Lock()

    def __iter__(self) -> Iterator[F]:
        return iter(self._known.values())

    def add(self, follower: F) -> Callable[[], None]:
        """Add one. The function that is returned removes it."""
        key = object()
        with self._changing:
            self._known = {**self._known, key: follower}

        def remove() -> None:
            with self._changing:
                self._known = {known: other for known, other in self._known.items() if known is not key}

        return remove
