"""`python -m app.client [URL]`: the chat client in the terminal."""

import sys

from app.client.main import entry

if __name__ == "__main__":
    entry(sys.argv[1:], program="python -m app.client")
