"""File descriptors: each connection needs one, and the system allows a process only so many."""

from __future__ import annotations

import errno
import os
from contextlib import suppress

from app.refusals import Refusal

REQUESTS = 96
"""Connections for requests, health checks among them, besides those of WebSockets."""
FILES = 64
"""Descriptors for all else: the store, the search process, listening sockets, logs."""
ENOUGH = 1024 * 1024
"""What to ask for where the system has no limit of its own."""
OUT_OF_FILES = Refusal(
    503, "descriptors", "too many open files: the process can't accept connections. Allow it more, with ulimit -n"
)


def raise_limit() -> int:
    """Raise the number of files that the process may open to what the system allows. Return that; 0 if it isn't
    known."""
    try:
        import resource
    except ImportError:  # not a Unix
        return 0
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = ENOUGH if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < most:
        with suppress(ValueError, OSError):  # macOS allows less than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            return most
    return most if soft == resource.RLIM_INFINITY else max(soft, 0)


def websockets(files: int) -> int:
    """How many WebSockets a process can have that may open so many files."""
    return max(1, files - REQUESTS - FILES)


def are_out() -> bool:
    """Whether no file can be opened now, and so no connection be accepted."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno in (errno.EMFILE, errno.ENFILE)
    return False
