"""Connections that are encrypted, or refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from app.backends.nats.engine import Engine
from app.backends.nats.settings import NatsSettings, NatsTlsSettings
from tests.nats.fake import fake_server
from tests.nats.refusals import refusal
from tests.nats.servers import PASSWORD, Servers, running

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def secured(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """A server that offers TLS and takes plain connections as well."""
    folder = tmp_path_factory.mktemp("tls")
    issue(authority, folder, "127.0.0.1")
    tls = f"tls {{ cert_file: '{folder}/cert.pem', key_file: '{folder}/key.pem' }}\nallow_non_tls: true\n"
    with running(folder, more=tls) as found:
        yield found


@pytest.fixture(scope="module")
def strict(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """A server that takes only TLS, and wants a certificate of its clients."""
    folder = tmp_path_factory.mktemp("strict")
    issue(authority, folder, "127.0.0.1")
    files = f"cert_file: '{folder}/cert.pem', key_file: '{folder}/key.pem', ca_file: '{folder}/ca.pem'"
    with running(folder, more=f"tls {{ {files}, verify: true }}") as found:
        yield found


def issue(authority: trustme.CA, folder: Path, name: str) -> None:
    certificate = authority.issue_cert(name)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")


async def test_it_is_used_if_it_is_only_offered(secured: Servers) -> None:
    tls = NatsTlsSettings(enabled=True, ca=str(secured[0].folder / "ca.pem"))
    engine = Engine(secured.settings(tls=tls, stream="offered"))
    await engine.open()
    assert engine.encrypted
    await engine.close()


async def test_a_certificate_of_an_unknown_authority(secured: Servers, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    found = await refusal(secured.settings(tls=NatsTlsSettings(enabled=True, ca=str(tmp_path / "ca.pem"))))
    assert found == (
        "chat.nats: no server can be used: ADDRESS: its certificate is not valid (unable to get local issuer "
        "certificate): set chat.nats.tls.ca to that of its authority"
    )


async def test_a_certificate_of_another_host(authority: trustme.CA, tmp_path: Path) -> None:
    issue(authority, tmp_path, "other.example.com")
    tls = f"tls {{ cert_file: '{tmp_path}/cert.pem', key_file: '{tmp_path}/key.pem' }}"
    with running(tmp_path, more=tls) as servers:
        found = await refusal(servers.settings(tls=NatsTlsSettings(enabled=True, ca=str(tmp_path / "ca.pem"))))
    assert "its certificate is not valid (IP address mismatch" in found


async def test_a_certificate_that_is_asked_for(strict: Servers, authority: trustme.CA, tmp_path: Path) -> None:
    issue(authority, tmp_path, "node-1")
    tls = NatsTlsSettings(enabled=True, ca=str(tmp_path / "ca.pem"))
    assert await refusal(strict.settings(tls=tls)) == (
        "chat.nats: no server can be used: ADDRESS: it wants a certificate: set chat.nats.tls.certificate and "
        "chat.nats.tls.key"
    )
    tls = replace(tls, certificate=str(tmp_path / "cert.pem"), key=str(tmp_path / "key.pem"))
    engine = Engine(strict.settings(tls=tls))
    await engine.open()
    assert engine.encrypted
    await engine.close()


async def test_a_server_that_takes_only_tls(strict: Servers) -> None:
    assert await refusal(strict.settings()) == (
        "chat.nats: no server can be used: ADDRESS: it takes only TLS: set chat.nats.tls.enabled = true"
    )


async def test_a_file_that_is_missing(tmp_path: Path) -> None:
    tls = NatsTlsSettings(enabled=True, ca=str(tmp_path / "none.pem"))
    assert await refusal(NatsSettings(tls=tls)) == (
        f"chat.nats.tls: can't use {tmp_path}/none.pem: No such file or directory"
    )


@pytest.mark.parametrize(
    ("settings", "files"),
    [
        ({"ca": "key.pem"}, "key.pem"),
        ({"certificate": "cert.pem"}, "cert.pem"),
        ({"certificate": "cert.pem", "key": "another.pem"}, "cert.pem, another.pem"),
    ],
    ids=["no certificate", "no key", "the key of another"],
)
async def test_files_that_do_not_belong_together(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], files: str
) -> None:
    issue(authority, tmp_path, "node.example.com")
    authority.issue_cert("other.example.com").private_key_pem.write_to_path(tmp_path / "another.pem")
    monkeypatch.chdir(tmp_path)
    assert await refusal(NatsSettings(tls=NatsTlsSettings(enabled=True, **settings))) == (
        f"chat.nats.tls: can't use {files}: expected PEM files: certificates in ca, and in certificate and key one and "
        "the private key that belongs to it"
    )


async def test_tls_is_asked_for_and_not_had() -> None:
    """Nothing is said to such a server: it might be another one in between."""
    async with fake_server() as fake:
        settings = NatsSettings((fake.url,), "natter", PASSWORD, NatsTlsSettings(enabled=True))
        assert await refusal(settings) == (
            "chat.nats: no server can be used: ADDRESS: it has no TLS: add tls { cert_file: …, key_file: … } to the "
            "server's configuration, or set chat.nats.tls.enabled = false"
        )
    assert fake.told == b""
