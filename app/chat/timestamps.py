"""Times as clients get them."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

LATEST = 253_402_300_799
"""The last second that can be written as a date. A later time, such as the end of a very long ban, is written as it."""


@lru_cache(maxsize=16)
def timestamp(at: int) -> str:
    """Format milliseconds since 1970 as RFC 3339 in UTC."""
    # The ack, and the event in each dialect, have the same one.
    return f"{_second(at // 1000)}.{at % 1000:03}Z"


def minute(timestamp: str) -> str:
    """RFC 3339, cut off after the minute and easier to read."""
    return timestamp[:16].replace("T", " ")


@lru_cache(maxsize=64)
def _second(at: int) -> str:
    # Many events fall into one second, and formatting it costs more than the rest of a frame.
    return f"{datetime.fromtimestamp(min(at, LATEST), UTC):%Y-%m-%dT%H:%M:%S}"
