"""A webhook: `POST /hooks/lobby` with `{"text": "it works"}` posts into the room, for who knows the secret.

Put this file beside your configuration file, and name it there:

    app.modules = [app.modules.chat.module, app.modules.web.module, webhook.module]
    webhook { secret = ${HOOK_SECRET}, name = webhook, largest = 64KiB }

The secret goes into the header `Authorization: Bearer SECRET`. A message is posted once, however often it is sent, if
it has an `Idempotency-Key`.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from app import Application
from app.backends import Unavailable
from app.chat.errors import Code, Refused
from app.service import chat_of
from config import Size


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """Who may post, under what name, and how long a request may be."""

    secret: str = field(metadata={"check": lambda secret: None if secret else "a text that nobody guesses"})
    name: str = "webhook"
    largest: Size = Size(64 * 1024)


class Post(msgspec.Struct):
    """The body of a request."""

    text: str


def module(app: Application) -> None:
    """Add the route, and who speaks for it."""
    settings = app.group("webhook", WebhookSettings)
    bot = chat_of(app).speaker(settings.name)
    expected = f"Bearer {settings.secret}".encode()

    async def post(request: Request) -> Response:
        if not secrets.compare_digest(request.headers.get("authorization", "").encode("latin-1"), expected):
            return _problem(401, "expected the header Authorization: Bearer SECRET", {"WWW-Authenticate": "Bearer"})
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > settings.largest:
                return _problem(413, f"expected {settings.largest} bytes at most")
        key = request.headers.get("idempotency-key", "")
        try:
            text = msgspec.json.decode(body, type=Post).text
            event = await bot.say(request.path_params["room"], text, cid=key)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return _problem(400, f'expected {{"text": …}} in JSON: {error}')
        except Refused as refused:
            return _problem(413 if refused.code == Code.TOO_LONG else 422, refused.message)
        except Unavailable as error:
            return _problem(503, str(error), {"Retry-After": "1"})
        return JSONResponse({"room": event.room, "seq": event.seq}, 202)

    app.add_route("/hooks/{room}", post, methods=["POST"])


def _problem(status: int, problem: str, headers: dict[str, str] | None = None) -> Response:
    return PlainTextResponse(f"{problem}\n", status, headers)
