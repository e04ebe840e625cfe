"""A server for the tests of what people do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from starlette.testclient import TestClient

from app import create_app
from app.identity import passwords


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """A chat without a limit on speed, where a password costs little, operated by `root`."""
    monkeypatch.setattr(passwords, "PasswordHasher", lambda: PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    overrides = {
        "chat.store": str(tmp_path / "chat.db"),
        "chat.limits.rate": 0,
        "chat.operators": ["root"],
        "chat.names.hold": "1h",
        "chat.presence.period": "10ms",
    }
    with TestClient(create_app(overrides=overrides)) as client:
        yield client
