"""What is stored about a user whose connection ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import TypeVar

from app.addresses import network
from app.chat.dialects import TEXT, Dialect
from app.chat.events import User
from app.chat.logs import mailbox
from app.live.context import ChatContext

log = logging.getLogger("chat")
T = TypeVar("T")


def record_departure(
    context: ChatContext,
    user: User,
    dialect: Dialect,
    *,
    has_token: bool,
    token: bytes,
    address: str,
    last: bool,
    whispers_received: int,
) -> None:
    """Store what outlives a connection, without waiting for it.

    `last`: whether it was the user's last connection. `whispers_received`: the position up to which it has its
    whispers, or 0. `token`: its digest, if it has one that is known here.

    A guest with a token keeps the name for `chat.names.hold`, to come back to, if it ever said anything, and unless too
    many names are on hold for its address. Without a token nobody can come back, so the name is free at once.
    """
    backend = context.backend
    if dialect is TEXT and whispers_received and user.registered:
        _log_failure(user, backend.mark_read(user.id, mailbox(user.id), whispers_received))
    if not last or user.registered:
        return
    context.forgetting.left(user.id, token)
    if user.name == user.default_name:
        return
    free = dialect is TEXT and not has_token
    departing = _log_failure(user, backend.depart(user.id, context.clock.now(), free=free))
    departing.add_done_callback(lambda done: _hold_name(context, user, address, done))


def _hold_name(context: ChatContext, user: User, address: str, departed: asyncio.Future[bool]) -> None:
    """Count the name of a user who left among those on hold, if it is. The name that is one too many is free then."""
    if departed.cancelled() or departed.exception() or not departed.result():
        return
    for other in context.held_names.add(network(address), user.id):
        if not context.hub.is_present(other):
            _log_failure(user, context.backend.depart(other, context.clock.now(), free=True))


def _log_failure(user: User, writing: Awaitable[T]) -> asyncio.Future[T]:
    def done(future: asyncio.Future[T]) -> None:
        if not future.cancelled() and (error := future.exception()):
            log.warning("The departure of %s could not be stored: %s", user.name, error)

    future = asyncio.ensure_future(writing)
    future.add_done_callback(done)
    return future
