"""The lines that were typed, kept across runs in a file that only its owner can read, without passwords."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from prompt_toolkit.history import History

from app.chat.typed import has_password

MAX_LINES = 1000
"""Lines that are kept."""


class InputHistory(History):
    """A file with a line of JSON for each line that was typed, which may have line breaks. If the file can't be read or
    written, the history lasts as long as the program."""

    def __init__(self, path: Path | None) -> None:
        super().__init__()
        self._path = path

    def load_history_strings(self) -> Iterable[str]:
        """The last lines, the newest first."""
        if self._path is None:
            return
        try:
            lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return
        if len(lines) > 2 * MAX_LINES:
            self._write(lines[-MAX_LINES:])
        for line in reversed(lines[-MAX_LINES:]):
            try:
                typed = json.loads(line)
            except ValueError:
                continue
            if isinstance(typed, str):
                yield typed

    def append_string(self, string: str) -> None:
        """Add a line, unless it equals the one before or has a password."""
        if any(map(has_password, string.splitlines())) or (self._loaded_strings and self._loaded_strings[0] == string):
            return
        super().append_string(string)

    def store_string(self, string: str) -> None:
        """Write a line to the file."""
        self._write([json.dumps(string)], os.O_APPEND)

    def _write(self, lines: list[str], mode: int = os.O_TRUNC) -> None:
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_CREAT | os.O_WRONLY | mode, 0o600)
            with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123
                file.write("".join(f"{line}\n" for line in lines))
        except OSError:
            return
