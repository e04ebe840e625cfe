"""Which of the servers a node uses: the first in random order that can be used, so that nodes spread over them."""

from __future__ import annotations

import random
import ssl
from collections.abc import Awaitable, Callable

from app.backends.nats.connection import CONNECT_TIMEOUT, Connection, Unreachable, Unsuitable
from app.backends.nats.errors import EngineError, Rejected
from app.backends.nats.settings import NatsSettings


async def connect(
    settings: NatsSettings,
    context: ssl.SSLContext | None,
    prepare: Callable[[Connection], Awaitable[None]],
    *,
    without: str = "",
) -> Connection:
    """Connect to one of the servers, last to the one at the address `without`, and return the connection once the
    server knows what `prepare` asks of it. Rejected if none of them can be used as it is, EngineError if some can't be
    reached."""
    servers = [Connection(server, settings, context) for server in settings.servers]
    random.shuffle(servers)
    servers.sort(key=lambda server: server.address == without)
    problems: dict[str, Exception] = {}
    for connection in servers:
        try:
            await connection.open(f"natter {settings.stream}")
            await prepare(connection)
            await connection.flush(CONNECT_TIMEOUT)
        except (Unreachable, Unsuitable) as error:
            problems[connection.address] = error
        except Exception as error:  # noqa: BLE001  (whatever nats-py raises, the next server may do)
            await connection.close()
            problems[connection.address] = Unreachable(str(error) or type(error).__name__)
        else:
            return connection
    text = "; ".join(f"{server}: {problem}" for server, problem in sorted(problems.items()))
    useless = all(isinstance(problem, Unsuitable) for problem in problems.values())
    raise (Rejected if useless else EngineError)(f"no server can be used: {text}")
