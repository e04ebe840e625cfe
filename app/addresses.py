"""Addresses of clients, and what counts as one address where a limit holds for each."""

from __future__ import annotations

import socket
from functools import lru_cache


@lru_cache(1024)
def network(address: str) -> str | bytes:
    """Return what counts as one address: of IPv6 the first 64 bits, since a household gets all addresses below them.
    An IPv4 address that is written as IPv6 is the same as that IPv4 address."""
    if ":" not in address:
        return address
    try:
        packed = socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
    except OSError:
        return address
    if packed.startswith(b"\0" * 10 + b"\xff\xff"):
        return socket.inet_ntoa(packed[12:])
    return packed[:8]
