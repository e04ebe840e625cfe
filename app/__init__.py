"""Natter: a chat over WebSockets, on Starlette. `uvicorn app:create_app --factory` and `python -m app` serve it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.application import Application, create_app

__all__ = ["Application", "create_app"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """The server is loaded when it is asked for: the client, a part of the same package, starts without it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from app import application

    return getattr(application, name)
