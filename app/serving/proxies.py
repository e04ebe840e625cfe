"""Believes the proxies that `app.deployment.trusted-proxies` lists, and nobody else, about where a request comes from.

Any client can send `X-Forwarded-For`, so it counts only if the other side of the connection is one of these proxies.
What it says replaces the client, the scheme and the Host of the ASGI scope: all that follows sees the request as the
client sent it. This works under every ASGI server.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address, ip_network

from starlette.types import ASGIApp, Receive, Scope, Send

from app.refusals import Refusal
from app.serving.forwarded import Forwarded, forwarded, normalized

UNIX = "unix"
"""In the list of proxies: the peers that connect through a Unix socket."""
MAX_REMEMBERED = 4096


class TrustedProxies:
    """The proxies that are trusted: addresses, networks, and UNIX."""

    def __init__(self, listed: Sequence[str]) -> None:
        self._networks = [ip_network(one) for one in listed if one != UNIX]
        self._unix = UNIX in listed
        self._known: dict[str, bool] = {}

    def __contains__(self, address: str) -> bool:
        """Whether an address is one of them; "" is the other side of a Unix socket."""
        if not address:
            return self._unix
        known = self._known.get(address)
        if known is None:
            if len(self._known) >= MAX_REMEMBERED:
                self._known.clear()
            text = normalized(address)
            known = self._known[address] = bool(text) and any(ip_address(text) in one for one in self._networks)
        return known


class ForwardedRequests:
    """ASGI middleware that replaces what a trusted proxy tells. It changes the scope in place, so that the server's own
    log shows it too."""

    def __init__(self, app: ASGIApp, trusted: Sequence[str]) -> None:
        self.app, self._trusted = app, TrustedProxies(trusted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan" and client_address(scope) in self._trusted:
            told = forwarded(scope["headers"])
            if told is not None:
                self._replace(scope, told)
        await self.app(scope, receive, send)

    def _replace(self, scope: Scope, told: Forwarded) -> None:
        if told.nodes and (address := self._client(told.nodes)):
            scope["client"] = (address, 0)
        if told.scheme:
            scope["scheme"] = told.scheme.replace("http", "ws") if scope["type"] == "websocket" else told.scheme
        if told.host:
            others = [header for header in scope["headers"] if header[0] != b"host"]
            scope["headers"] = [(b"host", told.host.encode("ascii")), *others]

    def _client(self, nodes: Sequence[str]) -> str:
        """The last node that isn't a trusted proxy: it is what such a proxy saw, and clients can make up those before
        it. Where that proxy doesn't know it, the proxy itself, or "" if that has no address."""
        known = ""
        for node in reversed(nodes):
            if not node:
                return known
            if node not in self._trusted:
                return node
            known = node
        return known


def client_address(scope: Scope) -> str:
    """The address of the client. "" if it has none, since it connects through a Unix socket."""
    client = scope.get("client")
    host = client[0] if client else ""
    return "" if not host or "/" in host else str(host)


def proxy_hint(refusal: Refusal, scope: Scope) -> str:
    """What the operator can do besides, if a client is one too many and its address may be that of a proxy. Otherwise
    ""."""
    told = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    unheard = refusal.status == 429 and told and client_address(scope).encode() not in b",".join(told)
    return "; if this is your proxy, list it in app.deployment.trusted-proxies" if unheard else ""
