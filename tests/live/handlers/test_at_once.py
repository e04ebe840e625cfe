"""Limits hold for requests that are carried out at once, on several connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from app import chat_of
from app.testing import Host, test_application
from tests.live.handlers.test_rooms import registered


def together(chat: Host, monkeypatch: pytest.MonkeyPatch, method: str, count: int = 2) -> None:
    """Let calls of a method of the store return when there were so many."""
    backend, calls, all_there = chat_of(chat.app).backend, [], asyncio.Event()
    real: Callable[..., Any] = getattr(backend, method)

    async def held(*arguments: Any, **named: Any) -> Any:
        answer = await real(*arguments, **named)
        calls.append(arguments)
        if len(calls) == count:
            all_there.set()
        await all_there.wait()
        return answer

    monkeypatch.setattr(backend, method, held)


def test_nobody_owns_more_rooms_than_allowed_by_joining_them_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with test_application(overrides={"chat.limits.rooms-owned": 1}) as chat:
        token = registered(chat, "ann")
        ann = [chat.connect(token=token) for _ in range(2)]
        together(chat, monkeypatch, "owned")
        for number, one in enumerate(ann):
            one.ask("join", room=f"room{number}", rid=1)
        owners = [one.answer("room", room=f"room{number}")["owner"] for number, one in enumerate(ann)]
        assert sorted(owners) == ["", "ann"]


@pytest.mark.parametrize(
    ("t", "fields", "setting"),
    [("ignore", {}, "ignored"), ("ban", {"room": "den"}, "moderation"), ("invite", {"room": "den"}, "moderation")],
)
def test_no_list_gets_longer_than_allowed_by_adding_to_it_at_once(
    monkeypatch: pytest.MonkeyPatch, t: str, fields: dict[str, Any], setting: str
) -> None:
    with test_application(overrides={f"chat.limits.{setting}": 1}) as chat:
        names = ["bob", "cy"]
        for name in names:
            chat.connect(name)
        token = registered(chat, "ann")
        ann = [chat.connect(token=token) for _ in names]
        for one in ann:
            one.join("den")
        together(chat, monkeypatch, "account")
        for one, name in zip(ann, names, strict=True):
            one.ask(t, rid="together", name=name, **fields)
        answers = []
        for one in ann:
            while (answer := one.frame()).get("rid") != "together":
                pass
            answers.append(answer)
        assert sorted(answer.get("code", "") for answer in answers) == ["", "too_many"]
