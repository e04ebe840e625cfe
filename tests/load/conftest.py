"""A server without limits, for tests of the load generator."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clients import Served, serving

NO_LIMITS = [f"-P:chat.limits.{name}=0" for name in ("rate", "connections", "connections-per-address")]


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with serving(*NO_LIMITS) as server:
        yield server
