"""What every backend promises (see app.backends), in one suite for all. A new backend adds itself to BACKENDS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.backends import Backend
from app.backends.embedded import Embedded

BACKENDS: dict[str, Callable[[Path], Backend]] = {
    "embedded in memory": lambda directory: Embedded(":memory:"),
    "embedded in a file": lambda directory: Embedded(str(directory / "store.db")),
}
"""Each makes a backend with an empty history, not open yet; the directory is its own."""


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module", params=BACKENDS)
def fresh(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Backend]:
    return lambda: BACKENDS[request.param](tmp_path_factory.mktemp("backend"))


@pytest.fixture
def backend(fresh: Callable[[], Backend]) -> Iterator[Backend]:
    made = fresh()
    made.open()
    yield made
    made.close()
