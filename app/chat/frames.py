"""What clients ask for and what they are told: the frames of `chat.v1.json`, which both dialects speak in their way.

A command that stores a message has a `cid` and is answered by an `ack`; every other may have a `rid`, which its answer
carries back.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from app.chat.errors import Code, Refused
from app.chat.events import CONVERSATION, PLAIN, Event, Kind
from app.chat.presence import Person

MAX_PAGE = 200
"""Events that one page may have."""
MAX_WORDS = 500
"""Characters that one may search for."""
LONGEST = 10 * 365 * 86_400
"""Seconds that a ban may last, or a slow room make one wait."""

RequestId = int | Annotated[str, Meta(max_length=64)] | UnsetType
Cid = Annotated[str, Meta(min_length=1, max_length=64)]
Position = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Limit = Annotated[int, Meta(ge=1, le=MAX_PAGE)]
Seconds = Annotated[int, Meta(ge=0, le=LONGEST)]

DEFAULT_ROOM = "lobby"
"""Where people begin, unless the server says otherwise."""
WHISPERS = CONVERSATION
"""The room in which a client follows all that is whispered to it."""
ROOM_RULE = "1 to 64 of a to z, 0 to 9, and . _ - inside"
_ROOM = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_CONVERSATION = re.compile(r"@[1-9][0-9]{0,17}(,[1-9][0-9]{0,17})*")


class Speech(Struct, kw_only=True, tag_field="t"):
    """What a client says. A `cid` is stored once, however often it is sent; only the text dialect goes without."""

    cid: Cid | UnsetType = UNSET


class Say(Speech, tag="msg"):
    """Say `text` in a room or a conversation; `me`: what you do, as in `/me waves`."""

    room: str
    text: str
    me: bool = False


class Whisper(Speech, tag="whisper"):
    """Say `text` to these people and nobody else."""

    to: list[str]
    text: str


class Reply(Speech, tag="reply"):
    """Say `text` to all of the last whisper that this connection sent or got."""

    text: str


class Request(Struct, kw_only=True, tag_field="t"):
    """What a client asks for beside speaking."""

    rid: RequestId = UNSET


class Join(Request, tag="join"):
    """Follow a room: from position `after` of `epoch`, or from now on. `@` is what is whispered to you."""

    room: str
    epoch: str | UnsetType = UNSET
    after: Position | UnsetType = UNSET


class Part(Request, tag="part"):
    """Follow a room no longer."""

    room: str


class History(Request, tag="history"):
    """A page of what happened, before a position or after it; without either the newest page."""

    room: str
    before: Position | UnsetType = UNSET
    after: Position | UnsetType = UNSET
    limit: Limit = 50


class Search(Request, tag="search"):
    """The newest messages, or the newest before a position, that hold all of `words`."""

    room: str
    words: Annotated[str, Meta(max_length=MAX_WORDS)]
    before: Position | UnsetType = UNSET
    limit: Limit = 20


class Edit(Request, tag="edit"):
    """Give your message at `seq` another text."""

    room: str
    seq: Position
    text: str


class Delete(Request, tag="delete"):
    """Take the text of the message at `seq` away, for good: yours, or anybody's for an operator."""

    room: str
    seq: Position


class Read(Request, tag="read"):
    """You have read the room up to `seq`."""

    room: str
    seq: Position


class Typing(Request, tag="typing"):
    """You are typing in the room."""

    room: str


class Rooms(Request, tag="rooms"):
    """Which rooms there are: those with people in them, but for private ones."""


class Who(Request, tag="who"):
    """Who is in the room."""

    room: str


class Look(Request, tag="room"):
    """What is set for the room."""

    room: str


class Conversations(Request, tag="conversations"):
    """With whom you whispered, the latest first."""


class Nick(Request, tag="nick"):
    """Be called `name`."""

    name: str


class Register(Request, tag="register"):
    """Protect your name with a password, or change the password."""

    password: str


class Login(Request, tag="login"):
    """Be who registered `name`. Your token is theirs from then on; you are in no room."""

    name: str
    password: str


class Logout(Request, tag="logout"):
    """Forget my token, and good-bye."""


class Quit(Request, tag="quit"):
    """Good-bye."""


class Away(Request, tag="away"):
    """You are not at the keyboard."""

    why: str = ""


class Back(Request, tag="back"):
    """You are again."""


class Ignore(Request, tag="ignore"):
    """Hear nothing of somebody, in any room or whisper."""

    name: str


class Unignore(Request, tag="unignore"):
    """Hear somebody again."""

    name: str


class Help(Request, tag="help"):
    """Which slash commands there are, or how one is used."""

    command: str = ""


class Slash(Request, tag="command"):
    """A slash command as a person types it, with or without the slash: the way to those that a module added."""

    room: str
    line: str


class Topic(Request, tag="topic"):
    """What the room is about; without `text`: ask for it."""

    room: str
    text: str | UnsetType = UNSET


class Private(Request, tag="private"):
    """Let only those in who are invited. Who is in the room is."""

    room: str


class Public(Request, tag="public"):
    """Let everybody in."""

    room: str


class Slow(Request, tag="slow"):
    """Let everybody but operators wait so many seconds between two messages; 0 ends it."""

    room: str
    seconds: Seconds


class Moderation(Request):
    """Something that an operator does to somebody in a room. `seconds` is for how long, 0 for good."""

    room: str
    name: str
    why: str = ""
    seconds: Seconds = 0


class Kick(Moderation, tag="kick"):
    """Put somebody out of the room."""


class Ban(Moderation, tag="ban"):
    """Put somebody out of the room, and don't let them in again."""


class Unban(Moderation, tag="unban"):
    """Let somebody in again."""


class Mute(Moderation, tag="mute"):
    """Let somebody listen only."""


class Unmute(Moderation, tag="unmute"):
    """Let somebody speak again."""


class Op(Moderation, tag="op"):
    """Make somebody an operator of the room."""


class Deop(Moderation, tag="deop"):
    """Make somebody an operator no longer."""


class Invite(Moderation, tag="invite"):
    """Let somebody into a private room."""


class Uninvite(Moderation, tag="uninvite"):
    """Take an invitation back."""


Command = (
    Say | Whisper | Reply
    | Join | Part | History | Search | Edit | Delete | Read | Typing
    | Rooms | Who | Look | Conversations
    | Nick | Register | Login | Logout | Quit | Away | Back | Ignore | Unignore | Help | Slash
    | Topic | Private | Public | Slow | Kick | Ban | Unban | Mute | Unmute | Op | Deop | Invite | Uninvite
)  # fmt: skip


class Answer(Struct, kw_only=True, tag_field="t", omit_defaults=True):
    """What answers a Request, or comes by itself and then has no `rid`."""

    rid: RequestId = UNSET


class Welcome(Struct, tag_field="t", tag="welcome"):
    """The first frame: who you are, the token that makes you the same one after a reconnect, and the room in which the
    server wants people to begin."""

    id: int
    name: str
    registered: bool
    token: str
    epoch: str
    limits: dict[str, float]
    room: str = DEFAULT_ROOM


class Named(Answer, tag="named"):
    """You are `name` now. It also comes by itself, where another connection of yours changed it."""

    id: int
    name: str
    registered: bool = False


class Joined(Answer, tag="joined"):
    """You follow the room. `recovered` is false where what you asked for can't be had: you follow from `head` on.

    `read` is up to where you have read it on any connection; `people` are there unless the room is large.
    """

    room: str
    epoch: str
    head: int
    recovered: bool
    members: int
    topic: str = ""
    private: bool = False
    read: int = 0
    people: tuple[Person, ...] = ()


class Parted(Answer, tag="parted"):
    """You follow the room no longer; `why` says why if you did not ask for it."""

    room: str
    why: str = ""


class Message(Struct, kw_only=True, tag_field="t", tag="msg", rename={"sender": "from"}, omit_defaults=True, gc=False):
    """Somebody said something: `user`, who was called `sender` then. A whisper's room is its conversation, and `to`
    says who else is in it. A server of before `user` leaves it out."""

    room: str
    seq: int
    id: str
    ts: str
    sender: str
    user: int | UnsetType = UNSET
    text: str
    to: tuple[str, ...] | UnsetType = UNSET
    me: bool = False
    edited: bool = False
    deleted: bool = False


class Changed(Struct, rename={"sender": "from"}, omit_defaults=True):
    """Somebody changed something: `t` is the event's kind, and what it concerns is in the rest. `user` is 0 for the
    server itself."""

    t: str
    room: str
    seq: int
    id: str
    ts: str
    sender: str
    user: int | UnsetType = UNSET
    of: int | UnsetType = UNSET
    text: str | UnsetType = UNSET
    whom: str | UnsetType = UNSET
    until: str | UnsetType = UNSET
    seconds: int | UnsetType = UNSET


class Ack(Struct, tag_field="t", tag="ack", gc=False):
    """What you said under `cid` is stored, at `seq`, for good."""

    cid: str
    id: str
    seq: int
    ts: str

    @classmethod
    def of(cls, event: Event) -> Ack:
        return cls(event.cid, event.id, event.seq, timestamp(event.at))


class Done(Answer, tag="done"):
    """What you asked for is done; `seq` is the event's position if it became one, `note` says it to people if not."""

    seq: int | UnsetType = UNSET
    note: str = ""


class Page(Answer, tag="history"):
    """A page of history, oldest first; `more` says whether there are others in the direction that was asked for."""

    room: str
    events: list[Message | Changed]
    more: bool


class Found(Answer, tag="found"):
    """What a search found, oldest first; `more` says whether there is more before it."""

    room: str
    words: str
    events: list[Message | Changed]
    more: bool


class RoomEntry(Struct, omit_defaults=True):
    """A room in a list."""

    room: str
    members: int
    topic: str = ""


class RoomList(Answer, tag="rooms"):
    """The rooms with people in them, the fullest first."""

    rooms: list[RoomEntry]


class People(Answer, tag="who"):
    """Who is in the room. A large one tells only how many."""

    room: str
    members: int
    people: tuple[Person, ...] = ()


class RoomSettings(Answer, tag="room"):
    """What is set for the room, and what rank you have there; names are those of the time when it was set."""

    room: str
    topic: str
    private: bool
    owner: str
    operators: tuple[str, ...]
    slow: int
    members: int
    rank: str = ""


class ConversationEntry(Struct, rename={"others": "with"}, omit_defaults=True):
    """A conversation: the room to whisper in, who is in it beside you by the names of now, its last position, and up to
    where you have read it."""

    room: str
    others: list[str]
    head: int
    read: int = 0


class ConversationList(Answer, tag="conversations"):
    """Your conversations, the latest first."""

    conversations: list[ConversationEntry]


class Presence(Struct, tag_field="t", tag="presence", omit_defaults=True):
    """What changed among the people of a room since you joined or were told last; a large one tells only how many."""

    room: str
    members: int
    came: tuple[Person, ...] = ()
    went: tuple[Person, ...] = ()
    changed: tuple[Person, ...] = ()


class TypingNow(Struct, tag_field="t", tag="typing", rename={"sender": "from"}):
    """Somebody is typing; it holds for some seconds."""

    room: str
    sender: str


class ReadUpTo(Struct, tag_field="t", tag="read"):
    """You have read the room up to `seq`, on this connection or another."""

    room: str
    seq: int


class Notice(Answer, tag="notice"):
    """Words from the server to you alone: the answer of a command that a module added."""

    text: str


class Usage(Struct):
    """A slash command: `/command usage`, and what it does."""

    command: str
    usage: str
    help: str


class Commands(Answer, tag="help"):
    """The slash commands."""

    commands: list[Usage]


class Error(Answer, tag="error"):
    """A request was not carried out. `retry` says whether the same request may succeed later, `after` in how many
    milliseconds. The fields from `reason` on are the values that a client needs to write the sentence itself (see
    `ErrorValues`)."""

    code: str
    message: str
    retry: bool
    cid: str | UnsetType = UNSET
    after: int | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    room: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    what: str | UnsetType = UNSET
    size: int | UnsetType = UNSET
    limit: int | float | UnsetType = UNSET
    until: str | UnsetType = UNSET
    why: str | UnsetType = UNSET
    usage: str | UnsetType = UNSET
    command: str | UnsetType = UNSET
    seq: int | UnsetType = UNSET


Frame = (
    Welcome | Named | Joined | Parted | Message | Changed | Ack | Done | Page | Found | RoomList | People
    | RoomSettings | ConversationList | Presence | TypingNow | ReadUpTo | Notice | Commands | Error
)  # fmt: skip


def told(event: Event) -> Message | Changed:
    """The frame of an event in a log."""
    at, detail = timestamp(event.at), event.detail
    if event.kind in (Kind.MSG, Kind.ME):
        frame = Message(
            room=event.room, seq=event.seq, id=event.id, ts=at, sender=event.name, user=event.user, text=event.text
        )
        if detail is not PLAIN or event.kind == Kind.ME:
            frame.to = detail.to or UNSET
            frame.me, frame.edited, frame.deleted = event.kind == Kind.ME, detail.edited, detail.deleted
        return frame
    return Changed(
        event.kind,
        event.room,
        event.seq,
        event.id,
        at,
        event.name,
        event.user,
        of=event.of or UNSET,
        text=event.text if event.text or event.kind in (Kind.EDIT, Kind.TOPIC) else UNSET,
        whom=detail.whom.name if detail.whom else UNSET,
        until=timestamp(detail.until) if detail.until else UNSET,
        seconds=detail.seconds if event.kind == Kind.SLOW else UNSET,
    )


def room_name(name: str) -> str:
    """`name` as the name of a room; Refused for what can't be one."""
    if not _ROOM.fullmatch(name):
        problem = f"{name[:80]!r} can't be a room: expected {ROOM_RULE}"
        raise Refused(Code.BAD_ROOM, problem, room=name[:80])
    return name


def is_conversation(name: str) -> bool:
    """Whether `name` is written like that of a conversation."""
    return bool(_CONVERSATION.fullmatch(name))


def timestamp(at: int) -> str:
    """Milliseconds since 1970 as RFC 3339 in UTC."""
    return f"{_second(at // 1000)}.{at % 1000:03}Z"


@lru_cache(maxsize=64)
def _second(at: int) -> str:
    """Many events fall into one second, and writing it out costs more than all else in a frame."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S}"
