"""One connection to one server, made once: nats-py without its way of connecting again.

A connection that is lost stays lost, who waits for an answer learns so at once, and `Engine` makes another one. With
nats-py's own way, a client that can't flush to a frozen server waits until it goes on, what was being sent goes out
again much later, and some errors of the server end the client for good.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import ssl
from typing import Any

from nats import errors
from nats.aio.client import Client

from app.backends.nats.settings import NatsSettings, NatsTlsSettings, address

CONNECT_TIMEOUT = 2
"""Seconds that a server may take to accept a connection, and then for each of its answers."""
PING_INTERVAL = 2
MAX_PINGS = 2
"""A server that leaves this many pings unanswered is given up, after 4 to 6 s."""
OLDEST = (2, 11)
"""The first version of the server that answers direct gets in batches."""
LEAST_PAYLOAD = 1_000_000
"""Bytes that a message may have at least. A batch has up to 700,000."""


logging.getLogger("nats").setLevel(logging.CRITICAL)  # its tracebacks: what happens is said by the engine


class Unreachable(Exception):
    """The server can't be reached, or says nothing. The text goes after its address."""


class Unsuitable(errors.Error):
    """The server answers, but can't be used as it is configured, or as we are. The text says what to do."""


class Connection(Client):
    """A connection to the server at `server`. `lost` is set when it has ended, whatever the reason."""

    def __init__(self, server: str, settings: NatsSettings, context: ssl.SSLContext | None) -> None:
        super().__init__()
        host, port = address(server)
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self.lost = asyncio.Event()
        self.left = False
        """Whether it was given up for another server, rather than lost."""
        self.denied = ""
        """What the user may not do, in the server's words, if it tried something like that."""
        self._settings, self._context = settings, context
        self._failure: Exception | None = None

    async def open(self, name: str) -> None:
        """Connect. Unreachable or Unsuitable, with nothing left open."""
        try:
            async with asyncio.timeout(2 * CONNECT_TIMEOUT):
                await self.connect(
                    f"nats://{self.address}",
                    error_cb=self._note,
                    name=name,
                    allow_reconnect=False,
                    max_reconnect_attempts=1,
                    reconnect_time_wait=0,
                    connect_timeout=CONNECT_TIMEOUT,
                    ping_interval=PING_INTERVAL,
                    max_outstanding_pings=MAX_PINGS,
                    pending_size=0,
                    tls=self._context,
                    user=self._settings.user or None,
                    password=self._settings.password if self._settings.user else None,
                )
            if not self.is_connected:  # nats-py takes an end of the connection for a pong
                raise Unreachable("it closed the connection")
        except BaseException as error:
            await self.close()
            if isinstance(error, Exception):
                raise self._explained(error) from None
            raise

    @property
    def reason(self) -> str:
        """Why the connection is lost."""
        error = self._failure or self.last_error
        if isinstance(error, errors.UnexpectedEOF):
            return "the server closed the connection"
        if isinstance(error, errors.StaleConnectionError):
            return "the server does not answer"
        return _plain(error) if error else "the connection was closed"

    @property
    def encrypted(self) -> bool:
        """Whether the socket is."""
        writer = getattr(self._transport, "_io_writer", None)
        return writer is not None and writer.get_extra_info("ssl_object") is not None

    async def _note(self, error: Exception) -> None:
        text = _plain(error)
        if "permissions violation" in text:
            self.denied = text
        else:
            self._failure = error

    async def _close(self, status: int, do_cbs: bool = True) -> None:  # noqa: FBT001, FBT002
        """End the connection without waiting: a frozen server never takes what is left to send, and after a TLS
        handshake that failed, nothing says that the socket is closed."""
        self._pending, self._pending_data_size = [], 0
        writer = getattr(self._transport, "_io_writer", None)
        if writer:
            writer.transport.abort()
        self._transport = None
        self.lost.set()
        await super()._close(status, do_cbs)

    async def _read_loop(self) -> None:
        await super()._read_loop()
        await self.close()  # whatever ended it, nothing will be read from this connection any more

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:  # noqa: FBT001, FBT002
        if initial_connection:
            self._check(info)
        await super()._process_info({**info, "connect_urls": None}, initial_connection)

    def _check(self, info: dict[str, Any]) -> None:
        version = str(info.get("version", ""))
        found = re.match(r"(\d+)\.(\d+)", version)
        if not found or (int(found[1]), int(found[2])) < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            raise Unsuitable(f"its version is {version or 'unknown'}: upgrade nats-server to {oldest} or later")
        if not info.get("jetstream"):
            raise Unsuitable("JetStream is off: add jetstream { store_dir: … } to the server's configuration")
        if info.get("max_payload", 0) < LEAST_PAYLOAD:
            raise Unsuitable(f"its max_payload is {info.get('max_payload')}: set max_payload: 1MB in its configuration")
        tls = self._settings.tls.enabled
        if tls and not (info.get("tls_required") or info.get("tls_available")):
            raise Unsuitable(
                "it has no TLS: add tls { cert_file: …, key_file: … } to the server's configuration, or set "
                "chat.nats.tls.enabled = false"
            )
        if not tls and info.get("tls_required"):
            raise Unsuitable("it takes only TLS: set chat.nats.tls.enabled = true")
        self._server_info["tls_required"] = tls  # nats-py has no other way to ask a server for TLS that offers it

    def _connect_command(self) -> bytes:
        """What says who we are. It goes out encrypted, or not at all."""
        if self._settings.tls.enabled and not self.encrypted:
            raise Unsuitable("it did not encrypt the connection")
        return super()._connect_command()

    def _explained(self, error: Exception) -> Exception:
        if isinstance(error, errors.NoServersError) and self._failure:
            error = self._failure
        if isinstance(error, Unsuitable | Unreachable):
            return error
        text = _plain(error)
        if "authorization violation" in text.lower():
            user, remedy = self._settings.user, "set chat.nats.user and chat.nats.password"
            refused = f"it does not let user {user} in" if user else "it lets nobody in without a name"
            return Unsuitable(f"{refused}: {remedy}")
        if isinstance(error, ssl.SSLCertVerificationError):
            reason = error.verify_message
            return Unsuitable(f"its certificate is not valid ({reason}): set chat.nats.tls.ca to that of its authority")
        if isinstance(error, ssl.SSLError) and "CERTIFICATE_REQUIRED" in (error.reason or ""):
            return Unsuitable("it wants a certificate: set chat.nats.tls.certificate and chat.nats.tls.key")
        if isinstance(error, socket.gaierror):
            return Unreachable("no such host")
        if isinstance(error, ConnectionRefusedError):
            return Unreachable("nothing listens there")
        if isinstance(error, TimeoutError):
            return Unreachable("it does not answer")
        if isinstance(error, errors.Error) and ("INFO" in text or "json" in text):
            return Unreachable("it is no NATS server")
        return Unreachable(text)


def tls_context(settings: NatsTlsSettings) -> ssl.SSLContext | None:
    """How to encrypt, or None if that is off. OSError names a file that can't be used."""
    if not settings.enabled:
        return None
    context = ssl.create_default_context(cafile=settings.ca or None)
    if settings.certificate:
        context.load_cert_chain(settings.certificate, settings.key or None)
    return context


def _plain(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error).removeprefix("nats: ").strip("'") or type(error).__name__
