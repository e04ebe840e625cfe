"""Puts a conversation together from what the command line says."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from app.client.address import shown
from app.client.identity import Identities
from app.client.terminal import paint
from app.client.terminal.completion import Known, WordCompleter
from app.client.terminal.history import KeptHistory
from app.client.terminal.scene import Scene
from app.client.terminal.screen import Screen
from app.client.terminal.talk import Place, Talk
from app.client.terminal.view import DumbView, Keyboard, View
from app.client.terminal.words import Words


async def talk(place: Place, identities: Identities, home: Path, *, colour: bool, bell: bool) -> int:
    """Talk in the terminal until the end; the answer is the exit code. ChatError where that is why."""
    colour = colour and paint.wanted(os.environ)
    scene = Scene(shown(place.url), Words(paint.Paint(on=colour)), datetime.now().astimezone, bell=bell)
    conversation = Talk(place, identities, scene)
    scene.view = _view(conversation, scene, home, colour=colour)
    return await conversation.run()


def _view(talk: Talk, scene: Scene, home: Path, *, colour: bool) -> View:
    keyboard = Keyboard(talk.said, talk.typing, talk.go, talk.leave, talk.talks)
    if os.environ.get("TERM", "dumb") == "dumb":
        return DumbView(keyboard)
    return Screen(
        keyboard,
        prompt=scene.prompt,
        toolbar=scene.toolbar,
        completer=WordCompleter(Known(scene.names, scene.room_names, lambda: scene.usages, scene.own)),
        history=KeptHistory(home / "history"),
        colour=colour,
    )
