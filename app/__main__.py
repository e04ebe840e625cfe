"""`python -m app`, also called `natter`."""

from __future__ import annotations

import sys
from typing import NoReturn

__all__ = ["entry"]


def entry() -> NoReturn:
    """The console script. The client in the terminal needs nothing of the server, and starts without it."""
    if sys.argv[1:2] == ["chat"]:
        from app.client.main import entry as chat

        chat(sys.argv[2:])
    from app.cli import entry as natter

    natter()


if __name__ == "__main__":
    entry()
