"""Fixtures for pytest, which loads this file by itself where natter-chat is installed. In a checkout, name it in your
conftest.py: `pytest_plugins = ["app.testing.plugin"]`. It imports nothing else until a test asks for a fixture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from app.testing import Host


@pytest.fixture
def start_chat() -> Iterator[Callable[..., Host]]:
    """Start test applications, which run until the test ends: `start_chat(my.module, server=True)`. It takes what
    `test_application` takes."""
    from app.testing import test_application

    with ExitStack() as stack:

        def start(*modules: Any, **options: Any) -> Host:
            return stack.enter_context(test_application(*modules, **options))

        yield start


@pytest.fixture
def chat(start_chat: Callable[..., Host]) -> Host:
    """A chat without your module. Have a fixture of this name in your conftest.py to change that: `return
    start_chat(my.module)`."""
    return start_chat()
