"""The progress bar of a run."""

from __future__ import annotations

import io

from app.load import Bar


def test_the_bar_is_for_terminals() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream, shows in ((Terminal(), True), (io.StringIO(), False)):
        with Bar(stream) as bar:
            bar("talking", 0.5)
        assert ("###" in stream.getvalue()) is shows
        assert stream.getvalue().endswith("\r\x1b[K") is shows
