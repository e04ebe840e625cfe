"""What people type as the address of a chat."""

from __future__ import annotations

import pytest

from app.client.address import normalize, with_name


@pytest.mark.parametrize(
    ("typed", "dialled"),
    [
        ("ws://localhost:8080/chat", "ws://localhost:8080/chat"),
        ("localhost:8080", "ws://localhost:8080/chat"),
        ("https://chat.example.com", "wss://chat.example.com/chat"),
        ("HTTP://example.com/", "ws://example.com/chat"),
        ("wss://example.com/a/b?room=ops#top", "wss://example.com/a/b?room=ops"),
        ("ws://[::1]:8080", "ws://[::1]:8080/chat"),
    ],
)
def test_it_becomes_that_of_a_websocket(typed: str, dialled: str) -> None:
    assert normalize(typed) == dialled


@pytest.mark.parametrize("typed", ["ftp://x", "ws://", "ws://x:99999", "ws://x:port", "http:///chat", "://"])
def test_what_is_none(typed: str) -> None:
    with pytest.raises(ValueError, match="is not a chat address: "):
        normalize(typed)


def test_the_name_is_asked_for_in_it() -> None:
    assert with_name("ws://x/chat?room=ops&name=old", "ann") == "ws://x/chat?room=ops&name=ann"
    assert with_name("ws://x/chat", "ünal&co") == "ws://x/chat?name=%C3%BCnal%26co"
    assert with_name("ws://x/chat?name=old", "") == "ws://x/chat?name=old"
