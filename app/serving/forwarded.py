"""What proxies say about the client in `X-Forwarded-For`, `-Proto` and `-Host`, or in `Forwarded` (RFC 7239)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

_TOKEN = r"[-!#$%&'*+.^_`|~0-9A-Za-z]+"  # noqa: S105
_PAIR = re.compile(rf'[ \t]*({_TOKEN})=({_TOKEN}|"(?:[^"\\]|\\.)*")[ \t]*([;,]|$)')
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[-._~A-Za-z0-9]+)(:[0-9]{1,5})?")
_OBFUSCATED = re.compile(r"_[-._A-Za-z0-9]{1,99}")
_HEADERS = frozenset({b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"forwarded"})


class Forwarded(NamedTuple):
    """A request as the proxies in between describe it. What isn't stated, or can't be read, is empty."""

    nodes: tuple[str, ...]
    """Where it came from, the client first: addresses, identifiers that hide one (`_x1`), or "" for unknown."""
    scheme: str
    """`http` or `https`, as the client asked."""
    host: str
    """The host that the client asked, with its port if it is stated."""


def forwarded(headers: Iterable[tuple[bytes, bytes]]) -> Forwarded | None:
    """Read these headers. None if there are none.

    `Forwarded` counts only where no header of the other kind came: few proxies set it, and most of the others pass on
    what a client made up.
    """
    values: dict[bytes, str] = {}
    for name, value in headers:
        if name in _HEADERS:
            text = value.decode("latin-1")
            values[name] = f"{values[name]},{text}" if name in values else text
    if not values:
        return None
    if len(values) == 1 and b"forwarded" in values:
        return _standard(values[b"forwarded"])
    scheme, host = values.get(b"x-forwarded-proto", ""), values.get(b"x-forwarded-host", "")
    nodes = values.get(b"x-forwarded-for", "")
    return Forwarded(
        tuple(_node(one) for one in nodes.split(",")) if nodes.strip() else (),
        _scheme(scheme.partition(",")[0]),
        _host(host.partition(",")[0]),
    )


def _standard(value: str) -> Forwarded:
    elements = _elements(value)
    schemes = [element["proto"] for element in elements if "proto" in element]
    hosts = [element["host"] for element in elements if "host" in element]
    nodes = tuple(_node(element.get("for", "")) for element in elements)
    return Forwarded(nodes, _scheme(schemes[0]) if schemes else "", _host(hosts[0]) if hosts else "")


def _elements(value: str) -> list[dict[str, str]]:
    """The elements of `Forwarded`, each as a dictionary. An invalid value has none: what a client made up could
    otherwise hide what the proxy added behind it."""
    elements: list[dict[str, str]] = []
    element: dict[str, str] = {}
    position = 0
    while match := _PAIR.match(value, position):
        name, text, end = match.groups()
        element[name.lower()] = re.sub(r"\\(.)", r"\1", text[1:-1]) if text[0] == '"' else text
        if end != ";":
            elements.append(element)
            element = {}
        position = match.end()
    return elements if position == len(value) else []


def _scheme(text: str) -> str:
    return {"http": "http", "https": "https", "ws": "http", "wss": "https"}.get(text.strip().lower(), "")


def _host(text: str) -> str:
    text = text.strip()
    return text if _HOST.fullmatch(text) else ""


def _node(text: str) -> str:
    """The address or the hidden identifier of a node, without its port."""
    text = text.strip().strip('"')
    bare = text[1:].partition("]")[0] if text[:1] == "[" else text.partition(":")[0] if text.count(":") == 1 else text
    return bare if _OBFUSCATED.fullmatch(bare) else normalized(bare)


def normalized(text: str) -> str:
    """An IP address in its usual form, that of an IPv4 address if it is one written as IPv6. "" for anything else."""
    try:
        address = ip_address(text)
    except ValueError:
        return ""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(address)
