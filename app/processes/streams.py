"""The process's side: its standard streams are for requests and answers, and end it."""

from __future__ import annotations

import os
from collections.abc import Callable

from msgspec import Struct

from app.processes.frames import frame

REQUESTS = 0
"""The file descriptor to read requests from. At its end, the process has to end."""


def take_streams() -> Callable[[Struct], None]:
    """Return the function that sends an answer. BrokenPipeError if the server has ended.

    From now on, whatever is printed goes to the standard error output."""
    output = os.dup(1)
    os.dup2(2, 1)

    def send(answer: Struct) -> None:
        data = memoryview(frame(answer))
        while data:
            data = data[os.write(output, data) :]

    return send
