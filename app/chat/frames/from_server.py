"""What the server sends: answers, events and hints of `chat.v1.json`. The text dialect has lines for some of them."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import UNSET, Struct, UnsetType

from app.chat.events import PLAIN, Event, Kind
from app.chat.frames.from_client import RequestId
from app.chat.logs import DEFAULT_ROOM
from app.chat.presence import Person
from app.chat.timestamps import timestamp


class Answer(Struct, kw_only=True, tag_field="t", omit_defaults=True):
    """The answer to a Request, with its `rid`. Some types also come unasked, without `rid`."""

    rid: RequestId = UNSET


FEATURES = ("password",)
"""What this server has that older ones don't."""


class Welcome(Struct, tag_field="t", tag="welcome"):
    """The first frame of a connection: who you are, the token that lets you come back as the same user, the room in
    which the server wants people to start, and what this server can do that older ones can't."""

    id: int
    name: str
    registered: bool
    token: str
    epoch: str
    limits: dict[str, float]
    room: str = DEFAULT_ROOM
    features: tuple[str, ...] = ()


class Named(Answer, tag="named"):
    """Your name is `name` now. Comes unasked when another connection of yours changed it. `token` replaces the one that
    you have, which has ended."""

    id: int
    name: str
    registered: bool = False
    token: str = ""


class Joined(Answer, tag="joined"):
    """You follow the room. `recovered` is false if events after your position are lost; you then follow from `head`.

    `read` is your read marker on all your connections. `people` is missing in large rooms.
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
    """You left the room; `why` is set if you did not ask to."""

    room: str
    why: str = ""

    @classmethod
    def expelled(cls, event: Event) -> Parted:
        """After an event that takes away the right to be there."""
        why = _EXPULSIONS[event.kind].format(event.name)
        return cls(event.room, why + (f": {event.text}" if event.text else ""))


class Message(Struct, kw_only=True, tag_field="t", tag="msg", rename={"sender": "from"}, omit_defaults=True, gc=False):
    """A message. `user` is its author's id, `sender` the name that the author had at the time.

    A whisper has its conversation as `room`, and `to` lists the recipients. `notify` is `everyone` or `here` if the
    message notifies more people than it mentions by name. Older servers send no `user`.
    """

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
    notify: str = ""


class Changed(Struct, rename={"sender": "from"}, omit_defaults=True):
    """A message or a room was changed. `t` is the event's kind. `user` is 0 if the server itself did it.

    `about` is the id of the person it is about, `whom` the name that the person had at the time. An invitation in a
    conversation has the room as its `text`. `deleted` says that the text was deleted, and `what` which kind of text a
    deletion is about, if not a message: `topic` or `why`. Older servers send no `about`.
    """

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
    about: int | UnsetType = UNSET
    until: str | UnsetType = UNSET
    seconds: int | UnsetType = UNSET
    deleted: bool = False
    what: str = ""


class Ack(Struct, tag_field="t", tag="ack", gc=False):
    """Your message `cid` is stored at `seq`, for good."""

    cid: str
    id: str
    seq: int
    ts: str

    @classmethod
    def of(cls, event: Event) -> Ack:
        return cls(event.cid, event.id, event.seq, timestamp(event.at))


class Done(Answer, tag="done"):
    """The request was carried out. `seq` is the position of the event it became; `note` tells people what was done if
    it became none."""

    seq: int | UnsetType = UNSET
    note: str = ""


class Page(Answer, tag="history"):
    """A page of history, oldest first. `more` says whether there are more events in the direction you asked for."""

    room: str
    events: list[Message | Changed]
    more: bool


class Found(Answer, tag="found"):
    """Search results, oldest first. `more` says whether there are older ones, which `next` gets as `before`.

    `room` is missing if all rooms and whispers were searched. `partial` says that the search was cut short, so that
    older results may be missing, and `behind` how many recent messages were not searched yet. `marks` has a list for
    each event: the start and end of each hit in its text, in code points. Older servers send no `marks` and no `next`.
    """

    words: str
    events: list[Message | Changed]
    more: bool
    room: str = ""
    partial: bool = False
    behind: int = 0
    marks: list[list[tuple[int, int]]] = []
    next: int = 0


class RoomEntry(Struct, omit_defaults=True):
    """A room in a list."""

    room: str
    members: int
    topic: str = ""


class RoomList(Answer, tag="rooms"):
    """The rooms that have people in them: yours first, then the largest. `more` says that there are more than fit in.
    Of a page by name, `next` is the name after which the next one begins."""

    rooms: list[RoomEntry]
    more: bool = False
    next: str = ""


class People(Answer, tag="who"):
    """The people in a room. For a large room only `members`, their number, is set, unless a page of people was asked
    for. `more` says whether there are more of them."""

    room: str
    members: int
    people: tuple[Person, ...] = ()
    more: bool = False


class RoomSettings(Answer, tag="room"):
    """A room's settings and your rank in it, with the current names of its owner and operators, and their ids in the
    same order, which older servers don't send. `mentions` is `all` if everyone may notify the room. `more` says that
    there are more operators than fit in: `next` gets them as `after`."""

    room: str
    topic: str
    private: bool
    owner: str
    operators: tuple[str, ...]
    slow: int
    members: int
    rank: str = ""
    mentions: str = ""
    more: bool = False
    owner_user: int = 0
    operator_users: tuple[int, ...] = ()
    next: int = 0


class ModerationEntry(Struct, omit_defaults=True):
    """A ban, mute or invitation that is in force: whose it is, by the `name` now and the one it `was` given under if
    that was another, who set it and when, why, and until when (a permanent one has no `until`), and its position."""

    id: int
    name: str
    by: str
    ts: str
    was: str = ""
    why: str = ""
    until: str | UnsetType = UNSET
    seq: int = 0


class ModerationList(Answer, tag="moderation"):
    """Who is banned, muted and invited in a room, the latest first. If there are older ones, `next` gets them as
    `before`."""

    room: str
    bans: list[ModerationEntry]
    mutes: list[ModerationEntry]
    invitations: list[ModerationEntry]
    next: int = 0


class ConversationEntry(Struct, rename={"others": "with"}, omit_defaults=True):
    """A conversation: its room, the current names of the other people, its last position and your read marker."""

    room: str
    others: list[str]
    head: int
    read: int = 0


class ConversationList(Answer, tag="conversations"):
    """Your conversations, the most recent first. `more` says that there are more: the `head` of the last one gets them
    as `before`."""

    conversations: list[ConversationEntry]
    more: bool = False


class IgnoredList(Answer, tag="ignored"):
    """Those whom you ignore, by name. `more` says whether there are more after the last one."""

    people: tuple[Person, ...]
    more: bool = False


class Presence(Struct, tag_field="t", tag="presence", omit_defaults=True):
    """How the people of a room changed since you joined or since the last such frame. For a large room only `members`,
    their number, is set."""

    room: str
    members: int
    came: tuple[Person, ...] = ()
    went: tuple[Person, ...] = ()
    changed: tuple[Person, ...] = ()


class TypingNow(Struct, tag_field="t", tag="typing", rename={"sender": "from"}):
    """Someone is typing. Show it for a few seconds."""

    room: str
    sender: str


class ReadUpTo(Struct, tag_field="t", tag="read"):
    """Your read marker in the room moved to `seq`, on this connection or another."""

    room: str
    seq: int


class Ping(Struct, tag_field="t", tag="ping"):
    """Are you still there? Answer with `pong`."""


class Notice(Answer, tag="notice"):
    """Text from the server to you alone, such as the answer of a module's command."""

    text: str


class Usage(Struct):
    """How to use a slash command: `/command usage`, and what it does."""

    command: str
    usage: str
    help: str


class Commands(Answer, tag="help"):
    """The slash commands. `more` says that there are more, after the last one."""

    commands: list[Usage]
    more: bool = False


class Error(Answer, tag="error"):
    """A command was not carried out. `retry` says whether the same command may succeed later, `after` in how many
    milliseconds. The fields from `reason` on are the values a client needs to write the sentence itself (see
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
    | RoomSettings | ModerationList | ConversationList | IgnoredList | Presence | TypingNow | ReadUpTo | Ping | Notice
    | Commands | Error
)  # fmt: skip


def event_frame(event: Event) -> Message | Changed:
    """Build the frame of an event in a log."""
    at, detail = timestamp(event.at), event.detail
    if event.kind in (Kind.MSG, Kind.ME):
        frame = Message(
            room=event.room, seq=event.seq, id=event.id, ts=at, sender=event.name, user=event.user, text=event.text
        )
        if detail is not PLAIN or event.kind == Kind.ME:
            frame.to = detail.to or UNSET
            frame.me, frame.edited, frame.deleted = event.kind == Kind.ME, detail.edited, detail.deleted
            frame.notify = "" if detail.deleted else detail.notify
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
        about=detail.whom.id if detail.whom else UNSET,
        until=timestamp(detail.until) if detail.until else UNSET,
        seconds=detail.seconds if event.kind == Kind.SLOW else UNSET,
        deleted=detail.deleted,
        what=detail.what,
    )


_EXPULSIONS: dict[str, str] = {
    Kind.KICK: "kicked by {}",
    Kind.BAN: "banned by {}",
    Kind.MUTE: "muted by {} under another name",
    Kind.PRIVATE: "{} made the room private",
    Kind.UNINVITE: "{} withdrew your invitation",
    Kind.DEOP: "{} removed you as an operator, and you are not invited",
}
"""Why someone has to leave a room, by the kind of the event."""


def moderation_entry(event: Event, names: Mapping[int, str]) -> ModerationEntry:
    """Build the entry of a ban, mute or invitation. `names` has the current names by id."""
    whom = event.detail.whom
    assert whom is not None, "moderation is about someone"
    name = names.get(whom.id, whom.name)
    was, until = "" if name == whom.name else whom.name, timestamp(event.detail.until) if event.detail.until else UNSET
    return ModerationEntry(whom.id, name, event.name, timestamp(event.at), was, event.text, until, event.seq)
