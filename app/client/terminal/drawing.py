"""What a screen is drawn with: output that can be held back, an application that finds its prompt again, and what fits
into a line."""

from __future__ import annotations

import os
import sys
import unicodedata

from prompt_toolkit.application import Application
from prompt_toolkit.data_structures import Point, Size
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.utils import get_cwidth

from app.client.sanitize import safe_line


class HeldOutput(Vt100_Output):
    """Writes nothing while it is held, so that several changes reach the terminal at once."""

    held = False

    def flush(self) -> None:
        if not self.held:
            super().flush()


class PromptApplication(Application[int]):
    """Finds the prompt again on a narrower screen: terminals wrap its lines, so it is further down than before."""

    columns = 0

    def _on_resize(self) -> None:
        columns, at = self.output.get_size().columns, self.renderer._cursor_pos
        if self.columns and columns < self.columns:
            rows = -(-self.columns // columns)
            self.renderer._cursor_pos = Point(at.x % columns, at.y * rows + at.x // columns)
        self.columns = columns
        super()._on_resize()


def size() -> Size:
    columns, rows = os.get_terminal_size(sys.stdout.fileno())
    return Size(rows or 24, columns or 80)


def cut(text: str, width: int) -> str:
    """`text`, safe, on at most `width` columns. Combining characters are left out: terminals differ in how wide they
    are, and the cursor would not be where the program expects it."""
    shown = ""
    left = width
    for character in safe_line(text):
        if unicodedata.category(character) in ("Cf", "Me", "Mn"):
            continue
        left -= get_cwidth(character)
        if left < 0:
            return shown
        shown += character
    return shown
