"""`/livez`, `/readyz` and `/healthz`: health checks for load balancers and process supervisors.

`/livez` answers 200 while the process works. `/readyz` and its synonym `/healthz` answer 200 while the server accepts
new clients, and 503 once it shuts down.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse

from app.application import Application


def module(app: Application) -> None:
    """Register the three routes."""

    async def live(request: Request) -> PlainTextResponse:
        return PlainTextResponse("live\n", headers={"Cache-Control": "no-store"})

    async def ready(request: Request) -> PlainTextResponse:
        word, status = ("draining", 503) if app.draining else ("ready", 200)
        return PlainTextResponse(f"{word}\n", status, {"Cache-Control": "no-store"})

    app.add_route("/livez", live)
    app.add_route("/readyz", ready)
    app.add_route("/healthz", ready)
