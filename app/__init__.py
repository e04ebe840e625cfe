"""Natter: a chat over WebSockets, on Starlette. `uvicorn app:create_app --factory` and `python -m app` serve it."""

from app.application import Application, create_app

__all__ = ["Application", "create_app"]
__version__ = "0.1.0"
