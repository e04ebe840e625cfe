"""Moderation: room settings, and what operators do to people. Each is an event in the room's log."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from heapq import nlargest

from msgspec import UnsetType

from app.chat import rules
from app.chat.errors import Code, Refused
from app.chat.events import Detail, Event, Kind
from app.chat.fitting import fit
from app.chat.frames import (
    Done,
    ListModeration,
    Mentions,
    Moderation,
    ModerationList,
    Private,
    Public,
    Slow,
    Topic,
    moderation_entry,
)
from app.chat.limits import MODERATION
from app.chat.logs import END, conversation
from app.chat.room import Room
from app.live.connection import Connection
from app.live.handlers.meaning import user_meant
from app.live.handlers.rooms import show_settings
from app.live.saying import check_mute, speak
from app.live.subscriber import Subscriber

LISTED = (Kind.BAN, Kind.MUTE, Kind.INVITE)
"""What the list of moderation has, in the order of its fields."""
MAX_LISTED = 100
"""Most bans, mutes and invitations in one answer."""
PLACE_BITS = 32
"""Where a page begins is a position, in so many bits, and above it how many entries of that position come before."""


async def topic(connection: Connection, command: Topic) -> None:
    """Set a room's topic, or show the room's settings."""
    if isinstance(command.text, UnsetType):
        await show_settings(connection, command.room, command.rid)
        return
    connection.limits.check_topic(command.text)
    await change_setting(connection, command)


async def change_setting(connection: Connection, command: Topic | Slow | Mentions) -> None:
    """Change a room's setting."""
    room = _room_to_change(connection, command.room)
    kind, text, detail = rules.setting_event(command, room.state, connection.rank(room))
    if isinstance(command, Topic) and text:
        speak(connection, room)
    await _append(connection, command, kind, text, detail)


async def private(connection: Connection, command: Private) -> None:
    """Close a room, and invite the registered people in it with the same event, so that a lost connection locks none of
    them out. Everyone else in it has to leave, unless they were invited before: anyone can be any number of guests."""
    room = _room_to_change(connection, command.room)
    rules.setting_event(command, room.state, connection.rank(room))
    people = await connection.backend.users([person.id for person in connection.hub.all_people(command.room)])
    room = _room_to_change(connection, command.room)
    kind, text, _ = rules.setting_event(command, room.state, connection.rank(room))
    staying = {user.id for user in people if user.registered and not room.state.is_invited(user.id)}
    await _append(connection, command, kind, text, Detail(invited=tuple(sorted(staying.union(room.state.kept())))))


async def public(connection: Connection, command: Public) -> None:
    """Open a room to everyone, with all that was said in it. Invitations hold on."""
    room = _room_to_change(connection, command.room)
    kind, text, _ = rules.setting_event(command, room.state, connection.rank(room))
    await _append(connection, command, kind, text, Detail(invited=tuple(room.state.kept())))


async def moderate(connection: Connection, command: Moderation) -> None:
    """Do something to someone in a room. Tell someone who is invited, and isn't there to see it, in a conversation,
    unless a ban keeps them out all the same."""
    connection.limits.check_why(command.why)
    room = _room_to_change(connection, command.room)
    rank = connection.rank(room)
    rules.check_moderation(command, rank)
    whom = await user_meant(connection, command, room)
    rank = connection.rank(room := _room_to_change(connection, command.room))
    whose_rank = rules.rank(room.state, whom, server_operator=connection.context.is_server_operator(whom))
    now = connection.context.clock.now()
    kind, text, detail = rules.moderation_event(command, rank, whom, whose_rank, now)
    adds = kind in MODERATION and not room.state.has(kind, whom.id, now)
    with connection.context.under_way.another((kind, room.name)) if adds else nullcontext(0) as place:
        if adds:
            connection.limits.check_moderation(kind, room.name, room.state.count(kind, now) + place)
        drafts = [connection.draft(room.name, text, kind=kind, detail=detail)]
        if kind == Kind.INVITE and not connection.hub.is_in(whom.id, room.name) and not room.state.ban(whom.id, now):
            told_in = conversation({connection.user.id, whom.id})
            drafts.append(connection.draft(told_in, room.name, kind=kind, detail=detail))
        appended = await asyncio.gather(*map(connection.backend.append, drafts))
    if kind == Kind.MUTE and connection.hub.is_in(whom.id, room.name):
        connection.hub.hush(whom.id)
    connection.send(Done(seq=appended[0].event.seq, rid=command.rid))


async def list_moderation(connection: Connection, command: ListModeration) -> None:
    """Answer with the bans, mutes and invitations that are in force in a room, the latest first, a page at a time."""
    room = _room(connection, command.room)
    rules.check_operator(room.name, connection.rank(room))
    before, skipped = _place(command.before)
    now = connection.context.clock.now()
    events = [
        event
        for kind in LISTED
        for event in room.state.in_force(kind, now)
        if event.seq < before or (skipped and event.seq == before)
    ]
    page = nlargest(skipped + MAX_LISTED, events, key=_order)[skipped:]
    ids = {event.detail.whom.id for event in page if event.detail.whom}
    names = {user.id: user.name for user in await connection.backend.users(sorted(ids))}
    entries = fit([moderation_entry(event, names) for event in page])
    shown = list(zip(page, entries, strict=False))
    bans, mutes, invitations = ([entry for event, entry in shown if event.kind == kind] for kind in LISTED)
    following = 0
    if skipped + len(shown) < len(events):
        last = shown[-1][0].seq
        same = sum(event.seq == last for event, _ in shown) + (skipped if last == before else 0)
        following = last if same == sum(event.seq == last for event in events) else same << PLACE_BITS | last
    connection.send(ModerationList(room.name, bans, mutes, invitations, following, rid=command.rid))


def _place(before: int | UnsetType) -> tuple[int, int]:
    """Return the position before which a page begins, and how many entries at that position come before it: the event
    that closes a room invites many people."""
    if isinstance(before, UnsetType):
        return END, 0
    skipped = before >> PLACE_BITS
    return (before & (1 << PLACE_BITS) - 1, skipped) if skipped else (before, 0)


def _order(event: Event) -> tuple[int, int]:
    return event.seq, event.detail.whom.id if event.detail.whom else 0


async def _append(
    connection: Connection,
    command: Topic | Private | Public | Slow | Mentions | Moderation,
    kind: Kind,
    text: str,
    detail: Detail,
) -> None:
    appended = await connection.backend.append(connection.draft(command.room, text, kind=kind, detail=detail))
    connection.send(Done(seq=appended.event.seq, rid=command.rid))


def _room(connection: Connection, name: str) -> Room[Subscriber]:
    """Return a room that the connection is in. Refused for any other, and for a conversation."""
    connection.log_of(name)
    cursor = connection.following.cursor(name)
    if cursor is None:
        shown = name[:80]
        problem = f"{shown!r} is a conversation. This works only in rooms"
        raise Refused(Code.BAD_ROOM, problem, reason="conversation", room=shown)
    return cursor.room


def _room_to_change(connection: Connection, name: str) -> Room[Subscriber]:
    """Return a room that the connection is in. Refused if the user is muted there, who could speak by what it changes,
    and lift its own mute."""
    room = _room(connection, name)
    check_mute(connection, room)
    return room
