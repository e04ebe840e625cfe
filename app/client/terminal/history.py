"""What was typed, across runs: in a file that only its owner may read, without passwords."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from prompt_toolkit.history import History

MOST = 1000
"""Lines that are kept."""
_SECRET = ("/login", "/register")


def secret(line: str) -> bool:
    """Whether a line has a password in it."""
    words = line.split(maxsplit=1)
    return bool(words) and words[0].casefold() in _SECRET


class KeptHistory(History):
    """A line of JSON for each line that was typed, as that may have line breaks. Where the file can't be read or
    written it is kept no longer than the program runs."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def load_history_strings(self) -> Iterable[str]:
        """The last lines, the newest first."""
        try:
            lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return
        if len(lines) > 2 * MOST:
            self._write(lines[-MOST:])
        for line in reversed(lines[-MOST:]):
            try:
                said = json.loads(line)
            except ValueError:
                continue
            if isinstance(said, str):
                yield said

    def append_string(self, string: str) -> None:
        """Keep a line, unless it is the one before, or a secret."""
        if secret(string) or (self._loaded_strings and self._loaded_strings[0] == string):
            return
        super().append_string(string)

    def store_string(self, string: str) -> None:
        """Write a line to the file."""
        self._write([json.dumps(string)], os.O_APPEND)

    def _write(self, lines: list[str], how: int = os.O_TRUNC) -> None:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_CREAT | os.O_WRONLY | how, 0o600)
            with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123
                file.write("".join(f"{line}\n" for line in lines))
        except OSError:
            return
