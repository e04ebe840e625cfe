"""The stream that the log is in: how it has to be, and how a node finds or makes it."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic
from typing import Any

from app.backends import StoreError
from app.backends.nats.errors import EngineError, Rejected
from app.backends.nats.settings import NatsSettings

log = logging.getLogger("store")

EPOCH = "natter.epoch"
"""The key of the log's epoch in the stream's metadata."""

NOT_FOUND = 10059
IN_USE = 10058
NO_ROOM = frozenset({10023, 10028, 10047})
NO_PEERS = 10005
"""Too few servers of a cluster are there, or have room."""
NOT_CLUSTERED = 10074
TAKEN = 10065
OFF = frozenset({10039, 10076})
FULL = 10077
"""The log has as many bytes as it may have."""


def log_config(settings: NatsSettings) -> dict[str, Any]:
    """What the log's stream has to be like, without its epoch."""
    name = settings.stream
    return {
        "name": name,
        "subjects": [f"{name}.log"],
        "retention": "limits",
        "storage": "file",
        "discard": "new",
        "num_replicas": settings.replicas,
        "max_bytes": int(settings.max_bytes),
        "max_msgs": -1,
        "max_age": 0,
        "allow_direct": True,
        "republish": {"src": f"{name}.log", "dest": f"{name}.live"},
    }


Request = Callable[..., Awaitable[dict[str, Any]]]
"""Asks JetStream's interface: `Engine.request`."""


Founding = Callable[[], Awaitable[tuple[str, int]]]
"""Prepares a log that isn't there yet, and returns its epoch and its first position."""


async def found_empty() -> tuple[str, int]:
    """Begin a log with nothing."""
    return secrets.token_hex(8), 1


async def find_log(request: Request, settings: NatsSettings, deadline: float, founding: Founding = found_empty) -> str:
    """Return the epoch of the log, which is created if there is none. StoreError if it can't be used, at once if
    waiting doesn't help, and otherwise at the time `deadline`."""
    founded: tuple[str, int] | None = None
    while True:
        try:
            try:
                info = await request(f"STREAM.INFO.{settings.stream}")
            except Rejected as error:
                if error.code != NOT_FOUND:
                    raise
                epoch, first = founded = founded or await founding()
                config = log_config(settings) | {"metadata": {EPOCH: epoch}, "first_seq": first}
                info = await request(f"STREAM.CREATE.{settings.stream}", config)
            return _checked(info["config"], settings)
        except EngineError as error:
            code = error.code if isinstance(error, Rejected) else 0
            if code == IN_USE:  # another node has just made it
                continue
            if (problem := _hopeless(code, settings)) or monotonic() >= deadline:
                raise StoreError(f"chat.nats: {problem or f'JetStream does not work: {error}'}") from None
            await asyncio.sleep(0.25)


def _hopeless(code: int, settings: NatsSettings) -> str | None:
    """Why it is no use to try again."""
    if code in OFF:
        return (
            f"JetStream is off for user {settings.user}: add jetstream {{ store_dir: … }} to the servers' files, "
            f"or jetstream: enabled to that of the account"
        )
    if code == NOT_CLUSTERED:
        return (
            f"the server is not in a cluster, so it can't keep {settings.replicas} copies: configure a cluster, or set "
            f"chat.nats.replicas = 1"
        )
    if code in NO_ROOM:
        return (
            f"the servers have no room for {int(settings.max_bytes)} bytes on {settings.replicas} of them: raise "
            f"max_file_store in their configuration, or set chat.nats.max-bytes before the first start"
        )
    if code == TAKEN:
        return f"another stream has the subject {settings.stream}.log: choose another name with chat.nats.stream"
    return None


def _checked(config: Mapping[str, Any], settings: NatsSettings) -> str:
    """Return the epoch in the configuration of a stream, if the stream keeps what the log promises."""
    name, wanted = settings.stream, log_config(settings)
    epoch = (config.get("metadata") or {}).get(EPOCH)
    if not epoch:
        raise StoreError(
            f"chat.nats.stream: the stream {name!r} was not made by Natter: choose another name, such as {name}-chat"
        )
    if (replicas := config["num_replicas"]) < settings.replicas:
        raise StoreError(
            f"chat.nats.replicas: the stream {name!r} has {replicas} instead of {settings.replicas}: run "
            f"`nats stream edit {name} --replicas={settings.replicas}`, or set chat.nats.replicas = {replicas}"
        )
    for key, value in wanted.items():
        if key in ("num_replicas", "max_bytes", "republish"):
            continue
        if config.get(key) != value:
            raise StoreError(f"chat.nats.stream: {_differs(name, key, config.get(key), value)}")
    republish = config.get("republish") or {}
    if any(republish.get(key) != value for key, value in wanted["republish"].items()) or republish.get("headers_only"):
        raise StoreError(f"chat.nats.stream: {_differs(name, 'republish', republish, wanted['republish'])}")
    if config["max_bytes"] != int(settings.max_bytes):
        log.warning(
            "The stream %s may have %d bytes, and chat.nats.max-bytes is %d: to change it, run "
            "`nats stream edit %s --max-bytes=%d`",
            *(name, config["max_bytes"], settings.max_bytes, name, settings.max_bytes),
        )
    return str(epoch)


def _differs(name: str, key: str, found: Any, wanted: Any) -> str:
    return (
        f"the stream {name!r} has {key} = {_written(found)} instead of {_written(wanted)}: put that back with "
        f"`nats stream edit {name}`, or choose another stream"
    )


def _written(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {item}" for key, item in value.items()) or "none"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value).lower()
