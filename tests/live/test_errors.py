"""Every error that a client may get, with the values that its sentence needs. `docs/protocol.md` has the same table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from app import Code, Unavailable, chat_of
from app.backends.damage import Damaged
from app.testing import Host, JsonClient, test_application
from tests.clients import ROOT

PASSWORD = "correct horse"
ALWAYS = {"t", "code", "message", "retry", "rid", "cid"}
"""The fields of an error that go without its values."""
OPTIONAL = {"until", "why"}
"""Values that only some errors of a code and reason have."""

Step = tuple[str, str, dict[str, Any]]
"""Who sends which type of frame, and its fields."""


class Case(NamedTuple):
    """A command after some steps, and the error that answers it."""

    code: str
    values: dict[str, Any]
    ask: Step
    before: tuple[Step, ...] = ()
    settings: dict[str, Any] = {}  # noqa: RUF012  (nobody changes it)

    def __str__(self) -> str:
        what = [self.code, *(str(self.values[key]) for key in ("reason", "what") if key in self.values)]
        return "-".join(what)


def step(who: str, t: str, **fields: Any) -> Step:
    return who, t, fields


def joined(*people: str, room: str = "lobby") -> tuple[Step, ...]:
    return tuple(step(who, "join", room=room) for who in people)


REGISTERED = (step("ann", "register", password=PASSWORD),)
GIVEN_UP = (*REGISTERED, step("ann", "nick", name="anna"))
OWNED = (*REGISTERED, *joined("ann", "bob"))
"""The lobby with ann, who owns it, and bob, who is a guest."""
MESSAGE = (*OWNED, step("ann", "msg", room="lobby", cid="a", text="hi"))
BUSY = {"passwords": 0}
"""Where no password can wait for its turn."""

LATER = 7
"""The position before which to ask for conversations, to be told when the store is back."""
CASES = [
    Case("bad_frame", {}, step("ann", "nick")),
    Case("unknown_type", {"command": "dance"}, step("ann", "dance")),
    Case("unknown_command", {"command": "dance"}, step("ann", "help", command="/dance")),
    Case("unknown_command", {"command": "dance"}, step("ann", "command", room="", line="/dance now")),
    Case(
        "bad_command", {"command": "kick", "usage": "/kick NAME [WHY]"}, step("ann", "command", room="", line="/kick")
    ),
    Case(
        "bad_command",
        {"reason": "duration", "command": "ban", "usage": "/ban NAME [FOR] [WHY]"},
        step("ann", "command", room="", line="/ban bob 10"),
    ),
    Case("bad_command", {"command": "part", "usage": "/part"}, step("ann", "command", room="", line="/leave now")),
    Case("bad_room", {"room": "No Room"}, step("ann", "join", room="No Room")),
    Case("bad_room", {"room": "é" * 80}, step("ann", "who", room="é" * 90)),
    Case(
        "bad_room",
        {"reason": "conversation", "room": "@1,2"},
        step("ann", "slow", room="@1,2", seconds=1),
        joined("bob"),
    ),
    Case("bad_room", {"reason": "conversation", "room": "@"}, step("ann", "typing", room="@"), joined("ann", room="@")),
    Case("not_joined", {"room": "lobby"}, step("ann", "msg", room="lobby", cid="a", text="hi")),
    Case("not_joined", {"room": "lobby"}, step("ann", "part", room="lobby")),
    Case("not_joined", {"room": "@1,2"}, step("ann", "part", room="@1,2")),
    Case("not_joined", {}, step("ann", "who", room="")),
    Case("too_many_rooms", {"limit": 1}, step("ann", "join", room="den"), joined("ann"), {"rooms": 1}),
    Case(
        "invitation_only",
        {"room": "lobby"},
        step("cy", "join", room="lobby"),
        (*OWNED, step("ann", "private", room="lobby")),
    ),
    Case(
        "invitation_only",
        {"room": "lobby"},
        step("cy", "who", room="lobby"),
        (*OWNED, step("ann", "private", room="lobby")),
    ),
    Case(
        "banned",
        {"room": "lobby"},
        step("bob", "join", room="lobby"),
        (*OWNED, step("ann", "ban", room="lobby", name="bob")),
    ),
    Case(
        "banned",
        {"room": "lobby", "until": "…", "why": "coffee"},
        step("bob", "join", room="lobby"),
        (*OWNED, step("ann", "ban", room="lobby", name="bob", why="coffee", seconds=60)),
    ),
    Case(
        "muted",
        {"room": "lobby", "until": "…", "why": "coffee"},
        step("bob", "msg", room="lobby", cid="a", text="hi"),
        (*OWNED, step("ann", "mute", room="lobby", name="bob", why="coffee", seconds=60)),
    ),
    Case(
        "muted",
        {"room": "lobby"},
        step("bob", "msg", room="lobby", cid="a", text="hi"),
        (*OWNED, step("ann", "mute", room="lobby", name="bob")),
    ),
    Case(
        "muted",
        {"reason": "name", "room": "lobby", "name": "bob"},
        step("bob", "join", room="lobby"),
        (
            *OWNED,
            step("ann", "mute", room="lobby", name="bob"),
            step("bob", "part", room="lobby"),
            step("bob", "nick", name="rob"),
        ),
    ),
    Case(
        "slow_mode",
        {"room": "lobby", "after": "…", "limit": 600},
        step("bob", "msg", room="lobby", cid="b", text="hi"),
        (*OWNED, step("ann", "slow", room="lobby", seconds=600), step("bob", "msg", room="lobby", cid="a", text="hi")),
    ),
    Case(
        "not_operator", {"reason": "operator", "room": "lobby"}, step("bob", "topic", room="lobby", text="tea"), OWNED
    ),
    Case("not_operator", {"reason": "operator", "room": "lobby"}, step("bob", "kick", room="lobby", name="ann"), OWNED),
    Case("not_operator", {"reason": "owner", "room": "lobby"}, step("bob", "op", room="lobby", name="ann"), OWNED),
    Case(
        "not_operator",
        {"reason": "rank", "room": "lobby", "name": "ann"},
        step("cy", "kick", room="lobby", name="ann"),
        (
            *OWNED,
            step("cy", "register", password=PASSWORD),
            *joined("cy"),
            step("ann", "op", room="lobby", name="cy"),
        ),
    ),
    Case("bad_name", {"reason": "characters", "name": "a b", "limit": 32}, step("ann", "nick", name="a b")),
    Case("bad_name", {"reason": "length", "name": "", "limit": 32}, step("ann", "nick", name="")),
    Case("bad_name", {"reason": "length", "name": "x" * 40 + "…", "limit": 32}, step("ann", "nick", name="x" * 99)),
    Case("bad_name", {"reason": "marks", "name": "äẍ̈̈̈", "limit": 32}, step("ann", "nick", name="äẍ̈̈̈")),
    Case("bad_name", {"reason": "scripts", "name": "жπ", "limit": 32}, step("ann", "nick", name="жπ")),
    Case("bad_name", {"reason": "lookalike", "name": "ΝΙΚΗ", "limit": 32}, step("ann", "nick", name="ΝΙΚΗ")),
    Case("bad_name", {"reason": "official", "name": "Admin"}, step("ann", "nick", name="Admin")),
    Case("bad_name", {"reason": "reserved", "name": "Here"}, step("ann", "nick", name="Here")),
    Case("bad_name", {"reason": "self", "name": "ann"}, step("ann", "ignore", name="ANN")),
    Case("name_taken", {"reason": "reserved", "name": "user7"}, step("ann", "nick", name="user7")),
    Case(
        "name_taken",
        {"reason": "lookalike", "name": "a1ice"},
        step("bob", "nick", name="a1ice"),
        (step("ann", "nick", name="alice"), *REGISTERED),
    ),
    Case("name_taken", {"reason": "given_up", "name": "Ann"}, step("bob", "nick", name="Ann"), GIVEN_UP),
    Case(
        "name_taken",
        {"reason": "often", "name": "anna", "limit": 10},
        step("ann", "nick", name="anna"),
        (*REGISTERED, *(step("ann", "nick", name=f"ann-{letter}-x") for letter in "abcdefghjk")),
    ),
    Case("name_taken", {"reason": "registered", "name": "Ann"}, step("bob", "nick", name="Ann"), REGISTERED),
    Case("name_taken", {"reason": "in_use", "name": "Ann"}, step("bob", "nick", name="Ann"), joined("ann")),
    Case("unknown_name", {"name": "nobody"}, step("ann", "ignore", name="nobody")),
    Case("unknown_name", {"reason": "nobody"}, step("ann", "whisper", to=[], cid="a", text="hi")),
    Case("not_found", {"reason": "conversation", "room": "@1,9"}, step("ann", "msg", room="@1,9", cid="a", text="hi")),
    Case("not_registered", {"name": "bob"}, step("ann", "op", room="lobby", name="bob"), OWNED),
    Case("wrong_password", {}, step("bob", "login", name="ann", password="wrong horse"), REGISTERED),
    Case(
        "wrong_password",
        {"reason": "old"},
        step("ann", "password", old="wrong horse", new="battery staple"),
        REGISTERED,
    ),
    Case("bad_password", {"reason": "characters"}, step("ann", "register", password="correct\thorse")),
    Case("bad_password", {"reason": "short", "size": 3, "limit": 8}, step("ann", "register", password="abc")),
    Case("bad_password", {"reason": "long", "size": 129, "limit": 128}, step("ann", "register", password="x" * 129)),
    Case("not_found", {"room": "lobby", "seq": 5}, step("ann", "delete", room="lobby", seq=5), joined("ann")),
    Case("not_found", {"reason": "whisper"}, step("ann", "reply", cid="a", text="hi")),
    Case("not_found", {"reason": "last", "room": "lobby"}, step("ann", "delete", room="lobby"), joined("ann")),
    Case(
        "not_found",
        {"reason": "future", "room": "lobby", "seq": 5},
        step("ann", "read", room="lobby", seq=5),
        joined("ann"),
    ),
    Case("not_yours", {"reason": "edit", "name": "ann"}, step("bob", "edit", room="lobby", seq=2, text="no"), MESSAGE),
    Case("not_yours", {"reason": "delete", "name": "ann"}, step("bob", "delete", room="lobby", seq=2), MESSAGE),
    Case("blank", {}, step("ann", "msg", room="lobby", cid="a", text=" \u200b"), joined("ann")),
    Case(
        "too_long",
        {"what": "message", "size": 6, "limit": 5},
        step("ann", "msg", room="lobby", cid="a", text="äöü"),
        joined("ann"),
        {"message": 5},
    ),
    Case(
        "too_long",
        {"what": "topic", "size": 301, "limit": 300},
        step("ann", "topic", room="lobby", text="x" * 301),
        joined("ann"),
    ),
    Case("too_long", {"what": "why", "size": 301, "limit": 300}, step("ann", "away", why="x" * 301)),
    Case(
        "too_many",
        {"reason": "ignored", "limit": 1},
        step("ann", "ignore", name="cy"),
        (*joined("ann", "bob"), step("ann", "ignore", name="bob"), step("cy", "nick", name="cy")),
        {"ignored": 1},
    ),
    *(
        Case(
            "too_many",
            {"reason": many, "room": "lobby", "limit": 1},
            step("ann", kind, room="lobby", name="cy"),
            (*OWNED, step("ann", kind, room="lobby", name="bob"), step("cy", "nick", name="cy")),
            {"moderation": 1},
        )
        for kind, many in (("ban", "bans"), ("mute", "mutes"), ("invite", "invitations"))
    ),
    Case(
        "too_many",
        {"reason": "operators", "room": "lobby", "limit": 1},
        step("ann", "op", room="lobby", name="cy"),
        (
            *OWNED,
            *(step(who, "register", password=PASSWORD) for who in ("bob", "cy")),
            step("ann", "op", room="lobby", name="bob"),
        ),
        {"moderation": 1},
    ),
    Case("too_many_recipients", {"size": 21, "limit": 20}, step("ann", "whisper", to=["bob"] * 21, cid="a", text="hi")),
    Case("rate_limited", {"after": "…", "limit": 0.1}, step("ann", "rooms"), joined("ann"), {"rate": 0.1, "burst": 1}),
    Case("rate_limited", {"after": "…", "limit": 1}, step("ann", "rooms"), joined("ann"), {"rate": 1, "burst": 1}),
    Case("rate_limited", {"reason": "busy", "after": "…"}, step("ann", "register", password=PASSWORD), (), BUSY),
    Case(
        "rate_limited",
        {"reason": "registrations", "after": "…", "limit": 1},
        step("bob", "register", password=PASSWORD),
        REGISTERED,
        {"rate": 1000, "registrations-per-address": 1},
    ),
    Case(
        "rate_limited",
        {"reason": "user", "after": "…", "limit": 0.1},
        step("bob", "rooms"),
        (*REGISTERED, step("ann", "rooms"), step("bob", "login", name="ann", password=PASSWORD), step("bob", "rooms")),
        {"rate": 0.1, "burst": 3},
    ),
    Case(
        "rate_limited",
        {"reason": "address", "after": "…", "limit": 0.1},
        step("ann", "rooms"),
        joined("ann"),
        {"rate": 10, "rate-per-address": 0.1},
    ),
    Case(
        "rate_limited",
        {"reason": "bytes", "after": "…"},
        step("ann", "msg", room="lobby", cid="b", text="x" * 600),
        (*joined("ann"), step("ann", "msg", room="lobby", cid="a", text="x" * 600)),
        {"rate": 10, "bytes": 1},
    ),
    Case(
        "rate_limited",
        {"reason": "password", "after": "…", "limit": 5},
        step("bob", "login", name="ann", password="wrong horse"),
        (step("bob", "login", name="ann", password="wrong horse"),) * 5,
    ),
    Case(
        "rate_limited",
        {"reason": "work", "after": "…"},
        step("ann", "conversations"),
        (*joined("ann"), step("ann", "rooms"), step("ann", "rooms")),
        {"rate": 10, "work": 0.001},
    ),
    Case(
        "refused",
        {"reason": "ambiguous", "name": "bob"},
        step("ann", "unban", room="lobby", name="bob"),
        (
            *OWNED,
            step("ann", "ban", room="lobby", name="bob"),
            step("bob", "nick", name="rob"),
            step("cy", "nick", name="bob"),
            step("ann", "ban", room="lobby", name="bob"),
        ),
    ),
    Case("refused", {"reason": "registered"}, step("ann", "register", password=PASSWORD), REGISTERED),
    Case(
        "refused",
        {"reason": "password"},
        step("ann", "msg", room="lobby", cid="a", text=" //login ann secret"),
        joined("ann"),
    ),
    Case("refused", {}, step("ann", "msg", room="lobby", cid="a", text="LOUD"), joined("ann")),
    Case("unavailable", {}, step("ann", "conversations")),
    Case("unavailable", {"after": "…"}, step("ann", "conversations", before=LATER)),
    Case("unavailable", {"reason": "damaged"}, step("ann", "search", words="tea")),
]


OF_NO_COMMAND = {("unavailable", "damaged"): {"room?"}}
"""What errors have that answer no command, but are about a room whose events can't be read."""


class People:
    """A chat and its clients by name."""

    def __init__(self, chat: Host) -> None:
        self.chat = chat
        self.clients: dict[str, JsonClient] = {}

    def send(self, who: str, t: str, fields: dict[str, Any]) -> Any:
        """Send a frame, and wait for its answer."""
        if who not in self.clients:
            self.clients[who] = self.chat.connect(who)
        client = self.clients[who]
        client.ask(t, rid=1, **fields)
        while not ({"rid", "cid"} & (frame := client.frame()).keys()):
            pass
        return frame


async def unavailable(*_: object, before: int, **options: object) -> None:
    raise Unavailable("the disk is full", after=2000 if before == LATER else 0)


async def damaged(*_: object, **options: object) -> None:
    raise Damaged


@pytest.fixture
def people(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[People]:
    """People in a chat with the limits of a case. It refuses to shout, and its store fails at conversations and
    searches."""
    monkeypatch.setattr("app.identity.turns.MAX_OF_ONE", request.param.get("passwords", 32))
    limits = {f"chat.limits.{name}": value for name, value in request.param.items() if name not in BUSY}
    with test_application(overrides={"chat.names.unicode": True, **limits}) as chat:
        service = chat_of(chat.app)
        service.refuse(lambda draft: "no shouting" if draft.text.isupper() else None)
        monkeypatch.setattr(service.backend, "conversations", unavailable)
        monkeypatch.setattr(service.backend, "search", damaged)
        yield People(chat)


@pytest.mark.parametrize(
    ("people", "case"), [(case.settings, case) for case in CASES], ids=map(str, CASES), indirect=["people"]
)
def test_an_error_has_the_values_of_its_sentence(people: People, case: Case) -> None:
    for who, t, fields in case.before:
        people.send(who, t, fields)
    who, t, fields = case.ask
    error = people.send(who, t, fields)
    assert (error["t"], error["code"]) == ("error", case.code), error
    values = {name: value for name, value in error.items() if name not in ALWAYS}
    if "until" in values:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", values["until"])
    if "after" in values:
        assert values["after"] > 0
    assert {name: "…" if name in ("until", "after") else value for name, value in values.items()} == case.values
    for value in (values.get("why"), values.get("usage")):
        assert value is None or value in error["message"]


def test_every_code_is_provoked() -> None:
    assert {case.code for case in CASES} == set(Code)


def test_the_page_has_every_reason_and_value() -> None:
    page = (ROOT / "docs/protocol.md").read_text()
    _, _, section = page.partition("\n### Values in an error\n")
    rows = re.findall(r"^\| `(\w+)` \| (?:`(\w+)`|none) \| (.+?) \|", section.partition("\n#")[0], re.M)
    shown = {(code, reason): set(re.findall(r"`([^`]+)`", names)) for code, reason, names in rows}
    assert list(dict.fromkeys(code for code, _ in shown)) == list(Code)
    provoked: dict[tuple[str, str], list[set[str]]] = {}
    for case in CASES:
        provoked.setdefault((case.code, case.values.get("reason", "")), []).append(case.values.keys() - {"reason"})
    assert (
        shown
        == {
            key: {f"{name}{'' if all(name in one for one in names) else '?'}" for one in names for name in one}
            for key, names in provoked.items()
        }
        | OF_NO_COMMAND
    )
