"""What is stored about a user whose connection ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable

from app.chat.dialects import TEXT, Dialect
from app.chat.events import User
from app.chat.logs import mailbox
from app.live.context import ChatContext

log = logging.getLogger("chat")


def record_departure(
    context: ChatContext, user: User, dialect: Dialect, *, has_token: bool, last: bool, whispers_received: int
) -> None:
    """Store what outlives a connection, without waiting for it.

    `last`: whether it was the user's last connection. `whispers_received`: the position up to which it has its
    whispers, or 0.

    A guest with a token keeps the name for `chat.names.hold`, to come back to. Without a token nobody can come back, so
    the name is free at once.
    """
    backend = context.backend
    if dialect is TEXT and whispers_received and user.registered:
        _log_failure(user, backend.mark_read(user.id, mailbox(user.id), whispers_received))
    if not last or user.registered or user.name == user.default_name:
        return
    if dialect is TEXT and not has_token:
        _log_failure(user, backend.claim(user.id, user.default_name, user.default_name))
    else:
        _log_failure(user, backend.record_seen(user.id, context.clock.now()))


def _log_failure(user: User, writing: Awaitable[object]) -> None:
    def done(future: asyncio.Future[object]) -> None:
        if not future.cancelled() and (error := future.exception()):
            log.warning("The departure of %s could not be stored: %s", user.name, error)

    asyncio.ensure_future(writing).add_done_callback(done)
