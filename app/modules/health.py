"""`/livez`, `/readyz` and `/healthz`: health checks for load balancers, process supervisors, and the page.

`/livez` answers 200 while the process works. `/readyz` and `/healthz` answer 200 while the server can do its work, and
503 once it shuts down, or while a part of it can't: the chat's store can't be written, or doesn't answer. `/healthz`
also says what a WebSocket route would answer to a new client from this address:
a browser doesn't tell a page why its WebSocket was refused, so the page asks here, and states its origin in `?origin=`.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse

from app.application import Application
from app.refusals import Refusal
from app.serving.guard import DRAINING
from app.serving.proxies import client_address

READY = "ready"
FRESH = {"Cache-Control": "no-store"}


def module(app: Application) -> None:
    """Register the three routes."""

    async def live(request: Request) -> PlainTextResponse:
        return PlainTextResponse("live\n", headers=FRESH)

    async def ready(request: Request) -> PlainTextResponse:
        status, problem = await _status(app)
        text = f"{status}: {problem}\n" if problem else f"{status}\n"
        return PlainTextResponse(text, 200 if status == READY else 503, FRESH)

    async def health(request: Request) -> JSONResponse:
        refusal = DRAINING if app.draining else _foreign(app, request)
        routes = {
            name: _described(refusal or refuse(client_address(request.scope)))
            for name, refuse in app.admissions.items()
        }
        status, _ = await _status(app)
        return JSONResponse({"status": status, **routes}, 200 if status == READY else 503, FRESH)

    for path, endpoint in (("/livez", live), ("/readyz", ready), ("/healthz", health)):
        app.add_route(path, endpoint)
        app.serve_anywhere(path)


async def _status(app: Application) -> tuple[str, str]:
    """How the application is, in a word, and what is wrong with it."""
    if app.draining:
        return "draining", ""
    problems = [problem for check in app.readiness.values() if (problem := await check())]
    return ("unavailable", problems[0]) if problems else (READY, "")


def _foreign(app: Application, request: Request) -> Refusal | None:
    """Why a page of the origin in the query may not connect, if it may not."""
    origins, secure = request.query_params.getlist("origin"), request.url.scheme == "https"
    return app.origins.refusal(origins, request.headers.getlist("host"), secure=secure)


def _described(refusal: Refusal | None) -> dict[str, Any]:
    """What a client that asks for a WebSocket would get."""
    if refusal is None:
        return {"status": 101}
    return {"status": refusal.status, "reason": refusal.reason, "message": refusal.message}
