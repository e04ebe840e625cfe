"""Ports for servers that are told theirs before they start."""

from __future__ import annotations

import random
import socket


def free_port() -> int:
    """A free port below those that the system gives to clients, of which one could take it before a server does."""
    for port in random.sample(range(20000, 32000), 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no port is free")
