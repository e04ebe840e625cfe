"""`docs/protocol.md` held against the server: every exchange happens as it is written, and nothing else happens. The
tables have every frame, field, code and command."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest

from app import Application, chat_of
from app.chat import commands, frames
from app.chat.closing import CloseCode
from app.chat.dialects import JSON_SUBPROTOCOL, TYPES
from app.chat.errors import Code
from app.chat.events import Kind
from app.chat.presence import Person
from app.live.context import Call
from app.live.shares import Rates
from app.testing import Denied, Host, Socket, test_application
from app.testing.sockets import Closed
from tests.clients import DEADLINE, ROOT

PAGE = (ROOT / "docs/protocol.md").read_text()
PARTS = re.findall(r"^#+ (.+)\n((?:(?!#+ ).*\n)*)", PAGE, re.M)
BLOCK = re.compile(r"```(json|text)\n(.*?)```", re.S)
LINE = re.compile(r"(\w*)([<>]) ?(.*)")
SECTIONS = {heading: BLOCK.findall(part) for heading, part in PARTS if BLOCK.search(part)}
"""The exchanges of each section, which follow each other on one server."""

CALM = {"chat.presence.period": "3600s"}
"""Turns presence off, except in the section about it."""
SETTINGS: dict[str, dict[str, Any]] = {
    "Presence": {"chat.presence.period": 0},
    "Limits": {**CALM, "chat.limits.rate": 0.1, "chat.limits.burst": 2, "chat.limits.strikes": 2},
}

VARIES = {"token", "epoch", "id", "ts", "until"}
"""What the page shows as `…`."""
MARK = "nobody-has-this-name"


def alike(shown: Any, got: Any) -> bool:
    """Whether `got` is what the page shows. `…` stands for a value that varies, and times to wait are examples."""
    if isinstance(shown, dict):
        return isinstance(got, dict) and set(shown) == set(got) and all(_same(key, shown[key], got[key]) for key in got)
    if isinstance(shown, list):
        return isinstance(got, list) and len(shown) == len(got) and all(map(alike, shown, got))
    return bool(shown == got) and type(shown) is type(got)


def _same(key: str, shown: Any, got: Any) -> bool:
    if key in VARIES and shown == "…":
        return isinstance(got, str) and bool(got)
    if key == "after":
        return isinstance(shown, int) and isinstance(got, int) and got > 0
    if key == "message" and isinstance(shown, str) and isinstance(got, str):
        return alike_text(shown, got)
    return alike(shown, got)


def alike_text(shown: str, got: str) -> bool:
    """Like `alike`, for lines of the text dialect."""
    return bool(re.fullmatch(".+".join(map(re.escape, shown.split("…"))), got))


class Client:
    """A client in an exchange. A refusal or the end of the connection counts as something it got."""

    def __init__(self, kind: str) -> None:
        self.kind, self.token, self.epoch, self.open = kind, "", "", False
        self.socket: Socket | None = None
        self.heard: deque[str] = deque()

    def connect(self, chat: Host, target: str) -> None:
        """Connect to `target`, a path. If anything follows the path, offer the token."""
        path, _, token = target.partition(" ")
        offered = [JSON_SUBPROTOCOL] if self.kind == "json" else []
        offered += [f"token.{self.token}"] if token else []
        try:
            self.socket = chat.websocket(path, subprotocols=offered)
        except Denied as denied:
            self.heard.append(f"refused {denied.status}: {denied.text}")
            return
        self.open = True
        if self.kind == "json":
            self.heard.append(self.next())
            welcome = json.loads(self.heard[0])
            self.token, self.epoch = welcome["token"], welcome["epoch"]

    def send(self, said: str) -> None:
        assert self.socket
        if said == "close":
            self.open = False
            self.socket.close()
        else:
            self.socket.send(said.replace('"epoch":"…"', f'"epoch":"{self.epoch}"'))

    def next(self) -> str:
        """Return what comes next, within a deadline."""
        if self.heard:
            return self.heard.popleft()
        assert self.socket
        try:
            return str(self.socket.wait(DEADLINE))
        except Closed as closed:
            self.open = False
            return f"close {closed.code}" + (f": {closed.reason}" if closed.reason else "")

    def settle(self) -> None:
        """Wait until everything that others caused has come: the answer to a question to the store comes last."""
        if not self.open:
            return
        ignore = {"t": "ignore", "rid": MARK, "name": MARK}
        self.send(json.dumps(ignore) if self.kind == "json" else f"/ignore {MARK}")
        heard, self.heard = self.heard, deque()
        while self.open and MARK not in (said := self.next()):
            heard.append(said)
        self.heard = heard


class Stage:
    """The chat of one section, and its clients."""

    def __init__(self, chat: Host) -> None:
        self.chat = chat
        self.clients: dict[str, Client] = {}

    def enter(self, kind: str, block: str) -> list[Client]:
        """Return the clients of a block, in the order in which they appear. New ones connect, and join `lobby` if they
        have a name."""
        here: dict[str, Client] = {}
        known = set(self.clients)
        for name, _, said in parsed(block):
            if (not name and named(block)) or name in here:
                continue
            if name not in self.clients:
                self.clients[name] = Client(kind)
                if not said.startswith("connect "):
                    self.introduce(self.clients[name], name)
            here[name] = self.clients[name]
        for name in self.clients.keys() & known:
            self.clients[name].settle()
            self.clients[name].heard.clear()
        return list(here.values())

    def introduce(self, client: Client, name: str) -> None:
        """Connect a client in the way that the page takes for granted."""
        client.connect(self.chat, f"/chat?name={name}" if name else "/chat")
        if name:
            if client.kind == "json":
                client.send('{"t":"join","room":"lobby"}')
            client.settle()
        client.heard.clear()

    def say(self, name: str, said: str) -> None:
        client = self.clients[name]
        if said.startswith("connect "):
            client.connect(self.chat, said.removeprefix("connect "))
        else:
            client.send(said)

    def run(self, kind: str, block: str) -> None:
        """Run a block, and check that its clients get nothing else."""
        here = self.enter(kind, block)
        for name, direction, said in parsed(block):
            if direction == ">":
                self.say(name, said)
                continue
            for client in here if not name and named(block) else [self.clients[name]]:
                got = client.next()
                if client.kind == "json" and said.startswith("{"):
                    assert alike(json.loads(said), json.loads(got)), got
                else:
                    assert alike_text(said, got), got
        for client in here:
            client.settle()
            assert not client.heard, client.heard


def named(block: str) -> bool:
    """Whether an exchange has several clients; `<` alone is then what each of them gets."""
    return any(name for name, _, _ in parsed(block))


def parsed(block: str) -> list[tuple[str, str, str]]:
    """Return the lines of an exchange: the client, `<` or `>`, and the text. An indented line continues a text."""
    lines: list[tuple[str, str, str]] = []
    for line in block.splitlines():
        if found := LINE.fullmatch(line):
            lines.append((found[1], found[2], found[3]))
        else:
            name, direction, said = lines[-1]
            indent = len(name) + 2
            assert not line[:indent].strip(), line
            lines[-1] = (name, direction, f"{said}\n{line[indent:]}")
    return lines


@pytest.fixture
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    async def dice(call: Call) -> str:
        return f"you rolled a {call.arguments or 6}"

    def module(app: Application) -> None:
        chat_of(app).command("dice", dice, usage="[SIDES]", help="roll a die")

    overrides = {"chat.limits.rate": 10, **SETTINGS.get(request.param, CALM)}
    with test_application(module, overrides=overrides) as chat:
        if request.param != "Limits":
            chat_of(chat.app).rates = Rates(0, 0, 0)  # and `welcome` tells those that a server is shipped with
        yield Stage(chat)


@pytest.mark.parametrize(("stage", "heading"), [(heading, heading) for heading in SECTIONS], indirect=["stage"])
def test_a_section(stage: Stage, heading: str) -> None:
    for kind, block in SECTIONS[heading]:
        stage.run(kind, block)


def test_settings_are_for_sections_that_there_are() -> None:
    assert set(SETTINGS) <= set(SECTIONS)
    assert len(PARTS) == len(dict(PARTS)), "two sections of one name"


EXCHANGE = """\
ann> {"t":"topic","rid":1,"room":"lobby","text":"tea"}
< {"t":"topic","room":"lobby","seq":1,"id":"…","ts":"…","from":"ann","user":1,"text":"tea"}
ann< {"t":"done","rid":1,"seq":1}
bob> {"t":"part","rid":2,"room":"lobby"}
bob< {"t":"parted","rid":2,"room":"lobby"}
"""


@pytest.mark.parametrize("line", [1, 2, 4])
@pytest.mark.parametrize("change", ["without", "another"])
@pytest.mark.parametrize("stage", [""], indirect=True)
def test_the_check_catches_a_wrong_page(stage: Stage, line: int, change: str) -> None:
    lines = EXCHANGE.splitlines()
    if change == "another":
        lines[line] = lines[line].replace('"lobby"', '"red"').replace('"seq":1', '"seq":2')
    else:
        del lines[line]
    with pytest.raises(AssertionError):
        stage.run("json", "\n".join(lines))


@pytest.mark.parametrize("stage", [""], indirect=True)
def test_the_check_lets_a_right_page_pass(stage: Stage) -> None:
    stage.run("json", EXCHANGE)


def test_likeness() -> None:
    assert alike({"id": "…", "a": [1]}, {"id": "x", "a": [1]})
    assert not alike({"a": 1}, {"a": 2})
    assert not alike({"a": "…"}, {"a": "x"})
    assert not alike({"a": 1}, {"a": 1, "b": 2})
    assert not alike({"a": 1}, {"a": True})
    assert alike({"after": 900}, {"after": 1000})
    assert not alike({"after": 900}, {"after": 0})
    assert alike({"message": "in … ms"}, {"message": "in 7 ms"})
    assert alike_text("*** 1 … [ann]: a.b", "*** 1 2030-01-01 12:00 [ann]: a.b")
    assert not alike_text("[ann]: a.b", "[ann]: a-b")


def shown(direction: str) -> set[str]:
    """Return the types of all frames on the page that go in a direction."""
    lines = [line for blocks in SECTIONS.values() for kind, block in blocks if kind == "json" for line in parsed(block)]
    return {json.loads(said)["t"] for _, way, said in lines if way == direction and said.startswith("{")}


def test_every_frame_is_in_an_exchange() -> None:
    elsewhere = (frames.Changed, frames.Ping)  # a server that pings sends no `ping`: tests/live/test_asking.py has it
    told = {frame.__struct_config__.tag for frame in get_args(frames.Frame) if frame not in elsewhere}
    assert shown(">") >= TYPES
    assert told | set(Kind) - {Kind.ME} == shown("<")


def table(heading: str) -> list[list[str]]:
    """Return the rows of the tables below a heading, without their heads."""
    rows = re.findall(r"^\| (.+) \|$", dict(PARTS)[heading], re.M)
    return [row.split(" | ") for row in rows if "`" in row or re.match(r"\d", row)]


def fields(struct: Any, *but: str) -> str:
    """Return the fields of a frame as the page writes them, with a `?` for optional ones."""
    found = [field for field in msgspec.structs.fields(struct) if field.encode_name not in but]
    return " ".join(f"`{field.encode_name}{'' if field.required else '?'}`" for field in found)


def test_every_frame_is_in_a_table() -> None:
    sent = [(command.__struct_config__.tag, fields(command, "rid", "cid")) for command in get_args(frames.Command)]
    assert [(row[0], row[1]) for row in table("Frames you send")] == [
        (f"`{tag}`", names or "none") for tag, names in sent
    ]
    changes = " ".join(f"`{kind}`" for kind in Kind if kind not in (Kind.MSG, Kind.ME))
    told = [(frame.__struct_config__.tag, fields(frame, "t")) for frame in get_args(frames.Frame)]
    assert [(row[0], row[1]) for row in table("Frames you get")] == [
        (f"`{tag}`" if tag else changes, names) for tag, names in told
    ]


def test_every_field_is_explained() -> None:
    structs = (*get_args(frames.Command), *get_args(frames.Frame))
    parts = (Person, frames.RoomEntry, frames.ConversationEntry, frames.ModerationEntry, frames.Usage)
    names = {"t", *(name for struct in (*structs, *parts) for name in struct.__struct_encode_fields__)}
    assert [row[0] for row in table("Fields")] == [f"`{name}`" for name in sorted(names)]


@pytest.mark.parametrize("stage", [""], indirect=True)
def test_every_limit_is_explained(stage: Stage) -> None:
    client = Client("json")
    client.connect(stage.chat, "/chat")
    assert [row[0] for row in table("Limits")] == [f"`{name}`" for name in json.loads(client.next())["limits"]]


def test_every_slash_command_is_in_the_table() -> None:
    rows = [(f"`/{usage.command} {usage.usage}".rstrip() + "`", usage.help) for usage in commands.USAGES]
    assert [(row[0], row[1]) for row in table("Text commands")] == rows


def test_every_code_is_on_the_page() -> None:
    assert [row[0] for row in table("Errors")] == [f"`{code}`" for code in Code]
    assert [(row[0], row[2]) for row in table("Close codes")] == [
        (str(int(code)), "yes" if code.reconnect else "no") for code in CloseCode
    ]
