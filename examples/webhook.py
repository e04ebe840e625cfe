"""A webhook: `POST /hooks/lobby` with `{"text": "it works"}` posts into the room, if the request has the secret.

Put this file next to your configuration file and list it there:

    app.modules = [app.modules.chat.module, app.modules.web.module, webhook.module]
    webhook { secret = ${HOOK_SECRET}, name = webhook, largest = 64KiB }

Send the secret in the header `Authorization: Bearer SECRET`. To retry safely, send the same `Idempotency-Key` again:
the message is posted once.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from app import Application, Code, Refused, Size, Unavailable, chat_of


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """The secret, the name of the speaker, and the largest size of a request's body."""

    secret: str = field(metadata={"check": lambda secret: None if secret else "a text that nobody can guess"})
    name: str = "webhook"
    largest: Size = Size(64 * 1024)


class Post(msgspec.Struct):
    """The body of a request."""

    text: str


def module(app: Application) -> None:
    """Add the route, and the speaker that posts for it."""
    settings = app.group("webhook", WebhookSettings)
    bot = chat_of(app).speaker(settings.name)
    expected = f"Bearer {settings.secret}".encode()

    async def post(request: Request) -> JSONResponse:
        if not secrets.compare_digest(request.headers.get("Authorization", "").encode("latin-1"), expected):
            raise HTTPException(401, "expected Authorization: Bearer SECRET", {"WWW-Authenticate": "Bearer"})
        text, cid = await _text(request, settings.largest), request.headers.get("Idempotency-Key", "")
        try:
            event = await bot.say(request.path_params["room"], text, cid=cid)
        except Refused as refused:
            raise HTTPException(413 if refused.code == Code.TOO_LONG else 422, refused.message) from None
        except Unavailable as error:
            raise HTTPException(503, str(error), {"Retry-After": "1"}) from None
        return JSONResponse({"room": event.room, "seq": event.seq}, 202)

    app.add_route("/hooks/{room}", post, methods=["POST"])


async def _text(request: Request, largest: int) -> str:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > largest:
            raise HTTPException(413, f"expected {largest} bytes at most")
    try:
        return msgspec.json.decode(body, type=Post).text
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f'expected {{"text": "…"}} in JSON: {error}') from None
