"""The test host: runs a chat with your modules in a test, and lets people join.

    from app.testing import test_application

    def test_my_module():
        with test_application(my.module) as chat:
            ann, bob = chat.join("ann"), chat.join("bob")
            ann.say("hi")
            assert bob.hears("hi").name == "ann"

`docs/testing.md` is the guide. The names listed here are public. The files behind them may move.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.testing.client import Client
    from app.testing.clock import ManualClock
    from app.testing.heard import Heard, Refusal
    from app.testing.host import Host, test_application
    from app.testing.json_client import JsonClient
    from app.testing.sockets import Denied, Socket
    from app.testing.text_client import TextClient

__all__ = [
    "Client",
    "Denied",
    "Heard",
    "Host",
    "JsonClient",
    "ManualClock",
    "Refusal",
    "Socket",
    "TextClient",
    "test_application",
]

_HOMES = {
    "app.testing.client": ("Client",),
    "app.testing.clock": ("ManualClock",),
    "app.testing.heard": ("Heard", "Refusal"),
    "app.testing.host": ("Host", "test_application"),
    "app.testing.json_client": ("JsonClient",),
    "app.testing.sockets": ("Denied", "Socket"),
    "app.testing.text_client": ("TextClient",),
}


def __getattr__(name: str) -> Any:
    """Load a name when it is first used. pytest loads the plugin in every project, and must not wait for the rest."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
