"""Slash commands: listing them, and running those that come as a typed line."""

from __future__ import annotations

import re

from app.chat import commands
from app.chat.errors import Code, Refused
from app.chat.fitting import fit, shortened
from app.chat.frames import Commands, Done, Help, Notice, SlashCommand
from app.chat.typed import unpadded
from app.live.connection import Connection
from app.live.saying import check_mute

_LINE = re.compile(r"/(\S*)\s*(.*)", re.DOTALL)


async def explain(connection: Connection, command: Help) -> None:
    """Answer with all slash commands, a page at a time, or with one of them."""
    usages = [*commands.USAGES, *connection.context.usages]
    wanted = command.command.removeprefix("/").casefold()
    if wanted:
        name = commands.NAMES.get(wanted, wanted)
        usages = [usage for usage in usages if usage.command == name]
        if not usages:
            raise _unknown(command.command.removeprefix("/"))
    if command.after:
        names = [usage.command for usage in usages]
        usages = usages[names.index(command.after) + 1 :] if command.after in names else []
    listed = fit(usages)
    connection.send(Commands(listed, len(listed) < len(usages), rid=command.rid))


async def run(connection: Connection, command: SlashCommand) -> None:
    """Carry out a slash command as someone typed it: a built-in one or a module's."""
    if command.room:
        connection.log_of(command.room)
    line = unpadded(command.line)
    line = line if line.startswith("/") else f"/{line}"
    parsed = commands.parse(line, command.room)
    if not isinstance(parsed, SlashCommand):
        if hasattr(parsed, "rid"):
            parsed.rid = command.rid
        await connection.context.handle(connection, parsed)
        return
    found = _LINE.fullmatch(line)
    name, arguments = (found[1], found[2]) if found else ("", "")
    if name.casefold() not in connection.context.commands:
        raise _unknown(name)
    if (cursor := connection.following.cursor(command.room)) is not None:
        check_mute(connection, cursor.room)  # what a module says to the room may be in the user's words
    answer = await connection.context.run_command(name.casefold(), connection.user, command.room, arguments.strip())
    connection.send(Notice(shortened(answer), rid=command.rid) if answer else Done(rid=command.rid))


def _unknown(name: str) -> Refused:
    shown = name[:40]
    return Refused(Code.UNKNOWN_COMMAND, f"There is no command {shown!r}. /help lists all commands", command=shown)
