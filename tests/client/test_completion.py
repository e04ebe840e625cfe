"""What Tab completes."""

from __future__ import annotations

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from app.chat.commands import USAGES
from app.client.terminal.completion import CompletionSources, WordCompleter

COMPLETER = WordCompleter(
    CompletionSources(
        names=lambda: ["bob", "Bert", "ann", "be\x1b[2Jvil", "b\u202ebil"],
        rooms=lambda: ["lobby", "ops", "o\x07ps"],
        commands=lambda: [*((usage.command, usage.usage) for usage in USAGES), ("roll", "DICE"), ("r\x1boll", "")],
        own_messages=lambda: [(12, "second"), (7, "first")],
    )
)


@pytest.mark.parametrize(
    ("typed", "becomes"),
    [
        ("b", ["@bob: ", "@Bert: "]),
        ("@B", ["@bob: ", "@Bert: "]),
        ("hi b", ["hi bob ", "hi Bert "]),
        ("/wh", ["/whisper ", "/who "]),
        ("/ro", ["/roll ", "/room ", "/rooms "]),
        ("/w", ["/w ", "/whisper ", "/who "]),
        ("/whisper b", ["/whisper bob ", "/whisper Bert "]),
        ("/msg ann,b", ["/msg ann,bob ", "/msg ann,Bert "]),
        ("/w ann hi b", ["/w ann hi bob ", "/w ann hi Bert "]),
        ("/kick a", ["/kick ann "]),
        ("/kick ann because of b", ["/kick ann because of bob ", "/kick ann because of Bert "]),
        ("/join o", ["/join ops"]),
        ("/join #o", ["/join ops"]),
        ("/who ", ["/who lobby", "/who ops"]),
        ("/help top", ["/help topic"]),
        ("/edit ", ["/edit 12 second", "/edit 7 first"]),
        ("/edit 7", ["/edit 7 first"]),
        ("/delete 1", ["/delete 12"]),
        ("/away b", ["/away bob ", "/away Bert "]),
        ("/rooms b", []),
        ("/unheard-of b", []),
        ("//b", []),
        ("nobody", []),
    ],
)
def test_the_word_before_the_cursor(typed: str, becomes: list[str]) -> None:
    found = COMPLETER.get_completions(Document(typed), CompleteEvent())
    assert [typed[: len(typed) + one.start_position] + one.text for one in found] == becomes
