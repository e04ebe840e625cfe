"""The test host itself: how it is put together and run, in both dialects, over both transports."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import httpx2
import pytest
from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket

from app import Application, Call, Clock, Event, StartupError, chat_of
from app.live import retention
from app.testing import Client, Denied, Host, ManualClock, Refusal, test_application
from config import ConfigurationError
from tests.clients import DEADLINE

Dialect = Literal["json", "text"]

served = pytest.mark.parametrize("server", [False, True], ids=["in process", "server"])
spoken = pytest.mark.parametrize("dialect", ["json", "text"])


def parrot(app: Application) -> None:
    """Repeats what is said, refuses to swear, and answers `/count TEXT`."""
    chat = chat_of(app)
    bot = chat.speaker("parrot")

    async def repeat(event: Event) -> None:
        if event.name != bot.name and not event.text.startswith("."):
            await bot.say(event.room, event.text)

    async def count(call: Call) -> str:
        return str(len(call.arguments))

    chat.hear(repeat)
    chat.refuse(lambda draft: "mind your language" if "darn" in draft.text else None)
    chat.command("count", count, help="count the characters")


@served
@spoken
def test_two_people_and_a_module(dialect: Dialect, server: bool) -> None:
    with test_application(parrot, server=server) as chat:
        ann: Client = chat.join("ann", dialect=dialect)
        bob: Client = chat.join("bob", dialect=dialect)
        said = ann.say("hi")
        assert (said.name, said.text, said.kind) == ("ann", "hi", "msg")
        assert bob.hears("hi").name == "ann"
        assert [ann.hears("hi").name, bob.hears("hi").name] == ["parrot", "parrot"]
        assert ann.command("/count abc") == "3"
        with pytest.raises(Refusal, match=r"ann was refused: .*mind your language"):
            ann.say("darn")
        assert bob.me(".waves").kind == "me"
        assert ann.hears(".waves", name="bob", room="lobby").kind == "me"
        assert ann.say("/not a command").text == "/not a command"
        assert bob.hears("/not a command").name == "ann"
        bob.hears("/not a command", name="parrot")
        bob.expect_nothing()


@served
@spoken
def test_whispers_names_and_rooms(dialect: Dialect, server: bool) -> None:
    with test_application(server=server) as chat:
        ann: Client = chat.join("ann", dialect=dialect)
        bob: Client = chat.join("bob", dialect=dialect)
        cy: Client = chat.join("cy", dialect=dialect)
        assert ann.whisper([bob, "cy"], "psst").to == ("bob", "cy")
        assert bob.hears_whisper("psst").name == cy.hears_whisper(name="ann").name == "ann"
        bob.whisper(ann, "yes?")
        assert ann.hears_whisper().text == "yes?"
        cy.expect_nothing()
        with pytest.raises(Refusal):
            ann.whisper("nobody", "psst")
        ann.nick("Anna")
        assert ann.name == "Anna"
        with pytest.raises(Refusal, match="bob was refused: "):
            bob.nick("anna")
        ann.register("correct horse")
        cy.login("anna", "correct horse")
        assert cy.name == "Anna"
        cy.say("both are me")
        assert ann.hears("both are me").name == "Anna"
        bob.join("den")
        bob.say("in the den")
        ann.expect_nothing()
        bob.part()
        with pytest.raises(Refusal):
            bob.say("nowhere", room="den" if dialect == "json" else "")
        with pytest.raises(Refusal, match=r"wrong_password|refused: "):
            bob.login("anna", "wrong password")


@served
@spoken
def test_a_name_that_can_not_be_had(dialect: Dialect, server: bool) -> None:
    with test_application(server=server) as chat:
        ann = chat.join("ann")
        with pytest.raises(Refusal, match="taken"):
            chat.join("ann", dialect=dialect)
        with pytest.raises(Denied) as denied:
            chat.join("bob", dialect="text", room="No Room")
        assert denied.value.status == 400
        assert "No Room" in denied.value.text
        assert ann.answer("who", room="lobby")["members"] == 1


@served
def test_guests(server: bool) -> None:
    with test_application(server=server) as chat:
        ann, bob = chat.join(), chat.join(dialect="text")
        assert (ann.name, bob.name) == ("user0", "")
        bob.say("hi")
        assert bob.name == ann.hears("hi").name == "user1"
        assert bob.greeting == "You are connected! There are 2 users here."


@served
def test_coming_back(server: bool) -> None:
    with test_application(server=server) as chat:
        ann, bob = chat.join("ann"), chat.join("bob")
        ann.say("one")
        bob.hears("one")
        bob.say("bye")
        bob.leave()
        bob.leave()
        ann.say("two")
        ann.whisper("bob", "three")
        again = chat.rejoin(bob)
        assert (again.name, again.id, again.hears("two").name) == ("bob", bob.id, "ann")
        assert again.hears_whisper("three").to == ("bob",)
        again.expect_nothing()
        also = chat.join(token=ann.token, after=0)
        assert also.hears("one").seq < also.hears("two").seq
        text = chat.join(token=ann.token, dialect="text", after=0)
        assert [text.receive() for _ in range(3)] == ["[ann]: one", "[bob]: bye", "[ann]: two"]


@served
def test_who_leaves_is_gone(server: bool) -> None:
    with test_application(server=server) as chat:
        ann = chat.join("ann")
        for _ in range(20):
            bob = chat.join("bob", dialect="text")
            bob.leave()
            assert ann.answer("who", room="lobby")["members"] == 1


@served
def test_http_and_other_websockets(server: bool) -> None:
    def module(app: Application) -> None:
        async def shout(websocket: WebSocket) -> None:
            if "secret" not in websocket.headers:
                await websocket.close(4001)
                return
            await websocket.accept("loud")
            await websocket.send_text((await websocket.receive_text()).upper())
            await websocket.send_bytes(await websocket.receive_bytes())
            await websocket.close(4000)

        app.add_route("/ping", lambda request: PlainTextResponse("pong"))
        app.add_websocket_route("/shout", shout)

    overrides = {"app.deployment.root-path": "/team"}
    with test_application(module, base=(), overrides=overrides, server=server) as chat:
        assert chat.http.get("/ping").text == "pong"
        assert chat.url.endswith("/team")
        socket = chat.websocket("/shout", subprotocols=["quiet", "loud"], headers={"secret": "x"})
        assert socket.subprotocol == "loud"
        socket.send("hi")
        socket.send(b"\x00\x01")
        assert [socket.receive(), socket.receive(), socket.closed()] == ["HI", b"\x00\x01", 4000]
        with pytest.raises(Denied, match="403"):
            chat.websocket("/shout")
        with pytest.raises(Denied, match="404"):
            chat.websocket("/chat")


@served
def test_what_runs_in_the_application(server: bool) -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    def module(app: Application) -> None:
        @asynccontextmanager
        async def resource() -> AsyncIterator[None]:
            loops.append(asyncio.get_running_loop())
            yield
            loops.clear()

        app.during(resource())
        app.state.bot = chat_of(app).speaker("bot")

    async def fail() -> None:
        raise LookupError("no such thing")

    with test_application(module, server=server) as chat:
        ann = chat.join("ann")
        chat.call(chat.app.state.bot.say, "lobby", "hello")
        assert ann.hears("hello").name == "bot"
        assert chat.call(asyncio.get_running_loop) is loops[0]
        with pytest.raises(LookupError, match="no such thing"):
            chat.call(fail)
    assert loops == []


def test_without_a_lifespan() -> None:
    with test_application(parrot, lifespan=False) as chat:
        ann, bob = chat.join("ann"), chat.join("bob", dialect="text")
        ann.say("hi")
        assert bob.hears("hi").name == "ann"
        bob.expect_nothing()
        assert chat.call(lambda: 7) == 7
    with pytest.raises(ValueError, match="lifespan=True"), test_application(server=True, lifespan=False):
        pass


def test_several_at_once() -> None:
    with test_application() as one, test_application(parrot) as two, test_application(server=True) as three:
        people = [chat.join("ann") for chat in (one, two, three)]
        for person in people:
            person.say("hi")
        two.settle()
        assert people[1].hears("hi").name == "parrot"
        for person in people:
            person.expect_nothing()


@served
def test_it_can_be_started_again_and_leaves_nothing(server: bool, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHAT_STORE")
    thresholds, frozen = gc.get_threshold(), gc.get_freeze_count()
    for _ in range(3):
        with test_application(server=server) as chat:
            assert chat.join().name == "user0"
    assert list(tmp_path.iterdir()) == []
    assert (gc.get_threshold(), gc.get_freeze_count()) == (thresholds, frozen)


def test_a_store_that_is_asked_for(tmp_path: Path) -> None:
    store, clock = tmp_path / "mine.db", ManualClock()
    with test_application(store=store, clock=clock) as chat:
        chat.join("ann").say("kept")
    with test_application(overrides={"chat.store": str(store)}, clock=clock) as chat:
        assert chat.join(after=0).hears("kept").name == "ann"
        assert chat.join().name == "user2"


CONFIGURATION = """
app { modules = [app.modules.chat.module, local_module.module], deployment.port = 1 }
chat { store = "%s", limits.rate = 5 }
local.greeting = ${?GREETING}
"""
LOCAL = """
def module(app):
    app.state.greeting = app.property("local.greeting")
"""


def test_a_configuration_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my.conf").write_text(CONFIGURATION % (tmp_path / "chat.db"))
    (tmp_path / "local_module.py").write_text(LOCAL)
    monkeypatch.setenv("GREETING", "hello")
    path, server = list(sys.path), True
    with test_application(parrot, config=tmp_path / "my.conf", server=server) as chat:
        assert chat.app.state.greeting == "hello"
        ann = chat.join("ann")
        assert ann.welcome["limits"]["rate"] == 5
        ann.say("hi")
        assert ann.hears("hi").name == "parrot"
    with test_application(config=[str(tmp_path / "my.conf")], overrides={"local": {"greeting": "moin"}}) as chat:
        assert chat.app.state.greeting == "moin"
    assert sorted(file.name for file in tmp_path.iterdir() if file.is_file()) == ["local_module.py", "my.conf"]
    assert sys.path == path
    assert "local_module" not in sys.modules


def module_by_name(app: Application) -> None:
    app.state.ran = True


def test_packages_of_the_same_name(tmp_path: Path) -> None:
    """Each configuration file gets the package next to it, though an earlier test had one of that name."""
    for name in ("one", "two"):
        package = tmp_path / name / "greeting"
        package.mkdir(parents=True)
        (package / "words.py").write_text(f"WORD = {name!r}\n")
        (package / "application.py").write_text(
            "from greeting.words import WORD\ndef module(app):\n    app.state.word = WORD\n"
        )
        for has_init in (False, True):
            if has_init:
                (package / "__init__.py").touch()
            (tmp_path / name / "my.conf").write_text("app.modules = [greeting.application.module]\n")
            with test_application(config=tmp_path / name / "my.conf") as chat:
                assert chat.app.state.word == name
            assert not [module for module in sys.modules if module.partition(".")[0] == "greeting"]


def test_modules_by_name_and_a_base_of_ones_own() -> None:
    with test_application(f"{__name__}.module_by_name") as chat:
        assert chat.app.state.ran
        chat.join()
    with test_application("app.modules.health.module", base=["app.modules.echo.module"]) as chat:
        assert chat.http.get("/livez").status_code == 200
        socket = chat.websocket("/echo")
        socket.receive()
        socket.send("hi")
        assert socket.receive() == "You said: hi"
        with pytest.raises(Denied):
            chat.join()


@served
def test_what_is_wrong_comes_out(server: bool) -> None:
    def broken(app: Application) -> None:
        raise ValueError("no luck")

    def does_not_start(app: Application) -> None:
        @asynccontextmanager
        async def resource() -> AsyncIterator[None]:
            raise StartupError("the disk is gone")
            yield

        app.during(resource())

    with pytest.raises(ConfigurationError, match=r"broken.*raised ValueError: no luck"):
        start(broken, server=server)
    with pytest.raises(ConfigurationError, match="listed twice"):
        start(parrot, parrot, server=server)
    with pytest.raises(ConfigurationError, match=r"chat\.limits\.rat: unknown key"):
        start(overrides={"chat.limits.rat": 1}, server=server)
    with pytest.raises(StartupError, match=r"^the disk is gone$"):
        start(does_not_start, server=server)


def start(*modules: Callable[..., Any], **options: Any) -> None:
    with test_application(*modules, **options):
        pytest.fail("it started")


def test_a_fault_of_a_module_ends_the_test_that_met_it() -> None:
    def module(app: Application) -> None:
        async def fail(websocket: WebSocket) -> None:
            await websocket.accept()
            raise RuntimeError("a fault")

        app.add_websocket_route("/fail", fail)

    with pytest.raises(RuntimeError, match="a fault"), test_application(module) as chat:
        chat.websocket("/fail").closed()


class TestClock:
    """Time stands still until a test moves it."""

    def test_times_of_events(self) -> None:
        with test_application(clock=ManualClock(now=1_767_225_600_000)) as chat:
            ann = chat.join("ann")
            assert ann.say("hi").frame["ts"] == "2026-01-01T00:00:00.000Z"
            chat.clock.advance(90.5)
            assert ann.say("hi").frame["ts"] == "2026-01-01T00:01:30.500Z"
            with pytest.raises(ValueError, match="time doesn't go back"):
                chat.clock.advance(-1)

    @served
    def test_mutes_and_slow_mode(self, server: bool) -> None:
        with test_application(server=server) as chat:
            ann, bob = registered(chat, "ann"), chat.join("bob")
            ann.answer("mute", room="lobby", name="bob", seconds=60)
            with pytest.raises(Refusal) as refusal:
                bob.say("hi")
            assert refusal.value.code == "muted"
            chat.clock.advance(61)
            bob.say("hi")
            ann.answer("slow", room="lobby", seconds=30)
            bob.say("one")
            with pytest.raises(Refusal, match="slow_mode"):
                bob.say("two")
            chat.clock.advance(30)
            bob.say("two")

    def test_rates_and_passwords(self) -> None:
        with test_application(overrides={"chat.limits.rate": 1, "chat.limits.burst": 6}) as chat:
            bob = chat.connect("bob")
            for _ in range(5):
                with pytest.raises(Refusal, match="wrong_password"):
                    bob.login("nobody", "wrong")
            with pytest.raises(Refusal, match=r"rate_limited.*password"):
                bob.login("nobody", "wrong")
            with pytest.raises(Refusal) as refusal:
                bob.login("nobody", "wrong")
            assert refusal.value.frame["after"] == 1000
            chat.clock.advance(60)
            with pytest.raises(Refusal, match="wrong_password"):
                bob.login("nobody", "wrong")

    def test_held_names(self) -> None:
        with test_application() as chat:
            with chat.join("ann") as ann:
                ann.say("hi")
            with pytest.raises(Refusal, match="name_taken"):
                chat.join("ann")
            chat.clock.advance(301)
            assert chat.join("ann").name == "ann"

    def test_retention(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is too old goes at the next look, which is at the start and once a minute of real time."""
        monkeypatch.setattr(retention, "SETTLING", 0.0)
        clock, overrides = ManualClock(), {"chat.retention.age": "1h"}
        with test_application(store=tmp_path / "chat.db", clock=clock, overrides=overrides) as chat:
            chat.join("ann").say("old")
        clock.advance(3601)
        with test_application(store=tmp_path / "chat.db", clock=clock, overrides=overrides) as chat:
            bob, deadline = chat.join("bob"), time.monotonic() + DEADLINE
            while bob.answer("history", room="lobby")["events"]:
                assert time.monotonic() < deadline

    def test_another_clock(self) -> None:
        clock = Clock()
        with test_application(clock=clock) as chat:
            assert chat.app.clock is clock
            with pytest.raises(TypeError, match="can't advance"):
                chat.clock.advance(1)


def registered(chat: Host, name: str) -> Any:
    client = chat.join(name)
    client.register("correct horse")
    client.sees("owner")
    return client


def test_pytest_does_not_collect_it() -> None:
    assert test_application.__test__ is False  # type: ignore[attr-defined]


def test_a_request_to_a_server_has_the_same_deadline_as_all_else() -> None:
    with test_application(server=True, deadline=45) as chat:
        assert chat.http.timeout == httpx2.Timeout(chat.join("ann").socket.deadline) == httpx2.Timeout(45)
