"""Whom a text mentions. The page is judged by the same texts."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from app.client.mentions import mentions
from tests.clients import ROOT

VECTORS = json.loads((ROOT / "tests/chat/mentions.json").read_text())


def among(names: list[str]) -> Callable[[str], bool]:
    return {name.lower() for name in names}.__contains__


@pytest.mark.parametrize("one", VECTORS["mentions"], ids=lambda one: one["why"])
def test_whom_a_text_mentions(one: dict[str, Any]) -> None:
    assert list(mentions(one["text"], among(one["known"]))) == one["mentions"]


@pytest.mark.parametrize("one", VECTORS["bare"], ids=lambda one: one["why"])
def test_whom_a_text_mentions_without_a_sign(one: dict[str, Any]) -> None:
    names = among(one["names"])
    assert list(mentions(one["text"], names, names)) == one["found"]
