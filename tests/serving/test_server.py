"""What a person reads when the server can't start."""

from __future__ import annotations

import errno
import socket
from pathlib import Path
from typing import Any

import pytest
import trustme

from app import create_app
from app.errors import StartupError
from app.serving.server import bind, run, url
from config import ConfigurationError, Settings, load


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


def test_the_address_to_open_is_one_that_a_browser_can_open() -> None:
    for host, shown in (("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "127.0.0.1"), ("::1", "[::1]"), ("::", "[::1]")):
        given = settings(host=host, port=0, **{"root-path": "/team"})
        sockets = bind(given)
        try:
            assert url(given.app.deployment, sockets) == f"http://{shown}:{sockets[0].getsockname()[1]}/team"
        finally:
            for one in sockets:
                one.close()


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
