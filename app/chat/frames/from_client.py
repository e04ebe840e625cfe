"""What clients send: the commands of `chat.v1.json`, which a line of the text dialect is turned into as well.

Commands that store a message have a `cid` and are answered with an `ack`. Every other command may have a `rid`, which
its answer carries back.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

MAX_PAGE = 200
"""Most events on one page of history."""
MAX_WORDS = 500
"""Most characters to search for."""
MAX_SECONDS = 10 * 365 * 86_400
"""Longest ban, mute or slow mode, in seconds."""

RequestId = int | Annotated[str, Meta(max_length=64)] | UnsetType
Cid = Annotated[str, Meta(min_length=1, max_length=64)]
Position = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Limit = Annotated[int, Meta(ge=1, le=MAX_PAGE)]
Seconds = Annotated[int, Meta(ge=0, le=MAX_SECONDS)]
UserId = Annotated[int, Meta(ge=0, le=2**53 - 1)]


class Speech(Struct, kw_only=True, tag_field="t"):
    """A command that stores a message. The server stores a `cid` once, however often it is sent. Only the text dialect
    sends none."""

    cid: Cid | UnsetType = UNSET


class Say(Speech, tag="msg"):
    """Say `text` in a room or a conversation. With `me` it is an action, as in `/me waves`."""

    room: str
    text: str
    me: bool = False


class Whisper(Speech, tag="whisper"):
    """Say `text` to these people and nobody else."""

    to: list[str]
    text: str


class Reply(Speech, tag="reply"):
    """Whisper `text` to everyone in the last whisper that this connection sent or received."""

    text: str


class Request(Struct, kw_only=True, tag_field="t"):
    """A command that stores no message."""

    rid: RequestId = UNSET


class Join(Request, tag="join"):
    """Follow a room: from position `after` of `epoch`, or from now on. The room `@` is all your whispers."""

    room: str
    epoch: str | UnsetType = UNSET
    after: Position | UnsetType = UNSET


class Part(Request, tag="part"):
    """Leave a room."""

    room: str


class History(Request, tag="history"):
    """Get a page of events before or after a position, or the newest page. With `fold`, it has no edits and deletions:
    the messages show them."""

    room: str
    before: Position | UnsetType = UNSET
    after: Position | UnsetType = UNSET
    limit: Limit = 50
    fold: bool = False


class Search(Request, tag="search"):
    """Find the newest messages that contain all of `words`: in a room, or without one in all rooms that the connection
    is in and in its whispers. `before` is the `next` of an answer, and gets older ones."""

    words: Annotated[str, Meta(max_length=MAX_WORDS)]
    room: str | UnsetType = UNSET
    before: Position | UnsetType = UNSET
    limit: Limit = 20


class Edit(Request, tag="edit"):
    """Change the text of your message at `seq`, or without that of your last message."""

    room: str
    text: str
    seq: Position | UnsetType = UNSET


class Delete(Request, tag="delete"):
    """Delete the text of the message at `seq` for good: your own, or anyone's if you are an operator. Without
    `seq`, that of your last message."""

    room: str
    seq: Position | UnsetType = UNSET


class Read(Request, tag="read"):
    """Mark the room as read up to `seq`."""

    room: str
    seq: Position


class Pong(Request, tag="pong"):
    """Answer a `ping`. Gets no answer, and counts against no limit, unless nothing was asked."""


class Typing(Request, tag="typing"):
    """Tell others in the room that you are typing."""

    room: str


class Rooms(Request, tag="rooms"):
    """List the rooms that have people in them, without private ones. With any of the fields, by name: those with `find`
    in their name, from the one after the name `after` on, at most `limit`."""

    find: Annotated[str, Meta(max_length=MAX_WORDS)] | UnsetType = UNSET
    after: str | UnsetType = UNSET
    limit: Limit | UnsetType = UNSET


class Who(Request, tag="who"):
    """List the people in a room. With any of the other fields, this works in large rooms too, and lists them by name:
    those whose name contains `find`, from the one after the name `after` on, at most `limit`."""

    room: str
    find: Annotated[str, Meta(max_length=MAX_WORDS)] | UnsetType = UNSET
    after: str | UnsetType = UNSET
    limit: Limit | UnsetType = UNSET


class DescribeRoom(Request, tag="room"):
    """Show a room's settings. `after` is the `next` of an answer, and gets further operators."""

    room: str
    after: Position | UnsetType = UNSET


class Conversations(Request, tag="conversations"):
    """List your conversations, the most recent first: those whose last whisper is before the position `before`, if
    given."""

    before: Position | UnsetType = UNSET


class Nick(Request, tag="nick"):
    """Change your name."""

    name: str


class Register(Request, tag="register"):
    """Protect your name with a password. You get a new token."""

    password: str


class ChangePassword(Request, tag="password"):
    """Replace your password. You get a new token, and all others of yours end."""

    old: str
    new: str


class Login(Request, tag="login"):
    """Become the registered user `name`. You get a new token, and are in no room."""

    name: str
    password: str


class Logout(Request, tag="logout"):
    """End your token and every connection that came with it."""


class Quit(Request, tag="quit"):
    """End the connection."""


class Away(Request, tag="away"):
    """Show yourself as away."""

    why: str = ""


class Back(Request, tag="back"):
    """Show yourself as back."""


class Ignore(Request, tag="ignore"):
    """Hide what someone says, in rooms and whispers."""

    name: str


class Unignore(Request, tag="unignore"):
    """Show again what someone says."""

    name: str


class ListIgnored(Request, tag="ignored"):
    """List those whom you ignore, by name: from the one after the name `after` on, at most `limit`."""

    after: str = ""
    limit: Limit | UnsetType = UNSET


class Help(Request, tag="help"):
    """List the slash commands, those after the command `after` if it is given, or explain one."""

    command: str = ""
    after: str = ""


class SlashCommand(Request, tag="command"):
    """Run a slash command as a person types it, with or without the slash. This is how to reach the commands that
    modules add."""

    room: str
    line: str


class Topic(Request, tag="topic"):
    """Set the room's topic. Without `text`: show the room's settings."""

    room: str
    text: str | UnsetType = UNSET


class Private(Request, tag="private"):
    """Make the room private. Registered users who are in it are invited, and guests who aren't have to leave."""

    room: str


class Public(Request, tag="public"):
    """Open the room to everyone."""

    room: str


class Slow(Request, tag="slow"):
    """Turn on slow mode: everyone but operators waits `seconds` between two messages. 0 turns it off."""

    room: str
    seconds: Seconds


class Mentions(Request, tag="mentions"):
    """Say who may notify the room with @everyone and @here: `all`, or `operators` only."""

    room: str
    who: Literal["all", "operators"]


class ListModeration(Request, tag="moderation"):
    """List who is banned, muted and invited in a room, the latest first. `before` is the `next` of an answer, and gets
    older ones."""

    room: str
    before: Position | UnsetType = UNSET


class Moderation(Request):
    """Something an operator does to someone in a room: to the user with the id `user`, or else to the one called
    `name`. `seconds` is how long it lasts, 0 for permanently."""

    room: str
    name: str = ""
    user: UserId = 0
    why: str = ""
    seconds: Seconds = 0

    def __post_init__(self) -> None:
        if not (self.name or self.user):
            raise ValueError("Object missing both `name` and `user`")


class Kick(Moderation, tag="kick"):
    """Remove someone from the room. They may come back."""


class Ban(Moderation, tag="ban"):
    """Remove someone from the room and keep them out."""


class Unban(Moderation, tag="unban"):
    """Lift a ban."""


class Mute(Moderation, tag="mute"):
    """Stop someone from speaking in the room."""


class Unmute(Moderation, tag="unmute"):
    """Lift a mute."""


class Op(Moderation, tag="op"):
    """Make someone an operator of the room."""


class Deop(Moderation, tag="deop"):
    """Take operator rights away from someone."""


class Invite(Moderation, tag="invite"):
    """Invite someone to a private room."""


class Uninvite(Moderation, tag="uninvite"):
    """Withdraw an invitation."""


Command = (
    Say | Whisper | Reply
    | Join | Part | History | Search | Edit | Delete | Read | Typing | Pong
    | Rooms | Who | DescribeRoom | Conversations
    | Nick | Register | ChangePassword | Login | Logout | Quit | Away | Back
    | Ignore | Unignore | ListIgnored | Help | SlashCommand
    | Topic | Private | Public | Slow | Mentions | ListModeration
    | Kick | Ban | Unban | Mute | Unmute | Op | Deop | Invite | Uninvite
)  # fmt: skip


def cid_of(speech: Speech) -> str:
    """Return the `cid` of a message, or nothing."""
    return "" if isinstance(speech.cid, UnsetType) else speech.cid
