"""Passwords: commands that are typed without theirs get it by a question whose answer nobody sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.chat.commands import NAMES
from app.client.terminal.questions import Question

if TYPE_CHECKING:
    from app.client.terminal.presenter import Presenter


def lacks_password(line: str) -> bool:
    """Whether a command is `/login NAME`, `/register` or `/password`, as far as it may be typed for all to see."""
    command, words = _words(line)
    return (command, len(words)) in (("login", 1), ("register", 0), ("password", 0))


def without_password(line: str) -> str:
    """A command up to its password."""
    command, words = _words(line)
    return " ".join([f"/{command}", *words[: command == "login"]])


async def ask_password(line: str, presenter: Presenter) -> str:
    """Ask for the password of a command that lacks it, or for both of `/password`, as they are typed after it. Empty if
    it was not given."""
    command, _ = _words(line)
    if command == "login":
        return await _ask("prompt.password", presenter)
    if command == "register":
        return await _ask_new("prompt.password", presenter)
    old = await _ask("prompt.password.old", presenter)
    new = await _ask_new("prompt.password.new", presenter) if old else ""
    quoted = old.replace("\\", r"\\").replace('"', r"\"")
    return f'"{quoted}" {new}' if new else ""


async def _ask_new(prompt: str, presenter: Presenter) -> str:
    """Ask for a new password twice, since nobody sees what is typed."""
    password = await _ask(prompt, presenter)
    again = await _ask("prompt.password.again", presenter) if password else ""
    if again and again != password:
        presenter.notice("input.passwords_differ")
    return password if again == password else ""


async def _ask(prompt: str, presenter: Presenter) -> str:
    text = presenter.formatter.catalogue.text
    return await presenter.questions.ask(Question(text(prompt), text("prompt.password.hint"), hidden=True))


def _words(line: str) -> tuple[str, list[str]]:
    """The name of a command, and its words."""
    command, *words = line.removeprefix("/").split() or [""]
    return NAMES.get(command.lower(), ""), words
