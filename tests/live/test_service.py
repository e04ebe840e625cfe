"""What modules add to the chat: commands, refusals, listeners, speakers."""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from queue import Queue
from typing import Any

import anyio
import pytest

from app import create_app
from app.backends import Unavailable
from app.backends.embedded import Embedded
from app.chat.errors import Code, Refused
from app.chat.events import Draft, Event, Kind, User
from app.errors import StartupError
from app.live.context import Call
from app.live.service import ChatService, chat_of
from app.live.speaker import Speaker
from app.testing import Host, JsonClient, Refusal, test_application
from config import ConfigurationError, load
from tests.clients import DEADLINE, Process
from tests.contracts.helpers import register

OVERRIDES = {"app.modules": ["app.modules.chat.module"]}


def extended(add: Callable[[ChatService], object], **options: Any) -> AbstractContextManager[Host]:
    """Run a chat with a module that calls `add`."""
    return test_application(lambda app: add(chat_of(app)), **options)


@pytest.fixture(params=["with lifespan", "without lifespan"])
def running(request: pytest.FixtureRequest) -> Callable[..., AbstractContextManager[Host]]:
    """Run a chat as `extended` does, with one event loop or with one for each connection."""
    return partial(extended, lifespan=request.param == "with lifespan")


def service() -> ChatService:
    """Return a chat that doesn't run."""
    return chat_of(create_app(overrides=OVERRIDES))


def does(chat: ChatService, name: str, do: Callable[[Call], Any]) -> None:
    """Add the command `/name`, which awaits `do(call)` and answers with its result."""

    async def run(call: Call) -> str:
        return str(await do(call))

    chat.command(name, run, help="does something")


def noticed(client: JsonClient, line: str) -> str:
    answer = client.answer("command", room="lobby", line=line)
    assert answer["t"] == "notice", answer
    return str(answer["text"])


def refused(client: JsonClient, line: str) -> Refusal:
    """Send a slash command that must be refused."""
    return client.refused("command", room="lobby", line=line)


# Commands


def test_the_answer_of_a_command_is_told_to_the_caller_alone(running: Any) -> None:
    calls = []

    async def double(call: Call) -> str | None:
        calls.append(call)
        return call.arguments * 2 or None

    def add(chat: ChatService) -> None:
        chat.command("double", double, usage="TEXT", help="say it twice to yourself")

    with running(add) as chat:
        ann, bob = chat.join(), chat.join()
        answer = ann.answer("command", room="lobby", line="/double ab", rid=7)
        assert answer == {"t": "notice", "rid": 7, "text": "abab"}
        assert noticed(ann, "/DOUBLE  a b ") == "a ba b"
        assert noticed(ann, "double\ta") == "aa"
        assert noticed(ann, "/double\na\nb") == "a\nba\nb"
        assert ann.answer("command", room="lobby", line="/double", rid=7) == {"t": "done", "rid": 7}
        ann.expect_nothing()
        bob.expect_nothing()
        assert calls[0] == Call(User(1, "user0"), "lobby", "ab")
        assert [call.arguments for call in calls[1:]] == ["a b", "a", "a\nb", ""]
        cy = chat.join(dialect="text")
        cy.send("/double")
        cy.send("/double xy")
        assert cy.receive() == "*** xyxy"


def test_a_command_is_for_who_is_in_the_room() -> None:
    with extended(lambda chat: does(chat, "x", lambda call: pytest.fail("it ran"))) as chat:
        assert refused(chat.connect(), "/x").code == "not_joined"


def test_help_lists_commands_that_were_added() -> None:
    async def roll(call: Call) -> str:
        return "4"

    with extended(lambda chat: chat.command("roll", roll, usage="[DICE]", help="roll dice")) as chat:
        ann, bob = chat.connect(), chat.join(dialect="text")
        entry = {"command": "roll", "usage": "[DICE]", "help": "roll dice"}
        assert ann.answer("help")["commands"][-1] == entry
        assert ann.answer("help", command="roll")["commands"] == [entry]
        assert ann.answer("help", command="/Roll")["commands"] == [entry]
        assert ann.refused("help", command="rol").code == "unknown_command"
        bob.send("/help roll")
        assert bob.receive() == "*** /roll [DICE]: roll dice"


@pytest.mark.parametrize("line", ["/rol", "/rolls 2", "/", "/ roll", "//roll", "/roll2"])
def test_an_unknown_command(line: str) -> None:
    with extended(lambda chat: does(chat, "roll", lambda call: pytest.fail("it ran"))) as chat:
        assert refused(chat.join(), line).code == "unknown_command"


@pytest.mark.parametrize("name", ["help", "w", "Roll", "", "/roll", "two words", "once"])
def test_what_can_not_be_a_command_s_name(name: str) -> None:
    chat = service()
    does(chat, "once", lambda call: None)
    with pytest.raises(ValueError, match=f"^/{name}: "):
        does(chat, name, lambda call: None)


def test_what_a_command_refuses_is_told_and_what_it_fails_at_is_logged(
    running: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(call: Call) -> str:
        raise {
            "refuse": Refused(Code.BAD_COMMAND, "not like that"),
            "wait": Unavailable("the store is busy"),
        }.get(call.arguments) or RuntimeError("boom")

    with running(lambda chat: chat.command("fail", fail, help="fails")) as chat:
        ann = chat.join()
        assert refused(ann, "/fail refuse").message == "not like that"
        assert (refused(ann, "/fail wait").code, "boom" in caplog.text) == ("unavailable", False)
        assert ann.refused("command", room="lobby", line="/fail", rid=7).frame == {
            "t": "error",
            "rid": 7,
            "code": "refused",
            "message": "/fail failed. The server's log has the details",
            "retry": False,
        }
        assert "RuntimeError: boom" in caplog.text
        ann.say("still here")


# Refusals


def test_the_first_refusal_wins_and_its_author_alone_is_told(running: Any) -> None:
    asked = []

    def rule(name: str) -> Callable[[Draft], str | None]:
        def judge(draft: Draft) -> str | None:
            asked.append((name, draft.text))
            return f"{name} says no" if name in draft.text else None

        return judge

    def add(chat: ChatService) -> None:
        for name in ("one", "two"):
            chat.refuse(rule(name))

    with running(add) as chat:
        ann, bob = chat.join(), chat.join()
        ann.ask("msg", room="lobby", cid="c1", text="one and two")
        refused = {"t": "error", "code": "refused", "message": "one says no", "retry": False, "cid": "c1"}
        assert ann.receive() == refused
        ann.ask("msg", room="lobby", cid="c2", text="two")
        assert ann.receive() == {**refused, "message": "two says no", "cid": "c2"}
        assert ann.say("three", cid="c1").frame == bob.receive()
        assert [said["text"] for said in ann.answer("history", room="lobby")["events"]] == ["three"]
        cy = chat.join(dialect="text")
        cy.send("number two")
        assert cy.receive() == "*** two says no"
    assert asked[:3] == [("one", "one and two"), ("one", "two"), ("two", "two")]


def test_whatever_is_said_or_changed_may_be_refused(running: Any) -> None:
    kinds = []

    def rule(draft: Draft) -> str | None:
        kinds.append((str(draft.kind), draft.room[0] == "@"))
        return "no" if "bad" in draft.text else None

    with running(lambda chat: chat.refuse(rule)) as chat:
        ann, bob = chat.join(), chat.join()
        seq = ann.say("good").seq
        assert bob.receive()["text"] == "good"
        assert ann.refused("edit", room="lobby", seq=seq, text="bad").code == "refused"
        assert ann.refused("topic", room="lobby", text="bad").code == "refused"
        ann.ask("msg", room="lobby", cid="c2", text="is bad", me=True)
        assert ann.receive()["code"] == "refused"
        ann.ask("whisper", to=[bob.name], cid="c3", text="bad")
        error = ann.receive()
        assert (error["code"], error["cid"]) == ("refused", "c3")
        bob.expect_nothing()
        assert ann.answer("edit", room="lobby", seq=seq, text="better")["t"] == "done"
        assert bob.receive()["text"] == "better"
        assert [event["text"] for event in bob.answer("history", room="lobby")["events"]] == ["better", "better"]
    assert kinds == [("msg", False), ("edit", False), ("topic", False), ("me", False), ("msg", True), ("edit", False)]


def test_what_a_rule_fails_at_does_not_pass(running: Any, caplog: pytest.LogCaptureFixture) -> None:
    def rule(draft: Draft) -> str | None:
        return "never asked" if 1 / (draft.text != "boom") < 0 else None

    with running(lambda chat: chat.refuse(rule)) as chat:
        ann, bob = chat.join(), chat.join()
        ann.ask("msg", room="lobby", cid="c1", text="boom")
        error = ann.receive()
        assert (error["t"], error["code"], error["cid"]) == ("error", "refused", "c1")
        assert (
            error["message"] == "A rule of this server failed, so this was not sent. The server's log has the details"
        )
        assert "ZeroDivisionError" in caplog.text
        assert ann.say("fine").frame == bob.receive()
        bob.expect_nothing()


def test_a_rule_may_raise_a_refusal_of_its_own() -> None:
    def rule(draft: Draft) -> str | None:
        raise Refused(Code.SLOW_MODE, "later", retry=True, after=500)

    with extended(lambda chat: chat.refuse(rule)) as chat:
        ann = chat.join()
        ann.ask("msg", room="lobby", cid="c1", text="x")
        assert ann.receive() == {
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
        service().refuse(rule)  # type: ignore[arg-type]


# Listeners


def test_a_listener_hears_each_event_of_rooms_and_no_whisper() -> None:
    heard = Queue[Event]()

    async def listener(event: Event) -> None:
        heard.put(event)
        if event.text == "boom":
            raise RuntimeError

    with extended(lambda chat: chat.hear(listener)) as chat:
        ann, bob = chat.join(), chat.connect()
        ann.join("red")
        ann.say("boom", room="lobby")
        ann.whisper(bob, "psst")
        ann.say("in red", room="red")
        assert ann.answer("topic", room="lobby", text="tea")["t"] == "done"
        events = [heard.get(timeout=DEADLINE) for _ in range(3)]
        assert [(event.room, event.kind, event.text) for event in events] == [
            ("lobby", Kind.MSG, "boom"),
            ("red", Kind.MSG, "in red"),
            ("lobby", Kind.TOPIC, "tea"),
        ]
        chat.settle()
        assert heard.empty()


def test_a_listener_hears_a_speaker_by_its_name_and_may_answer() -> None:
    def add(chat: ChatService) -> None:
        bot = chat.speaker("Echo")

        async def listener(event: Event) -> None:
            if event.name != bot.name:
                await bot.say(event.room, f"{event.name}: {event.text}", cid=event.id)

        chat.hear(listener)

    with extended(add) as chat:
        ann = chat.join()
        for number in range(3):
            ann.ask("msg", room="lobby", cid=str(number), text=str(number))
        frames = [ann.receive() for _ in range(9)]
        said = [(frame["from"], frame["text"]) for frame in frames if frame["t"] == "msg"]
        assert [text for name, text in said if name == "Echo"] == [f"{ann.name}: {number}" for number in range(3)]
        ann.expect_nothing()


# Speakers


def says(chat: ChatService, name: str = "bot") -> Speaker:
    """Add a speaker and the command `/say`, with which it speaks in the caller's room. The answer is the position."""
    bot = chat.speaker(name)

    async def say(call: Call) -> int:
        return (await bot.say(call.room, call.arguments)).seq

    does(chat, "say", say)
    return bot


def test_a_speaker_speaks_in_both_dialects(running: Any) -> None:
    def add(chat: ChatService) -> None:
        bot = says(chat)
        does(chat, "act", lambda call: bot.say(call.room, call.arguments, me=True))

    with running(add) as chat:
        ann, bob = chat.join(), chat.join(dialect="text")
        ann.ask("command", room="lobby", line="/say hello", rid=1)
        frames = {frame["t"]: frame for frame in (ann.receive(), ann.receive())}
        assert (frames["msg"]["from"], frames["msg"]["text"]) == ("bot", "hello")
        assert frames["notice"]["text"] == str(frames["msg"]["seq"])
        assert bob.receive() == "[bot]: hello"
        ann.ask("command", room="lobby", line="/act waves")
        assert bob.receive() == "[bot] waves"


def test_a_speaker_s_name_is_nobody_else_s_from_the_start() -> None:
    with extended(lambda chat: says(chat, "Bot")) as chat:
        ann = chat.connect()
        assert ann.refused("nick", name="bot").code == "name_taken"
        assert ann.refused("login", name="bot", password="!" * 8).code == "wrong_password"
        assert ann.refused("login", name="bot", password="").code in ("wrong_password", "bad_password")


def test_who_has_a_speaker_s_name_unregistered_is_given_the_default_one_and_told(running: Any) -> None:
    with running(lambda chat: None) as chat:
        ann, bob = chat.join(), chat.join()
        again = chat.join(token=ann.token)
        assert ann.answer("nick", name="Bot")["name"] == "Bot"
        assert again.receive()["name"] == "Bot"
        says(chat_of(chat.app))
        noticed_between(bob, "/say hello")
        for one in (ann, again):
            frames = {frame["t"]: frame for frame in (one.receive(), one.receive())}
            assert frames["named"]["name"] == "user0"
            assert (frames["msg"]["from"], frames["msg"]["text"]) == ("bot", "hello")
        assert ann.say("it is me").name == "user0"
        assert bob.receive()["from"] == "user0"
        assert [person["name"] for person in bob.answer("who", room="lobby")["people"]] == ["user0", "user1"]


def test_a_text_client_that_loses_its_name_is_told() -> None:
    with test_application() as chat, chat.join("bot", dialect="text") as ann:
        says(chat_of(chat.app))
        ann.send("/say hello")
        lines = {ann.receive() for _ in range(3)}
        assert {"*** You are user0 now", "[bot]: hello"} < lines


async def registered(path: Path, name: str) -> None:
    async with opened(path) as backend:
        user = await backend.create_user(b"secret")
        await backend.claim(user.id, name, name.casefold())
        await register(backend, user)


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Embedded]:
    backend = Embedded(str(path))
    backend.open()
    yield backend
    backend.close()


def test_a_name_that_somebody_registered_ends_the_start(tmp_path: Path) -> None:
    anyio.run(registered, tmp_path / "chat.db", "Bot")
    line = "bot: a module wants to speak under this name, but someone else has registered it"
    with pytest.raises(StartupError, match=f"^{line}$"), extended(says, store=tmp_path / "chat.db"):
        pytest.fail("it started")


def test_a_name_that_somebody_registered_is_told_to_who_lets_it_speak(tmp_path: Path) -> None:
    anyio.run(registered, tmp_path / "chat.db", "Bot")
    with extended(says, store=tmp_path / "chat.db", lifespan=False) as chat:
        assert refused(chat.join(), "/say x").code == "name_taken"


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
    def user(name: str) -> Any:
        with test_application(store=tmp_path / "chat.db") as chat:
            return chat.call(says(chat_of(chat.app), name).user)

    first = user("bot")
    assert (first.name, first.registered) == ("bot", True)
    assert user("bot") == first
    assert user("Bot") == User(first.id, "Bot", registered=True)


def test_a_speaker_that_was_killed_before_it_had_its_name_gets_it(tmp_path: Path) -> None:
    async def begun() -> User:
        async with opened(tmp_path / "chat.db") as backend:
            user = await backend.create_user(b"service:bot")
            return await register(backend, user, "!")

    begun_user = anyio.run(begun)
    with test_application(store=tmp_path / "chat.db") as chat:
        assert chat.call(says(chat_of(chat.app)).user) == User(begun_user.id, "bot", registered=True)


def test_the_same_cid_is_the_same_event(running: Any) -> None:
    def add(chat: ChatService) -> None:
        bot = chat.speaker("bot")

        async def once(call: Call) -> int:
            return (await bot.say(call.room, call.arguments, cid="c1")).seq

        does(chat, "once", once)

    with running(add) as chat:
        ann = chat.join()
        seq = noticed_between(ann, "/once x")
        assert noticed_between(ann, "/once x") == seq
        assert [event["text"] for event in ann.answer("history", room="lobby")["events"]] == ["x"]


def noticed_between(client: JsonClient, line: str) -> str:
    """Return the notice that answers a command, whether an event comes before it, after it or not at all."""
    client.ask("command", room="lobby", line=line, rid="n")
    client.ask("help", command="help", rid="end")
    notice = ""
    while (frame := client.receive()).get("rid") != "end":
        notice = frame["text"] if frame["t"] == "notice" else notice
    return notice


def test_a_whisper_of_a_speaker_is_seen_by_whom_it_is_for_and_nobody_else(running: Any) -> None:
    def add(chat: ChatService) -> None:
        bot = chat.speaker("bot")
        does(chat, "one", lambda call: bot.whisper(call.user.name, "psst"))
        does(chat, "some", lambda call: bot.whisper(call.arguments.split(), "psst both"))

    with running(add) as chat:
        cy = chat.join(dialect="text")
        assert cy.greeting == "You are connected! There are 1 users here."
        ann, bob = chat.join(), chat.join()
        ann.ask("command", room="lobby", line="/one")
        whispered = next(frame for frame in (ann.receive(), ann.receive()) if frame["t"] == "msg")
        assert (whispered["from"], whispered["text"], whispered["to"]) == ("bot", "psst", [ann.name])
        bob.expect_nothing()
        noticed_between(ann, f"/some {ann.name} {bob.name}")
        heard = bob.receive()
        assert (heard["text"], heard["to"]) == ("psst both", [ann.name, bob.name])
        bob.ask("msg", room=heard["room"], cid="1", text="an answer")
        assert (bob.receive()["t"], ann.receive()["text"]) == ("ack", "an answer")
        assert refused(ann, "/some").code == "unknown_name"
        assert refused(ann, "/some nobody").code == "unknown_name"
        assert refused(ann, "/some" + " x" * 21).code == "too_many_recipients"
        cy.send("aloud")
        assert cy.receive().endswith(": aloud")


def test_a_speaker_that_whispers_to_itself_is_no_mistake() -> None:
    def add(chat: ChatService) -> None:
        bot = says(chat)

        async def whisper(call: Call) -> list[str]:
            return list((await bot.whisper(["BOT", "bot"], "note")).detail.to)

        does(chat, "note", whisper)

    with extended(add) as chat:
        assert noticed(chat.join(), "/note") == "['bot']"


def test_a_speaker_is_held_to_rules_and_limits() -> None:
    def add(chat: ChatService) -> None:
        chat.refuse(lambda draft: f"not from {draft.user.name}" if "bad" in draft.text else None)
        bot = says(chat)
        does(chat, "there", lambda call: bot.say(call.arguments, "x"))
        does(chat, "long", lambda call: bot.say(call.room, "x", cid="c" * 65))

    with extended(add, overrides={"chat.limits.message": "8B"}) as chat:
        ann = chat.join()
        answers = [refused(ann, line) for line in ("/say bad", "/say 123456789", "/there No Room", "/long")]
        assert [answer.code for answer in answers] == ["refused", "too_long", "bad_room", "bad_frame"]
        assert answers[0].message == "not from bot"
        ann.expect_nothing()


def test_one_name_is_one_speaker() -> None:
    chat = service()
    assert chat.speaker("bot") is chat.speaker("Bot")
    assert chat.speaker("bot") is not chat.speaker("bot2")


@pytest.mark.parametrize("name", ["", "two words", "user7", "x" * 33, "ü"])
def test_what_can_not_be_a_speaker_s_name(name: str) -> None:
    with pytest.raises(ValueError, match="can't be"):
        service().speaker(name)


def test_a_store_that_fails_ends_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(secret: bytes) -> User:
        raise Unavailable("the store can't be written: disk full")

    def add(chat: ChatService) -> None:
        says(chat)
        monkeypatch.setattr(chat.backend, "create_user", fail)

    with pytest.raises(StartupError, match=r"^the store can't be written: disk full$"), extended(add):
        pytest.fail("it started")


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
    heard = Queue[str]()

    async def listener(event: Event) -> None:
        heard.put(event.text)
        raise RuntimeError(f"no {event.text}")

    with caplog.at_level(logging.ERROR, "chat"), extended(lambda chat: chat.hear(listener)) as chat:
        ann = chat.join()
        ann.say("one")
        ann.say("two")
        assert [heard.get(timeout=DEADLINE) for _ in range(2)] == ["one", "two"]
        ann.say("three")
        assert heard.get(timeout=DEADLINE) == "three"
    assert "RuntimeError: no one" in caplog.text
    assert "RuntimeError: no two" in caplog.text
