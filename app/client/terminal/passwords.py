"""Passwords: commands that are typed without theirs get it by a question whose answer nobody sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.chat.commands import NAMES
from app.client.terminal.questions import Question

if TYPE_CHECKING:
    from app.client.terminal.presenter import Presenter


def lacks_password(line: str) -> bool:
    """Whether a command is `/login NAME` or `/register`, as far as it may be typed for all to see."""
    command, words = _words(line)
    return (command, len(words)) in (("login", 1), ("register", 0))


def without_password(line: str) -> str:
    """A command up to its password."""
    command, words = _words(line)
    return " ".join([f"/{command}", *words[: command == "login"]])


async def ask_password(line: str, presenter: Presenter) -> str:
    """Ask for the password of a command that lacks it: twice for a new one, since nobody sees what is typed. Empty if
    it was not given."""
    text = presenter.formatter.catalogue.text
    hint = text("prompt.password.hint")
    password = await presenter.questions.ask(Question(text("prompt.password"), hint, hidden=True))
    if password and _words(line)[0] == "register":
        again = await presenter.questions.ask(Question(text("prompt.password.again"), hint, hidden=True))
        if again and again != password:
            presenter.notice("input.passwords_differ")
        return password if again == password else ""
    return password


def _words(line: str) -> tuple[str, list[str]]:
    """The name of a command, and its words."""
    command, *words = line.removeprefix("/").split() or [""]
    return NAMES.get(command.lower(), ""), words
