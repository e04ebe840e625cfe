"""The checks that every plain HTTP request passes, and the headers that its answer gets.

A request states one Host (400), and an address may send only so many (429). A browser that has this server under a name
that isn't its own is refused (403), but for what says so to its reader: the page and the health checks. A browser
states an Origin with everything but what it reads from the page's own host, so a request that is neither came from
another program, which may use any name.
"""

from __future__ import annotations

import logging

from starlette.types import ASGIApp, Receive, Scope, Send

from app.headers import with_headers
from app.refusals import Refusal, RefusalLog
from app.serving.admission import Admission
from app.serving.denial import deny
from app.serving.hosts import HostNames, has_one_host, split_host, stated
from app.serving.proxies import client_address, proxy_hint

BAD_HOST = Refusal(400, "bad_host", "The request has more than one Host, or one that is no host")
READING = ("GET", "HEAD")


class PlainGuard:
    """ASGI middleware for all but WebSockets."""

    def __init__(self, app: ASGIApp, names: HostNames, admission: Admission, refusals: RefusalLog) -> None:
        self.app, self.names, self.admission, self.refusals = app, names, admission, refusals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        send, address = with_headers(scope, send), client_address(scope)
        if refusal := self.admission.request(address):
            self.refusals.add(refusal, address, hint=proxy_hint(refusal, scope))
            await self.admission.delay(address)
            await deny(scope, receive, send, refusal, {"Connection": "close"})
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self.app(scope, receive, send)
        else:
            level = logging.INFO if refusal is BAD_HOST else logging.WARNING
            self.refusals.add(refusal, address or "a client", level=level)
            await deny(scope, receive, send, refusal)

    def _refusal(self, scope: Scope) -> Refusal | None:
        origins, asked = stated(scope)
        if not has_one_host(asked):
            return BAD_HOST
        if not asked or not (origins or scope["method"] in READING):
            return None
        host = split_host(asked[0])
        if host is None or self.names.serves_anywhere(scope["path"].removeprefix(scope.get("root_path", ""))):
            return None
        return self.names.refusal(host[0])
