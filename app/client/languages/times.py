"""Times and durations as people read them."""

from __future__ import annotations

import math
from datetime import datetime

from app.client.languages.catalogue import Translatable, translatable


def local_time(timestamp: object) -> datetime | None:
    """The local time of an RFC 3339 timestamp; None if it is none."""
    try:
        return datetime.fromisoformat(timestamp).astimezone() if isinstance(timestamp, str) else None
    except (ValueError, OverflowError):
        return None


def duration(seconds: float) -> Translatable:
    """A duration in whole units, the largest in which nothing is lost: `90 seconds`, `2 minutes`."""
    whole = max(1, math.ceil(seconds))
    if whole % 86_400 == 0:
        return translatable("duration.days", count=whole // 86_400)
    if whole % 3_600 == 0:
        return translatable("duration.hours", count=whole // 3_600)
    if whole % 60 == 0:
        return translatable("duration.minutes", count=whole // 60)
    return translatable("duration.seconds", count=whole)
