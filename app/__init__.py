"""Natter: a chat over WebSockets, built on Starlette. `python -m app` or `uvicorn app:create_app --factory` starts it.

Modules import the names listed here, and import them from here. Everything else in the package may move. `app.testing`
is for the tests of modules, and `app.client` for programs that connect.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # as type checkers understand it, without the time that it takes to import `typing`
if TYPE_CHECKING:
    from typing import Any

    from app.application import Application, create_app
    from app.backends import Unavailable
    from app.chat.errors import Code, Refused
    from app.chat.events import Draft, Event, Kind, User
    from app.clock import Clock
    from app.errors import StartupError
    from app.live.context import Call
    from app.live.service import ChatService, chat_of
    from app.live.speaker import Speaker
    from config import ConfigurationError, Duration, Port, Size

__all__ = [
    "Application",
    "Call",
    "ChatService",
    "Clock",
    "Code",
    "ConfigurationError",
    "Draft",
    "Duration",
    "Event",
    "Kind",
    "Port",
    "Refused",
    "Size",
    "Speaker",
    "StartupError",
    "Unavailable",
    "User",
    "chat_of",
    "create_app",
]
__version__ = "0.1.0"

_HOMES = {
    "app.application": ("Application", "create_app"),
    "app.backends": ("Unavailable",),
    "app.chat.errors": ("Code", "Refused"),
    "app.chat.events": ("Draft", "Event", "Kind", "User"),
    "app.clock": ("Clock",),
    "app.errors": ("StartupError",),
    "app.live.context": ("Call",),
    "app.live.service": ("ChatService", "chat_of"),
    "app.live.speaker": ("Speaker",),
    "config": ("ConfigurationError", "Duration", "Port", "Size"),
}


def __getattr__(name: str) -> Any:
    """Load a name when it is first used. So the client, which is part of this package, starts without the server."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
