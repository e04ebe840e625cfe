"""A server whose clock jumps, by an hour or by months, forwards and back: `python -m tests.faults.jumping`."""

from __future__ import annotations

import random
import runpy

from app.clock import Clock

JUMPS = [0, 3600_000, -3600_000, 60 * 24 * 3600_000, -60 * 24 * 3600_000]
"""How far the clock is off, in milliseconds."""
STEADY = 50
"""How often it is asked between two jumps."""


class JumpingClock:
    """What `Clock.now` is replaced by."""

    asked = off = 0

    def now(self, clock: Clock) -> int:
        """Return the time, and jump now and then."""
        if self.asked % STEADY == 0:
            self.off = random.choice(JUMPS)
        self.asked += 1
        return true_now(clock) + self.off


true_now, jumping = Clock.now, JumpingClock()
setattr(Clock, "now", lambda clock: jumping.now(clock))  # noqa: B010

if __name__ == "__main__":
    runpy.run_module("app", run_name="__main__", alter_sys=True)
