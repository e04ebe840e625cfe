"""Users: secrets, names, passwords, and what is known of each."""

from __future__ import annotations

from asyncio import gather

import pytest

from app.backends import Backend
from tests.contracts.helpers import soon

pytestmark = pytest.mark.anyio


async def test_names_count_up_and_secrets_identify(backend: Backend) -> None:
    secrets = [f"secret {number}".encode() for number in range(30)]
    users = await soon(gather(*[backend.enlist(secret) for secret in secrets[:20]]))
    users += [await soon(backend.enlist(secret)) for secret in secrets[20:]]
    assert [user.name for user in users] == [f"user{number}" for number in range(30)]
    assert len({user.id for user in users}) == 30
    assert [await soon(backend.identify(secret)) for secret in secrets] == users


async def test_an_unknown_secret_identifies_nobody(backend: Backend) -> None:
    await soon(backend.enlist(b"secret\0a"))
    for secret in (b"", b"secret", b"secret\0", b"secret\0A", b"secret\0a\0"):
        assert await soon(backend.identify(secret)) is None
