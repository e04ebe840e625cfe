"""How a crowd connects: many handshakes at a time, from several addresses of the loopback if it runs out of ports."""

from __future__ import annotations

import asyncio
import resource
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Sequence
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from app.load.errors import HANDSHAKE, LoadError, explain
from app.load.frames import handshake
from app.load.listeners import Listener, Newcomer
from app.load.traffic import Traffic

AT_ONCE = 64
"""Handshakes at a time: fewer than any server's backlog holds."""
PER_ADDRESS = 20_000
"""Connections from one address of the loopback. Linux has 28,000 ports for each."""


class Connector:
    """Connects clients to one server, or also to its other nodes on the same host, which have these `ports`: the
    clients of each room are spread evenly over all of them. `problems` counts why some could not connect."""

    def __init__(self, url: str, traffic: Traffic, ports: Sequence[int] = ()) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("ws", "wss") or not parts.hostname:
            raise LoadError(f"{url}: expected ws://HOST:PORT/chat, or wss://")
        self.url, self.traffic = url, traffic
        self.problems: Counter[str] = Counter()
        self._parts, self._host = parts, parts.hostname
        self._port = parts.port or (443 if parts.scheme == "wss" else 80)
        self._ports = (self._port, *ports)
        self._tls = ssl.create_default_context() if parts.scheme == "wss" else None
        self._address = ""

    async def connect(self, first: int, count: int, connected: Callable[[Listener], None]) -> None:
        """Connect clients at the places from `first` up to `count`, and call `connected` for each that has joined. Some
        may fail; LoadError if the server refuses a client, or too many fail."""
        allow_files(count)
        total = 0

        def one_more(listener: Listener) -> None:
            nonlocal total
            total += 1
            connected(listener)

        async def connect_some() -> None:
            for place in places:
                problem = await self._try(place, count, one_more)
                if problem:
                    problems.append(f"connected {first + total:,} of {count:,} clients, then: {problem}")
                if problems:
                    return

        places, problems = iter(range(first, count)), list[str]()
        if first < count and not self._address:
            one_more(await self._find_server(next(places)))
        await asyncio.gather(*(connect_some() for _ in range(AT_ONCE)))
        if problems:
            raise LoadError(problems[0])

    async def _find_server(self, place: int) -> Listener:
        """Connect the first client, at the first of the host's addresses that answers."""
        try:
            found = await asyncio.get_running_loop().getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except OSError:
            raise LoadError(f"{self.url}: host {self._host} not found") from None
        problem: Exception | None = None
        for *_, address in found:
            self._address = str(address[0])
            try:
                return await self._join(place, 1)
            except (OSError, TimeoutError) as error:
                problem = error
            except LoadError as error:
                raise LoadError(f"{self.url}: {error}") from None
        assert problem is not None
        hint = " (is the server running?)" if isinstance(problem, ConnectionRefusedError) else ""
        raise LoadError(f"{self.url}: {explain(problem)}{hint}")

    async def _try(self, place: int, count: int, connected: Callable[[Listener], None]) -> str:
        """Connect one client. Return why no more should be tried: the server refused it, or AT_ONCE others failed."""
        try:
            connected(await self._join(place, count))
        except LoadError as error:
            return str(error)
        except (OSError, TimeoutError) as error:
            self.problems[explain(error)] += 1
            if self.problems.total() >= AT_ONCE:
                return self.problems.most_common(1)[0][0]
        return ""

    async def _join(self, place: int, count: int) -> Listener:
        local = None
        if count > PER_ADDRESS and self._address.startswith("127."):
            local = (f"127.0.0.{2 + place // PER_ADDRESS}", 0)
        newcomer = Newcomer(self.traffic, place, request(self._parts, place, len(self.traffic.readers)))
        port = self._ports[place // len(self.traffic.readers) % len(self._ports)]
        transport, _ = await asyncio.get_running_loop().create_connection(
            lambda: newcomer,
            self._address,
            port,
            ssl=self._tls,
            server_hostname=self._host if self._tls else None,
            local_addr=local,
        )
        try:
            async with asyncio.timeout(HANDSHAKE):
                return await newcomer.joined
        except BaseException:
            transport.abort()
            raise


def request(url: SplitResult, place: int, rooms: int) -> bytes:
    """The handshake of the client at `place`: for the URL's room, or `load`; of several rooms, one with a number."""
    query = dict(parse_qsl(url.query, keep_blank_values=True))
    if rooms > 1:
        query["room"] = f"{query.get('room', 'load')}{place % rooms}"
    else:
        query.setdefault("room", "load")
    return handshake(url.netloc, f"{url.path or '/chat'}?{urlencode(query)}")


def allow_files(count: int) -> None:
    """Raise this process's limit of open files to what `count` clients need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = count + 64
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise LoadError(f"{count:,} clients need {needed:,} open files, and the limit is {hard:,}: raise ulimit -n")
    if soft != resource.RLIM_INFINITY and needed > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
