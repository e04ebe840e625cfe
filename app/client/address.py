"""Addresses of chats: from what people type to the URL of a WebSocket."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

DEFAULT = "ws://localhost:8080/chat"
_SCHEMES = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}


def normalize(url: str) -> str:
    """The WebSocket URL for `url`. http and https become ws and wss, and the path is /chat if there is none. ValueError
    if it can't be one."""
    if "://" not in url:
        url = f"ws://{url}"
    parts = urlsplit(url)
    scheme = _SCHEMES.get(parts.scheme.lower())
    if scheme is None:
        raise ValueError(f"{url!r} is not a chat address: use ws://, wss://, http:// or https://")
    try:
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"{url!r} is not a chat address: the port must be from 0 to 65535") from None
    if not host:
        raise ValueError(f"{url!r} is not a chat address: it has no host, as in {DEFAULT}")
    path = parts.path if parts.path not in ("", "/") else "/chat"
    return urlunsplit((scheme, parts.netloc, path, parts.query, ""))


def without_password(url: str) -> str:
    """`url` without user name and password, as people and files may see it."""
    parts = urlsplit(url)
    return urlunsplit((*parts[:1], parts.netloc.rpartition("@")[2], *parts[2:]))


def with_name(url: str, name: str) -> str:
    """`url` with the parameter that asks for `name`; unchanged if there is no name."""
    parts = urlsplit(url)
    query = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] != "name" or not name]
    if name:
        query.append(("name", name))
    return urlunsplit((*parts[:3], urlencode(query), ""))
