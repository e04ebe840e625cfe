"""Puts a conversation together from what the command line says."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from app.client.identity import Identities
from app.client.terminal import paint
from app.client.terminal.completion import Known
from app.client.terminal.completion import Words as Completer
from app.client.terminal.history import KeptHistory
from app.client.terminal.screen import DumbView, Keyboard, Screen, View
from app.client.terminal.talk import Place, Talk
from app.client.terminal.words import Words


async def talk(place: Place, identities: Identities, home: Path, *, colour: bool) -> int:
    """Talk in the terminal until the end; the answer is the exit code. ChatError where that is why."""
    colour = colour and paint.wanted(os.environ)
    conversation = Talk(place, identities, Words(paint.Paint(on=colour)), datetime.now().astimezone)
    conversation.view = _view(conversation, home, colour=colour)
    return await conversation.run()


def _view(talk: Talk, home: Path, *, colour: bool) -> View:
    keyboard = Keyboard(talk.said, talk.typing, talk.go, talk.leave, talk.talks)
    if os.environ.get("TERM", "dumb") == "dumb":
        return DumbView(keyboard)
    return Screen(
        keyboard,
        prompt=talk.prompt,
        toolbar=talk.toolbar,
        completer=Completer(Known(talk.names, talk.rooms, talk.usages, talk.own)),
        history=KeptHistory(home / "history"),
        colour=colour,
    )
