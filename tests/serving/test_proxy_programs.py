"""The chat behind the proxies that people use, as the README configures them."""

from __future__ import annotations

import re
import socket
import ssl
import sys
from pathlib import Path
from typing import Any

import pytest
import trustme
from websockets.exceptions import InvalidStatus

from tests.clients import DEADLINE, ROOT, Process, dial, serving
from tests.serving.proxy_programs import CONFIGURATIONS, proxied

each_program = pytest.mark.parametrize("program", CONFIGURATIONS)
NAMED = '-P:app.deployment.host-names=["chat.example"]'
TRUSTING = '-P:app.deployment.trusted-proxies=["127.0.0.1"]'


def status(url: str, **options: Any) -> int:
    """The status of a handshake."""
    try:
        with dial(url, **options):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


def test_the_readme_has_the_lines_that_are_tried() -> None:
    section = (ROOT / "README.md").read_text().split("## Put it behind a proxy")[1].split("\n## ")[0]
    values = {"host": "", "port": "", "folder": "", "tls": "", "user": "", "target": "127.0.0.1:8080"}
    tried = {
        " ".join(line.split()) for text in CONFIGURATIONS.values() for line in text.substitute(values).splitlines()
    }
    block = section.split("```nginx\n")[1].split("```")[0]
    quoted = re.findall(r"^\| (?:Caddy|HAProxy|Apache) \| .*$", section, re.M)
    lines = [*block.splitlines(), *(line for row in quoted for line in re.findall("`([^`]+ [^`]+)`", row))]
    assert len(lines) == 15
    assert [line for line in lines if " ".join(line.split()) not in tried] == []


@pytest.mark.slow("proxies")
@each_program
@pytest.mark.parametrize("flags", [(), (TRUSTING,)])
def test_the_page_of_this_server_may_connect_and_no_other(program: str, flags: tuple[str, ...], tmp_path: Path) -> None:
    with serving(*flags) as server, proxied(program, f"127.0.0.1:{server.port}", tmp_path) as host:
        with dial(f"ws://{host}/chat", origin=f"http://{host}") as ann:
            assert ann.recv(DEADLINE) == "You are connected! There are 1 users here."
            ann.send("hi")
            assert ann.recv(DEADLINE) == "[user0]: hi"
        assert status(f"ws://{host}/chat", origin="http://evil.example") == 403
        assert status(f"ws://{host}/chat", origin=f"http://127.0.0.1:{server.port}") == 403
        server.line("Refused a page of http://evil.example with 403")


@pytest.mark.slow("proxies")
@each_program
def test_a_trusted_proxy_tells_the_address_of_each_client(program: str, tmp_path: Path) -> None:
    limit = "-P:app.websockets.connections-per-address=1"
    with (
        serving(TRUSTING, limit) as server,
        proxied(program, f"127.0.0.1:{server.port}", tmp_path) as host,
        dial(f"ws://{host}/chat", source_address=("127.0.0.8", 0)),
    ):
        server.line("Adding user! user0 from 127.0.0.8")
        made_up = {"X-Forwarded-For": "192.0.2.1", "Forwarded": "for=192.0.2.2"}
        refused = status(f"ws://{host}/chat", source_address=("127.0.0.8", 0), additional_headers=made_up)
        assert refused == 429
        with dial(f"ws://{host}/chat", source_address=("127.0.0.9", 0), additional_headers=made_up):
            server.line("Adding user! user1 from 127.0.0.9")


@pytest.mark.slow("proxies")
def test_a_page_of_https_may_connect_where_the_proxy_ends_tls(tmp_path: Path) -> None:
    authority, context = trustme.CA(), ssl.create_default_context()
    authority.configure_trust(context)
    made = authority.issue_cert("chat.example")
    made.private_key_pem.write_to_path(tmp_path / "key")
    made.cert_chain_pems[0].write_to_path(tmp_path / "crt")
    tls = f" ssl; ssl_certificate {tmp_path}/crt; ssl_certificate_key {tmp_path}/key"
    for flags in ((), (TRUSTING,)):
        with serving(*flags, NAMED) as server, proxied("nginx", f"127.0.0.1:{server.port}", tmp_path, tls=tls) as host:
            address, port = host.split(":")

            def opened(origin: str, at: tuple[str, str] = (address, port)) -> int:
                connection = socket.create_connection((at[0], int(at[1])), DEADLINE)
                return status(f"wss://chat.example:{at[1]}/chat", sock=connection, ssl=context, origin=origin)

            assert opened(f"https://chat.example:{port}") == 101
            assert opened(f"http://chat.example:{port}") == (403 if flags else 101), "only a trusted proxy tells of TLS"
            assert opened("https://evil.example") == 403


@pytest.mark.slow("proxies")
@pytest.mark.parametrize(("trusted", "second"), [("[]", 101), ("[unix]", 429)])
def test_behind_a_unix_socket_clients_have_the_address_that_the_proxy_tells(
    trusted: str, second: int, tmp_path: Path
) -> None:
    path, settings = tmp_path / "natter.sock", tmp_path / "natter.conf"
    settings.write_text(f"app.deployment.trusted-proxies = {trusted}\napp.websockets.connections-per-address = 1\n")
    environment = {"APP_CONFIG": str(settings)}
    command = f"{Path(sys.executable).parent}/uvicorn app:create_app --factory --uds {path}"
    with Process(cwd=tmp_path, command=command, environment=environment) as server:
        server.line("Uvicorn running on unix socket")
        with (
            proxied("nginx", f"unix:{path}", tmp_path) as host,
            dial(f"ws://{host}/chat", source_address=("127.0.0.8", 0)) as ann,
        ):
            ann.recv(DEADLINE)
            assert status(f"ws://{host}/chat", source_address=("127.0.0.8", 0)) == second
            assert status(f"ws://{host}/chat", source_address=("127.0.0.9", 0)) == 101
