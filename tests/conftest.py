"""Fixtures that many tests share. Every test has a deadline, and so has every receive in it."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from types import FrameType

import pytest

TEST_DEADLINE = 120


@pytest.fixture(autouse=True)
def _deadline() -> Iterator[None]:
    """Fail a test that hangs, with a trace of where."""

    def expire(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"the test took over {TEST_DEADLINE} s")

    before = signal.signal(signal.SIGALRM, expire)
    signal.alarm(TEST_DEADLINE)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests mean what they say, whatever is set where they run."""
    for name in ("APP_CONFIG", "HOST", "PORT", "WEB_CONCURRENCY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CHAT_STORE", ":memory:")


def need(program: str, install: str) -> str:
    """The path of a program. Where it is absent the test fails in CI, and is skipped elsewhere with what to install."""
    path = shutil.which(program)
    if path is None:
        reason = f"{program} is not installed: {install}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path
