"""Nothing stays open after a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.backends.search import stores


@pytest.fixture(autouse=True)
def closing() -> Iterator[None]:
    with stores.closing:
        yield
