"""A chat for the tests of commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.testing import Host, JsonClient, test_application
from tests.live.handlers.test_people import PASSWORD


@pytest.fixture
def chat(tmp_path: Path) -> Iterator[Host]:
    """A chat with a store in a file and the server operator `root`, where names are held for an hour."""
    overrides = {"chat.operators": ["root"], "chat.names.hold": "1h"}
    with test_application(store=tmp_path / "chat.db", overrides=overrides) as chat:
        yield chat


@pytest.fixture
def ann(chat: Host) -> JsonClient:
    """Ann, who owns the room `den` and is in it."""
    ann = chat.connect("ann")
    ann.register(PASSWORD)
    ann.join("den")
    ann.sees("owner")
    return ann
