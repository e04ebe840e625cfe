"""The parts that people choose from."""

from __future__ import annotations

from collections.abc import Iterable

from app.new_project.errors import ProjectError
from config.errors import shown, suggestion

PARTS = {
    "routing": "HTTP routes of your own",
    "echo": "WebSockets of your own, with an echo to begin with",
    "chat": "Natter's chat at /chat",
    "page": "the page to chat with at /",
    "health": "health checks at /livez, /readyz and /healthz",
}
ALL = "all"
MEANT = {"http": "routing", "sockets": "echo", "websocket": "echo", "websockets": "echo", "ui": "page", "web": "page"}
"""Words that people may type, with the part that they mean. They are not accepted, but answered with the part."""


def chosen(text: str) -> frozenset[str]:
    """The parts in a list with commas or blanks between names. ProjectError if one is unknown, or misses another."""
    names = text.replace(",", " ").split()
    for name in names:
        if name not in PARTS and name != ALL:
            expected = f": expected {listed(PARTS)}, or {ALL}"
            near = suggestion(MEANT.get(name.lower(), name), [*PARTS, ALL])
            raise ProjectError(f"unknown module {shown(name)}{near or expected}")
    if not names:
        raise ProjectError(f"no module is named: expected {listed(PARTS)}, or {ALL}")
    parts = frozenset(PARTS if ALL in names else names)
    if "page" in parts and "chat" not in parts:
        raise ProjectError("the page needs the chat: add chat to the modules, or leave out page")
    return parts


def listed(parts: Iterable[str]) -> str:
    """The names of some parts, in the usual order."""
    return ", ".join(name for name in PARTS if name in set(parts))
