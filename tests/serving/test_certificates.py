"""Certificates: read anew, refused by name, and told before they expire."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from app.serving.certificates import Certificates, expiry
from app.testing import ManualClock
from config import ConfigurationError, Settings, load

ENDS = datetime(2040, 5, 6, 7, 8, 9, tzinfo=UTC)


def write(folder: Path, ends: datetime = ENDS) -> None:
    made = trustme.CA().issue_cert("127.0.0.1", not_after=ends)
    made.private_key_pem.write_to_path(str(folder / "key.pem"))
    made.cert_chain_pems[0].write_to_path(str(folder / "certificate.pem"))


def settings(folder: Path) -> Settings:
    files = {"certificate": str(folder / "certificate.pem"), "key": str(folder / "key.pem")}
    return load([], {"app.deployment.tls": files}, environment={})


@pytest.mark.parametrize("ends", [ENDS, datetime(2060, 1, 2, 3, 4, 5, tzinfo=UTC)])
def test_the_day_a_certificate_expires(tmp_path: Path, ends: datetime) -> None:
    write(tmp_path, ends)
    assert expiry((tmp_path / "certificate.pem").read_text()) == ends


@pytest.mark.parametrize("text", ["", "nonsense", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_has_no_such_day(text: str) -> None:
    with pytest.raises(ValueError, match=r"certificate|PEM|Invalid|padding"):
        expiry(text)


def test_the_day_is_told_every_day_before_it_and_after_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path)
    clock = ManualClock(now=int((ENDS - timedelta(days=16, hours=-1)).timestamp() * 1000))
    certificates = Certificates(settings(tmp_path), clock)
    told = []
    for _ in range(18 * 4):
        caplog.clear()
        certificates.check()
        told += [record.message for record in caplog.records]
        clock.advance(6 * 3600)
    file = tmp_path / "certificate.pem"
    soon = f"{file}: the certificate expires on 2040-05-06: put a new one there, which is read when it changes"
    assert told == [
        *[soon] * 14,
        *[f"{file}: the certificate expired on 2040-05-06, and clients refuse it: put a new one there"] * 2,
    ]


def test_files_that_do_not_fit_yet_are_told_once_if_that_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path)
    certificates = Certificates(settings(tmp_path), ManualClock())
    (tmp_path / "key.pem").write_text("half of it")
    certificates.check()
    assert not caplog.records, "the other half may be on its way"
    for _ in range(3):
        certificates.check()
    [record] = caplog.records
    assert "the former certificate stays in use" in record.message


def test_a_key_with_a_pass_phrase_is_refused_by_name(tmp_path: Path) -> None:
    write(tmp_path)
    key = load_pem_private_key((tmp_path / "key.pem").read_bytes(), None)
    encrypted = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    (tmp_path / "key.pem").write_bytes(encrypted)
    told = r'^overrides: app\.deployment\.tls\.key = "/.*/key\.pem": the key has a pass phrase'
    with pytest.raises(ConfigurationError, match=told) as refused:
        Certificates(settings(tmp_path), ManualClock())
    assert refused.value.value == f"{tmp_path}/key.pem"


def test_each_connection_gets_the_current_certificate(tmp_path: Path) -> None:
    write(tmp_path)
    certificates = Certificates(settings(tmp_path), ManualClock())
    before = shown(certificates)
    write(tmp_path)
    certificates.check(now=True)
    assert before != shown(certificates) == ssl.PEM_cert_to_DER_cert((tmp_path / "certificate.pem").read_text())


def shown(certificates: Certificates) -> bytes:
    """The certificate that a client sees, in DER."""
    inwards, outwards = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = certificates.context.wrap_bio(inwards, outwards, server_side=True)
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    client = trusting.wrap_bio(outwards, inwards)
    for one in (client, server, client, server):
        try:
            one.do_handshake()
        except ssl.SSLWantReadError:
            continue
    certificate = client.getpeercert(binary_form=True)
    assert certificate is not None
    return certificate
