"""`python -m app`, installed as `natter`."""

from __future__ import annotations

from app.cli import entry as entry

if __name__ == "__main__":
    entry()
