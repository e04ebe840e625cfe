"""A terminal for the client: a pty, and the screen as a person sees it."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition, Thread
from time import monotonic

import pyte

from tests.clients import DEADLINE, ROOT

CTRL_C, CTRL_D, ENTER, TAB, ESCAPE = "\x03", "\x04", "\r", "\t", "\x1b"
SIZE = 80, 24
PASTE = "\x1b[200~", "\x1b[201~"


class Terminal:
    """A client in a terminal. A thread reads what it shows."""

    def __init__(
        self,
        *arguments: str,
        module: tuple[str, ...] = ("app.client",),
        code: str = "",
        **environment: str,
    ) -> None:
        """Start `module` with its first arguments, or `code`."""
        columns, rows = SIZE
        self.screen = pyte.HistoryScreen(columns, rows, history=10_000, ratio=0.5)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self._changed = Condition()
        self._master, slave = pty.openpty()
        self._size(columns, rows)
        self.process = subprocess.Popen(
            [sys.executable, *(("-c", code) if code else ("-m", *module)), *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT), "TZ": "UTC", **environment},
            start_new_session=True,
        )
        os.close(slave)
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._master, 65536)
            except OSError:
                return
            if not data:
                return
            with self._changed:
                self.raw += data
                self._stream.feed(data)
                self._changed.notify_all()

    def types(self, text: str) -> None:
        os.write(self._master, text.encode())

    def pastes(self, text: str) -> None:
        self.types(PASTE[0] + text.replace("\n", "\r") + PASTE[1])

    def lines(self) -> list[str]:
        """All lines, also those that scrolled away, without blanks at the end."""
        columns = range(self.screen.columns)
        with self._changed:
            above = ["".join(line[column].data for column in columns) for line in self.screen.history.top]
            return [line.rstrip() for line in (*above, *self.screen.display)]

    def waits(self, met: Callable[[], bool], what: str) -> None:
        """Wait for a condition. AssertionError with the screen after DEADLINE seconds."""
        until = monotonic() + DEADLINE
        with self._changed:
            while not met():
                left = until - monotonic()
                if left <= 0 or not self._changed.wait(left):
                    text = "\n".join(line for line in self.lines() if line)
                    raise AssertionError(f"no {what} but:\n{text}")

    def shows(self, text: str) -> None:
        """Wait until a line has the text in it."""
        self.waits(lambda: any(text in line for line in self.lines()), repr(text))

    def shows_times(self, text: str, times: int) -> None:
        """Wait until as many lines have the text in them."""
        self.waits(lambda: sum(text in line for line in self.lines()) == times, f"{times} of {text!r}")

    def shows_not(self, text: str) -> None:
        """Wait until no line has the text in it."""
        self.waits(lambda: not any(text in line for line in self.lines()), f"end of {text!r}")

    def prompt(self, text: str) -> None:
        """Wait until the line with the cursor is `text`."""
        self.waits(lambda: self.screen.display[self.screen.cursor.y].rstrip() == text.rstrip(), f"prompt {text!r}")

    def resize(self, columns: int, rows: int) -> None:
        with self._changed:
            self.screen.resize(rows, columns)
        self._size(columns, rows)
        self.process.send_signal(signal.SIGWINCH)

    def _size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def ends(self) -> int:
        """Wait for the end, and return the exit code."""
        code = self.process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.ends()
        os.close(self._master)


@contextmanager
def terminal(
    *arguments: str, module: tuple[str, ...] = ("app.client",), code: str = "", **environment: str
) -> Iterator[Terminal]:
    shown = Terminal(*arguments, module=module, code=code, **environment)
    try:
        yield shown
    finally:
        shown.close()
