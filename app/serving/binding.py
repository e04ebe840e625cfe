"""Where the server listens: from hosts to sockets, and the addresses to show."""

from __future__ import annotations

import errno
import socket
from collections.abc import Mapping
from typing import Any

from app.errors import StartupError
from config import ConfigurationError, Deployment, Settings
from config.errors import reason

BACKLOG = 512
"""Connections that may wait to be accepted. uvloop accepts one of them in each turn of the event loop, and over TLS a
few are, so nobody waits for all. The system lets the next ones try again, the first time after a second."""
ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (nothing listens here)
"""What stands for every address of the machine, and one of them."""
NO_FAMILY = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
"""The errors of listening on an IPv6 address where IPv6 is off."""
PORT_TRIES = 20
"""Ports to try until one is free at every address, if the system may choose."""
REMEDIES = {
    errno.EADDRINUSE: "stop the program that uses it, or choose another port, for example with -port=9090",
    errno.EACCES: "choose a port above 1023, or allow the process to use this one",
    errno.EADDRNOTAVAIL: "set app.deployment.host to an address of this machine, or to 0.0.0.0 for all of them",
}
"""What to do if the server can't listen, by the error number."""


def bind(settings: Settings) -> list[socket.socket]:
    """Listen on every address of the configured hosts, on one port. StartupError if that isn't possible."""
    deployment = settings.app.deployment
    addresses = _distinct({address: host for host in deployment.host for address in _resolve(settings, host)})
    for _ in range(PORT_TRIES):
        try:
            return _listen(settings, addresses, int(deployment.port))
        except _PortTaken:  # the system's choice for the first address is in use at another one
            continue
    return _listen(settings, addresses, int(deployment.port))


def urls(deployment: Deployment, sockets: list[socket.socket]) -> list[str]:
    """The addresses to open in a browser. 0.0.0.0, which isn't one, becomes 127.0.0.1, and :: becomes ::1 unless
    127.0.0.1 does as well."""
    scheme = "https" if deployment.tls.certificate else "http"
    found: list[str] = []
    for host, port in (one.getsockname()[:2] for one in sockets):
        if host in ANY_ADDRESS and found and sockets[0].getsockname()[0] in ANY_ADDRESS:
            continue
        shown = ANY_ADDRESS.get(host, host)
        shown = f"[{shown}]" if ":" in shown else shown
        found.append(f"{scheme}://{shown}:{port}{deployment.root_path}")
    return found


class _PortTaken(Exception):
    """The port that the system chose for one address is in use at another one."""


_Address = tuple[int, int, int, str, Any]
"""What `getaddrinfo` returns."""


def _resolve(settings: Settings, host: str) -> list[_Address]:
    try:
        return list(socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE))
    except (OSError, UnicodeError):
        origin = settings.tree.origin(("app", "deployment", "host"))
        problem = "expected an address or a host name of this machine, such as 127.0.0.1"
        raise ConfigurationError(problem, origin=origin, key="app.deployment.host", value=host) from None


def _distinct(addresses: Mapping[_Address, str]) -> dict[_Address, str]:
    """Leave out what another one includes: every address of its family."""
    whole = {family for family, _, _, _, address in addresses if address[0] in ANY_ADDRESS}
    return {one: host for one, host in addresses.items() if one[0] not in whole or one[4][0] in ANY_ADDRESS}


def _listen(settings: Settings, addresses: Mapping[_Address, str], port: int) -> list[socket.socket]:
    """Listen on `addresses`, each with the host that it belongs to."""
    sockets: list[socket.socket] = []
    with_ipv4 = {host for (family, *_), host in addresses.items() if family == socket.AF_INET}
    for (family, kind, protocol, _, address), host in addresses.items():
        try:
            listener = _listener(family, kind, protocol, (address[0], port, *address[2:]))
        except OSError as error:
            spare = host in with_ipv4 or (host == "::" and len(addresses) > 1)
            if spare and family == socket.AF_INET6 and error.errno in NO_FAMILY:
                continue
            for bound in sockets:
                bound.close()
            if sockets and not settings.app.deployment.port and error.errno == errno.EADDRINUSE:
                raise _PortTaken from None
            raise _cannot_listen(settings, host, port, error) from None
        port = listener.getsockname()[1]
        sockets.append(listener)
    return sockets


def _listener(family: int, kind: int, protocol: int, address: Any) -> socket.socket:
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    listener.set_inheritable(True)
    return listener


def _cannot_listen(settings: Settings, host: str, port: int, error: OSError) -> StartupError:
    key, value = ("host", host) if error.errno in NO_FAMILY else ("port", port)
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    remedy = f"; {REMEDIES[error.errno]}" if error.errno in REMEDIES else ""
    problem = f"can't listen on {address}: {reason(error)}{remedy}"
    origin = settings.tree.origin(("app", "deployment", key))
    return StartupError(str(ConfigurationError(problem, origin=origin, key=f"app.deployment.{key}", value=value)))
