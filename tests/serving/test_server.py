"""What a person reads when the server can't start."""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from app import create_app
from app.errors import StartupError
from app.serving.binding import BACKLOG, bind, urls
from app.serving.server import make_server, run
from benchmarks.ports import free_port
from config import ConfigurationError, Settings, load
from tests.clients import DEADLINE


def settings(**deployment: Any) -> Settings:
    return load([], {f"app.deployment.{key}": value for key, value in deployment.items()}, environment={})


def test_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartupError) as caught:
            bind(settings(host="127.0.0.1", port=port))
    assert str(caught.value) == (
        f"overrides: app.deployment.port = {port}: can't listen on 127.0.0.1:{port}: address already in use; "
        "stop the program that uses it, or choose another port, for example with -port=9090"
    )


def test_an_address_of_another_machine() -> None:
    with pytest.raises(StartupError) as caught:
        bind(settings(host="192.0.2.1", port=0))
    assert str(caught.value) == (
        'overrides: app.deployment.host = "192.0.2.1": can\'t listen on 192.0.2.1:0: cannot assign requested address; '
        "set app.deployment.host to an address of this machine, or to 0.0.0.0 for all of them"
    )


def test_a_port_that_needs_rights(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(socket.socket):
        def bind(self, address: Any, /) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("socket.socket", Refusing)
    with pytest.raises(StartupError) as caught:
        bind(settings(host="::1", port=80))
    assert str(caught.value) == (
        "overrides: app.deployment.port = 80: can't listen on [::1]:80: permission denied; "
        "choose a port above 1023, or allow the process to use this one"
    )


@contextmanager
def listening(host: Any, **deployment: Any) -> Iterator[list[socket.socket]]:
    sockets = bind(settings(host=host, **deployment))
    try:
        yield sockets
    finally:
        for one in sockets:
            one.close()


def reached(port: int) -> list[str]:
    """The addresses of this machine on which something listens at a port."""
    found = []
    for host in ("127.0.0.1", "::1"):
        try:
            socket.create_connection((host, port), DEADLINE).close()
        except ConnectionRefusedError:
            continue
        found.append(host)
    return found


@pytest.mark.parametrize(
    ("host", "addresses"),
    [
        (["0.0.0.0", "::"], ["127.0.0.1", "::1"]),
        ("::, 0.0.0.0", ["127.0.0.1", "::1"]),
        ("0.0.0.0", ["127.0.0.1"]),
        ("::", ["::1"]),
        ("127.0.0.1,::1", ["127.0.0.1", "::1"]),
        (["127.0.0.1", "127.0.0.1"], ["127.0.0.1"]),
        ("127.0.0.1,0.0.0.0", ["127.0.0.1"]),
        (["::", "::1", "0.0.0.0"], ["127.0.0.1", "::1"]),
        ("[::1]", ["::1"]),
    ],
)
def test_it_listens_on_each_of_the_hosts_and_on_nothing_else(host: Any, addresses: list[str]) -> None:
    port = free_port()
    with listening(host, port=port):
        assert reached(port) == addresses


def test_the_default_hears_ipv4_and_ipv6() -> None:
    sockets = bind(load([], {"app.deployment.port": 0}, environment={}))
    try:
        assert reached(sockets[0].getsockname()[1]) == ["127.0.0.1", "::1"]
    finally:
        for one in sockets:
            one.close()


def test_the_system_chooses_a_port_that_is_free_at_every_host(monkeypatch: pytest.MonkeyPatch) -> None:
    refused: list[int] = []

    class Busy(socket.socket):
        def bind(self, address: Any, /) -> None:
            if self.family == socket.AF_INET6 and len(refused) < 3:
                refused.append(address[1])
                raise OSError(errno.EADDRINUSE, "Address already in use")
            super().bind(address)

    monkeypatch.setattr("socket.socket", Busy)
    with listening(["127.0.0.1", "::1"], port=0) as sockets:
        (port,) = {one.getsockname()[1] for one in sockets}
    assert len(refused) == 3
    assert port not in refused


class Ipv4Only(socket.socket):
    def __init__(self, family: int = -1, *rest: Any) -> None:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        super().__init__(family, *rest)


def test_without_ipv6_a_name_that_has_an_ipv6_address_too_hears_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*_: Any, **__: Any) -> list[Any]:
        ipv4 = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))
        return [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 0, 0, 0)), ipv4]

    monkeypatch.setattr("socket.getaddrinfo", resolve)
    monkeypatch.setattr("socket.socket", Ipv4Only)
    with listening("localhost", port=0) as sockets:
        assert [one.getsockname()[0] for one in sockets] == ["127.0.0.1"]


def test_without_ipv6_the_default_hears_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.socket", Ipv4Only)
    with listening(["0.0.0.0", "::"], port=0) as sockets:
        assert [one.family for one in sockets] == [socket.AF_INET]
    with pytest.raises(
        StartupError, match=r'app\.deployment\.host = "::": can\'t listen on \[::\]:0: address family not'
    ):
        bind(settings(host="::", port=0))


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("0.0.0.0", ["127.0.0.1"]),
        ("127.0.0.1", ["127.0.0.1"]),
        ("::1", ["[::1]"]),
        ("::", ["[::1]"]),
        ("0.0.0.0,::", ["127.0.0.1"]),
        ("127.0.0.1,::1", ["127.0.0.1", "[::1]"]),
    ],
)
def test_the_addresses_to_open_are_ones_that_a_browser_can_open(host: str, shown: list[str]) -> None:
    with listening(host, port=0, **{"root-path": "/team"}) as sockets:
        port = sockets[0].getsockname()[1]
        deployment = settings(host=host, **{"root-path": "/team"}).app.deployment
        assert urls(deployment, sockets) == [f"http://{one}:{port}/team" for one in shown]


def test_tls_files_that_can_not_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def line(certificate: str, key: str) -> str:
        files = {"certificate": certificate, "key": key}
        overrides = {"app.modules": ["app.modules.health.module"], "app.deployment.tls": files}
        with pytest.raises(ConfigurationError) as caught:
            run(create_app(load([], overrides, environment={})), [])
        return str(caught.value)

    for name in ("a", "b"):
        made = trustme.CA().issue_cert("127.0.0.1")
        made.private_key_pem.write_to_path(f"{name}.key")
        made.cert_chain_pems[0].write_to_path(f"{name}.crt")
    (tmp_path / "broken.crt").write_text("-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n")
    tls = "overrides: app.deployment.tls"
    assert line("no.crt", "a.key") == f'{tls}.certificate = "no.crt": can\'t be read: no such file or directory'
    assert line("a.crt", "no.key") == f'{tls}.key = "no.key": can\'t be read: no such file or directory'
    assert line("a.key", "a.key") == (
        f'{tls}.certificate = "a.key": expected a certificate in PEM format (-----BEGIN CERTIFICATE-----)'
    )
    assert line("a.crt", "a.crt") == (
        f'{tls}.key = "a.crt": expected a private key in PEM format (-----BEGIN PRIVATE KEY-----)'
    )
    assert line("a.crt", "b.key") == f'{tls} = "a.crt, b.key": the key doesn\'t belong to the certificate'
    assert line("broken.crt", "a.key").startswith(
        f'{tls} = "broken.crt, a.key": expected a certificate and its key in PEM format: '
    )


def test_the_connections_that_are_accepted_in_one_turn_have_a_bound() -> None:
    """The event loop accepts all that the system has ready."""
    application = create_app(overrides={"app.modules": ["app.modules.health.module"]})
    [listener] = bind(settings(host="127.0.0.1", port=0))
    with listener:
        config = make_server(application, [listener], own_process=False).config
        listener.listen(config.backlog)  # as uvicorn does
        if sys.platform == "linux":
            information = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
            assert int.from_bytes(information[28:32], sys.byteorder) == BACKLOG
    assert config.backlog == BACKLOG <= 512
