"""Puts a session together from the options of the command line."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from app.client.address import without_password
from app.client.credentials import Credentials
from app.client.languages.catalogue import Catalogue
from app.client.terminal.attention import Attention
from app.client.terminal.completion import CompletionSources, WordCompleter
from app.client.terminal.dumb import DumbTerminal
from app.client.terminal.formatting import Formatter
from app.client.terminal.input_history import InputHistory
from app.client.terminal.presenter import Presenter
from app.client.terminal.screen import Screen
from app.client.terminal.session import TerminalOptions, TerminalSession
from app.client.terminal.style import Style, colour_allowed
from app.client.terminal.view import InputCallbacks, View


async def run_terminal(
    options: TerminalOptions,
    credentials: Credentials,
    catalogue: Catalogue,
    home: Path | None,
    *,
    colour: bool,
    bell: bool,
    bare_names: bool,
) -> int:
    """Run a session in the terminal, and return the exit code. ChatError if that ended it."""
    colour = colour and colour_allowed(os.environ)
    formatter = Formatter(Style(on=colour), catalogue)
    attention = Attention(bare_names=bare_names)
    presenter = Presenter(without_password(options.url), formatter, _now, attention, bell=bell)
    session = TerminalSession(options, credentials, presenter)
    presenter.view = _view(session, presenter, catalogue, home, colour=colour)
    return await session.run()


def _now() -> datetime:
    return datetime.now().astimezone()


def _view(
    session: TerminalSession, presenter: Presenter, catalogue: Catalogue, home: Path | None, *, colour: bool
) -> View:
    callbacks = InputCallbacks(
        on_line=session.line_entered,
        on_edit=session.line_edited,
        on_room_key=session.show_room,
        on_exit=session.exit,
        on_cancel=presenter.questions.give_up,
        recall=presenter.recall,
        is_chatting=lambda: presenter.questions.current is None,
        is_hidden=lambda: presenter.questions.current is not None and presenter.questions.current.hidden,
    )
    if os.environ.get("TERM", "dumb") == "dumb":
        return DumbTerminal(callbacks, question=lambda: presenter.questions.current)
    sources = CompletionSources(
        names=presenter.names,
        rooms=presenter.room_names,
        commands=lambda: presenter.usages,
        own_messages=presenter.own_messages,
    )
    return Screen(
        callbacks,
        catalogue,
        prompt=presenter.prompt,
        toolbar=presenter.toolbar,
        completer=WordCompleter(sources),
        history=InputHistory(home / "history" if home else None),
        colour=colour,
    )
