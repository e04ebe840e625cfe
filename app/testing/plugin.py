"""Fixtures for pytest. Where natter-chat is installed, pytest loads this file by itself. In a checkout, add it to your
conftest.py: `pytest_plugins = ["app.testing.plugin"]`. It imports nothing more until a test uses a fixture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from app.testing import Host


@pytest.fixture
def start_chat() -> Iterator[Callable[..., Host]]:
    """Start applications that run until the test ends: `start_chat(my.module, server=True)`. Takes the arguments of
    `test_application`."""
    from app.testing import test_application

    with ExitStack() as stack:

        def start(*modules: Any, **options: Any) -> Host:
            return stack.enter_context(test_application(*modules, **options))

        yield start


@pytest.fixture
def chat(start_chat: Callable[..., Host]) -> Host:
    """A chat without other modules. Override it in your conftest.py: `return start_chat(my.module)`."""
    return start_chat()
