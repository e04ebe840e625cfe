"""One server for all tests of a worker."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from app.backends.nats.settings import NatsSettings
from tests.nats.servers import Servers, running

NUMBERS = count(1)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The event loop that a node has for its log."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with running(tmp_path_factory.mktemp("nats")) as found:
        yield found


@pytest.fixture
def settings(servers: Servers) -> NatsSettings:
    """The settings of a node whose log nobody else uses."""
    return servers.settings(stream=f"natter-{next(NUMBERS)}")
