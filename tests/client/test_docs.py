"""docs/client.md has every flag, exit code and error."""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.client import errors
from app.client.errors import ChatError
from app.client.main import INTERRUPTED, TERMINATED, parser
from tests.clients import ROOT

PAGE = (ROOT / "docs/client.md").read_text()


def kinds(kind: type[ChatError]) -> Iterator[type[ChatError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from kinds(below)


def test_every_flag_is_on_the_page() -> None:
    flags = {flag for action in parser("natter chat")._actions for flag in action.option_strings}
    assert flags - {"-h", "--help"} == set(re.findall(r"--[a-z][a-z-]*", PAGE))


def test_every_exit_code_is_on_the_page() -> None:
    codes = {0, 2, INTERRUPTED, TERMINATED, *(kind.exit_code for kind in kinds(ChatError))}
    assert codes == {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.M)}


def test_the_tree_of_errors_is_in_its_docstring() -> None:
    assert errors.__doc__
    for kind in kinds(ChatError):
        depth = len(kind.__mro__) - len(ChatError.__mro__)
        assert re.search(rf"^{'    ' * depth}{kind.__name__}\b", errors.__doc__, re.M), kind
