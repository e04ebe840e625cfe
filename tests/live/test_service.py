"""What modules add to the chat: commands, refusals, listeners, speakers."""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from queue import Queue
from typing import Any

import anyio
import pytest
from starlette.testclient import TestClient

from app import create_app
from app.backends import Unavailable
from app.backends.embedded import Embedded
from app.chat.errors import Code, Refused
from app.chat.events import Draft, Event, Kind, User
from app.errors import StartupError
from app.live.context import Call
from app.live.service import ChatService, chat_of
from app.live.speaker import Speaker
from config import ConfigurationError, load
from tests.clients import DEADLINE, Process, hear
from tests.talking import Client, connected

OVERRIDES = {"app.modules": ["app.modules.chat.module"], "chat.limits.rate": 0}


class Server:
    """An application to which a test adds what a module would add, and its clients."""

    def __init__(self, **overrides: Any) -> None:
        self.app = create_app(overrides={**OVERRIDES, **overrides})
        self.client = TestClient(self.app)
        self.chat = chat_of(self.app)

    def does(self, name: str, do: Callable[[Call], Any]) -> None:
        """Add the command `/name`, which awaits `do(call)` and answers with its result."""

        async def run(call: Call) -> str:
            return str(await do(call))

        self.chat.command(name, run, help="does something")


@pytest.fixture(params=["with lifespan", "without lifespan"])
def running(request: pytest.FixtureRequest) -> Callable[[Server], Any]:
    """Run a server in a block: in one event loop, or with one for each session."""

    @contextmanager
    def run(server: Server) -> Iterator[TestClient]:
        if request.param == "without lifespan":
            yield server.client
        else:
            with server.client as client:
                yield client

    return run


def command(client: Client, line: str, room: str = "lobby") -> Any:
    """Return the answer to a slash command."""
    return client.answer("command", room=room, line=line)


def noticed(client: Client, line: str) -> str:
    answer = command(client, line)
    assert answer["t"] == "notice", answer
    return str(answer["text"])


# Commands


def test_the_answer_of_a_command_is_told_to_the_caller_alone(running: Any) -> None:
    server, calls = Server(), []

    async def double(call: Call) -> str | None:
        calls.append(call)
        return call.arguments * 2 or None

    server.chat.command("double", double, usage="TEXT", help="say it twice to yourself")
    with running(server) as client, connected(client) as ann, connected(client) as bob:
        ann.join()
        bob.join()
        answer = command(ann, "/double ab")
        assert answer == {"t": "notice", "rid": 7, "text": "abab"}
        assert noticed(ann, "/DOUBLE  a b ") == "a ba b"
        assert noticed(ann, "double\ta") == "aa"
        assert noticed(ann, "/double\na\nb") == "a\nba\nb"
        assert command(ann, "/double") == {"t": "done", "rid": 7}
        ann.quiet()
        bob.quiet()
        assert calls[0] == Call(User(1, "user0"), "lobby", "ab")
        assert [call.arguments for call in calls[1:]] == ["a b", "a", "a\nb", ""]
        with client.websocket_connect("/chat") as cy:
            hear(cy)
            cy.send_text("/double")
            cy.send_text("/double xy")
            assert hear(cy) == "*** xyxy"


def test_a_command_is_for_who_is_in_the_room() -> None:
    server = Server()
    server.does("x", lambda call: pytest.fail("it ran"))
    with connected(server.client) as ann:
        assert ann.refused("command", room="lobby", line="/x") == "not_joined"


def test_help_lists_commands_that_were_added() -> None:
    server = Server()

    async def roll(call: Call) -> str:
        return "4"

    server.chat.command("roll", roll, usage="[DICE]", help="roll dice")
    with connected(server.client) as ann, server.client.websocket_connect("/chat") as bob:
        entry = {"command": "roll", "usage": "[DICE]", "help": "roll dice"}
        assert ann.answer("help")["commands"][-1] == entry
        assert ann.answer("help", command="roll")["commands"] == [entry]
        assert ann.answer("help", command="/Roll")["commands"] == [entry]
        assert ann.refused("help", command="rol") == "unknown_command"
        hear(bob)
        bob.send_text("/help roll")
        assert hear(bob) == "*** /roll [DICE]: roll dice"


@pytest.mark.parametrize("line", ["/rol", "/rolls 2", "/", "/ roll", "//roll", "/roll2"])
def test_an_unknown_command(line: str) -> None:
    server = Server()
    server.does("roll", lambda call: pytest.fail("it ran"))
    with connected(server.client) as ann:
        ann.join()
        assert ann.refused("command", room="lobby", line=line) == "unknown_command"


@pytest.mark.parametrize("name", ["help", "w", "Roll", "", "/roll", "two words", "once"])
def test_what_can_not_be_a_command_s_name(name: str) -> None:
    server = Server()
    server.does("once", lambda call: None)
    with pytest.raises(ValueError, match=f"^/{name}: "):
        server.does(name, lambda call: None)


def test_what_a_command_refuses_is_told_and_what_it_fails_at_is_logged(
    running: Any, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server()

    async def fail(call: Call) -> str:
        raise {
            "refuse": Refused(Code.BAD_COMMAND, "not like that"),
            "wait": Unavailable("the store is busy"),
        }.get(call.arguments) or RuntimeError("boom")

    server.chat.command("fail", fail, help="fails")
    with running(server) as client, connected(client) as ann:
        ann.join()
        assert command(ann, "/fail refuse")["message"] == "not like that"
        assert (command(ann, "/fail wait")["code"], "boom" in caplog.text) == ("unavailable", False)
        assert command(ann, "/fail") == {
            "t": "error",
            "rid": 7,
            "code": "refused",
            "message": "/fail failed. The server's log has the details",
            "retry": False,
        }
        assert "RuntimeError: boom" in caplog.text
        ann.say("still here", "1")


# Refusals


def test_the_first_refusal_wins_and_its_author_alone_is_told(running: Any) -> None:
    server, asked = Server(), []

    def rule(name: str) -> Callable[[Draft], str | None]:
        def judge(draft: Draft) -> str | None:
            asked.append((name, draft.text))
            return f"{name} says no" if name in draft.text else None

        return judge

    for name in ("one", "two"):
        server.chat.refuse(rule(name))
    with running(server) as client, connected(client) as ann, connected(client) as bob:
        ann.join()
        bob.join()
        ann.ask("msg", room="lobby", cid="c1", text="one and two")
        refused = {"t": "error", "code": "refused", "message": "one says no", "retry": False, "cid": "c1"}
        assert ann.next() == refused
        ann.ask("msg", room="lobby", cid="c2", text="two")
        assert ann.next() == {**refused, "message": "two says no", "cid": "c2"}
        _, event = ann.say("three", "c1")
        assert bob.next() == event
        assert [said["text"] for said in ann.answer("history", room="lobby")["events"]] == ["three"]
        with client.websocket_connect("/chat") as cy:
            hear(cy)
            cy.send_text("number two")
            assert hear(cy) == "*** two says no"
    assert asked[:3] == [("one", "one and two"), ("one", "two"), ("two", "two")]


def test_whatever_is_said_or_changed_may_be_refused(running: Any) -> None:
    server, kinds = Server(), []

    def rule(draft: Draft) -> str | None:
        kinds.append((str(draft.kind), draft.room[0] == "@"))
        return "no" if "bad" in draft.text else None

    server.chat.refuse(rule)
    with running(server) as client, connected(client) as ann, connected(client) as bob:
        ann.join()
        bob.join()
        bob.join("@")
        seq = ann.say("good", "c1")[0]["seq"]
        assert bob.next()["text"] == "good"
        assert ann.refused("edit", room="lobby", seq=seq, text="bad") == "refused"
        assert ann.refused("topic", room="lobby", text="bad") == "refused"
        ann.ask("msg", room="lobby", cid="c2", text="is bad", me=True)
        assert ann.next()["code"] == "refused"
        ann.ask("whisper", to=[bob.name], cid="c3", text="bad")
        error = ann.next()
        assert (error["code"], error["cid"]) == ("refused", "c3")
        bob.quiet()
        assert ann.answer("edit", room="lobby", seq=seq, text="better")["t"] == "done"
        assert bob.next()["text"] == "better"
        assert [event["text"] for event in bob.answer("history", room="lobby")["events"]] == ["better", "better"]
    assert kinds == [("msg", False), ("edit", False), ("topic", False), ("me", False), ("msg", True), ("edit", False)]


def test_what_a_rule_fails_at_does_not_pass(running: Any, caplog: pytest.LogCaptureFixture) -> None:
    server = Server()
    server.chat.refuse(lambda draft: "never asked" if 1 / (draft.text != "boom") < 0 else None)
    with running(server) as client, connected(client) as ann, connected(client) as bob:
        ann.join()
        bob.join()
        ann.ask("msg", room="lobby", cid="c1", text="boom")
        error = ann.next()
        assert (error["t"], error["code"], error["cid"]) == ("error", "refused", "c1")
        assert (
            error["message"] == "A rule of this server failed, so this was not sent. The server's log has the details"
        )
        assert "ZeroDivisionError" in caplog.text
        _, event = ann.say("fine", "c2")
        assert bob.next() == event
        bob.quiet()


def test_a_rule_may_raise_a_refusal_of_its_own() -> None:
    server = Server()

    def rule(draft: Draft) -> str | None:
        raise Refused(Code.SLOW_MODE, "later", retry=True, after=500)

    server.chat.refuse(rule)
    with connected(server.client) as ann:
        ann.join()
        ann.ask("msg", room="lobby", cid="c1", text="x")
        assert ann.next() == {
            "t": "error",
            "code": "slow_mode",
            "message": "later",
            "retry": True,
            "after": 500,
            "cid": "c1",
        }


def test_a_rule_that_would_wait() -> None:
    async def rule(draft: Draft) -> str | None:
        return None

    with pytest.raises(ValueError, match="a rule must be a plain function"):
        Server().chat.refuse(rule)  # type: ignore[arg-type]


# Listeners


def test_a_listener_hears_each_event_of_rooms_and_no_whisper() -> None:
    server, heard = Server(), Queue[Event]()

    async def listener(event: Event) -> None:
        heard.put(event)
        if event.text == "boom":
            raise RuntimeError

    server.chat.hear(listener)
    with server.client as client, connected(client) as ann, connected(client) as bob:
        ann.join()
        ann.join("red")
        ann.say("boom", "1")
        ann.ask("whisper", to=[bob.name], cid="2", text="psst")
        assert ann.next()["t"] == "ack"
        ann.say("in red", "3", "red")
        assert ann.answer("topic", room="lobby", text="tea")["t"] == "done"
        events = [heard.get(timeout=DEADLINE) for _ in range(3)]
        assert [(event.room, event.kind, event.text) for event in events] == [
            ("lobby", Kind.MSG, "boom"),
            ("red", Kind.MSG, "in red"),
            ("lobby", Kind.TOPIC, "tea"),
        ]
        assert heard.empty()


def test_a_listener_hears_a_speaker_by_its_name_and_may_answer() -> None:
    server = Server()
    bot = server.chat.speaker("Echo")

    async def listener(event: Event) -> None:
        if event.name != bot.name:
            await bot.say(event.room, f"{event.name}: {event.text}", cid=event.id)

    server.chat.hear(listener)
    with server.client as client, connected(client) as ann:
        ann.join()
        for number in range(3):
            ann.ask("msg", room="lobby", cid=str(number), text=str(number))
        frames = [ann.next() for _ in range(9)]
        said = [(frame["from"], frame["text"]) for frame in frames if frame["t"] == "msg"]
        assert [text for name, text in said if name == "Echo"] == [f"{ann.name}: {number}" for number in range(3)]
        ann.quiet()


# Speakers


def says(server: Server, name: str = "bot") -> Speaker:
    """Add a speaker and the command `/say`, with which it speaks in the caller's room. The answer is the position."""
    bot = server.chat.speaker(name)

    async def say(call: Call) -> int:
        return (await bot.say(call.room, call.arguments)).seq

    server.does("say", say)
    return bot


def test_a_speaker_speaks_in_both_dialects(running: Any) -> None:
    server = Server()
    bot = says(server)
    server.does("act", lambda call: bot.say(call.room, call.arguments, me=True))
    with running(server) as client, connected(client) as ann, client.websocket_connect("/chat") as bob:
        ann.join()
        hear(bob)
        ann.ask("command", room="lobby", line="/say hello", rid=1)
        frames = {frame["t"]: frame for frame in (ann.next(), ann.next())}
        assert (frames["msg"]["from"], frames["msg"]["text"]) == ("bot", "hello")
        assert frames["notice"]["text"] == str(frames["msg"]["seq"])
        assert hear(bob) == "[bot]: hello"
        ann.ask("command", room="lobby", line="/act waves")
        assert hear(bob) == "[bot] waves"


def test_a_speaker_s_name_is_nobody_else_s_from_the_start() -> None:
    server = Server()
    says(server, "Bot")
    with server.client as client, connected(client) as ann:
        assert ann.refused("nick", name="bot") == "name_taken"
        assert ann.refused("login", name="bot", password="!" * 8) == "wrong_password"
        assert ann.refused("login", name="bot", password="") in ("wrong_password", "bad_password")


def test_who_has_a_speaker_s_name_unregistered_is_given_the_default_one_and_told(running: Any) -> None:
    server = Server()
    with (
        running(server) as client,
        connected(client) as ann,
        connected(client) as bob,
        connected(client, ann.welcome["token"]) as again,
    ):
        for one in (ann, bob, again):
            one.join()
        assert ann.answer("nick", name="Bot")["name"] == "Bot"
        assert again.next()["name"] == "Bot"
        says(server)
        noticed_between(bob, "/say hello")
        for one in (ann, again):
            frames = {frame["t"]: frame for frame in (one.next(), one.next())}
            assert frames["named"]["name"] == "user0"
            assert (frames["msg"]["from"], frames["msg"]["text"]) == ("bot", "hello")
        assert ann.say("it is me", "1")[1]["from"] == "user0"
        assert bob.next()["from"] == "user0"
        assert [person["name"] for person in bob.answer("who", room="lobby")["people"]] == ["user0", "user1"]


def test_a_text_client_that_loses_its_name_is_told() -> None:
    server = Server()
    with server.client as client, client.websocket_connect("/chat?name=bot") as ann:
        hear(ann)
        says(server)
        ann.send_text("/say hello")
        lines = {hear(ann) for _ in range(3)}
        assert {"*** You are user0 now", "[bot]: hello"} < lines


async def registered(path: Path, name: str) -> None:
    async with opened(path) as backend:
        user = await backend.create_user(b"secret")
        await backend.claim(user.id, name, name.casefold())
        await backend.set_password(user.id, "hash")


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Embedded]:
    backend = Embedded(str(path))
    backend.open()
    yield backend
    backend.close()


def test_a_name_that_somebody_registered_ends_the_start(tmp_path: Path) -> None:
    anyio.run(registered, tmp_path / "chat.db", "Bot")
    server = Server(**{"chat.store": str(tmp_path / "chat.db")})
    says(server)
    line = "bot: a module wants to speak under this name, but someone else has registered it"
    with pytest.raises(StartupError, match=f"^{line}$"), server.client:
        pass


def test_a_name_that_somebody_registered_is_told_to_who_lets_it_speak(tmp_path: Path) -> None:
    anyio.run(registered, tmp_path / "chat.db", "Bot")
    server = Server(**{"chat.store": str(tmp_path / "chat.db")})
    says(server)
    with connected(server.client) as ann:
        ann.join()
        assert command(ann, "/say x")["code"] == "name_taken"


def test_a_name_that_somebody_registered_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    anyio.run(registered, tmp_path / "chat.db", "bot")
    (tmp_path / "mine.py").write_text(
        "from app.live.service import chat_of\n\n\ndef module(app):\n    chat_of(app).speaker('bot')\n"
    )
    (tmp_path / "x.conf").write_text(
        f'app.modules = [app.modules.chat.module, mine.module], chat.store = "{tmp_path}/chat.db"\n'
    )
    process = Process("-config=x.conf", "-port=0", "-host=127.0.0.1", cwd=tmp_path)
    assert process.wait() == 1
    assert process.log == ["natter: bot: a module wants to speak under this name, but someone else has registered it"]


def test_a_speaker_is_the_same_after_a_restart(tmp_path: Path) -> None:
    def user(name: str) -> User:
        server = Server(**{"chat.store": str(tmp_path / "chat.db")})
        bot = says(server, name)
        with server.client as client:
            assert client.portal is not None
            return client.portal.call(bot.user)

    first = user("bot")
    assert (first.name, first.registered) == ("bot", True)
    assert user("bot") == first
    assert user("Bot") == User(first.id, "Bot", registered=True)


def test_a_speaker_that_was_killed_before_it_had_its_name_gets_it(tmp_path: Path) -> None:
    async def begun() -> User:
        async with opened(tmp_path / "chat.db") as backend:
            user = await backend.create_user(b"service:bot")
            return await backend.set_password(user.id, "!")

    begun_user = anyio.run(begun)
    server = Server(**{"chat.store": str(tmp_path / "chat.db")})
    bot = says(server)
    with server.client as client:
        assert client.portal is not None
        assert client.portal.call(bot.user) == User(begun_user.id, "bot", registered=True)


def test_the_same_cid_is_the_same_event(running: Any) -> None:
    server = Server()
    bot = server.chat.speaker("bot")

    async def once(call: Call) -> int:
        return (await bot.say(call.room, call.arguments, cid="c1")).seq

    server.does("once", once)
    with running(server) as client, connected(client) as ann:
        ann.join()
        seq = noticed_between(ann, "/once x")
        assert noticed_between(ann, "/once x") == seq
        assert [event["text"] for event in ann.answer("history", room="lobby")["events"]] == ["x"]


def noticed_between(client: Client, line: str) -> str:
    """Return the notice that answers a command, whether an event comes before it, after it or not at all."""
    client.ask("command", room="lobby", line=line, rid="n")
    client.ask("help", command="help", rid="end")
    notice = ""
    while (frame := client.next()).get("rid") != "end":
        notice = frame["text"] if frame["t"] == "notice" else notice
    return notice


def test_a_whisper_of_a_speaker_is_seen_by_whom_it_is_for_and_nobody_else(running: Any) -> None:
    server = Server()
    bot = server.chat.speaker("bot")
    server.does("one", lambda call: bot.whisper(call.user.name, "psst"))
    server.does("some", lambda call: bot.whisper(call.arguments.split(), "psst both"))
    with (
        running(server) as client,
        connected(client) as ann,
        connected(client) as bob,
        client.websocket_connect("/chat") as cy,
    ):
        assert hear(cy) == "You are connected! There are 1 users here."
        for one in (ann, bob):
            one.join()
            one.join("@")
        ann.ask("command", room="lobby", line="/one")
        whispered = next(frame for frame in (ann.next(), ann.next()) if frame["t"] == "msg")
        assert (whispered["from"], whispered["text"], whispered["to"]) == ("bot", "psst", [ann.name])
        bob.quiet()
        noticed_between(ann, f"/some {ann.name} {bob.name}")
        heard = bob.next()
        assert (heard["text"], heard["to"]) == ("psst both", [ann.name, bob.name])
        bob.ask("msg", room=heard["room"], cid="1", text="an answer")
        assert (bob.next()["t"], ann.next()["text"]) == ("ack", "an answer")
        assert ann.refused("command", room="lobby", line="/some") == "unknown_name"
        assert ann.refused("command", room="lobby", line="/some nobody") == "unknown_name"
        assert ann.refused("command", room="lobby", line="/some" + " x" * 21) == "too_many_recipients"
        cy.send_text("aloud")
        assert hear(cy).endswith(": aloud")


def test_a_speaker_that_whispers_to_itself_is_no_mistake() -> None:
    server = Server()
    bot = says(server)

    async def whisper(call: Call) -> list[str]:
        return list((await bot.whisper(["BOT", "bot"], "note")).detail.to)

    server.does("note", whisper)
    with connected(server.client) as ann:
        ann.join()
        assert noticed(ann, "/note") == "['bot']"


def test_a_speaker_is_held_to_rules_and_limits() -> None:
    server = Server(**{"chat.limits.message": "8B"})
    server.chat.refuse(lambda draft: f"not from {draft.user.name}" if "bad" in draft.text else None)
    bot = says(server)
    server.does("there", lambda call: bot.say(call.arguments, "x"))
    server.does("long", lambda call: bot.say(call.room, "x", cid="c" * 65))
    with connected(server.client) as ann:
        ann.join()
        answers = [command(ann, line) for line in ("/say bad", "/say 123456789", "/there No Room", "/long")]
        assert [answer["code"] for answer in answers] == ["refused", "too_long", "bad_room", "bad_frame"]
        assert answers[0]["message"] == "not from bot"
        ann.quiet()


def test_one_name_is_one_speaker() -> None:
    chat = Server().chat
    assert chat.speaker("bot") is chat.speaker("Bot")
    assert chat.speaker("bot") is not chat.speaker("bot2")


@pytest.mark.parametrize("name", ["", "two words", "user7", "x" * 33, "ü"])
def test_what_can_not_be_a_speaker_s_name(name: str) -> None:
    with pytest.raises(ValueError, match="can't be"):
        Server().chat.speaker(name)


def test_a_store_that_fails_ends_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()
    says(server)

    async def fail(secret: bytes) -> User:
        raise Unavailable("the store can't be written: disk full")

    monkeypatch.setattr(server.chat.backend, "create_user", fail)
    with pytest.raises(StartupError, match=r"^the store can't be written: disk full$"), server.client:
        pass


# The application that is put together from modules


SOURCE = """
from app.live.service import chat_of

async def hello(call): ...

def module(app):
    chat_of(app).command("hello", hello, help="")

def again(app):
    chat_of(app).command("hello", hello, help="")

def nobody(app):
    chat_of(app).speaker("no body")
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with modules, which are unloaded after the test."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "mine_of_chat.py").write_text(SOURCE)
    yield tmp_path
    sys.modules.pop("mine_of_chat", None)


@pytest.mark.parametrize(
    ("modules", "told"),
    [
        (
            "mine_of_chat.module, app.modules.chat.module",
            '"mine_of_chat.module": raised LookupError: there is no chat yet: list app.modules.chat.module',
        ),
        ("app.modules.echo.module, mine_of_chat.module", "list app.modules.chat.module before it"),
        (
            "app.modules.chat.module, mine_of_chat.module, mine_of_chat.again",
            'app.modules = "mine_of_chat.again": raised ValueError: /hello: there is a command with this name already',
        ),
        (
            "app.modules.chat.module, mine_of_chat.nobody",
            "app.modules = \"mine_of_chat.nobody\": raised ValueError: 'no body' can't be a name",
        ),
    ],
)
def test_what_a_module_gets_wrong_is_one_line_with_its_name(project: Path, modules: str, told: str) -> None:
    (project / "x.conf").write_text(f"app.modules = [{modules}]")
    with pytest.raises(ConfigurationError) as caught:
        create_app(load([project / "x.conf"]))
    line = str(caught.value)
    assert line.startswith(f"{project}/x.conf:1: ")
    assert told in line
    assert "\n" not in line


def test_the_chat_is_where_modules_look_for_it() -> None:
    app = create_app(overrides=OVERRIDES)
    assert isinstance(app.state.chat, ChatService)
    assert chat_of(app) is app.state.chat


def test_a_listener_that_fails_is_logged_with_its_trace(caplog: pytest.LogCaptureFixture) -> None:
    server, heard = Server(), Queue[str]()

    async def listener(event: Event) -> None:
        heard.put(event.text)
        raise RuntimeError(f"no {event.text}")

    server.chat.hear(listener)
    with caplog.at_level(logging.ERROR, "chat"), server.client as client, connected(client) as ann:
        ann.join()
        ann.say("one", "1")
        ann.say("two", "2")
        assert [heard.get(timeout=DEADLINE) for _ in range(2)] == ["one", "two"]
        ann.say("three", "3")
        assert heard.get(timeout=DEADLINE) == "three"
    assert "RuntimeError: no one" in caplog.text
    assert "RuntimeError: no two" in caplog.text
