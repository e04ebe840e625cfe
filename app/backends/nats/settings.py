"""The settings group `chat.nats`. `application.conf` explains every setting."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from config import Size

PORT = 4222
"""The port of a server whose address has none."""


@dataclass(frozen=True, slots=True)
class NatsTlsSettings:
    """How the connections to the servers are encrypted. Paths of PEM files."""

    enabled: bool = False
    ca: str = ""
    certificate: str = ""
    key: str = field(default="", metadata={"secret": False})


def _check_servers(servers: tuple[str, ...]) -> str | None:
    expected = 'addresses such as "nats://nats.example.com:4222", in brackets'
    for server in servers:
        try:
            host, _ = address(server)
            parts = urlsplit(server if "://" in server else f"nats://{server}")
        except ValueError:
            return expected
        if parts.username is not None:
            return f"{expected}: user and password belong in chat.nats.user and chat.nats.password"
        if parts.scheme == "tls":
            return f"{expected}: for TLS, set chat.nats.tls.enabled = true"
        if parts.scheme != "nats" or not host or parts.path.strip("/") or parts.query or parts.fragment:
            return expected
    return None if servers else expected


def _check_stream(name: str) -> str | None:
    return None if re.fullmatch(r"[A-Za-z0-9_-]{1,100}", name) else "ASCII letters, digits, _ and -, such as natter"


def _check_replicas(replicas: int) -> str | None:
    return None if replicas in (1, 3, 5) else "1, 3 or 5"


def _check_size(size: Size) -> str | None:
    return None if size >= 8 * 1024 * 1024 else "at least 8MiB"


def _check_tls(tls: NatsTlsSettings) -> str | None:
    if tls.key and not tls.certificate:
        return "a certificate as well: a key and its certificate go together"
    if (tls.ca or tls.certificate) and not tls.enabled:
        return "enabled = true, since files for TLS are given"
    return None


@dataclass(frozen=True, slots=True)
class NatsSettings:
    """Where the log of changes is."""

    servers: tuple[str, ...] = field(default=("nats://127.0.0.1:4222",), metadata={"check": _check_servers})
    user: str = ""
    password: str = ""
    tls: NatsTlsSettings = field(default_factory=NatsTlsSettings, metadata={"check": _check_tls})
    stream: str = field(default="natter", metadata={"check": _check_stream})
    replicas: int = field(default=3, metadata={"check": _check_replicas})
    max_bytes: Size = field(default=Size(1024**3), metadata={"check": _check_size})


def address(server: str) -> tuple[str, int]:
    """The host and the port in the address of a server. ValueError if it has none."""
    parts = urlsplit(server if "://" in server else f"nats://{server}")
    if not parts.hostname:
        raise ValueError
    return parts.hostname, parts.port or PORT
