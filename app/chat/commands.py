"""The slash commands: a line that a person types, turned into the Command that it stands for.

Each is a row of a table; `parse` does what is the same for all. A command is found by its whole name, never by the
beginning of one, so that `/who` can't be meant by `/whoami`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from app.chat import frames
from app.chat.errors import Code, Refused
from app.chat.frames import Command, Usage

_COMMAND = re.compile(r"/?(\S*)(?:\s(.*))?", re.DOTALL)
_WORD = re.compile(r"\s*(\S+)(?:\s(.*))?", re.DOTALL)
_DURATION = re.compile(r"([0-9]+)([smhd])", re.IGNORECASE)
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_SAFE_INTEGER = 2**53 - 1
"""The largest position: what JSON can carry to any client."""

Build = Callable[[str, str], Command]
"""Makes the command from its arguments, as they were typed, and the room in which they were."""


class _Expected(Exception):
    """An argument is not what it should be; the words say what that is."""


@dataclass(frozen=True, slots=True)
class Row:
    """A slash command: `least` words at least, and `most` at most, must follow it; None is any number."""

    name: str
    aliases: tuple[str, ...]
    usage: str
    help: str
    least: int
    most: int | None
    build: Build

    def __str__(self) -> str:
        return f"/{self.name} {self.usage}".rstrip()


def parse(line: str, room: str) -> Command:
    """What `line`, with its slash or without, asks for in `room`.

    A command that is not in the table becomes a Slash: a module may know it. Refused where an argument is missing, one
    too many, or not what it should be.
    """
    found = _COMMAND.fullmatch(line)
    word, arguments = (found[1], found[2] or "") if found else ("", "")
    row = _ROWS.get(word.lower())
    if row is None:
        return frames.SlashCommand(room=room, line=line)
    count = len(arguments.split())
    try:
        if count < row.least:
            raise _Expected(f"expected {_arguments(row.least)}{_bound(row, 'or more')}, got {count or 'none'}")
        if row.most is not None and count > row.most:
            raise _Expected(f"expected {_arguments(row.most)}{_bound(row, 'or less')}, got {count}")
        return row.build(arguments, room)
    except _Expected as problem:
        raise Refused(Code.BAD_COMMAND, f"{row}: {problem}", command=row.name, usage=str(row)) from None


def _arguments(count: int) -> str:
    return {0: "no argument", 1: "one argument"}.get(count, f"{count} arguments")


def _bound(row: Row, direction: str) -> str:
    """Nothing for a command that takes so many arguments and no other number."""
    return "" if row.least == row.most else f" {direction}"


def _split(arguments: str) -> tuple[str, str]:
    """The first word, and what follows the one blank or line break after it: a text keeps its form."""
    found = _WORD.fullmatch(arguments)
    return (found[1], found[2] or "") if found else ("", "")


def _quoted(word: str) -> str:
    return repr(word if len(word) <= 40 else word[:40] + "…")


def _name(word: str) -> str:
    name = word.strip().removeprefix("@")
    if not name:
        raise _Expected(f"expected a name, got {_quoted(word)}")
    return name


def _names(word: str) -> list[str]:
    try:
        return [_name(part) for part in word.split(",")]
    except _Expected:
        problem = f"expected names with a comma between two, got {_quoted(word)}"
        raise _Expected(problem) from None


def _room(word: str) -> str:
    room = word.strip().removeprefix("#")
    if not room:
        raise _Expected(f"expected a room, got {_quoted(word)}")
    return room


def _number(word: str, least: int, most: int) -> int:
    digits = word.strip()
    # Python reads the digits of every script, and refuses to read more than some thousands of them.
    if (
        digits.isascii()
        and digits.isdigit()
        and len(digits) <= len(str(_SAFE_INTEGER))
        and least <= int(digits) <= most
    ):
        return int(digits)
    raise _Expected(f"expected a number from {least} to {most}, got {_quoted(digits)}")


def _duration(text: str) -> tuple[int, str]:
    """The seconds that `text` begins with, or 0, and the rest."""
    word, rest = _split(text)
    found = _DURATION.fullmatch(word)
    if not found:
        return 0, text
    digits, unit = found[1].lstrip("0"), _SECONDS[found[2].lower()]
    seconds = int(digits) * unit if 0 < len(digits) <= len(str(frames.MAX_SECONDS)) else 0
    if not 0 < seconds <= frames.MAX_SECONDS:
        raise _Expected(f"expected a time from 1s to {frames.MAX_SECONDS // _SECONDS['d']}d, got {_quoted(word)}")
    return seconds, rest


def _whisper(arguments: str, room: str) -> Command:  # noqa: ARG001  (a whisper is in no room)
    names, text = _split(arguments)
    return frames.Whisper(to=_names(names), text=text)


def _reply(arguments: str, room: str) -> Command:  # noqa: ARG001  (the session knows the last whisper)
    return frames.Reply(text=arguments)


def _topic(arguments: str, room: str) -> Command:
    text = arguments.strip()
    if not text:
        return frames.Topic(room=room)
    return frames.Topic(room=room, text="" if text == "-" else text)


def _history(arguments: str, room: str) -> Command:
    if not arguments.strip():
        return frames.History(room=room)
    return frames.History(room=room, limit=_number(arguments, 1, frames.MAX_PAGE))


def _search(arguments: str, room: str) -> Command:
    words = arguments.strip()
    if len(words) > frames.MAX_WORDS:
        raise _Expected(f"expected at most {frames.MAX_WORDS} characters, got {len(words)}")
    return frames.Search(room=room, words=words)


def _edit(arguments: str, room: str) -> Command:
    word, text = _split(arguments)
    return frames.Edit(room=room, seq=_number(word, 0, _SAFE_INTEGER), text=text)


def _delete(arguments: str, room: str) -> Command:
    return frames.Delete(room=room, seq=_number(arguments, 0, _SAFE_INTEGER))


def _login(arguments: str, room: str) -> Command:  # noqa: ARG001  (who one is, is the same in every room)
    word, password = _split(arguments)
    return frames.Login(name=_name(word), password=password.strip())


def _slow(arguments: str, room: str) -> Command:
    return frames.Slow(room=room, seconds=_number(arguments, 0, frames.MAX_SECONDS))


_Moderation = type[
    frames.Kick | frames.Ban | frames.Unban | frames.Mute | frames.Unmute
    | frames.Op | frames.Deop | frames.Invite | frames.Uninvite
]  # fmt: skip


def _moderation(command: _Moderation, *, timed: bool = False) -> Build:
    """A builder for `NAME [WHY]`, or `NAME [FOR] [WHY]` where it is `timed`."""

    def build(arguments: str, room: str) -> Command:
        word, rest = _split(arguments)
        seconds, why = _duration(rest) if timed else (0, rest)
        return command(room=room, name=_name(word), why=why.strip(), seconds=seconds)

    return build


_TABLE = (
    Row("whisper", ("w", "msg", "tell"), "NAME[,NAME…] TEXT", "say something to these people and nobody else",
        2, None, _whisper),
    Row("reply", ("r",), "TEXT", "say something to all of your last whisper", 1, None, _reply),
    Row("me", (), "TEXT", "say what you do", 1, None, lambda text, room: frames.Say(room=room, text=text, me=True)),
    Row("nick", (), "NAME", "be called NAME", 1, 1, lambda name, _: frames.Nick(name=_name(name))),
    Row("join", (), "ROOM", "go to another room", 1, 1, lambda name, _: frames.Join(room=_room(name))),
    Row("part", ("leave",), "", "leave the room", 0, 0, lambda _, room: frames.Part(room=room)),
    Row("rooms", (), "", "which rooms there are", 0, 0, lambda *_: frames.Rooms()),
    Row("who", (), "[ROOM]", "who is in the room", 0, 1,
        lambda name, room: frames.Who(room=_room(name) if name.strip() else room)),
    Row("room", (), "", "what is set for the room", 0, 0, lambda _, room: frames.DescribeRoom(room=room)),
    Row("topic", (), "[TOPIC]", "what the room is about, or let it be about TOPIC; - is nothing", 0, None, _topic),
    Row("history", (), "[NUMBER]", "what was said, with the ID of each message", 0, 1, _history),
    Row("search", (), "WORDS", "the newest messages that hold all of WORDS", 1, None, _search),
    Row("edit", (), "ID TEXT", "give a message of yours another text", 2, None, _edit),
    Row("delete", (), "ID", "take the text of a message away, for good", 1, 1, _delete),
    Row("conversations", (), "", "with whom you whispered", 0, 0, lambda *_: frames.Conversations()),
    Row("ignore", (), "NAME", "hear nothing of somebody", 1, 1, lambda name, _: frames.Ignore(name=_name(name))),
    Row("unignore", (), "NAME", "hear somebody again", 1, 1, lambda name, _: frames.Unignore(name=_name(name))),
    Row("away", (), "[WHY]", "you are not at the keyboard", 0, None, lambda why, _: frames.Away(why=why.strip())),
    Row("back", (), "", "you are again", 0, 0, lambda *_: frames.Back()),
    Row("register", (), "PASSWORD", "protect your name with a password, or change the password", 1, None,
        lambda password, _: frames.Register(password=password.strip())),
    Row("login", (), "NAME PASSWORD", "be who registered NAME", 2, None, _login),
    Row("logout", (), "", "forget who you are, and good-bye", 0, 0, lambda *_: frames.Logout()),
    Row("help", (), "[COMMAND]", "which commands there are, or how one is used", 0, 1,
        lambda word, _: frames.Help(command=word.strip().removeprefix("/"))),
    Row("quit", (), "", "good-bye", 0, 0, lambda *_: frames.Quit()),
    Row("kick", (), "NAME [WHY]", "for operators: put somebody out of the room", 1, None, _moderation(frames.Kick)),
    Row("ban", (), "NAME [FOR] [WHY]", "for operators: let somebody in no more, for good or FOR 10m, 2h, 7d",
        1, None, _moderation(frames.Ban, timed=True)),
    Row("unban", (), "NAME", "for operators: let somebody in again", 1, 1, _moderation(frames.Unban)),
    Row("mute", (), "NAME [FOR] [WHY]", "for operators: let somebody listen only, for good or FOR 10m, 2h, 7d",
        1, None, _moderation(frames.Mute, timed=True)),
    Row("unmute", (), "NAME", "for operators: let somebody speak again", 1, 1, _moderation(frames.Unmute)),
    Row("slow", (), "SECONDS", "for operators: let everybody wait between two messages; 0 ends it", 1, 1, _slow),
    Row("op", (), "NAME", "for the owner: make somebody an operator", 1, 1, _moderation(frames.Op)),
    Row("deop", (), "NAME", "for the owner: make somebody an operator no longer", 1, 1, _moderation(frames.Deop)),
    Row("invite", (), "NAME", "for operators: let somebody into a private room", 1, 1, _moderation(frames.Invite)),
    Row("uninvite", (), "NAME", "for operators: take an invitation back", 1, 1, _moderation(frames.Uninvite)),
    Row("private", (), "", "for operators: let only those in who are invited", 0, 0,
        lambda _, room: frames.Private(room=room)),
    Row("public", (), "", "for operators: let everybody in", 0, 0, lambda _, room: frames.Public(room=room)),
)  # fmt: skip

_ROWS = {word: row for row in _TABLE for word in (row.name, *row.aliases)}

USAGES = [
    Usage(
        command=row.name,
        usage=row.usage,
        help=row.help + (f" (also {', '.join('/' + alias for alias in row.aliases)})" if row.aliases else ""),
    )
    for row in _TABLE
]
"""What `/help` tells of the commands, in the order of the table."""
NAMES = {word: row.name for word, row in _ROWS.items()}
"""Each name and alias to the name: they are taken, a module's command needs another."""
