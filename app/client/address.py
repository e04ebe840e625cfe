"""The address of a chat: what people type, and what is dialled."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

DEFAULT = "ws://localhost:8080/chat"
_SCHEMES = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}


def normal(url: str) -> str:
    """`url` as that of a WebSocket: http and https are mapped, no path is /chat. ValueError for what is no URL."""
    if "://" not in url:
        url = f"ws://{url}"
    parts = urlsplit(url)
    scheme = _SCHEMES.get(parts.scheme.lower())
    if scheme is None:
        raise ValueError(f"{url!r} is no address of a chat: expected ws://, wss://, http:// or https://")
    try:
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"{url!r} is no address of a chat: expected a port from 0 to 65535") from None
    if not host:
        raise ValueError(f"{url!r} is no address of a chat: expected a host, as in {DEFAULT}")
    path = parts.path if parts.path not in ("", "/") else "/chat"
    return urlunsplit((scheme, parts.netloc, path, parts.query, ""))


def shown(url: str) -> str:
    """`url` as people and files may see it: without a password."""
    parts = urlsplit(url)
    return urlunsplit((*parts[:1], parts.netloc.rpartition("@")[2], *parts[2:]))


def named(url: str, name: str) -> str:
    """`url` with the name that one would like to have there."""
    parts = urlsplit(url)
    query = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] != "name" or not name]
    if name:
        query.append(("name", name))
    return urlunsplit((*parts[:3], urlencode(query), ""))
