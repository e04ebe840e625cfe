"""Progress of a run on one line of a terminal."""

from __future__ import annotations

from time import perf_counter
from typing import Protocol, Self, TextIO


class Progress(Protocol):
    """Called often with what the run does now, and with how much of that is done, from 0 to 1."""

    def __call__(self, step: str, part: float, /) -> None: ...


class Bar:
    """A progress bar, shown on terminals only. Use it as a context manager, which wipes it at the end."""

    WIDTH = 30

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._visible = stream, stream.isatty()
        self._next = 0.0

    def __call__(self, step: str, part: float, /) -> None:
        if self._visible and (now := perf_counter()) >= self._next:
            self._next = now + 0.1
            done = "#" * round(self.WIDTH * min(1, part))
            self._stream.write(f"\r\x1b[K[{done:{self.WIDTH}}] {step}")
            self._stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._visible:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


def silent(_: str, __: float, /) -> None:
    """Show no progress."""
