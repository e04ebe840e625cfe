"""The relay that tests put between nodes and servers."""

from __future__ import annotations

import socket
from contextlib import suppress

import pytest

from benchmarks.ports import free_port
from tests.clients import DEADLINE
from tests.nats.relay import Relay


@pytest.mark.parametrize("again", [False, True])
def test_connections_that_begin_while_it_is_cut_off_end(*, again: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as target:
        for _ in range(20):
            with Relay(free_port(), [target.getsockname()[1]]) as relay:
                clients = [socket.create_connection(("127.0.0.1", relay.port), DEADLINE) for _ in range(20)]
                if again:
                    relay.cut()
                    relay.mend()
            for client in clients:
                with client, suppress(ConnectionResetError):
                    assert client.recv(1) == b""
