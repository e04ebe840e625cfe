"""`/chat`: the chat, over a store that is open as long as the application runs."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace

from app.application import Application
from app.backends import Backend, StoreError, Unavailable
from app.backends.embedded import Embedded
from app.backends.nats.settings import NatsSettings
from app.backends.storefile import MEMORY
from app.chat.errors import Refused
from app.chat.names import NameRule, ascii_name
from app.errors import StartupError
from app.live.context import NamePolicy, canonical_of
from app.live.forgetting import forgetting
from app.live.hub import Hub
from app.live.retention import trimming
from app.live.service import ChatService
from app.modules.chat.endpoint import ChatEndpoint
from app.modules.chat.settings import ChatSettings
from app.serving.stopping import at_stop
from app.transports import Overflow
from config import ConfigurationError

log = logging.getLogger("chat")

PATIENCE = 2.0
"""Seconds that the store has to answer when `/readyz` is asked."""


def module(app: Application) -> None:
    """Register `/chat`, and put the chat at `app.state.chat` for other modules."""
    settings = app.group("chat", ChatSettings)
    ending = Ending()
    backend = _backend(app, settings, ending)
    names = _name_policy(app, settings)
    app.during(_open(backend, ending))
    presence, queued = settings.presence, int(settings.outbox.total)
    hub = Hub(backend, roster=presence.roster, presence_period=presence.period, queued=queued, clock=app.clock)
    limits, rates, overflow = settings.limits.limits(), settings.limits.rates(), Overflow(settings.outbox.overflow)
    service = ChatService(backend, hub, limits, rates, names, overflow, app.clock, app.refusals)
    app.state.chat = service
    if hub.nodes is not None:
        from app.live.sharing import share_admission  # a node alone has no need of it

        share_admission(app.admission, hub.nodes, app.clock)
    app.during(closing(service.passwords))
    app.during(service.running())
    app.during(forgetting(service.forgetting))
    count, age = settings.retention.count, settings.retention.age
    if count or age:
        app.during(trimming(backend, app.clock, count=count, age=age, leads=service.leads))
    websockets = app.settings.app.websockets
    max_frame_size, frames = int(websockets.max_frame_size), websockets.frames
    endpoint = ChatEndpoint(service, settings, max_frame_size, frames, app.admission, app.refusals)
    app.add_websocket_route("/chat", endpoint.serve)
    app.admissions["chat"] = endpoint.refusal
    app.readiness["chat"] = lambda: _store_problem(backend)


class Ending:
    """Ends the process when its copy of the chat is of no more use, so that it is started again with another one."""

    def __init__(self) -> None:
        self.is_asked_for = False
        self.give_up: Callable[[], object] = lambda: None
        """Ends a start that waits for other servers."""

    def ask(self) -> None:
        """Stop the server as SIGTERM does. In a program that has no handler for that, such as a test, note it only."""
        self.is_asked_for = True
        if signal.getsignal(signal.SIGTERM) not in (signal.SIG_DFL, signal.SIG_IGN):
            os.kill(os.getpid(), signal.SIGTERM)


def _backend(app: Application, settings: ChatSettings, ending: Ending) -> Backend:
    def in_memory() -> bool:
        return _keep_in_memory(app, settings.store)

    if settings.backend == "embedded":
        if replace(settings.nats, password="") != NatsSettings():
            log.warning("chat.nats is set and not used, since chat.backend = embedded: this is a chat of its own")
        return Embedded(settings.store, clock=app.clock, in_memory=in_memory)
    from app.backends.nats.backend import NatsBackend  # loads what a server of its own has no need of

    def temporary() -> bool:
        return settings.store == MEMORY or in_memory()

    backend = NatsBackend(settings.store, settings.nats, clock=app.clock, in_memory=temporary, stop=ending.ask)
    ending.give_up = backend.give_up
    return backend


async def _store_problem(backend: Backend) -> str | None:
    """Why the store can't be used, found out by using it."""
    if problem := backend.problem:
        return problem
    try:
        backend.open()
        async with asyncio.timeout(PATIENCE):
            await backend.check()
    except (StoreError, Unavailable) as error:
        return str(error)
    except TimeoutError:
        return f"the store has not answered for {PATIENCE:g} s"
    return backend.damage


def _keep_in_memory(app: Application, store: str) -> bool:
    """Whether to leave the store's file alone, because TestClient runs the application and the test chose no store.
    Tests then can't damage a real chat, and each run starts with an empty one."""
    if store == MEMORY or not app.in_test_client or app.chosen("chat.store"):
        return False
    log.info("Running in TestClient: the store is in memory, not in %s", store)
    return True


def _name_policy(app: Application, settings: ChatSettings) -> NamePolicy:
    rule: NameRule = ascii_name
    if settings.names.unicode:
        from app.identity.unicode_names import unicode_name  # loading its tables doubles the time to start

        rule = unicode_name
    operators = set()
    for name in settings.operators:
        try:
            operators.add(canonical_of(name, rule, 0))
        except Refused as refused:
            origin = app.settings.tree.origin(("chat", "operators"))
            raise ConfigurationError(refused.message, origin=origin, key="chat.operators", value=name) from None
    names = settings.names
    return NamePolicy(rule, names.hold, frozenset(operators), names.given_up, names.held_per_address)


@asynccontextmanager
async def _open(backend: Backend, ending: Ending) -> AsyncIterator[None]:
    try:
        with at_stop(ending.give_up):
            backend.open()
    except StoreError as error:
        raise StartupError(str(error)) from None
    yield
    problem = backend.problem
    backend.close()
    if ending.is_asked_for:
        raise StartupError(f"this node has stopped, and is to be started again: {problem}")
