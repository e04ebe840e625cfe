"""The headers of every answer: what a browser may do with it. An answer that has one of them keeps its own.

Redirects lead to a path. With the Host in front, as frameworks write them, the sender of that header would decide where
they lead.
"""

from __future__ import annotations

from starlette.types import Message, Scope, Send

NOTHING = "default-src 'none'; frame-ancestors 'none'"
"""The policy of all answers but documents. A browser that shows one of them runs and loads nothing."""
DOCUMENT = "object-src 'none'; base-uri 'self'; frame-ancestors 'self'"
"""The policy of a module's document that has none: the module may have written scripts and styles into it."""
STRICT = {
    "Content-Security-Policy": NOTHING,
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""The headers of an answer that has none of them. It may be kept only if it says so, or if it has a version to ask for
again."""

_STRICT = tuple((name.lower().encode(), value.encode()) for name, value in STRICT.items())
_VERSIONS = {b"etag", b"last-modified"}
_STARTS = ("http.response.start", "websocket.http.response.start")
HEAD = b"".join(name + b": " + value + b"\r\n" for name, value in _STRICT)
"""The same for an answer that is written by hand."""


def with_headers(scope: Scope, send: Send) -> Send:
    """The `send` of a request, with all headers in its answer."""

    async def answer(message: Message) -> None:
        if message["type"] in _STARTS:
            message = completed(message, scope)
        await send(message)

    return answer


def completed(start: Message, scope: Scope) -> Message:
    """The message that starts an answer, with all headers."""
    headers = [(name.lower(), value) for name, value in start.get("headers") or ()]
    stated = dict(headers)
    for name, value in _STRICT:
        if name in stated:
            continue
        if name == b"content-security-policy" and stated.get(b"content-type", b"").startswith(b"text/html"):
            value = DOCUMENT.encode()
        if name == b"cache-control" and start["status"] < 400 and not _VERSIONS.isdisjoint(stated):
            continue
        if name == b"cross-origin-resource-policy" and b"access-control-allow-origin" in stated:
            continue
        headers.append((name, value))
    if 300 <= start["status"] < 400 and b"location" in stated:
        headers = [(name, _inside(value, scope) if name == b"location" else value) for name, value in headers]
    return {**start, "headers": headers}


def _inside(location: bytes, scope: Scope) -> bytes:
    """The path of an address that has the Host of the request in front; any other address as it is."""
    host = dict(scope["headers"]).get(b"host", b"")
    for scheme in (b"http://", b"https://"):
        path = location.removeprefix(scheme + host)
        if host and path != location and path[:1] in (b"", b"/", b"?", b"#"):
            return b"/" + path.lstrip(b"/") if path[:1] in (b"", b"/") else b"/" + path
    return location
