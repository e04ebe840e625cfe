"""Who may do what in a room, and which events moderation becomes.

Ranks, from low to high: member, operator (appointed by the owner), owner (the first registered user who joined), server
operator (named in the configuration). Operators act on people who rank below them.

Times are in milliseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import IntEnum

from msgspec import UnsetType

from app.chat.errors import Code, ErrorValues, Refused
from app.chat.events import SPOKEN, Detail, Event, Kind, User
from app.chat.frames import Mentions, Moderation, Private, Public, Slow, Topic
from app.chat.logs import CONVERSATION
from app.chat.mentions import ALL
from app.chat.state import RoomState
from app.chat.timestamps import minute, timestamp
from app.chat.typed import has_password, is_blank


class Rank(IntEnum):
    """What a user may do in a room."""

    MEMBER = 0
    OPERATOR = 1
    OWNER = 2
    SERVER_OPERATOR = 3

    def __str__(self) -> str:
        """The rank in words, or nothing for a member."""
        return self.name.lower().replace("_", " ") if self else ""


APPOINTMENTS = (Kind.OP, Kind.DEOP)
AGAINST = (Kind.KICK, Kind.BAN, Kind.MUTE)
"""What nobody may do to someone who ranks as high."""
LASTING = (Kind.BAN, Kind.MUTE)
"""Events that hold until they are lifted or run out."""
LIFTED = {Kind.UNBAN: Kind.BAN, Kind.UNMUTE: Kind.MUTE, Kind.UNINVITE: Kind.INVITE, Kind.DEOP: Kind.OP}
"""What each of these takes back."""


def rank(state: RoomState, user: User, *, server_operator: bool) -> Rank:
    """Return the rank of a user. Guests are always members: without a password anyone can take their name."""
    if not user.registered:
        return Rank.MEMBER
    if server_operator:
        return Rank.SERVER_OPERATOR
    if state.owner == user.id:
        return Rank.OWNER
    return Rank.OPERATOR if state.is_operator(user.id) else Rank.MEMBER


def check_admission(room: str, state: RoomState, user: User, rank: Rank, now: int) -> None:
    """Refused if the user is banned, not invited to a private room, or muted under another name, which could tell the
    room something."""
    if rank >= Rank.OWNER:
        return
    if ban := state.ban(user.id, now):
        raise _in_force(Code.BANNED, room, f"You are banned from {room}", ban)
    if state.private and rank < Rank.OPERATOR and not state.is_invited(user.id):
        raise Refused(Code.INVITATION_ONLY, f"{room} is private. Ask an operator for an invitation", room=room)
    if mute := state.mute(user.id, now):
        _check_name(room, user, mute)


def check_not_blank(text: str) -> None:
    """Refused if the text of a message has nothing but blanks and invisible characters."""
    if is_blank(text):
        raise Refused(Code.BLANK, "There is nothing to say. Write some text")


def check_no_password(text: str) -> None:
    """Refused if others would read a password in the text: nobody means to say one."""
    if has_password(text):
        problem = "This wasn't sent, since it looks like a command with a password. Start the line with one slash"
        raise Refused(Code.REFUSED, problem, reason="password")


def check_mute(room: str, state: RoomState, user: User, rank: Rank, now: int) -> None:
    """Refused if the user is muted: nothing in their words may reach the room then, and no right in it is theirs."""
    if rank < Rank.OWNER and (mute := state.mute(user.id, now)):
        raise _in_force(Code.MUTED, room, f"You are muted in {room}", mute)


def check_pace(room: str, state: RoomState, rank: Rank, since: float) -> None:
    """Refused if the user spoke too recently in slow mode, `since` seconds ago."""
    wait = round(1000 * (state.slow - since)) if state.slow > since else 0
    if wait > 0 and rank < Rank.OPERATOR:
        problem = f"{room} is in slow mode: one message every {state.slow} s. Wait {-(-wait // 1000)} s"
        raise Refused(Code.SLOW_MODE, problem, retry=True, after=wait, room=room, limit=state.slow)


def may_notify(state: RoomState, rank: Rank) -> bool:
    """Return whether the user may notify the room with @everyone and @here. If not, these are only a text."""
    return rank >= Rank.OPERATOR or state.mentions == ALL


def check_edit(event: Event, user: User) -> None:
    """Refused unless the user wrote the message."""
    if event.user != user.id:
        problem = f"Only {event.name}, who wrote this message, can edit it"
        raise Refused(Code.NOT_YOURS, problem, reason="edit", name=event.name)


def hides(ignored: Collection[int], event: Event) -> bool:
    """Whether an event is hidden from someone who ignores these users: what they say is, and what they do to a
    conversation, but not what they do to a room, nor that something is deleted."""
    if event.user not in ignored or event.kind == Kind.DELETE:
        return False
    return event.kind in SPOKEN or event.room.startswith(CONVERSATION)


def check_delete(event: Event, user: User, rank: Rank) -> None:
    """Refused unless the user wrote the message or is an operator."""
    if event.user != user.id and rank < Rank.OPERATOR:
        problem = f"Only {event.name}, who wrote this message, or an operator can delete it"
        raise Refused(Code.NOT_YOURS, problem, reason="delete", name=event.name)


def setting_event(
    command: Topic | Private | Public | Slow | Mentions, state: RoomState, rank: Rank
) -> tuple[Kind, str, Detail]:
    """Return the kind, text and detail of the event for a new room setting. Refused unless an operator sets it; the
    topic of a room without an owner is for anyone to set."""
    for_anyone = isinstance(command, Topic) and not state.owner
    if not for_anyone:
        check_operator(command.room, rank)
    kind = _kind(command)
    if isinstance(command, Topic):
        return kind, "" if isinstance(command.text, UnsetType) else command.text, Detail()
    if isinstance(command, Slow):
        return kind, "", Detail(seconds=command.seconds)
    if isinstance(command, Mentions):
        return kind, command.who, Detail()
    return kind, "", Detail()


def lifted_by(command: Moderation) -> Kind | None:
    """Return the kind of event that a command takes back, or None if it takes nothing back."""
    return LIFTED.get(_kind(command))


def is_against(command: Moderation) -> bool:
    """Whether a command is one that people would rather not have happen to them."""
    return _kind(command) in AGAINST


def check_operator(room: str, rank: Rank) -> None:
    """Refused unless the rank is that of an operator, or higher."""
    if rank < Rank.OPERATOR:
        raise Refused(Code.NOT_OPERATOR, f"Only operators of {room} can do this", reason="operator", room=room)


def check_moderation(command: Moderation, rank: Rank) -> None:
    """Refused if the rank is too low for a command, no matter who it is about."""
    if _kind(command) not in APPOINTMENTS:
        check_operator(command.room, rank)
    elif rank < Rank.OWNER:
        problem = f"Only the owner of {command.room} can do this"
        raise Refused(Code.NOT_OPERATOR, problem, reason="owner", room=command.room)


def moderation_event(
    command: Moderation, rank: Rank, whom: User, whose_rank: Rank, now: int
) -> tuple[Kind, str, Detail]:
    """Return the kind, text and detail of the event for moderating `whom`. Refused if the operator's rank is too low
    for that, or for that person."""
    check_moderation(command, rank)
    kind = _kind(command)
    if kind in APPOINTMENTS and not whom.registered:
        problem = f"{whom.name} is not registered. Only registered users can be operators"
        raise Refused(Code.NOT_REGISTERED, problem, name=whom.name)
    if whose_rank >= rank and kind in AGAINST:
        problem = f"{whom.name} has the same rank as you in {command.room}, or a higher one"
        raise Refused(Code.NOT_OPERATOR, problem, reason="rank", room=command.room, name=whom.name)
    until = now + 1000 * command.seconds if command.seconds and kind in LASTING else 0
    return kind, command.why, Detail(whom=whom, until=until)


def _check_name(room: str, user: User, mute: Event) -> None:
    """Refused if someone muted has another name now, other than the one that the server gave."""
    name = mute.detail.whom.name if mute.detail.whom else user.name
    if user.name not in (name, user.default_name):
        problem = f"You are muted in {room} as {name}. To come back, take that name again: /nick {name}"
        raise Refused(Code.MUTED, problem, reason="name", room=room, name=name)


def _kind(command: Topic | Private | Public | Slow | Mentions | Moderation) -> Kind:
    """Events have the names of the commands that they come from."""
    return Kind(str(command.__struct_config__.tag))


def _in_force(code: Code, room: str, problem: str, event: Event) -> Refused:
    """The error for a ban or mute that is in force, with its end and its reason if it has them."""
    values = ErrorValues(room=room)
    if event.detail.until:
        values["until"] = timestamp(event.detail.until)
        problem += f" until {minute(values['until'])} UTC"
    else:
        problem += " permanently"
    if event.text:
        values["why"] = event.text
        problem += f": {event.text}"
    return Refused(code, problem, **values)
