"""Which web pages may open WebSockets here. A browser states the page's origin; other programs state none.

Scripts of any site can open a WebSocket to any server, with the address and the cookies of the person who looks at the
page. So a page must come from this server itself, or from an origin that `app.websockets.origins` lists.

The page comes from this server if its origin has the host and the port that the browser asked for. What lies between
hides parts of that: a proxy that ends TLS makes https of the browser http here, and many are configured to pass on the
host without its port. So a port counts only where the request states it, and a page of http is refused only where the
connection is known to be https. The host must also be a name of this server's (see `hosts`): any page can have its own
name point here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from app.refusals import Refusal, printable
from app.serving.hosts import HostNames, split_host

SETTING = "app.websockets.origins"
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """Where a page comes from."""

    scheme: str
    host: str
    port: int


class OriginPolicy:
    """Decides which pages may connect. `allowed` are origins besides the server's own; `*` stands for all. `names` are
    the server's."""

    def __init__(self, allowed: Iterable[str], names: HostNames) -> None:
        listed = list(allowed)
        self._names = names
        self._any = "*" in listed
        self._allowed = frozenset(parse_origin(origin) for origin in listed if origin != "*")

    def refusal(self, origins: Sequence[str], hosts: Sequence[str], *, secure: bool) -> Refusal | None:
        """Why a page can't connect, or None if it can. `origins` and `hosts` are the values of these headers, and
        `secure` says whether the connection is known to be https."""
        if not origins or self._any:
            return None
        if len(origins) == 1:
            origin = parse_origin(origins[0])
            if origin is not None and origin in self._allowed:
                return None
            if origin is not None and _is_own(origin, hosts, secure=secure):
                return self._names.refusal(origin.host)
        asked = ("https://" if secure else "") + ", ".join(map(printable, hosts))
        message = (
            f"The page's Origin is {', '.join(map(printable, origins))}, and the Host is {asked or 'missing'}: "
            f"they differ, and {SETTING} doesn't list this Origin"
        )
        return Refusal(403, "origin", message, SETTING)


def parse_origin(origin: str) -> Origin | None:
    """Scheme, host and port of an origin, or None for anything else, such as `null`."""
    try:
        parts = urlsplit(origin)
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    if not parts.hostname or parts.username is not None or parts.path or parts.query or parts.fragment:
        return None
    return Origin(parts.scheme, parts.hostname, port)


def _is_own(origin: Origin, hosts: Sequence[str], *, secure: bool) -> bool:
    """Whether the page comes from where the browser connects to."""
    stated = split_host(hosts[0]) if len(hosts) == 1 else None
    if stated is None or stated[0] != origin.host:
        return False
    return stated[1] in (None, origin.port) and (origin.scheme == "https" or not secure)
