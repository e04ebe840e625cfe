"""The package itself: the names it exports, and how much an import loads."""

from __future__ import annotations

import subprocess
import sys

import pytest

import app
from app.application import create_app
from tests.clients import DEADLINE, ROOT


def test_the_server_is_there_for_who_asks() -> None:
    assert app.create_app is create_app
    with pytest.raises(AttributeError, match="has no attribute 'other'"):
        app.other  # noqa: B018


def test_the_client_starts_without_the_server() -> None:
    loaded = "import sys, app.client.main; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", loaded], cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE, check=True
    )
    assert {name.partition(".")[0] for name in done.stdout.split()}.isdisjoint({"starlette", "uvicorn", "config"})
