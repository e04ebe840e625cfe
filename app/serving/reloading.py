"""Starts the server again when a file is saved, for development."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import uvicorn
from uvicorn.supervisors.basereload import BaseReload

SUFFIXES = (".py", ".conf")
UNWATCHED = frozenset({"__pycache__", "node_modules"})
"""Folders whose files nobody edits. Hidden folders, such as .venv, are not watched either."""

State = dict[Path, tuple[int, int]]
"""The time and the size of each file."""


class Reload(BaseReload):
    """Runs `serve` in a child process on open sockets, and starts it again when a Python or configuration file below
    one of `folders`, or one of `files`, is saved, added or removed.

    A child starts after the files were looked at, so it has read everything up to then, and what is saved later differs
    from what was seen. `delay` is in seconds, between two looks.
    """

    def __init__(
        self,
        serve: Callable[[list[socket.socket] | None], None],
        sockets: list[socket.socket],
        folders: Iterable[Path],
        files: Iterable[Path] = (),
        delay: float = 0.25,
    ) -> None:
        config = uvicorn.Config("app:create_app", factory=True, reload_delay=delay, log_config=None)
        super().__init__(config, serve, sockets)
        self.reloader_name = "Natter"
        self._folders, self._files = list(folders), list(files)
        self._seen: State = {}

    def startup(self) -> None:
        self._seen = self._look()
        super().startup()

    def should_restart(self) -> list[Path] | None:
        self.pause()
        before, self._seen = self._seen, self._look()
        return sorted({path for path, _ in before.items() ^ self._seen.items()}) or None

    def _look(self) -> State:
        state: State = {}
        for path in self._watched():
            try:
                status = path.stat()
            except OSError:  # it was removed meanwhile, or another one is about to take its place
                continue
            state[path] = status.st_mtime_ns, status.st_size
        return state

    def _watched(self) -> Iterator[Path]:
        yield from self._files
        for top in self._folders:
            for folder, below, names in os.walk(top):
                below[:] = [name for name in below if name not in UNWATCHED and not name.startswith(".")]
                yield from (Path(folder, name) for name in names if name.endswith(SUFFIXES))
