"""What a typed text is. The page is judged by the same texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.chat.typed import command_line, has_password, is_blank

VECTORS = json.loads((Path(__file__).parent / "typed.json").read_text())


@pytest.mark.parametrize("one", VECTORS["texts"], ids=lambda one: one["why"])
def test_what_a_typed_text_is(one: dict[str, Any]) -> None:
    text = one["text"]
    assert is_blank(text) is one.get("blank", False)
    assert has_password(text) is one.get("password", False)
    assert command_line(text, VECTORS["known"]) == one.get("command", "")
