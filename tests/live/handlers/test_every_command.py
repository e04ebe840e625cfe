"""Every command is answered once, in every state: nothing that a client sends makes the server fail."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import NODEFAULT, structs

from app.chat import frames
from app.chat.commands import USAGES
from app.chat.errors import Code
from app.identity import attempts
from app.testing import JsonClient, test_application

HINTS = ("presence", "typing", "read")
ENDING = ("quit", "logout")
UNANSWERED = ("typing", "command", "pong")
FIELDS = {
    "room": st.sampled_from(["lobby", "den", "@", "@1", "@1,2", "@1,2,3", "@9", "@x", "~1", "", "No Room", "é" * 70]),
    "text": st.sampled_from(["", "hi", "/me", "x\n[ann]: y", "\u202e", "\x00", "x" * 400, "😀" * 4_000]),
    "to": st.lists(st.sampled_from(["ann", "@bob", "ANN", "nobody", "", "a b"]), max_size=3),
    "name": st.sampled_from(["ann", "bob", "root", "Ann", "user0", "user99", "nobody", "", "a b", "é", "x" * 50]),
    "password": st.sampled_from(["", "correct horse", "another horse", "x" * 200]),
    "old": st.sampled_from(["", "correct horse", "wrong horse"]),
    "new": st.sampled_from(["", "another horse", "x" * 200]),
    "words": st.sampled_from(["hi", "", "*", '"', "a* b*", "NEAR(", "x" * 500]),
    "line": st.sampled_from([*(f"/{usage.command} x 1 y" for usage in USAGES if usage.command not in ENDING), "", "/"]),
    "command": st.sampled_from(["who", "/w", "dance", "", "x" * 99]),
    "why": st.sampled_from(["", "because", "y" * 400]),
    "epoch": st.sampled_from(["", "another"]),
    "cid": st.sampled_from(["a", "b", "c" * 64]),
    "seq": st.integers(0, 30) | st.just(2**53 - 1),
    "after": st.integers(0, 30) | st.just(2**53 - 1),
    "before": st.integers(0, 30) | st.just(2**53 - 1),
    "limit": st.integers(1, 200),
    "user": st.integers(0, 9) | st.just(2**53 - 1),
    "seconds": st.sampled_from([0, 1, 60, frames.MAX_SECONDS]),
    "me": st.booleans(),
    "find": st.sampled_from(["", "AN", "x" * 600]),
    "who": st.sampled_from(["all", "operators", "nobody"]),
}


def requests() -> st.SearchStrategy[dict[str, Any]]:
    """Any command, with any combination of plausible fields."""
    kinds = []
    for command in get_args(frames.Command):
        tag = command.__struct_config__.tag
        if tag in ENDING:
            continue
        needed = {field.name: FIELDS[field.name] for field in structs.fields(command) if field.default is NODEFAULT}
        possible = {
            field.name: FIELDS[field.name]
            for field in structs.fields(command)
            if field.default is not NODEFAULT and field.name in FIELDS and field.name != "cid"
        }
        if issubclass(command, frames.Speech):
            needed["cid"] = FIELDS["cid"]
        kinds.append(st.fixed_dictionaries({"t": st.just(tag), **needed}, optional=possible))
    return st.one_of(kinds)


@pytest.fixture(scope="module")
def people() -> Iterator[tuple[JsonClient, JsonClient]]:
    """Two people; the first owns the lobby."""
    with pytest.MonkeyPatch.context() as patch, test_application(overrides={"chat.operators": ["root"]}) as chat:
        patch.setattr(attempts, "MAX_WRONG", 10**9)
        ann, bob = chat.connect("ann"), chat.connect("bob")
        ann.answer("register", password="correct horse")
        for client in (ann, bob):
            client.answer("join", room="lobby")
            client.answer("join", room="@")
        yield ann, bob


@given(st.lists(st.tuples(st.integers(0, 1), requests()), max_size=12))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_command_is_answered_once(
    people: tuple[JsonClient, JsonClient], caplog: pytest.LogCaptureFixture, asked: list[tuple[int, dict[str, Any]]]
) -> None:
    for who, request in asked:
        client = people[who]
        own = {} if "cid" in request else {"rid": 5}
        client.send({**request, **own})
        client.send({"t": "help", "rid": "end", "command": "help"})
        answers = []
        while (frame := client.frame()).get("rid") != "end":
            answers.append(frame)
        if "rid" in own and request["t"] not in UNANSWERED:
            assert [frame["t"] != "typing" for frame in answers if frame.get("rid") == 5] == [True], (request, answers)
        errors = [frame for frame in answers if frame["t"] == "error"]
        assert all(error["code"] in list(Code) and "\n" not in error["message"] for error in errors)
        assert all("rid" in error or "cid" in error for error in errors)
        assert not [frame for frame in answers if frame["t"] in HINTS and "rid" in frame]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
