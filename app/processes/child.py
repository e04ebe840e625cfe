"""The server's side of a process: it is started, ended, and started again."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import NamedTuple

END_PATIENCE = 5.0
"""How many seconds a process has to end by itself."""
FIRST_PAUSE, LAST_PAUSE = 0.5, 60.0
"""Seconds before a process that ended is started again. They double each time that it ends soon."""
_BOOT = """
import os, sys
module, policy, nice, count, *rest = sys.argv[1:]
os.nice(int(nice))
try:
    os.sched_setscheduler(0, getattr(os, policy), os.sched_param(0))
except (AttributeError, OSError):
    pass
import signal, site
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
site.main()
sys.path[:] = rest[int(count):]
from importlib import import_module
import_module(module).main(*rest[:int(count)])
"""
# With -S, all that takes time comes after the priority: the server may have but one core.
_FLAGS = "-I", "-S"


class Priority(NamedTuple):
    """How much of a core a process gets while the server wants it too. Other systems than Linux have no policies."""

    policy: str
    nice: int


LOW = Priority("SCHED_OTHER", 10)
"""A tenth, also if the server itself has a real-time priority."""
IDLE = Priority("SCHED_IDLE", 19)
"""Next to nothing, and the process leaves the core at once. With a low priority alone, it would keep it for some
milliseconds."""


class Child:
    """A process that runs `main(*arguments)` of a module.

    To start one takes 2 ms, in which no other thread runs Python. Its memory is its own: nothing of the server's is
    copied. It ignores the signals that a terminal or a service manager sends to all processes: the server ends first,
    and with it the requests. OSError if it can't be started. The arguments are for everyone to see.
    """

    def __init__(self, module: str, *arguments: str, priority: Priority) -> None:
        paths = [path or os.getcwd() for path in sys.path]  # noqa: PTH109
        start = [module, priority.policy, str(priority.nice), str(len(arguments)), *arguments, *paths]
        command = [sys.executable, *_FLAGS, "-c", _BOOT, *start]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, bufsize=0)  # noqa: S603
        assert self._process.stdin
        assert self._process.stdout
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self.pid = self._process.pid
        self.requests, self.answers = self._stdin.fileno(), self._stdout.fileno()
        """File descriptors. Writing to the first one may raise BrokenPipeError, and the second one then is at its end:
        the process has ended."""

    def kill(self) -> None:
        """Kill the process, if it still runs. Any thread may do so."""
        self._process.kill()

    def end(self, patience: float = END_PATIENCE) -> str:
        """Wait for some seconds until the process ends, and kill it if it doesn't. Return how it ended."""
        self._stdin.close()
        try:
            code = self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self.kill()
            code = self._process.wait()
        self._stdout.close()
        return f"signal {-code}" if code < 0 else f"exit status {code}"


class Pauses:
    """How long to wait before a process that ended is started again."""

    def __init__(self) -> None:
        self._next = FIRST_PAUSE

    def next(self, ran: float) -> float:
        """Seconds to wait after a process that ran for `ran` seconds."""
        if ran > LAST_PAUSE:
            self._next = FIRST_PAUSE
        seconds, self._next = self._next, min(2 * self._next, LAST_PAUSE)
        return seconds
