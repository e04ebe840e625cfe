"""Tokens: the secrets that let clients come back as the same user."""

from __future__ import annotations

import hashlib
import secrets

TOKEN_BYTES = 24


def new_token() -> str:
    """Return a token that nobody can guess."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def digest(token: str) -> bytes:
    """Hash a token for the store, so that the store does not reveal it. There is no digest of no token."""
    return hashlib.sha256(token.encode()).digest() if token else b""
