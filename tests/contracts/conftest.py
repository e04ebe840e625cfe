"""What every backend promises (see app.backends), in one suite for all. A new backend adds itself to BACKENDS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from app.backends import Backend
from app.backends.embedded import Embedded
from app.backends.nats.backend import NatsBackend
from tests.nats.conftest import servers
from tests.nats.servers import Servers

__all__ = ["servers"]

BACKENDS: dict[str, Callable[[Path], Backend]] = {
    "embedded in memory": lambda directory: Embedded(":memory:"),
    "embedded in a file": lambda directory: Embedded(str(directory / "store.db")),
}
"""Each makes a backend with an empty history, not open yet; the directory is its own."""
NATS = "nats"
NUMBERS = count(1)
LOG = 8 << 20
"""Most bytes of a log. The server keeps so many free for each."""


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module", params=[*BACKENDS, NATS])
def fresh(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Backend]:
    if request.param in BACKENDS:
        return lambda: BACKENDS[request.param](tmp_path_factory.mktemp("backend"))
    nats: Servers = request.getfixturevalue("servers")

    def node() -> Backend:
        settings = nats.settings(stream=f"contract-{next(NUMBERS)}", max_bytes=LOG)
        return NatsBackend(str(tmp_path_factory.mktemp("node") / "store.db"), settings)

    return node


@pytest.fixture
def backend(fresh: Callable[[], Backend]) -> Iterator[Backend]:
    made = fresh()
    made.open()
    yield made
    made.close()
