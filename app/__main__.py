"""`python -m app`, also called `natter`."""

from app.command import entry

__all__ = ["entry"]

if __name__ == "__main__":
    entry()
