"""Slash commands: parsing what a person types after `/`.

Every command is a row of a table. Commands are found by their whole name, never by the beginning of it, so that `/who`
can't be taken for `/whoami`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import msgspec

from app.chat import frames
from app.chat.errors import Code, ErrorValues, Refused
from app.chat.frames import Command, Usage
from app.chat.mentions import ALL, OPERATORS

_COMMAND = re.compile(r"/?(\S*)(?:\s(.*))?", re.DOTALL)
_WORD = re.compile(r"\s*(\S+)(?:\s(.*))?", re.DOTALL)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)+)"\s(.+)', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_SAFE_INTEGER = 2**53 - 1
"""The largest position: the largest integer that every JSON client can read."""

Build = Callable[[str, str], Command]
"""Builds the command from its arguments, as typed, and the room in which they were typed."""


class _BadArguments(Exception):
    """The arguments are wrong. The text says what was expected."""

    values = ErrorValues()


class _BadDuration(_BadArguments):
    """What should be a duration can't be read as one."""

    values = ErrorValues(reason="duration")


class Row(msgspec.Struct, frozen=True):
    """A slash command, which takes `min_words` to `max_words` words; None is any number."""

    name: str
    aliases: tuple[str, ...]
    usage: str
    help: str
    min_words: int
    max_words: int | None
    build: Build

    def __str__(self) -> str:
        return f"/{self.name} {self.usage}".rstrip()


def parse(line: str, room: str) -> Command:
    """Parse `line`, typed in `room` with or without its slash.

    A command that is not in the table becomes a SlashCommand, since it may be a module's. Refused if an argument is
    missing, wrong, or one too many.
    """
    found = _COMMAND.fullmatch(line)
    word, arguments = (found[1], found[2] or "") if found else ("", "")
    row = _ROWS.get(word.lower())
    if row is None:
        return frames.SlashCommand(room=room, line=line)
    count = len(arguments.split())
    try:
        if count < row.min_words:
            raise _BadArguments(f"Expected {_bound('at least', row, row.min_words)}, got {count or 'none'}")
        if row.max_words is not None and count > row.max_words:
            raise _BadArguments(f"Expected {_bound('at most', row, row.max_words)}, got {count}")
        return row.build(arguments, room)
    except _BadArguments as problem:
        values = ErrorValues(**problem.values, command=row.name, usage=str(row))
        raise Refused(Code.BAD_COMMAND, f"{problem}. Usage: {row}", **values) from None


def _bound(which: str, row: Row, count: int) -> str:
    arguments = {0: "no arguments", 1: "one argument"}.get(count, f"{count} arguments")
    return arguments if row.min_words == row.max_words else f"{which} {arguments}"


def _split(arguments: str) -> tuple[str, str]:
    """Split into the first word and what follows the one space or line break after it, which is kept as it is."""
    found = _WORD.fullmatch(arguments)
    return (found[1], found[2] or "") if found else ("", "")


def _quoted(word: str) -> str:
    return repr(word if len(word) <= 40 else word[:40] + "…")


def _name(word: str) -> str:
    name = word.strip().removeprefix("@")
    if not name:
        raise _BadArguments(f"Expected a name, got {_quoted(word)}")
    return name


def _person(word: str) -> tuple[str, int]:
    """Return a name, or a user id that is written like #12, and nothing for the other."""
    if not word.startswith("#"):
        return _name(word), 0
    try:
        return "", _number(word[1:], 1, _SAFE_INTEGER)
    except _BadArguments:
        raise _BadArguments(f"Expected a name, or an id like #12, got {_quoted(word)}") from None


def _names(word: str) -> list[str]:
    try:
        return [_name(part) for part in word.split(",")]
    except _BadArguments:
        problem = f"Expected names separated by commas, got {_quoted(word)}"
        raise _BadArguments(problem) from None


def _room(word: str) -> str:
    room = word.strip().removeprefix("#")
    if not room:
        raise _BadArguments(f"Expected a room, got {_quoted(word)}")
    return room


def _number(word: str, least: int, most: int) -> int:
    digits = word.strip()
    # int() accepts digits of every script, and refuses more than a few thousand of them.
    if (
        digits.isascii()
        and digits.isdigit()
        and len(digits) <= len(str(_SAFE_INTEGER))
        and least <= int(digits) <= most
    ):
        return int(digits)
    raise _BadArguments(f"Expected a number from {least} to {most}, got {_quoted(digits)}")


def _duration(text: str) -> tuple[int, str]:
    """Return the seconds that `text` begins with, 0 for permanently or if it begins with no duration, and the rest."""
    from app.chat.durations import FORMS, split_duration  # few servers need it, and none does to start

    got = _quoted(" ".join(text.split()[:2]))
    try:
        seconds, rest = split_duration(text)
    except ValueError:
        remedy = "Before a reason that starts like this, write permanently or a time"
        raise _BadDuration(f"Expected a time like {FORMS}, got {got}. {remedy}") from None
    if seconds is None:
        return 0, rest
    if not 1 <= seconds <= frames.MAX_SECONDS:
        longest = frames.MAX_SECONDS // 86_400
        raise _BadDuration(f"Expected a time from 1s to {longest}d, got {got}")
    return math.ceil(seconds), rest


def _whisper(arguments: str, room: str) -> Command:  # noqa: ARG001  (whispers belong to no room)
    names, text = _split(arguments)
    return frames.Whisper(to=_names(names), text=text)


def _reply(arguments: str, room: str) -> Command:  # noqa: ARG001  (the connection knows the last whisper)
    return frames.Reply(text=arguments)


def _topic(arguments: str, room: str) -> Command:
    text = arguments.strip()
    if not text:
        return frames.Topic(room=room)
    return frames.Topic(room=room, text="" if text == "-" else text)


def _history(arguments: str, room: str) -> Command:
    if not arguments.strip():
        return frames.History(room=room, fold=True)
    return frames.History(room=room, limit=_number(arguments, 1, frames.MAX_PAGE), fold=True)


def _search(arguments: str, room: str) -> Command:  # noqa: ARG001  (all rooms are searched)
    return frames.Search(words=_sought(arguments))


def _sought(typed: str) -> str:
    """What is looked for in texts or names."""
    words = typed.strip()
    if len(words) > frames.MAX_WORDS:
        raise _BadArguments(f"Expected at most {frames.MAX_WORDS} characters, got {len(words)}")
    return words


def _edit(arguments: str, room: str) -> Command:
    word, text = _split(arguments)
    if not (word.isascii() and word.isdigit()):
        return frames.Edit(room=room, text=arguments)
    seq = _number(word, 0, _SAFE_INTEGER)
    if not text.strip():
        raise _BadArguments("Expected a text after the ID, got none")
    return frames.Edit(room=room, seq=seq, text=text)


def _delete(arguments: str, room: str) -> Command:
    if not arguments.strip():
        return frames.Delete(room=room)
    return frames.Delete(room=room, seq=_number(arguments, 0, _SAFE_INTEGER))


def _login(arguments: str, room: str) -> Command:  # noqa: ARG001  (your name is the same in every room)
    word, password = _split(arguments)
    return frames.Login(name=_name(word), password=_password(password))


def _password(typed: str) -> str:
    """A password is kept as it is, with its blanks; a line end is none of them."""
    return typed.rstrip("\r\n")


def _change_password(arguments: str, room: str) -> Command:  # noqa: ARG001  (it is the same in every room)
    quoted = _QUOTED.fullmatch(arguments)
    old, new = (_ESCAPED.sub(r"\1", quoted[1]), quoted[2]) if quoted else _split(arguments)
    return frames.ChangePassword(old=old, new=_password(new))


def _who(arguments: str, room: str) -> Command:
    words = arguments.split()
    if len(words) == 2:
        return frames.Who(room=_room(words[0]), find=_sought(words[1]), limit=frames.MAX_PAGE)
    return frames.Who(room=_room(words[0]) if words else room)


def _mentions(arguments: str, room: str) -> Command:
    who = arguments.strip().lower()
    if who == ALL:
        return frames.Mentions(room=room, who="all")
    if who == OPERATORS:
        return frames.Mentions(room=room, who="operators")
    raise _BadArguments(f"Expected {ALL} or {OPERATORS}, got {_quoted(who)}")


def _slow(arguments: str, room: str) -> Command:
    return frames.Slow(room=room, seconds=_number(arguments, 0, frames.MAX_SECONDS))


_Moderation = type[
    frames.Kick | frames.Ban | frames.Unban | frames.Mute | frames.Unmute
    | frames.Op | frames.Deop | frames.Invite | frames.Uninvite
]  # fmt: skip


def _moderation(command: _Moderation, *, timed: bool = False) -> Build:
    """Return a builder for `NAME [WHY]`, or for `NAME [FOR] [WHY]` if it is `timed`."""

    def build(arguments: str, room: str) -> Command:
        word, rest = _split(arguments)
        seconds, why = _duration(rest) if timed else (0, rest)
        name, user = _person(word)
        return command(room=room, name=name, user=user, why=why.strip(), seconds=seconds)

    return build


_TABLE = (
    Row("whisper", ("w", "msg", "tell"), "NAME[,NAME…] TEXT", "Send a message that only these people see",
        2, None, _whisper),
    Row("reply", ("r",), "TEXT", "Whisper back to everyone in your last whisper", 1, None, _reply),
    Row("me", (), "TEXT", "Say what you're doing", 1, None,
        lambda text, room: frames.Say(room=room, text=text, me=True)),
    Row("nick", (), "NAME", "Change your name", 1, 1, lambda name, _: frames.Nick(name=_name(name))),
    Row("join", (), "ROOM", "Join a room", 1, 1, lambda name, _: frames.Join(room=_room(name))),
    Row("part", ("leave",), "", "Leave the room", 0, 0, lambda _, room: frames.Part(room=room)),
    Row("rooms", (), "[PART]", "List the rooms, or those with PART in their name", 0, 1,
        lambda part, _: frames.Rooms(find=_sought(part)) if part.strip() else frames.Rooms()),
    Row("who", (), "[ROOM [NAME]]", "List the people in a room, or those with NAME in their name", 0, 2, _who),
    Row("room", (), "", "Show the settings of the room", 0, 0, lambda _, room: frames.DescribeRoom(room=room)),
    Row("topic", (), "[TOPIC]", "Show or change the topic; - clears it", 0, None, _topic),
    Row("history", (), "[NUMBER]", "Show earlier messages with their IDs", 0, 1, _history),
    Row("search", (), "WORDS", "Find messages in your rooms and whispers", 1, None, _search),
    Row("edit", (), "[ID] TEXT", "Change one of your messages, or without an ID your last one", 1, None, _edit),
    Row("delete", (), "[ID]", "Delete a message, topic or reason for everyone, or without an ID your last message",
        0, 1, _delete),
    Row("conversations", (), "", "List your conversations", 0, 0, lambda *_: frames.Conversations()),
    Row("ignore", (), "NAME", "Hide messages from someone", 1, 1, lambda name, _: frames.Ignore(name=_name(name))),
    Row("unignore", (), "NAME", "Show messages from someone again", 1, 1,
        lambda name, _: frames.Unignore(name=_name(name))),
    Row("ignored", (), "", "List those whose messages you hide", 0, 0, lambda *_: frames.ListIgnored()),
    Row("away", (), "[WHY]", "Show that you're away", 0, None, lambda why, _: frames.Away(why=why.strip())),
    Row("back", (), "", "Show that you're back", 0, 0, lambda *_: frames.Back()),
    Row("register", (), "PASSWORD", "Protect your name with a password", 1, None,
        lambda password, _: frames.Register(password=_password(password))),
    Row("password", (), "OLD NEW", "Change your password; put the old one in quotes if it has blanks", 2, None,
        _change_password),
    Row("login", (), "NAME PASSWORD", "Log in to a registered name", 2, None, _login),
    Row("logout", (), "", "Log out", 0, 0, lambda *_: frames.Logout()),
    Row("help", (), "[COMMAND]", "List the commands, or explain one", 0, 1,
        lambda word, _: frames.Help(command=word.strip().removeprefix("/"))),
    Row("quit", (), "", "Disconnect", 0, 0, lambda *_: frames.Quit()),
    Row("kick", (), "NAME [WHY]", "Remove someone from the room (operators)",
        1, None, _moderation(frames.Kick)),
    Row("ban", (), "NAME [FOR] [WHY]",
        "Keep someone out of the room, permanently or for a time like 10m, 1h30m, or 7 days (operators)",
        1, None, _moderation(frames.Ban, timed=True)),
    Row("unban", (), "NAME", "Let someone back in (operators)", 1, 1, _moderation(frames.Unban)),
    Row("mute", (), "NAME [FOR] [WHY]",
        "Stop someone from sending messages, permanently or for a time like 10m, 1h30m, or 7 days (operators)",
        1, None, _moderation(frames.Mute, timed=True)),
    Row("unmute", (), "NAME", "Let someone send messages again (operators)", 1, 1, _moderation(frames.Unmute)),
    Row("slow", (), "SECONDS", "Make people wait between messages; 0 turns it off (operators)", 1, 1, _slow),
    Row("mentions", (), "WHO", "Choose who may use @everyone and @here: all or operators (operators)",
        1, 1, _mentions),
    Row("moderation", ("bans",), "", "List who is banned, muted and invited (operators)", 0, 0,
        lambda _, room: frames.ListModeration(room=room)),
    Row("op", (), "NAME", "Make someone an operator (owner)", 1, 1, _moderation(frames.Op)),
    Row("deop", (), "NAME", "Remove someone as an operator (owner)", 1, 1, _moderation(frames.Deop)),
    Row("invite", (), "NAME", "Invite someone to a private room (operators)",
        1, 1, _moderation(frames.Invite)),
    Row("uninvite", (), "NAME", "Withdraw an invitation (operators)", 1, 1, _moderation(frames.Uninvite)),
    Row("private", (), "", "Let only invited people in; guests have to leave (operators)", 0, 0,
        lambda _, room: frames.Private(room=room)),
    Row("public", (), "", "Let everyone in, who can read what was said before (operators)", 0, 0,
        lambda _, room: frames.Public(room=room)),
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
"""The built-in commands as `/help` lists them."""
NAMES = {word: row.name for word, row in _ROWS.items()}
"""Each name and alias with the name it stands for. A module's command can't have any of these."""
