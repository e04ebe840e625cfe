"""`/`: the page, made of the files of `app/page/static`."""

from __future__ import annotations

from app.application import Application
from app.page.serving import routes


def module(app: Application) -> None:
    """Serve the page and the files that it loads."""
    for path, endpoint in routes().items():
        app.add_route(path, endpoint)
        app.serve_anywhere(path.partition("{")[0])
