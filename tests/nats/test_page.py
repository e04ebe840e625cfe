"""`docs/cluster.md`: the configuration in it works."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path

import pytest
import trustme

from app.backends.nats.engine import Engine
from app.backends.nats.settings import NatsSettings
from config import load
from config.schema import build
from tests.clients import DEADLINE, ROOT
from tests.nats.servers import Server, free_ports

pytestmark = pytest.mark.anyio

SERVER, NODE = re.findall(r"```hocon\n(.*?)```", (ROOT / "docs/cluster.md").read_text(), re.S)
SECRETS = {"NATS_PASSWORD": "a-password", "NATS_KEY": "a-key"}


def stored(folder: Path) -> bytes:
    """What the servers have on the disk."""
    return b"".join(path.read_bytes() for path in folder.glob("files-*/**/*") if path.is_file())


@pytest.mark.slow("cluster")
async def test_three_servers_and_a_node_that_are_configured_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    ports, routes = free_ports(3), free_ports(3)
    found = [
        (f"nats-{i}.example.com:{inside}", f"127.0.0.1:{port}")
        for i in (1, 2, 3)
        for inside, port in ((4222, ports[i - 1]), (6222, routes[i - 1]))
    ]

    def here(text: str) -> str:
        for there, place in found:
            text = text.replace(there, place)
        return text.replace("/etc/nats", str(tmp_path))

    with ExitStack() as stack:
        for i, (port, route) in enumerate(zip(ports, routes, strict=True), start=1):
            certificate = authority.issue_cert("127.0.0.1")
            certificate.private_key_pem.write_to_path(tmp_path / f"nats-{i}-key.pem")
            certificate.cert_chain_pems[0].write_to_path(tmp_path / f"nats-{i}.pem")
            server = Server(tmp_path, f"nats-{i}", port)
            config = here(SERVER).replace("nats-1", f"nats-{i}").replace("/var/lib/nats", str(tmp_path / f"files-{i}"))
            config = config.replace("0.0.0.0:4222", f"127.0.0.1:{port}").replace("0.0.0.0:6222", f"127.0.0.1:{route}")
            server.config.write_text(config)
            server.start()
            stack.callback(server.kill)
        (tmp_path / "node.conf").write_text(here(NODE))
        tree = load([ROOT / "application.conf", tmp_path / "node.conf"]).tree
        engine = Engine(build(NatsSettings, tree, ("chat", "nats")))
        await engine.open()
        assert engine.encrypted
        assert await engine.append(b"a text", patience=DEADLINE) == 1
        await engine.close()
    kept = stored(tmp_path)
    assert b"natter.log" not in kept
    assert b"a text" not in kept
    assert len(kept) > 1000
