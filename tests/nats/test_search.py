"""What a search on a node finds: all that this node had applied when it was asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.backends.nats.settings import NatsSettings
from tests.contracts.helpers import draft, found, someone, store
from tests.nats.nodes import cluster

pytestmark = pytest.mark.anyio


async def test_a_search_finds_what_its_node_has_applied_wherever_it_was_said(
    settings: NatsSettings, tmp_path: Path
) -> None:
    async with cluster(tmp_path, settings) as [one, other]:
        user = await someone(one.backend)
        for number in range(20):
            await store((one, other)[number % 2].backend, draft(user, f"fox {number}"))
        await other.reaches(one)
        assert await found(other.backend, "fox") == [f"fox {number}" for number in range(20)]
        assert await found(one.backend, "fox 19") == ["fox 19"]
