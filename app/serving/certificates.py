"""The certificate and key of `https://`: read anew when their files change, and watched for the day they expire.

New connections get the new certificate, and those that are open go on. Files that can't be used leave the former ones
in use.
"""

from __future__ import annotations

import logging
import ssl
from datetime import UTC, datetime
from pathlib import Path

from app.clock import Clock
from config import ConfigurationError, Settings
from config.errors import reason

log = logging.getLogger("Application")

DAY = 24 * 3600.0
WARNING_DAYS = 14
"""From how many days before the certificate expires on there is a line a day about it."""

_State = list[tuple[int, int, int] | None]


class Certificates:
    """The certificate and key that `settings` name. ConfigurationError if they can't be used."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._files = [Path(settings.app.deployment.tls.certificate), Path(settings.app.deployment.tls.key)]
        self._seen = self._look()
        self._current = _load(settings)
        self._refused: _State = []
        """The files that couldn't be used at the last check."""
        self._told: _State = []
        self._warned = float("-inf")
        self.context = _load(settings)
        """What the server listens with. Each connection gets the current certificate."""
        self.context.sni_callback = self._choose  # called without a name as well

    def check(self, *, now: bool = False) -> None:
        """Read the files anew if they have changed, or in any case if `now`. Warn once a day before they expire.

        Programs that renew them write one after the other. So files that don't fit are tried again, and told at the
        next check, unless they are to be read `now`.
        """
        state = self._look()
        if now or state not in (self._seen, self._told):
            try:
                self._current = _load(self._settings)
            except ConfigurationError as error:
                if now or state == self._refused:
                    log.error("%s: the former certificate stays in use", error)
                    self._told = state
                self._refused = state
            else:
                self._seen, self._warned = state, float("-inf")
                log.info("The certificate was read anew. It is good until %s", self._expiry().date())
        if self._clock.monotonic() - self._warned >= DAY:
            self._warned = self._clock.monotonic()
            self._warn()

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, context: ssl.SSLContext) -> None:  # noqa: ARG002
        connection.context = self._current

    def _look(self) -> _State:
        state: _State = []
        for file in self._files:
            try:
                found = file.stat()
            except OSError:
                state.append(None)
            else:
                state.append((found.st_ino, found.st_size, found.st_mtime_ns))
        return state

    def _expiry(self) -> datetime:
        return expiry(self._files[0].read_text(encoding="latin-1"))

    def _warn(self) -> None:
        try:
            ends = self._expiry()
        except (OSError, ValueError):
            return
        left = (ends.timestamp() - self._clock.now() / 1000) / DAY
        if left < 0:
            text = "%s: the certificate expired on %s, and clients refuse it: put a new one there"
            log.error(text, self._files[0], ends.date())
        elif left < WARNING_DAYS:
            text = "%s: the certificate expires on %s: put a new one there, which is read when it changes"
            log.warning(text, self._files[0], ends.date())


def expiry(pem: str) -> datetime:
    """Return when the first certificate in a text expires. ValueError if it has none."""
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    data = ssl.PEM_cert_to_DER_cert(begin + pem.split(begin, 1)[-1].split(end, 1)[0] + end + "\n")
    try:
        _, at, _ = _element(data, 0)  # the certificate, and in it what is signed
        _, at, _ = _element(data, at)
        tag, _, after = _element(data, at)
        if tag == 0xA0:  # the version, which may be missing
            at = after
        for _ in ("serial number", "algorithm", "issuer"):
            _, _, at = _element(data, at)
        _, at, _ = _element(data, at)  # from when until when it is valid
        _, _, at = _element(data, at)
        tag, start, stop = _element(data, at)
    except IndexError:
        raise ValueError("expected a certificate") from None
    text = data[start:stop].decode("ascii")
    if tag == 0x17:  # with two digits for the year
        text = ("19" if text[0] >= "5" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _element(data: bytes, at: int) -> tuple[int, int, int]:
    """Return the tag of an element in DER, and where its content begins and ends."""
    tag, length, at = data[at], data[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        length, at = int.from_bytes(data[at : at + size], "big"), at + size
    return tag, at, at + length


class _PassPhraseNeeded(Exception):
    """The key is encrypted."""


def _load(settings: Settings) -> ssl.SSLContext:
    tls = settings.app.deployment.tls
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(tls.certificate, tls.key, _ask_for_pass_phrase)
    except _PassPhraseNeeded:
        problem = (
            "the key has a pass phrase, and nobody is there to enter it when the server starts: "
            f"remove it with `openssl pkey -in {tls.key} -out KEY`"
        )
        origin = settings.tree.origin(("app", "deployment", "tls", "key"))
        raise ConfigurationError(problem, origin=origin, key="app.deployment.tls.key", value=tls.key) from None
    except OSError as error:
        raise _bad_tls(settings, error) from None
    return context


def _ask_for_pass_phrase() -> str:
    raise _PassPhraseNeeded


def _bad_tls(settings: Settings, error: OSError) -> ConfigurationError:
    """Say which of the two files is at fault, if one of them is."""
    tls = settings.app.deployment.tls
    files = (
        ("certificate", tls.certificate, "CERTIFICATE", "a certificate in PEM format (-----BEGIN CERTIFICATE-----)"),
        ("key", tls.key, "PRIVATE KEY", "a private key in PEM format (-----BEGIN PRIVATE KEY-----)"),
    )
    for name, file, label, expected in files:
        problem = ""
        try:
            if f"{label}-----" not in Path(file).read_text(encoding="latin-1"):
                problem = f"expected {expected}"
        except OSError as unreadable:
            problem = f"can't be read: {reason(unreadable)}"
        if problem:
            origin = settings.tree.origin(("app", "deployment", "tls", name))
            return ConfigurationError(problem, origin=origin, key=f"app.deployment.tls.{name}", value=file)
    mismatch = isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH"
    problem = (
        "the key doesn't belong to the certificate"
        if mismatch
        else f"expected a certificate and its key in PEM format: {reason(error)}"
    )
    origin = settings.tree.origin(("app", "deployment", "tls"))
    return ConfigurationError(problem, origin=origin, key="app.deployment.tls", value=f"{tls.certificate}, {tls.key}")
