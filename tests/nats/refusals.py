"""What a node says that doesn't start."""

from __future__ import annotations

import re

import pytest

from app.backends import StoreError
from app.backends.nats.engine import Engine
from app.backends.nats.settings import NatsSettings
from tests.nats.servers import PASSWORD


async def refusal(settings: NatsSettings) -> str:
    """Why a node with these settings doesn't start."""
    engine = Engine(settings)
    with pytest.raises(StoreError) as caught:
        await engine.open()
    text = str(caught.value)
    assert "\n" not in text
    assert PASSWORD not in text
    return re.sub(r"127\.0\.0\.1:\d+", "ADDRESS", text)
