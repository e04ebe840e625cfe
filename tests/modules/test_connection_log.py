"""What the operator of a server reads about its connections."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from app.testing import Host, Refusal, Socket, test_application
from app.testing.sockets import Closed
from tests.clients import Raw, serving


class Log:
    """The lines of the chat's log."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    def lines(self) -> list[str]:
        return [record.getMessage() for record in self._caplog.records if record.name == "chat"]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[Log]:
    with caplog.at_level(logging.INFO):
        yield Log(caplog)


@contextmanager
def chat(**overrides: object) -> Iterator[Host]:
    with test_application(overrides={name.replace("__", "."): value for name, value in overrides.items()}) as host:
        yield host


@pytest.mark.parametrize("server", [True, False])
def test_a_connection_is_logged_with_its_address_its_length_and_its_end(log: Log, *, server: bool) -> None:
    with test_application(server=server) as host:
        ann = host.join("ann")
        host.clock.advance(200)
        ann.leave()
    address = "127.0.0.1" if server else "testclient"
    assert log.lines() == [
        f"Adding user! ann from {address}",
        f"Removing ann! from {address} after 3 min 20 s: the client left",
    ]


@pytest.mark.parametrize("server", [True, False])
@pytest.mark.parametrize(
    ("setting", "said", "cause"),
    [
        ({}, "/quit", "closed with 1000"),
        (
            {"app.websockets.max-frame-size": 200},
            "x" * 201,
            "closed with 1009, message too long: the limit is 200 bytes",
        ),
    ],
)
def test_why_the_server_ended_a_connection_is_logged(
    setting: dict[str, object], said: str, cause: str, log: Log, *, server: bool
) -> None:
    with test_application(overrides=setting, server=server) as host:
        ann = host.join("ann", dialect="text")
        ann.send(said)
        if said == "/quit":
            assert ann.receive() == "*** Goodbye"
        assert ann.closed() in (1000, 1009)
    assert log.lines()[-1].endswith(f" after 0 s: {cause}" + (" (app.websockets.max-frame-size)" if setting else ""))


def until_closed(socket: Socket) -> int:
    """The close code that comes, whatever comes before it."""
    while True:
        try:
            socket.wait(socket.deadline)
        except Closed as closed:
            return closed.code


def test_a_client_that_floods_is_logged_once_with_the_settings(caplog: pytest.LogCaptureFixture, log: Log) -> None:
    with chat(chat__limits__rate=1, chat__limits__burst=5, chat__limits__strikes=3) as host:
        ann = host.connect("ann")
        for _ in range(8):
            ann.ask("help")
        assert until_closed(ann.socket) == 1008
    assert log.lines()[-1] == (
        "Removing ann! from testclient after 0 s: closed with 1008, Too many requests (chat.limits.strikes)"
    )
    refused = [record.getMessage() for record in caplog.records if record.name == "Application"]
    assert refused == [
        "Refused testclient: ann sends more than 1 commands a second (chat.limits.rate)",
        "Refused (rate): … and 2 more from testclient",
    ]


def test_sign_ins_are_logged_without_what_people_typed(log: Log) -> None:
    with chat() as host:
        ann = host.join("ann")
        ann.answer("register", password="correct horse")
        ann.leave()
        bob = host.join("bob")
        for name, password in (("ann", "wrong horse"), ("correct horse", "ann")):
            with pytest.raises(Refusal):
                bob.answer("login", name=name, password=password)
        bob.answer("login", name="ann", password="correct horse")
    lines = log.lines()
    assert [line for line in lines if "!" not in line] == [
        "ann from testclient registered",
        "bob from testclient could not log in as ann: wrong_password",
        "bob from testclient could not log in as a name that nobody has: wrong_password",
        "bob from testclient logged in as ann",
    ]
    assert not any("horse" in line for line in lines)


def test_a_new_name_is_logged_so_that_who_came_and_who_left_are_known_to_be_one(log: Log) -> None:
    with chat() as host:
        ann = host.connect("ann")
        ann.nick("anna")
        ann.nick("anna")
        ann.leave()
    came, renamed, left = log.lines()
    assert came == "Adding user! ann from testclient"
    assert renamed == "ann from testclient is called anna now"
    assert left.startswith("Removing anna! from testclient")


def test_what_operators_do_is_logged_without_their_words(log: Log) -> None:
    with chat(chat__operators=["ann"]) as host:
        ann, bob = host.join("ann"), host.join("bob")
        ann.answer("register", password="correct horse")
        ann.answer("mute", room="lobby", name="bob", seconds=60, why="loud words")
        ann.answer("ban", room="lobby", name="bob")
        ann.answer("unban", room="lobby", user=bob.id)
        bob.refused("kick", room="lobby", name="ann")
    assert [line for line in log.lines() if line.startswith("ann in")] == [
        "ann in lobby: mute bob for 60 s",
        "ann in lobby: ban bob",
        f"ann in lobby: unban #{bob.id}",
    ]
    assert not any("words" in line or "kick" in line for line in log.lines())


def test_a_client_that_answers_no_ping_is_logged_with_the_setting() -> None:
    flags = ("-P:app.websockets.ping-period=100ms", "-P:app.websockets.timeout=100ms")
    with serving(*flags) as server, Raw(server.port):
        server.line(
            r"INFO chat - Removing user0! from 127\.0\.0\.1 after \d+ s: "
            r"closed with 1011, no answer to a ping \(app\.websockets\.timeout\)$"
        )


def test_a_connection_that_breaks_is_logged() -> None:
    with serving() as server:
        with Raw(server.port) as client:
            client.frame()
        server.line(r"Removing user0! from 127\.0\.0\.1 after \d+ s: the connection broke$")


def test_of_many_who_come_and_go_from_one_address_twenty_a_minute_are_logged(log: Log) -> None:
    with chat() as host:
        for number in range(30):
            host.connect(f"ann{number}").leave()
    came, left = ([line for line in log.lines() if line.startswith(kind)] for kind in ("Adding", "Removing"))
    assert came == [
        *(f"Adding user! ann{number} from testclient" for number in range(20)),
        "Adding user! … and 10 more from testclient",
    ]
    assert left[19].startswith("Removing ann19! from testclient after")
    assert left[20:] == ["Removing users! … and 10 more from testclient"]
