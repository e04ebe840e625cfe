"""A bot that rolls dice: who types `/roll 2d6` is told the outcome alone; who says `!roll 2d6` is answered in the room.

Put this file beside your configuration file, and name it there:

    app.modules = [app.modules.chat.module, app.modules.web.module, dice.module]
    dice { name = dice, most = 20 }
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field

from app import Application, Call, Event, Kind, chat_of

DICE = re.compile(r"([1-9][0-9]{0,3})?d([1-9][0-9]{0,3})")


@dataclass(frozen=True, slots=True)
class DiceSettings:
    """What the bot is called, and how many dice it rolls at once."""

    name: str = "dice"
    most: int = field(default=20, metadata={"check": lambda most: None if most >= 1 else "1 or more"})


def module(app: Application) -> None:
    """Add the command, and the bot."""
    settings = app.group("dice", DiceSettings)
    chat = chat_of(app)
    bot = chat.speaker(settings.name)

    async def tell(call: Call) -> str:
        return rolled(call.arguments, settings.most)

    async def answer(event: Event) -> None:
        word, _, dice = event.text.partition(" ")
        if event.kind == Kind.MSG and word == "!roll":
            await bot.say(event.room, f"{event.name}, {rolled(dice, settings.most)}", cid=f"to {event.id}")

    chat.command("roll", tell, usage="[DICE]", help="roll dice, such as 2d6")
    chat.hear(answer)


def rolled(dice: str, most: int) -> str:
    """What came of rolling `dice`, such as `2d6`; one with six sides where nothing is said."""
    found = DICE.fullmatch(dice.strip().lower() or "d6")
    count, sides = (int(found[1] or 1), int(found[2])) if found else (0, 0)
    if not 1 <= count <= most:
        return f"expected dice such as d6 or 2d6, {most} at most"
    eyes = [1 + secrets.randbelow(sides) for _ in range(count)]
    return f"{count}d{sides}: {' + '.join(map(str, eyes))}" + (f" = {sum(eyes)}" if count > 1 else "")
