"""A bot that rolls dice. `/roll 2d6` shows the result to you alone, and `!roll 2d6` to everyone in the room.

Put this file next to your configuration file and list it there:

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
    """The name of the bot, and the largest number of dice in one roll."""

    name: str = "dice"
    most: int = field(default=20, metadata={"check": lambda most: None if most >= 1 else "1 or more"})


def module(app: Application) -> None:
    """Add the command and the bot."""
    settings = app.group("dice", DiceSettings)
    chat = chat_of(app)
    bot = chat.speaker(settings.name)

    async def roll_for_one(call: Call) -> str:
        return roll(call.arguments, settings.most)

    async def roll_for_all(event: Event) -> None:
        word, _, dice = event.text.partition(" ")
        if event.kind == Kind.MSG and word == "!roll":
            # The cid makes a second answer to the same message impossible, even after a restart.
            await bot.say(event.room, f"{event.name}, {roll(dice, settings.most)}", cid=f"to {event.id}")

    chat.command("roll", roll_for_one, usage="[DICE]", help="roll dice, such as 2d6")
    chat.hear(roll_for_all)


def roll(dice: str, most: int) -> str:
    """Roll `dice`, such as `2d6`, and return the result as text. Without dice: one with six sides."""
    found = DICE.fullmatch(dice.strip().lower() or "d6")
    count, sides = (int(found[1] or 1), int(found[2])) if found else (0, 0)
    if not 1 <= count <= most:
        return f"expected dice such as d6 or 2d6, {most} at most"
    eyes = [1 + secrets.randbelow(sides) for _ in range(count)]
    return f"{count}d{sides}: {' + '.join(map(str, eyes))}" + (f" = {sum(eyes)}" if count > 1 else "")
