"""Names on two nodes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from websockets.sync.client import ClientConnection

from tests.clients import DEADLINE
from tests.cluster.scene import NODES, Node
from tests.nats.servers import running

CLAIMS = 100


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[list[Node]]:
    with ExitStack() as stack:
        servers = stack.enter_context(running(tmp_path / "servers"))
        found = [Node(tmp_path / f"node{number}", servers.settings()) for number in range(NODES)]
        for node in found:
            node.folder.mkdir()
            stack.callback(node.kill)
            node.start()
        yield found


def receive(client: ClientConnection) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(client.recv(DEADLINE))
    return told


def test_of_a_hundred_claims_of_one_name_on_two_nodes_one_wins(nodes: Sequence[Node]) -> None:
    begin = Barrier(CLAIMS)

    def claim(client: ClientConnection) -> str:
        assert receive(client)["t"] == "welcome"
        begin.wait(DEADLINE)
        client.send(json.dumps({"t": "nick", "rid": 1, "name": "Ann"}))
        told = receive(client)
        return str(told["name"] if told["t"] == "named" else told["code"])

    with ExitStack() as stack:
        servers = [nodes[number % len(nodes)].server for number in range(CLAIMS)]
        clients = [stack.enter_context(server.connect(subprotocols=["chat.v1.json"])) for server in servers]
        with ThreadPoolExecutor(CLAIMS) as threads:
            assert Counter(threads.map(claim, clients)) == {"Ann": 1, "name_taken": CLAIMS - 1}
