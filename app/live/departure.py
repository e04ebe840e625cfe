"""What is stored about a user whose connection ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
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

    `last`: whether it was the user's last connection to this node. `whispers_received`: the position up to which it has
    its whispers, or 0. `token`: its digest, if it has one that is known here.

    A guest with a token keeps the name for `chat.names.hold`, to come back to, if it ever said anything, and unless too
    many names are on hold for its address. Without a token nobody can come back, so the name is free at once.
    """
    backend = context.backend
    if dialect is TEXT and whispers_received and user.registered:
        _log_failure(user, backend.mark_read(user.id, mailbox(user.id), whispers_received))
    if not last or user.registered:
        return

    def leave() -> None:
        context.forgetting.left(user.id, token)
        if user.name == user.default_name:
            return
        free = dialect is TEXT and not has_token
        _depart(context, user, user.id, lambda: _hold_name(context, user, address), free=free)

    if context.departures is None:
        leave()
    else:
        context.departures.left(user.id, leave)


def record_death(context: ChatContext, whom: int) -> None:
    """Store that a guest left with a node that died."""
    context.forgetting.look_again()
    _depart(context, User.newcomer(whom), whom, lambda: None, free=False)


def _depart(context: ChatContext, user: User, whom: int, hold: Callable[[], None], *, free: bool) -> None:
    """Store that a guest left, because `user` did. Call `hold` if the guest keeps the name."""

    def departed(done: asyncio.Future[User]) -> None:
        if done.cancelled() or done.exception():
            return
        former = done.result()
        if former.name == former.default_name:
            context.hub.update_user(former)  # a handshake of it may be under way
        elif not former.registered:
            hold()

    departing = _log_failure(user, context.backend.depart(whom, context.clock.now(), free=free))
    departing.add_done_callback(departed)


def _hold_name(context: ChatContext, user: User, address: str) -> None:
    """Count the name of a user who left among those on hold. The name that is one too many is free then."""
    for other in context.held_names.hold(network(address), user.id):
        if not context.hub.is_present(other):
            _depart(context, user, other, lambda: None, free=True)


def _log_failure(user: User, writing: Awaitable[T]) -> asyncio.Future[T]:
    def done(future: asyncio.Future[T]) -> None:
        if not future.cancelled() and (error := future.exception()):
            log.warning("The departure of %s could not be stored: %s", user.name, error)

    future = asyncio.ensure_future(writing)
    future.add_done_callback(done)
    return future
