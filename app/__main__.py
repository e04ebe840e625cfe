"""`python -m app`, installed as `natter`."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` itself takes milliseconds to import

if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    # Until `entry` has its own handlers, Ctrl-C ends the process by the signal. Python's handler would show a traceback
    # of whatever is being imported.
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)

from app.cli import entry as entry

if __name__ == "__main__":
    entry()
