"""Who may do what in a room, and what a change becomes in its log.

Ranks, from low to high: member, operator (made by the owner), owner (the first registered user who came in), operator
of the server (named in the configuration). An operator acts on who ranks below, the owner on operators too.
"""

from __future__ import annotations

from enum import IntEnum

from msgspec import UnsetType

from app.chat.errors import Code, ErrorValues, Refused
from app.chat.events import Detail, Event, Kind, User
from app.chat.frames import Moderation, Private, Public, Slow, Topic
from app.chat.state import RoomState
from app.chat.timestamps import timestamp


class Rank(IntEnum):
    """How much a user may do in a room."""

    MEMBER = 0
    OPERATOR = 1
    OWNER = 2
    SERVER_OPERATOR = 3

    def __str__(self) -> str:
        """In words; nothing for a member, who is nothing in particular."""
        return self.name.lower().replace("_", " ") if self else ""


APPOINTMENTS = (Kind.OP, Kind.DEOP)
LASTING = (Kind.BAN, Kind.MUTE)


def rank(state: RoomState, user: User, *, server_operator: bool) -> Rank:
    """The rank of a user. Nobody has one who is not registered: without a password a name is anybody's."""
    if not user.registered:
        return Rank.MEMBER
    if server_operator:
        return Rank.SERVER_OPERATOR
    if state.owner == user.id:
        return Rank.OWNER
    return Rank.OPERATOR if state.operates(user.id) else Rank.MEMBER


def enter(room: str, state: RoomState, user: User, own: Rank, now: int) -> None:
    """Refused for who may not come in; `now` is in milliseconds since 1970, here and below."""
    if own >= Rank.OWNER:
        return
    if ban := state.ban(user.id, now):
        raise _in_force(Code.BANNED, room, f"you are banned from {room}", ban)
    if state.private and own < Rank.OPERATOR and not state.invited(user.id):
        raise Refused(Code.INVITATION_ONLY, "the room is private: only who is invited gets in", room=room)


def speak(room: str, state: RoomState, user: User, own: Rank, now: int, last: int) -> None:
    """Refused for who may not speak now; `last` is when the user spoke last in the room."""
    if own >= Rank.OWNER:
        return
    if mute := state.mute(user.id, now):
        raise _in_force(Code.MUTED, room, f"you may not speak in {room}", mute)
    wait = last + 1000 * state.slow - now
    if state.slow and wait > 0 and own < Rank.OPERATOR:
        problem = f"{room} is slow: one message in {state.slow} s, the next in {-(-wait // 1000)} s"
        raise Refused(Code.SLOW_MODE, problem, retry=True, after=wait, room=room, limit=state.slow)


def amend(event: Event, user: User) -> None:
    """Refused for who may not give the message another text: all but its author."""
    if event.user != user.id:
        problem = f"{event.name} wrote that message: only {event.name} may change it"
        raise Refused(Code.NOT_YOURS, problem, reason="edit", name=event.name)


def remove(event: Event, user: User, own: Rank) -> None:
    """Refused for who may not delete the message: all but its author and operators."""
    if event.user != user.id and own < Rank.OPERATOR:
        problem = f"{event.name} wrote that message: only {event.name} or an operator may delete it"
        raise Refused(Code.NOT_YOURS, problem, reason="delete", name=event.name)


def change(command: Topic | Private | Public | Slow, state: RoomState, own: Rank) -> tuple[Kind, str, Detail]:
    """What a change of the room becomes: kind, text and detail. Refused for who may not.

    The topic of a room that nobody owns is everybody's.
    """
    anybody = isinstance(command, Topic) and not state.owner
    if own < Rank.OPERATOR and not anybody:
        raise _not_operator(command.room)
    kind = _kind(command)
    if isinstance(command, Topic):
        return kind, "" if isinstance(command.text, UnsetType) else command.text, Detail()
    if isinstance(command, Slow):
        return kind, "", Detail(seconds=command.seconds)
    return kind, "", Detail()


def moderate(command: Moderation, own: Rank, whom: User, other: Rank, now: int) -> tuple[Kind, str, Detail]:
    """What is done to `whom`, of rank `other`, by somebody of rank `own`: kind, text and detail. Refused for who may
    not."""
    kind = _kind(command)
    if kind in APPOINTMENTS:
        if own < Rank.OWNER:
            problem = f"that is for the owner of {command.room}"
            raise Refused(Code.NOT_OPERATOR, problem, reason="owner", room=command.room)
        if not whom.registered:
            problem = f"{whom.name} is not registered: expected somebody whose name a password protects (/register)"
            raise Refused(Code.NOT_REGISTERED, problem, name=whom.name)
    elif own < Rank.OPERATOR:
        raise _not_operator(command.room)
    elif other >= own and kind in (Kind.KICK, Kind.BAN, Kind.MUTE):
        problem = f"{whom.name} ranks no lower than you in {command.room}"
        raise Refused(Code.NOT_OPERATOR, problem, reason="rank", room=command.room, name=whom.name)
    until = now + 1000 * command.seconds if command.seconds and kind in LASTING else 0
    return kind, command.why, Detail(whom=whom, until=until)


def _kind(command: Topic | Private | Public | Slow | Moderation) -> Kind:
    """The event that a command becomes has the name of the command."""
    return Kind(str(command.__struct_config__.tag))


def _not_operator(room: str) -> Refused:
    return Refused(Code.NOT_OPERATOR, f"that is for operators of {room}", reason="operator", room=room)


def _in_force(code: Code, room: str, problem: str, event: Event) -> Refused:
    """A ban or mute is in force: until when, and why, where it says so."""
    values = ErrorValues(room=room)
    if event.detail.until:
        values["until"] = timestamp(event.detail.until)
        problem += f" until {values['until']}"
    if event.text:
        values["why"] = event.text
        problem += f": {event.text}"
    return Refused(code, problem, **values)
