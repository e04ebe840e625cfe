"""A server without limits, for tests of the load generator."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clients import Served, serving

NO_LIMITS = ["-P:chat.limits.rate=0"] + [
    f"-P:app.websockets.{name}=0" for name in ("connections", "connections-per-address")
]


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with serving(*NO_LIMITS) as server:
        yield server
