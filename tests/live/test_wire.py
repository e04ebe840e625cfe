"""A server process on a real socket, and clients that send bytes, including wrong ones that no library would send."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

import httpx
import pytest

from tests.clients import DEADLINE, ROOT, Raw, Served, frame, serving

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
MORE_THAN_THE_KERNEL_HIDES = 150
"""So many messages of 60 KB are more than the 4 MB that a socket may hold for a client that does not read."""

UNLIMITED = "-P:chat.limits.rate=0"


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with serving(UNLIMITED) as server:
        yield server


def test_fragments_are_joined_and_a_ping_between_them_is_answered_at_once(server: Served) -> None:
    with Raw(server.port, "/echo") as client:
        assert client.frame() == (TEXT, b"You are connected!")
        client.send(TEXT, b"Hel", fin=False)
        client.send(PING, b"there?")
        assert client.frame() == (PONG, b"there?")
        client.send(0, b"lo \xf0\x9f", fin=False)
        client.send(0, b"\x99\x82")
        assert client.frame() == (TEXT, "You said: Hello 🙂".encode())


def test_a_message_of_64_kib_goes_to_all_and_one_byte_more_closes_1009(server: Served) -> None:
    with server.connect() as other, Raw(server.port) as client:
        other.recv(DEADLINE)
        client.frame()
        client.send(TEXT, b"x" * 65_536)
        assert str(other.recv(DEADLINE)).endswith("]: " + "x" * 65_536)
        client.frame()
        client.send(TEXT, b"x" * 65_537)
        assert client.close_code() == 1009
        other.send("still here")
        assert str(other.recv(DEADLINE)).endswith("]: still here")


def test_fragments_count_together(server: Served) -> None:
    with Raw(server.port) as client:
        client.frame()
        client.send(TEXT, b"x" * 40_000, fin=False)
        client.send(0, b"x" * 40_000)
        assert client.close_code() == 1009


def test_a_header_that_declares_60_mb_is_closed_1009_and_takes_no_memory(server: Served) -> None:
    before = memory(server)
    for _ in range(6):
        with Raw(server.port) as client:
            client.frame()
            client.socket.sendall(b"\x81\xff" + (60_000_000).to_bytes(8, "big") + b"\0\0\0\0")
            assert client.close_code() == 1009
    assert memory(server) - before < 2 * 1024 * 1024


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (frame(TEXT, b"\xff\xfe"), 1007),
        (frame(TEXT, b"ok \xed\xa0\x80"), 1007),
        (frame(TEXT, b"\xf0\x9f", fin=False) + frame(0, b"x"), 1007),
        (frame(TEXT, b"x", masked=False), 1002),
        (frame(TEXT, b"x", reserved=4), 1002),
        (frame(3, b"x"), 1002),
        (frame(11, b"x"), 1002),
        (frame(0, b"x"), 1002),
        (frame(PING, b"x" * 126), 1002),
        (frame(PING, b"x", fin=False), 1002),
        (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), 1002),
        (frame(CLOSE, b"x"), 1002),
        (frame(CLOSE, b"\x03\xe8\xff"), 1007),
    ],
)
def test_a_wrong_frame_is_closed_with_its_code_and_heard_by_nobody(server: Served, bad: bytes, code: int) -> None:
    with server.connect() as other, Raw(server.port) as client:
        other.recv(DEADLINE)
        client.frame()
        client.socket.sendall(bad)
        assert client.close_code() == code
        assert client.ended()
        other.send("after")
        assert str(other.recv(DEADLINE)).endswith("]: after")


def test_a_close_is_answered(server: Served) -> None:
    with Raw(server.port) as client:
        client.frame()
        client.send(CLOSE, b"\x03\xe8bye")
        assert client.close_code() == 1000
        assert client.ended()


def test_a_close_without_a_mask_is_a_close_since_reloading_proxies_send_it(server: Served) -> None:
    with Raw(server.port) as client:
        client.frame()
        client.send(CLOSE, b"\x03\xe9", masked=False)
        assert client.close_code() == 1001
        assert client.ended()


def test_another_version_of_the_protocol_is_told_which_one_is_spoken(server: Served) -> None:
    with Raw(server.port, "/chat", "Sec-WebSocket-Version: 8", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==") as client:
        assert client.status == 426
        assert "Sec-WebSocket-Version: 13" in client.head


@pytest.mark.parametrize(
    "headers",
    [("Sec-WebSocket-Version: 13",), ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: short")],
)
def test_a_handshake_without_a_proper_key_is_400(server: Served, headers: tuple[str, ...]) -> None:
    with Raw(server.port, "/chat", *headers) as client:
        assert client.status == 400


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://127.0.0.1:{port}", 101),
        ("http://evil.example", 403),
        ("https://127.0.0.1:{port}", 101),  # as behind a proxy that ends TLS
        ("http://127.0.0.1:1", 403),
        ("http://127.0.0.1.evil.example:{port}", 403),
        ("null", 403),
    ],
)
def test_a_foreign_origin_is_403(server: Served, origin: str, status: int) -> None:
    origin = origin.format(port=server.port)
    key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
    with Raw(server.port, "/chat", "Sec-WebSocket-Version: 13", key, f"Origin: {origin}") as client:
        assert client.status == status


@pytest.mark.parametrize(
    "junk",
    [
        b"\x00\xff\xfe\x01" * 50 + b"\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /chat\xff HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\n" + b"X-Long: " + b"x" * 20_000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"GET http://[::bad HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_junk_ends_the_connection_and_leaves_no_trace(server: Served, junk: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), DEADLINE) as client:
        client.sendall(junk)
        client.settimeout(DEADLINE)
        with suppress(ConnectionResetError):
            while client.recv(65536):
                pass
    with Raw(server.port) as client:
        assert client.status == 101


def test_a_request_that_never_ends_is_cut_off(server: Served) -> None:
    with socket.create_connection(("127.0.0.1", server.port), DEADLINE) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        client.settimeout(DEADLINE)
        assert client.recv(1) == b""


def test_a_client_that_stops_reading_is_let_go_and_nobody_else_notices() -> None:
    said = "x" * 65_000
    with serving(UNLIMITED, "-P:chat.outbox.size=1MiB", "-P:chat.outbox.stall=1s") as server, ExitStack() as stack:
        listeners = [stack.enter_context(server.connect()) for _ in range(3)]
        sender = stack.enter_context(server.connect())
        stack.enter_context(Raw(server.port, receive_buffer=4096))
        for client in (*listeners, sender):
            client.recv(DEADLINE)
        before = memory(server)
        for number in range(MORE_THAN_THE_KERNEL_HIDES):
            sender.send(f"{number} {said}")
            for client in (sender, *listeners):
                assert str(client.recv(DEADLINE)).startswith(f"[user3]: {number} ")
        server.line("Removing user4!")
        sender.send("done")
        assert sender.recv(DEADLINE) == "[user3]: done"
        assert memory(server) - before < 16 * 1024 * 1024


def test_a_slow_reader_is_moved_from_push_to_pull_and_loses_nothing() -> None:
    count = 400
    # A raw client answers no pings, and a busy machine takes longer for this than until the first one.
    flags = (UNLIMITED, "-P:chat.outbox.size=256KiB", "-P:app.websockets.ping-period=0")
    with serving(*flags) as server, server.connect() as sender:
        sender.recv(DEADLINE)
        with Raw(server.port, receive_buffer=65536) as slow:
            slow.frame()
            before = memory(server)
            for number in range(count):
                sender.send(f"{number} {'x' * 30_000}")
                assert str(sender.recv(DEADLINE)).startswith(f"[user0]: {number} ")
            assert memory(server) - before < 8 * 1024 * 1024 + count * 2 * 30_000  # the store itself is in memory
            heard = [slow.frame()[1].split()[1] for _ in range(count)]
            assert heard == [str(number).encode() for number in range(count)]
            sender.send("live again")
            assert slow.frame() == (TEXT, b"[user0]: live again")


def test_joins_and_leaves_harm_no_sender_and_no_listener() -> None:
    listeners, messages, visitors = 20, 500, 2
    with serving(UNLIMITED, "-P:app.websockets.connections-per-address=0") as server, ExitStack() as stack:
        stayers = [stack.enter_context(server.connect()) for _ in range(listeners)]
        sender = stack.enter_context(server.connect())
        stop = Event()
        visits = [0] * visitors

        def visit(index: int) -> None:
            while not stop.is_set():
                with Raw(server.port) as visitor:
                    visitor.frame()
                visits[index] += 1

        threads = [Thread(target=visit, args=(index,), daemon=True) for index in range(visitors)]
        for thread in threads:
            thread.start()
        for client in (*stayers, sender):
            client.recv(DEADLINE)
        sent = 0
        while sent < messages or min(visits) < messages:
            assert all(thread.is_alive() for thread in threads), "a visitor was turned away"
            sender.send(str(sent))
            for client in (sender, *stayers):
                assert client.recv(DEADLINE) == f"[user20]: {sent}"
            sent += 1
        stop.set()
        for thread in threads:
            thread.join(DEADLINE)


def test_a_peer_that_does_not_answer_pings_is_closed_1011_and_gone() -> None:
    flags = ("-P:app.websockets.ping-period=200ms", "-P:app.websockets.timeout=300ms")
    with serving(UNLIMITED, *flags) as server, Raw(server.port) as client:
        # The greeting comes first, unless it takes longer than a ping's period.
        assert sorted(client.frame()[0] for _ in range(2)) == [TEXT, PING]
        assert client.close_code() == 1011
        assert client.ended()


BOT = """
from app import chat_of
from starlette.responses import PlainTextResponse

def module(app):
    bot = chat_of(app).speaker("bot")

    async def say_much(request):
        for _ in range(int(request.query_params["count"])):
            await bot.say("lobby", "x" * 60_000)
        return PlainTextResponse("said")

    app.add_route("/say-much", say_much)
"""
"""Says a lot, from within the server: a client that did would have to answer its pings in time."""


def test_a_peer_that_does_not_even_read_is_gone_too(tmp_path: Path) -> None:
    (tmp_path / "bot.py").write_text(BOT)
    flags = ("-P:app.websockets.ping-period=1s", "-P:app.websockets.timeout=1s", "-P:chat.outbox.size=64MiB")
    modules = "-P:app.modules=[app.modules.chat.module, bot.module]"
    with (
        serving(UNLIMITED, modules, *flags, environment={"PYTHONPATH": f"{ROOT}:{tmp_path}"}) as server,
        Raw(server.port, receive_buffer=4096) as stalled,
    ):
        said = httpx.get(f"{server.http}/say-much?count={MORE_THAN_THE_KERNEL_HIDES}", timeout=DEADLINE)
        assert said.text == "said"
        server.line("Removing user1!")
        assert stalled.ended()


@contextmanager
def with_a_stalled_client(grace: float) -> Iterator[tuple[Served, list[Raw], Raw]]:
    """A server with clients that read, and one that doesn't, for which more waits than the kernel takes. When it stops,
    it waits for that one for `grace` seconds."""
    # Raw clients answer no pings, and a busy machine takes longer for this than until the first one.
    flags = (f"-P:app.deployment.shutdown-grace={grace:g}s", "-P:app.websockets.ping-period=0")
    with serving(UNLIMITED, "-P:chat.outbox.size=64MiB", *flags) as server, ExitStack() as stack:
        clients = [stack.enter_context(Raw(server.port)) for _ in range(5)]
        stalled = stack.enter_context(Raw(server.port, receive_buffer=4096))
        sender = stack.enter_context(server.connect())
        sender.recv(DEADLINE)
        for _ in range(MORE_THAN_THE_KERNEL_HIDES):
            sender.send("x" * 60_000)
            sender.recv(DEADLINE)
        yield server, clients, stalled


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_tells_everybody_and_answers_while_somebody_has_yet_to_read(number: int) -> None:
    with with_a_stalled_client(grace=2 * DEADLINE) as (server, clients, stalled):
        server.started.send_signal(number)
        for client in clients:
            assert client.close_code() == 1012
        assert httpx.get(f"{server.http}/readyz", timeout=DEADLINE).status_code == 503
        assert httpx.get(f"{server.http}/livez", timeout=DEADLINE).status_code == 200
        with Raw(server.port) as late:
            assert late.status == 503
        stalled.socket.close()
        assert server.wait() == 0


def test_a_stop_does_not_wait_for_the_stalled() -> None:
    with with_a_stalled_client(grace=0.5) as (server, _, stalled):
        assert server.stop() == 0
        assert stalled.ended()


def memory(server: Served) -> int:
    """Return how many bytes of memory the server has to itself. What it shares, such as libraries, counts less for each
    process the more there are."""
    with Path(f"/proc/{server.started.pid}/smaps_rollup").open() as rollup:
        return next(int(line.split()[1]) * 1024 for line in rollup if line.startswith("Anonymous:"))
