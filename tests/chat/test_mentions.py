from __future__ import annotations

import pytest

from app.chat.mentions import EVERYONE, HERE, group


@pytest.mark.parametrize(
    ("text", "mentioned"),
    [
        ("@everyone", EVERYONE),
        ("lunch, @Here!", HERE),
        ("(@here)", HERE),
        ("ask @here.", HERE),
        ("ask @here...", HERE),
        ("@here, @bob", HERE),
        ("@here and @everyone", EVERYONE),
        ("请@here看", HERE),
        ("`@everyone` is for @here", HERE),
        ("a ` and @here", HERE),
    ],
)
def test_everyone_and_who_is_here_can_be_mentioned(text: str, mentioned: str) -> None:
    assert group(text) == mentioned


@pytest.mark.parametrize(
    "text",
    [
        "",
        "everyone",
        "@ everyone",
        "ann@here",
        "ann.@here",
        "@@here",
        "@heres",
        "@here-",
        "@here_",
        "@here.example",
        "@here..x",
        "@hereé",
        "@every0ne",
        "@h\u0435re",
        "https://social.example/@here and www.example.com/@here",
        "say `@here` to them",
        "```\n@everyone\n```",
    ],
)
def test_what_mentions_no_group(text: str) -> None:
    assert group(text) == ""
