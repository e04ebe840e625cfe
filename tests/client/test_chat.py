"""The library with real servers: killed and restarted, text-only, with TLS, and with what is not a chat server."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

import pytest
import trustme
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from app.chat.frames import Ban, Edit, History, Nick, Register, Who
from app.client import (
    Banned,
    Chat,
    Connected,
    Disconnected,
    Line,
    Message,
    Missed,
    NameTaken,
    NotAChat,
    Presence,
    Refused,
    TlsFailure,
    TurnedAway,
    Uncertain,
    Unreachable,
    Unsupported,
    connect,
)
from app.client.connection.dialing import dial
from app.client.errors import ChatError
from benchmarks.ports import free_port
from tests.client.servers import Names, RestartableServer, serving, text_server
from tests.clients import DEADLINE, ROOT


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def within() -> None:
        async with asyncio.timeout(3 * DEADLINE):
            await work()

    asyncio.run(within())


T = TypeVar("T")


async def hears(chat: Chat, kind: type[T]) -> T:
    """The next event of a kind."""
    async for event in chat:
        if isinstance(event, kind):
            return event
    raise AssertionError("it is over")


def test_a_message_is_acknowledged_with_its_position(names: Names) -> None:
    async def work() -> None:
        async with connect(names.url, name=names.ann) as ann, connect(names.url, name=names.bob) as bob:
            await bob.join(names.room)
            await ann.join(names.room)
            ack = await ann.send("hi", room=names.room)
            heard = await hears(bob, Message)
            assert (heard.seq, heard.id, heard.sender, heard.text) == (ack.seq, ack.id, names.ann, "hi")
            await bob.join("@")
            await ann.whisper("psst", to=[names.bob])
            heard = await hears(bob, Message)
            assert (heard.text, heard.to) == ("psst", (names.bob,))
            await bob.send("yes?", room=heard.room)
            await bob.part(names.room)
            with pytest.raises(Refused, match="You are not in"):
                await bob.send("hi", room=names.room)
            with pytest.raises(Refused, match="too long"):
                await ann.send("x" * 70_000, room=names.room)

    run(work)


@pytest.mark.slow("faults")
def test_a_server_that_is_killed_loses_and_doubles_nothing(restartable: RestartableServer) -> None:
    async def work() -> None:
        async with connect(restartable.url, name="ann") as ann, connect(restartable.url, name="bob") as bob:
            for chat in (ann, bob):
                await chat.join("ops")
            acks = []
            for life in range(3):
                posted = [ann.post(f"{life}.{number}", room="ops") for number in range(500)]
                await posted[10]
                if life < 2:
                    await asyncio.to_thread(restartable.kill)
                    posted.append(ann.post(f"{life}.offline", room="ops"))
                    await asyncio.to_thread(restartable.start_again)
                acks += [ack.seq for ack in await asyncio.gather(*posted)]
            assert acks == sorted(set(acks))
            texts = [(await hears(bob, Message)).text for _ in acks]
            expected = [
                [f"{life}.{number}" for number in range(500)] + [f"{life}.offline"] * (life < 2) for life in range(3)
            ]
            assert texts == [text for part in expected for text in part]

    run(work)


def test_it_tells_that_it_is_gone_back_and_what_was_missed(restartable: RestartableServer) -> None:
    async def work() -> None:
        async with connect(restartable.url, name="ann") as ann:
            await ann.join("ops")
            await ann.send("before", room="ops")
            await hears(ann, Message)
            await asyncio.to_thread(restartable.kill)
            gone = await hears(ann, Disconnected)
            assert gone.reason == "The connection was lost"
            assert not ann.connected
            await asyncio.to_thread(restartable.start_again)
            async with connect(restartable.url, name="bob") as bob:
                assert await hears(ann, Connected) == Connected("ann", again=True)
                await bob.join("ops")
                await bob.send("after", room="ops")
            assert (await hears(ann, Message)).text == "after"

    run(work)


def test_who_was_away_hears_what_was_missed_and_how_much(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        async with connect(names.url, name=names.ann) as ann, connect(names.url, name=names.bob) as bob:
            for chat in (ann, bob):
                await chat.join(names.room)
            allowed = asyncio.Event()

            async def hold(*arguments: Any) -> object:
                await allowed.wait()
                return await dial(*arguments)

            monkeypatch.setattr("app.client.connection.driver.dial", hold)
            assert ann._driver.connection is not None
            ann._driver.connection.transport.abort()
            await hears(ann, Disconnected)
            for number in range(3):
                await bob.send(str(number), room=names.room)
            allowed.set()
            assert [(await hears(ann, Message)).text for _ in range(3)] == ["0", "1", "2"]
            assert await hears(ann, Missed) == Missed(names.room, 3)

    run(work)


def test_who_reads_slowly_hears_all_of_it(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.client.inbox.MAX_UNREAD", 100)

    async def work() -> None:
        async with connect(names.url, name=names.ann) as ann, connect(names.url, name=names.bob) as bob:
            for chat in (ann, bob):
                await chat.join(names.room)
            await asyncio.gather(*(ann.post(str(number), room=names.room) for number in range(1000)))
            await bob.send("reads nothing, and can speak", room=names.room)
            assert len(bob._driver.inbox) <= 110
            texts = [(await hears(bob, Message)).text for _ in range(1001)]
            assert texts == [*map(str, range(1000)), "reads nothing, and can speak"]

    run(work)


def test_who_comes_back_with_its_token_is_the_same(names: Names) -> None:
    async def work() -> None:
        async with connect(names.url, name=names.ann) as ann:
            token, id_ = ann.token, ann.id
            with pytest.raises(NameTaken, match=f"The name {names.ann} is taken"):
                async with connect(names.url, name=names.ann):
                    pass
            await ann.join(names.room)
            await ann.send("hi", room=names.room)
        async with connect(names.url, token=token) as ann:
            assert (ann.name, ann.id) == (names.ann, id_)

    run(work)


def test_what_one_wrote_is_ones_own_and_the_name_may_be_somebody_elses(names: Names) -> None:
    async def work() -> None:
        async with connect(names.url, name=names.ann) as ann, connect(names.url, name=names.bob) as bob:
            await ann.join(names.room)
            await bob.join(names.room)
            first = await ann.send("I am ann", room=names.room)
            await ann.ask(Nick(name=names.cy))
            await bob.ask(Nick(name=names.ann))
            await bob.send("now I am ann", room=names.room)
            await ann.ask(Edit(room=names.room, seq=first.seq, text="I was ann"))
            for chat, own in ((ann, [True, False, True]), (bob, [False, True, False])):
                page = await chat.ask(History(room=names.room))
                assert [chat.wrote(event) for event in page.events] == own
                assert [event.user == chat.id for event in page.events] == own

    run(work)


def test_with_an_older_server_the_name_says_whose_it_is() -> None:
    chat = Chat(name="ann")
    assert chat.wrote(Message(room="ops", seq=1, id="a", ts="", sender="ann", text="hi"))
    assert not chat.wrote(Message(room="ops", seq=2, id="b", ts="", sender="bob", text="hi"))
    assert not chat.wrote(Message(room="ops", seq=3, id="c", ts="", sender="ann", user=7, text="hi"))


def test_the_server_says_where_to_begin_and_how_much_it_reads() -> None:
    async def work(url: str) -> None:
        async with connect(url) as chat:
            assert chat.room == "hall"
            await chat.join(chat.room)
            with pytest.raises(Refused, match="the server accepts 1024 at most"):
                await chat.send("x" * 1_000, room=chat.room)
            assert (await chat.send("x" * 900, room=chat.room)).seq == 1

    with serving(chat__room="hall", chat__limits__message=0, app__websockets__max_frame_size="1KiB") as url:
        run(lambda: work(url))


def test_who_is_banned_is_told(names: Names) -> None:
    async def work() -> None:
        async with connect(names.url, name=names.ann) as ann, connect(names.url, name=names.bob) as bob:
            await ann.join(names.room)
            await ann.ask(Register(password="correct horse"))
            await ann.ask(Ban(room=names.room, name=names.bob, why="coffee"))
            with pytest.raises(Banned, match=r"You are banned from .*: coffee"):
                await bob.join(names.room)

    run(work)


def test_text_only() -> None:
    async def work() -> None:
        async with text_server() as server, connect(server.url) as chat:
            assert chat.text_only
            assert (await hears(chat, Line)).text == "You are connected! There are 1 users here."
            assert (await chat.send("hi", room="")).seq == 0
            assert await hears(chat, Line) == Line("[user0]: hi", own=True)
            with pytest.raises(Unsupported):
                await chat.whisper("psst", to=["bob"])
            with pytest.raises(Unsupported):
                await chat.join("ops")
            await server.connections[0].close()
            await hears(chat, Disconnected)
            posted = chat.post("typed meanwhile", room="")
            await hears(chat, Connected)
            await posted
            assert server.received == ["hi", "typed meanwhile"]

    run(work)


def test_what_text_may_have_lost_is_not_said_again() -> None:
    async def work() -> None:
        async with text_server() as server, connect(server.url) as chat:
            server.hang_up = True
            lost = chat.post("lost?", room="")
            with pytest.raises(Uncertain):
                await lost
            assert await chat.send("again", room="")
            assert server.received == ["lost?", "again"]

    run(work)


# What can be in the way of a connection.


async def refuses(url: str, error: type[ChatError], pattern: str) -> None:
    with pytest.raises(error, match=pattern) as caught:
        async with connect(url):
            pass
    assert "\n" not in str(caught.value)


def test_nobody_listens() -> None:
    port = free_port()
    run(lambda: refuses(f"ws://127.0.0.1:{port}", Unreachable, "/chat: Connection refused: no server is listening"))


def test_there_is_no_such_host() -> None:
    run(lambda: refuses("ws://nowhere.invalid", Unreachable, "Host not found"))


def test_a_redirect_to_another_server_is_never_followed() -> None:
    heard: list[bytes] = []
    with answering(PAGE, heard) as elsewhere:
        away = b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:%d/chat\r\nContent-Length: 0\r\n\r\n" % elsewhere
        with answering(away) as port:
            pattern = f"Not a chat server: it redirects to ws://127.0.0.1:{elsewhere}/chat. Try that address."
            run(lambda: refuses(f"ws://127.0.0.1:{port}", NotAChat, pattern))
    assert heard == []


def test_a_redirect_on_the_same_server_is_followed() -> None:
    heard: list[bytes] = []
    with answering(b"HTTP/1.1 302 Found\r\nLocation: /team/chat\r\nContent-Length: 0\r\n\r\n", heard) as port:
        run(lambda: refuses(f"ws://127.0.0.1:{port}", NotAChat, "it answered with HTTP 302"))
    assert b"GET /team/chat " in heard[1]


@contextmanager
def answering(answer: bytes, heard: list[bytes] | None = None) -> Iterator[int]:
    """A listener that answers every connection with the same bytes, and hangs up. `heard` gets what it is sent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    received = connection.recv(65536)
                    if heard is not None:
                        heard.append(received)
                    connection.sendall(answer)

        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(DEADLINE)


PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\n<p>hi"


@pytest.mark.parametrize(
    ("answer", "error", "pattern"),
    [
        (PAGE, NotAChat, "/chat: Not a chat server: it answered with HTTP 200"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", NotAChat, "Not a chat server: .* HTTP 404"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", NotAChat, "it doesn't speak WebSocket"),
        (b"", Unreachable, "The server closed the connection without an answer"),
        (b"HTTP/1.1 503 No\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nfull", Unreachable, "/chat: full"),
        (b"HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n", Unreachable, r"The server is busy \(HTTP 502\)"),
        (b"HTTP/1.0 404 Not Found\r\n\r\n", NotAChat, "it answered with HTTP 404"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\ncut", NotAChat, "it answered with HTTP 404"),
        (b"HTTP/1.1 503 No\r\nContent-Length: 9\r\n\r\ncut", Unreachable, r"The server is busy \(HTTP 503\)"),
        (
            b"HTTP/1.1 301 Moved\r\nLocation: https://chat.example/\r\nContent-Length: 0\r\n\r\n",
            NotAChat,
            "Not a chat server: it redirects to https://chat.example/. Try that address.",
        ),
        (b"\x15\x03\x03\x00\x02\x02\x46", TlsFailure, "The server uses TLS here. Try wss://"),
    ],
)
def test_something_else_answers(answer: bytes, error: type[ChatError], pattern: str) -> None:
    with answering(answer) as port:
        run(lambda: refuses(f"ws://127.0.0.1:{port}", error, pattern))


def test_a_page_without_an_end_is_no_chat(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: hi\n\n")
            await reader.read()
            writer.close()
            await writer.wait_closed()
            hung_up.set()

        hung_up = asyncio.Event()
        async with await asyncio.start_server(stream, "127.0.0.1") as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            for timeout in (0.5, 5, DEADLINE):  # a busy machine may need longer for the first bytes
                monkeypatch.setattr("app.client.connection.dialing.TIMEOUT", timeout)
                with suppress(Unreachable):
                    await refuses(url, NotAChat, "/chat: Not a chat server: it answered with HTTP 200")
                    break
                await hung_up.wait()
                hung_up.clear()
            else:
                raise AssertionError("nothing was heard")
            await hung_up.wait()

    run(work)


def test_it_lets_one_in_and_hangs_up() -> None:
    async def work() -> None:
        async def hang_up(connection: ServerConnection) -> None:
            await connection.close(1013, "come back tomorrow")

        subprotocols = [Subprotocol("chat.v1.json")]
        async with serve(hang_up, "127.0.0.1", 0, subprotocols=subprotocols) as server:
            (listener,) = server.sockets
            await refuses(
                f"ws://127.0.0.1:{listener.getsockname()[1]}",
                Unreachable,
                "/chat: The server closed the connection: come back tomorrow",
            )

    run(work)


def test_the_chat_has_words_for_it(names: Names) -> None:
    run(lambda: refuses(f"{names.chat}?room=Red", TurnedAway, "'Red' can't be a room"))


def test_no_tls_is_spoken(names: Names) -> None:
    run(lambda: refuses(names.url.replace("ws:", "wss:"), TlsFailure, "The server doesn't use TLS here. Try ws://"))


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def test_a_certificate_that_is_not_trusted_and_one_that_is(authority: trustme.CA, tmp_path: Path) -> None:
    certificate = authority.issue_cert("localhost")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    tls = {"certificate": str(tmp_path / "cert.pem"), "key": str(tmp_path / "key.pem")}
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with serving(**{f"app__deployment__tls__{key}": value for key, value in tls.items()}) as chat:
        url = chat.replace("127.0.0.1", "localhost")
        run(lambda: refuses(url, TlsFailure, "The server's certificate isn't trusted: .*(issuer|self.signed)"))

        async def work() -> None:
            async with connect(url, context=trusting) as chat:
                assert chat.name == "user0"

        run(work)


def test_a_bot_in_ten_lines(restartable: RestartableServer, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs/client.md").read_text()
    (bot,) = [text for text in re.findall(r"```python\n(.*?)```", page, re.S) if "echo" in text]
    assert len([line for line in bot.splitlines() if line]) <= 10
    assert "ws://localhost:8080/chat" in bot

    async def work() -> None:
        space: dict[str, object] = {}
        exec(bot.replace("ws://localhost:8080/chat", restartable.url).partition("asyncio.run")[0], space)
        main = space["main"]
        assert callable(main)
        running = asyncio.create_task(main())
        async with connect(restartable.url, name="ann") as ann:
            await ann.join("ops")
            while "echo" not in {person.name for person in (await ann.ask(Who(room="ops"))).people}:
                await hears(ann, Presence)
            await ann.send("!echo hello", room="ops")
            assert [(await hears(ann, Message)).text for _ in range(2)] == ["!echo hello", "hello"]
        running.cancel()
        await asyncio.wait({running})

    run(work)


def test_a_fault_of_ours_reaches_who_iterates(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a fault")

    async def work() -> None:
        async with connect(names.url) as chat:
            await chat.join(names.room)
            monkeypatch.setattr("app.client.protocol.json_protocol.decode", fail)
            with pytest.raises(Uncertain, match="This program has a bug"):
                await chat.send("hi", room=names.room)
            with pytest.raises(ZeroDivisionError, match="a fault"):
                await hears(chat, Message)

    run(work)


def test_of_text_that_nobody_reads_the_oldest_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.client.inbox.MAX_UNREAD", 10)

    async def work() -> None:
        async with text_server() as server, connect(server.url) as chat:
            for number in range(30):
                await chat.send(str(number), room="")
            assert len(chat._driver.inbox) == 10
            while (await hears(chat, Line)).text != "[user0]: 29":
                pass

    run(work)
