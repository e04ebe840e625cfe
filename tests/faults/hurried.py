"""A server whose journal is small, and which clears deleted texts all the time: `python -m tests.faults.hurried`.

So a short recording has many changes of the journal's files, checkpoints and purges.
"""

from __future__ import annotations

import runpy

from app.backends import journal, upkeep

journal.SIZE, journal.STEP, journal.USED = 1 << 16, 1 << 12, 1 << 12
upkeep.IDLE_DELAY, upkeep.MAX_WRITES, upkeep.PURGE_INTERVAL = 0.01, 20, 0.0

if __name__ == "__main__":
    runpy.run_module("app", run_name="__main__", alter_sys=True)
