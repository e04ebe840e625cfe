"""The names that people open this server under: its own host names.

A page of another site can have its own name point to this server (DNS rebinding). A browser takes that page and this
server for one then: Origin and Host agree. Only the server can know that the name is none of its own. Addresses are
always its own, and so are names that nobody else can register. `app.deployment.host-names` lists the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from starlette.types import Scope

from app.refusals import Refusal, printable

SETTING = "app.deployment.host-names"
ANY = "*"
PRIVATE = (".local", ".localhost", ".internal", ".home.arpa")
"""The ends of names that can't be registered: they mean something in one network only."""
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:/?#@\\,\s]+)(?::([0-9]{1,5}))?")


class HostNames:
    """The host names of this server: those that are `listed`, and those that need not be."""

    def __init__(self, listed: Iterable[str]) -> None:
        names = {_bare(name) for name in listed}
        self._any = ANY in names
        self._listed = frozenset(names)
        self._below = tuple(name[1:] for name in names if name.startswith("*."))
        self.anywhere: set[str] = set()
        """The paths that are served under any name: each as it is, or the start of several if it ends with a slash."""

    def __contains__(self, name: str) -> bool:
        """Whether a host name or an address is one of them."""
        name = _bare(name)
        return (
            self._any
            or name in self._listed
            or "." not in name
            or name.endswith(PRIVATE)
            or (bool(self._below) and name.endswith(self._below))
            or _is_address(name)
        )

    def serves_anywhere(self, path: str) -> bool:
        """Whether a path is served under any name."""
        return path in self.anywhere or any(
            one[-1:] == "/" and one != "/" and path.startswith(one) for one in self.anywhere
        )

    def refusal(self, name: str) -> Refusal | None:
        """Why a page under this name is refused, or None if the name is one of them."""
        if name in self:
            return None
        shown = printable(_bare(name))
        return Refusal(
            403, "host", f"This server isn't known as {shown}. If it should be, add {shown} to {SETTING}", SETTING
        )


def stated(scope: Scope) -> tuple[list[str], list[str]]:
    """The values of the headers Origin and Host of a request."""
    origins, asked = [], []
    for name, value in scope["headers"]:
        if name == b"host":
            asked.append(value.decode("latin-1"))
        elif name == b"origin":
            origins.append(value.decode("latin-1"))
    return origins, asked


def has_one_host(asked: Sequence[str]) -> bool:
    """Whether a request states one host. Very old programs state none."""
    return not asked or (len(asked) == 1 and split_host(asked[0]) is not None)


def split_host(value: str) -> tuple[str, int | None] | None:
    """The name or address in a `Host` header, in lower case and without brackets, and the port if one is stated. None
    for a value that is no host."""
    match = _HOST.fullmatch(value)
    return (match[1].strip("[]").lower(), int(match[2]) if match[2] else None) if match else None


def _bare(name: str) -> str:
    return name.strip("[]").lower().removesuffix(".")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
