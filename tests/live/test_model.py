"""The application against a model: random clients, each of which must get exactly the frames that the model expects.

A step is one command, or commands of several clients at once. After it, every client repeats a request until the frames
that the model expects have come. They are compared in the order of each room, together with all answers.
A subscriber of the store reports which events were committed and at which positions. They must be the events that the
model expects and no others, every ack and every frame must agree with them, and at the end so must the store.
"""

from __future__ import annotations

import itertools
import json
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from threading import Condition
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.types import ASGIApp, Receive, Scope, Send

from app import create_app
from app.backends.embedded import Embedded
from app.chat.events import NOTES, Event
from app.chat.timestamps import timestamp
from app.identity.hashing import Argon2id
from config import Settings
from tests.clients import DEADLINE

ROOMS = ("lobby", "den")
WHISPERS = "@"
MOST_USERS = MOST_SEATS = 5
PATIENCE = 20
"""How often a client repeats its request before a frame that has not come counts as lost."""
FAR = 2**53 - 1
PASSWORD = "correct horse"
WRONG_ONES = 5
SAID = ("msg", "me")
KEYS = {"topic": "topic"} | {
    kind: f"{key}:"
    for key, kinds in {
        "invite": ("invite", "uninvite"),
        "op": ("op", "deop"),
        "ban": ("ban", "unban"),
        "mute": ("mute", "unmute"),
    }.items()
    for kind in kinds
}
"""The settings of a room that events with a text make. Those that lift one leave none."""
LIFTING = ("unban", "unmute", "uninvite", "deop")
SECRET = "secret"
"""Part of the text of every whisper, and of nothing else."""
HINTS = ("presence", "typing", "read")
CLOSINGS = {
    "uninvite": "{} withdrew your invitation",
    "deop": "{} removed you as an operator, and you are not invited",
}

Frame = dict[str, Any]
Places = dict[tuple[str, int], int]
"""Places in the order of the store, which is over all logs, by log and position."""
Said = tuple[int, str | set[int], str]
"""The sender, the room or the recipients, and the word of a message."""


class No(Exception):
    """The model refuses a command, with this error code."""


@dataclass(eq=False)
class User:
    id: int
    name: str
    registered: bool = False
    password: str = ""
    ignored: set[int] = field(default_factory=set)

    @property
    def default_name(self) -> str:
        return f"user{self.id - 1}"


@dataclass(eq=False)
class Happening:
    """An event of the model. Its `seq`, `id`, `ts` and `until` come from the store."""

    log: str
    kind: str
    user: int
    name: str
    text: str = ""
    cid: str = ""
    of: int = 0
    whom: User | None = None
    whom_name: str = ""
    seconds: int = 0
    to: tuple[str, ...] = ()
    edited: bool = False
    deleted: bool = False
    kept: bool = True
    seq: int = 0
    id: str = ""
    ts: str = ""
    until: str = ""
    what: str = ""
    """What was deleted, if it was no message."""

    @property
    def key(self) -> str:
        """The key of the setting that it makes; empty if it makes none."""
        key = KEYS.get(self.kind, "")
        return f"{key}{self.whom.id}" if self.whom and key.endswith(":") else key

    @property
    def frame(self) -> Frame:
        """Return its frame as of now."""
        frame: Frame = {"t": self.kind, "room": self.log, "seq": self.seq, "id": self.id, "ts": self.ts}
        frame |= {"from": self.name, "user": self.user}
        if self.kind in SAID:
            frame |= {"t": "msg", "text": self.text}
            flags = {"me": self.kind == "me", "edited": self.edited, "deleted": self.deleted}
            frame |= {name: True for name, on in flags.items() if on}
            return frame | ({"to": list(self.to)} if self.to else {})
        about = self.whom.id if self.whom else 0
        optional = {"of": self.of, "whom": self.whom_name, "about": about, "until": self.until, "what": self.what}
        optional["deleted"] = self.deleted
        frame |= {name: value for name, value in optional.items() if value}
        if self.text or self.kind in ("edit", "topic"):
            frame["text"] = self.text
        return frame | ({"seconds": self.seconds} if self.kind == "slow" else {})

    @property
    def ack(self) -> Frame:
        return {"t": "ack", "cid": self.cid, "id": self.id, "seq": self.seq, "ts": self.ts}

    def is_stored_as(self, event: Event) -> bool:
        detail = event.detail
        whom = (detail.whom.id, detail.whom.name) if detail.whom else (0, "")
        own = (self.whom.id, self.whom_name) if self.whom else (0, "")
        until = self.seconds > 0 and self.kind in ("ban", "mute")
        return (event.room, event.kind, event.user, event.name, event.text, event.of, detail.to, *whom) == (
            *(self.log, self.kind, self.user, self.name, self.text, self.of, self.to, *own),
        ) and (self.cid in ("", event.cid), bool(detail.until)) == (True, until)


@dataclass(eq=False)
class Seat:
    """A connection, as the client sees it and as the model does."""

    session: WebSocketTestSession
    user: User
    token: str
    rooms: set[str] = field(default_factory=set)
    conversation: str = ""
    next: int = 0
    """The number of the next page of its last search, and in `place` where that begins in the order of the store."""
    place: int = 0
    due: list[Frame] = field(default_factory=list)
    got: list[Frame] = field(default_factory=list)


@dataclass(eq=False)
class Place:
    """A room's settings. People are here by their ids, with the names that they had when it was set."""

    topic: str = ""
    private: bool = False
    slow: int = 0
    owner: User | None = None
    operators: dict[int, str] = field(default_factory=dict)
    invited: dict[int, str] = field(default_factory=dict)
    banned: dict[int, str] = field(default_factory=dict)
    muted: dict[int, str] = field(default_factory=dict)
    spoke: set[int] = field(default_factory=set)
    slow_since: int = 0


def participants(log: str) -> list[int]:
    return [int(user) for user in log[1:].split(",")] if log[1:] and log.startswith("@") else []


def conversation(users: Iterable[User]) -> str:
    return "@" + ",".join(map(str, sorted({user.id for user in users})))


class Model:
    """What the application should do. There is a method for each command, which raises No or adds to each seat what it
    gets."""

    def __init__(self, epoch: str, truth: Callable[[str, int, int], list[Event]], places: Callable[[], Places]) -> None:
        self.epoch, self._truth, self._places = epoch, truth, places
        self.users: list[User] = []
        self.tokens: dict[str, User] = {}
        self.seats: list[Seat] = []
        self.places = {room: Place() for room in ROOMS}
        self.log: list[Happening] = []
        """All events, in the order of the store."""
        self.cids: dict[tuple[int, str], Happening] = {}
        self.last: Counter[str] = Counter()
        """The last position of each room, and of all conversations."""
        self.trimmed: Counter[str] = Counter()
        """The position up to which each log is trimmed; a user's mailbox is `~id`."""
        self.seen: Counter[tuple[int, str]] = Counter()
        """The last position that a user got in a room."""
        self.wrong: Counter[str] = Counter()
        """Wrong passwords of devices that know the account, by token; of all others together without one."""

    # What there is

    def user(self, id_: int) -> User | None:
        return next((user for user in self.users if user.id == id_), None)

    def named(self, name: str) -> User:
        for user in self.users:
            if user.name.lower() == name.lower():
                return user
        raise No("unknown_name")

    def present(self, room: str) -> list[User]:
        return [user for user in self.users if any(s.user is user and room in s.rooms for s in self.seats)]

    def readable(self, log: str) -> list[Happening]:
        return [event for event in self.log if event.kept and event.seq > self.trimmed[log] and in_log(event, log)]

    def head(self, log: str) -> int:
        return max((event.seq for event in self.log if in_log(event, log)), default=0)

    def rank(self, room: str, user: User) -> int:
        place = self.places[room]
        return 0 if not user.registered else 2 if place.owner is user else int(user.id in place.operators)

    def may_read(self, seat: Seat, room: str) -> str:
        """Return the log that a client calls `room`."""
        if seat.user.id in participants(room):
            return room
        if room not in seat.rooms:
            raise No("not_joined")
        return f"~{seat.user.id}" if room == WHISPERS else room

    def may_speak(self, seat: Seat, room: str, *, slowly: bool = True) -> None:
        place, rank = self.places[room], self.rank(room, seat.user)
        if rank < 2 and seat.user.id in place.muted:
            raise No("muted")
        if place.slow and slowly:
            if rank < 1 and seat.user.id in place.spoke:
                raise No("slow_mode")
            place.spoke.add(seat.user.id)

    def may_enter(self, seat: Seat, room: str) -> None:
        place, rank = self.places[room], self.rank(room, seat.user)
        if rank < 2 and seat.user.id in place.banned:
            raise No("banned")
        if rank < 1 and place.private and seat.user.id not in place.invited:
            raise No("invitation_only")
        muted_as = place.muted.get(seat.user.id, seat.user.name)
        if rank < 2 and seat.user.name not in (muted_as, seat.user.default_name):
            raise No("muted")

    def _others(self, user: User, ids: Sequence[int]) -> list[str]:
        others = [other.name for id_ in ids if (other := self.user(id_)) and other is not user]
        return others or [user.name]

    # What happens

    def record(self, *events: Happening) -> list[Happening]:
        """Check that the store has these events, each once, and nothing else. Return them in the order of the store."""
        missing = list(events)
        counts = Counter(event.log for event in events)
        stored = [event for log, count in counts.items() for event in self._truth(log, self.head(log), count)]
        if len(counts) > 1:
            places = self._places()
            stored.sort(key=lambda event: places[event.room, event.seq])
        for event in stored:
            found = next((one for one in missing if one.is_stored_as(event)), None)
            assert found is not None, f"stored, and not expected: {event}, but {missing[:3]}"
            missing.remove(found)
            found.seq, found.id, found.ts = event.seq, event.id, timestamp(event.at)
            found.until = timestamp(event.detail.until) if event.detail.until else ""
            assert found.seq > self.last[counted(found.log)]
            self.last[counted(found.log)] = found.seq
            self.log.append(found)
            if found.cid:
                self.cids[found.user, found.cid] = found
        assert not missing, f"not stored: {missing}"
        return self.log[len(self.log) - len(events) :]

    def hand_out(self, event: Happening) -> None:
        """Deliver the event to everyone who follows its log."""
        for seat in self.seats:
            log = f"~{seat.user.id}" if participants(event.log) else event.log
            if in_log(event, log) and (WHISPERS if log[0] == "~" else log) in seat.rooms:
                self.give(seat, event)

    def give(self, seat: Seat, event: Happening) -> None:
        whisper = bool(participants(event.log))
        self.seen[seat.user.id, WHISPERS if whisper else event.log] = event.seq
        if not hidden(event, seat.user):
            seat.due.append(event.frame)
            if whisper:
                seat.conversation = event.log

    def happen(self, event: Happening) -> Happening:
        """Store the event and deliver it."""
        self.record(event)
        self.hand_out(event)
        return event

    def leave(self, seat: Seat, room: str) -> None:
        seat.rooms.discard(room)

    def free_name(self, user: User) -> None:
        """Take the name of a guest who is not there any more, and whom no event ever named."""
        there = any(seat.user is user for seat in self.seats)
        named = any(user.id in (event.user, *participants(event.log)) or event.whom is user for event in self.log)
        if not (user.registered or there or named):
            user.name = user.default_name

    def load(self, room: str) -> None:
        """Let the store say who spoke in slow mode, if nobody is there to remember it."""
        if room in self.places and not self.present(room):
            place = self.places[room]
            said = [event for event in self.readable(room) if event.seq > place.slow_since]
            place.spoke = {event.user for event in said if event.kind in (*SAID, "edit")}

    # Speaking

    def msg(self, seat: Seat, frame: Frame) -> None:
        room, kind = frame["room"], "me" if frame.get("me") else "msg"
        if seat.user.id in participants(room):
            if not any(event.log == room for event in self.log):
                raise No("not_found")
            users = [user for id_ in participants(room) if (user := self.user(id_))]
            self._whisper(seat, users, frame, kind)
            return
        if room not in seat.rooms or room == WHISPERS:
            raise No("not_joined")
        self.may_speak(seat, room)
        self._say(seat, self.drafted(seat, frame, room, kind))

    def whisper(self, seat: Seat, frame: Frame) -> None:
        users = [self.named(name) for name in frame["to"]]
        if not users:
            raise No("unknown_name")
        self._whisper(seat, [seat.user, *users], frame, "msg")

    def reply(self, seat: Seat, frame: Frame) -> None:
        if not seat.conversation:
            raise No("not_found")
        users = [user for id_ in participants(seat.conversation) if (user := self.user(id_))]
        self._whisper(seat, users, frame, "msg")

    def _whisper(self, seat: Seat, users: list[User], frame: Frame, kind: str) -> None:
        seat.conversation = conversation(users)
        ids = dict.fromkeys(user.id for user in users)
        to = tuple(self._others(seat.user, list(ids)))
        self._say(seat, self.drafted(seat, frame, seat.conversation, kind, to))

    def drafted(self, seat: Seat, frame: Frame, log: str, kind: str, to: tuple[str, ...] = ()) -> Happening:
        return Happening(log, kind, seat.user.id, seat.user.name, frame["text"], frame["cid"], to=to)

    def _say(self, seat: Seat, event: Happening) -> None:
        known = self.cids.get((event.user, event.cid))
        if known is not None and known.kept:
            seat.due.append(known.ack)
            return
        self.record(event)
        seat.due.append(event.ack)
        self.hand_out(event)

    # Changing what was said

    def _message(self, seat: Seat, frame: Frame) -> Happening:
        log, notes = self.may_read(seat, frame["room"]), frame["t"] == "delete" and frame["room"] in seat.rooms
        known = self.readable(log)
        if notes:
            known = known + [
                event for event in self.log if event.log == log and not event.kept and self.in_force(event)
            ]
        for event in known:
            may_be_meant = event.kind in SAID or (notes and event.kind in NOTES and event.text)
            if event.seq == frame["seq"] and may_be_meant and not event.deleted:
                return event
        raise No("not_found")

    def in_force(self, event: Happening) -> bool:
        """Whether an event makes up its room's settings, though it may no longer be in the log."""
        later = [one for one in self.log if (one.log, one.key) == (event.log, event.key) and one.seq > event.seq]
        return event.key != "" and not later and event.kind not in LIFTING

    def _amended(self, seat: Seat, frame: Frame, event: Happening, kind: str, text: str, *before: Happening) -> None:
        what = "" if event.kind not in NOTES else "topic" if event.kind == "topic" else "why"
        change = Happening(event.log, kind, seat.user.id, seat.user.name, text, of=event.seq, to=event.to, what=what)
        if kind == "delete":
            change.whom, change.whom_name = self.user(event.user), event.name
        for one in self.record(*before, change):
            self.hand_out(one)
        event.text = text
        self._clear_edits(event, but=change)
        seat.due.append({"t": "done", "rid": frame["rid"], "seq": change.seq})

    def edit(self, seat: Seat, frame: Frame) -> None:
        event = self._message(seat, frame)
        if event.user != seat.user.id:
            raise No("not_yours")
        if frame["room"] in self.places:
            self.may_speak(seat, frame["room"])
        self._amended(seat, frame, event, "edit", frame["text"])
        event.edited = True

    def delete(self, seat: Seat, frame: Frame) -> None:
        event = self._message(seat, frame)
        rank = self.rank(event.log, seat.user) if event.log in seat.rooms else 0
        if event.user != seat.user.id and rank < 1:
            raise No("not_yours")
        before = []
        if event.kind == "topic" and self.in_force(event):
            if self.places[event.log].owner and rank < 1:
                raise No("not_operator")
            self.places[event.log].topic = ""
            before = [Happening(event.log, "topic", seat.user.id, seat.user.name)]
        self._amended(seat, frame, event, "delete", "", *before)
        event.deleted = True

    def _clear_edits(self, event: Happening, *, but: Happening | None = None) -> None:
        """Keep none of the texts that a message had in between, nor any of one that is gone."""
        for edit in self.log:
            if (edit.kind, edit.log, edit.of) == ("edit", event.log, event.seq) and edit is not but:
                edit.text = ""

    # Coming, going, reading

    def join(self, seat: Seat, frame: Frame) -> None:
        room = frame["room"]
        if room != WHISPERS:
            self.may_enter(seat, room)
        self.load(room)
        log = f"~{seat.user.id}" if room == WHISPERS else room
        head = self.head(log)
        recovered, at = self.start(frame, log, head)
        seat.rooms.add(room)
        seat.due.append(self.joined(seat, frame, head, recovered))
        self.seen[seat.user.id, room] = at
        for event in self.readable(log):
            if event.seq > at:
                self.give(seat, event)
        self.own(seat, room)

    def start(self, frame: Frame, log: str, head: int) -> tuple[bool, int]:
        """Return whether a client can resume from where it asks to, and the position from which it gets events."""
        after = frame.get("after")
        recovered = after is None or (
            frame.get("epoch", self.epoch) == self.epoch and self.trimmed[log] <= after <= head
        )
        return recovered, head if after is None or not recovered else after

    def joined(self, seat: Seat, frame: Frame, head: int, recovered: bool) -> Frame:
        room, there = frame["room"], self.present(frame["room"])
        answer: Frame = {"t": "joined", "rid": frame["rid"], "room": room, "epoch": self.epoch, "head": head}
        answer |= {"recovered": recovered, "members": 1}
        if room == WHISPERS:
            return answer
        place = self.places[room]
        answer |= {"members": len(there), "people": [{"id": user.id, "name": user.name} for user in there]}
        return answer | ({"topic": place.topic} if place.topic else {}) | ({"private": True} if place.private else {})

    def own(self, seat: Seat, room: str) -> None:
        if room in self.places and self.may_own(seat.user, room) and not self.places[room].owner:
            place = self.places[room]
            place.owner = seat.user
            self.happen(Happening(room, "owner", 0, "*", whom=seat.user, whom_name=seat.user.name))

    def may_own(self, user: User, room: str) -> bool:
        return user.registered and user.id not in self.places[room].muted

    def part(self, seat: Seat, frame: Frame) -> None:
        self.may_read(seat, frame["room"])
        if frame["room"] not in seat.rooms:
            raise No("not_joined")
        self.leave(seat, frame["room"])
        seat.due.append({"t": "parted", "rid": frame["rid"], "room": frame["room"]})

    def history(self, seat: Seat, frame: Frame) -> None:
        events, limit = self.readable(self.may_read(seat, frame["room"])), frame["limit"]
        if "after" in frame:
            events = [event for event in events if event.seq > frame["after"]]
            page = events[:limit]
        else:
            events = [event for event in events if event.seq < frame.get("before", FAR)]
            page = events[-limit:]
        self._page(seat, {"t": "history", "rid": frame["rid"]}, frame["room"], page, len(events) > limit)

    def search(self, seat: Seat, frame: Frame) -> None:
        limit, words, room = frame["limit"], set(frame["words"].split()), frame.get("room", "")
        logs = [self.may_read(seat, room)] if room else [*(seat.rooms - {WHISPERS}), f"~{seat.user.id}"]
        found = [event for event in self.log if event.kept and any(in_log(event, log) for log in logs)]
        found = [event for event in found if event.kind in SAID and words <= set(event.text.split())]
        places = self._places() if found and not room else {}

        def at(event: Happening) -> int:
            return event.seq if room else places[event.log, event.seq]

        before = seat.place if "before" in frame and not room else frame.get("before", FAR)
        found = [event for event in found if at(event) < before]
        page, more = found[-limit:], len(found) > limit
        shown = [event for event in page if event.user not in seat.user.ignored]
        answer = {"t": "found", "rid": frame["rid"], "words": frame["words"], "more": more}
        answer |= {"events": [event.frame for event in shown]} | ({"room": room} if room else {})
        answer |= {"marks": [hits(event.text, words) for event in shown]} if shown else {}
        seat.place = at(page[0]) if more else 0
        answer |= {"next": seat.place} if more else {}
        seat.due.append(answer)

    def _page(self, seat: Seat, answer: Frame, room: str, page: list[Happening], more: bool) -> None:
        events = [event.frame for event in page if not hidden(event, seat.user)]
        seat.due.append({**answer, "room": room, "events": events, "more": more})

    def conversations(self, seat: Seat, frame: Frame) -> None:
        user = seat.user
        heads = {event.log: event.seq for event in self.log if event.kept and user.id in participants(event.log)}
        entries = [
            {"room": log, "with": self._others(user, participants(log)), "head": head} | self._hidden(user, log, head)
            for log, head in sorted(heads.items(), key=lambda item: -item[1])
        ]
        seat.due.append({"t": "conversations", "rid": frame["rid"], "conversations": entries})

    @staticmethod
    def _hidden(user: User, log: str, head: int) -> dict[str, int]:
        """Nothing is unread of people whom a user ignores."""
        others = set(participants(log)) - {user.id}
        return {"read": head} if others and others <= user.ignored else {}

    def room(self, seat: Seat, frame: Frame) -> None:
        room, place = frame["room"], self.places[frame["room"]]
        if place.private and room not in seat.rooms:
            raise No("invitation_only")
        answer = {"t": "room", "rid": frame["rid"], "room": room, "topic": place.topic, "private": place.private}
        operators = sorted(user.name for user in self.users if user.id in place.operators)
        answer |= {"owner": place.owner.name if place.owner else "", "operators": operators, "slow": place.slow}
        answer |= {"owner_user": place.owner.id} if place.owner else {}
        answer |= {"operator_users": sorted(place.operators)} if operators else {}
        rank = ("", "operator", "owner")[self.rank(room, seat.user)]
        answer |= {"rank": rank} if rank else {}
        seat.due.append({**answer, "members": len(self.present(room))})

    # Who one is

    def _tell_name(self, seat: Seat, frame: Frame, *, others: bool = True) -> None:
        user = seat.user
        named: Frame = {"t": "named", "id": user.id, "name": user.name}
        named |= {"registered": True} if user.registered else {}
        seat.due.append({**named, "rid": frame["rid"]})
        for other in self.seats if others else ():
            if other.user is user and other is not seat:
                other.due.append(named)

    def nick(self, seat: Seat, frame: Frame) -> None:
        name, user = frame["name"], seat.user
        for room in {room for one in self.seats if one.user is user for room in one.rooms if room in self.places}:
            self.may_speak(seat, room, slowly=False)
        if not name or " " in name:
            raise No("bad_name")
        if name.lower().removeprefix("user").isdigit() and name.lower() != user.default_name:
            raise No("name_taken")
        if any(other.name.lower() == name.lower() for other in self.users if other is not user):
            raise No("name_taken")
        user.name = name
        self._tell_name(seat, frame)

    def register(self, seat: Seat, frame: Frame) -> None:
        if len(frame["password"]) < 8:
            raise No("bad_password")
        if seat.user.registered:
            raise No("refused")
        seat.user.registered, seat.user.password = True, frame["password"]
        self._tell_name(seat, frame)
        for room in sorted(seat.rooms):
            self.own(seat, room)

    def login(self, seat: Seat, frame: Frame) -> None:
        user = next((user for user in self.users if user.name.lower() == frame["name"].lower()), None)
        device = seat.token if user is seat.user and user.registered else ""
        # A device that was signed in to this account before has tries of its own.
        if self.wrong[device] >= WRONG_ONES:
            raise No("rate_limited")
        if user is None or user.password != frame["password"]:
            self.wrong[device] += 1
            raise No("wrong_password")
        for room in list(seat.rooms):
            self.leave(seat, room)
        seat.user, seat.conversation = user, ""
        self._tell_name(seat, frame, others=False)

    def ignore(self, seat: Seat, frame: Frame) -> None:
        whom = self.named(frame["name"])
        if whom is seat.user:
            raise No("bad_name")
        seat.user.ignored.add(whom.id)
        seat.due.append({"t": "done", "rid": frame["rid"]})

    def unignore(self, seat: Seat, frame: Frame) -> None:
        seat.user.ignored.discard(self.named(frame["name"]).id)
        seat.due.append({"t": "done", "rid": frame["rid"]})

    # Keeping order

    def _moderated(self, seat: Seat, room: str) -> Place:
        self.may_read(seat, room)
        if room not in self.places or room not in seat.rooms:
            raise No("bad_room")
        self.may_speak(seat, room, slowly=False)
        return self.places[room]

    def _change(self, seat: Seat, frame: Frame, text: str = "", seconds: int = 0) -> None:
        event = Happening(frame["room"], frame["t"], seat.user.id, seat.user.name, text, seconds=seconds)
        self.happen(event)
        seat.due.append({"t": "done", "rid": frame["rid"], "seq": event.seq})

    def _operator(self, seat: Seat, room: str) -> None:
        if self.rank(room, seat.user) < 1:
            raise No("not_operator")

    def topic(self, seat: Seat, frame: Frame) -> None:
        place = self._moderated(seat, frame["room"])
        if place.owner:
            self._operator(seat, frame["room"])
        if frame["text"]:
            self.may_speak(seat, frame["room"])
        place.topic = frame["text"]
        self._change(seat, frame, frame["text"])

    def slow(self, seat: Seat, frame: Frame) -> None:
        place = self._moderated(seat, frame["room"])
        self._operator(seat, frame["room"])
        place.slow = frame["seconds"]
        self._change(seat, frame, seconds=frame["seconds"])
        place.spoke, place.slow_since = set(), self.last[frame["room"]]

    def public(self, seat: Seat, frame: Frame) -> None:
        place = self._moderated(seat, frame["room"])
        self._operator(seat, frame["room"])
        place.private = False
        self._change(seat, frame)

    def private(self, seat: Seat, frame: Frame) -> None:
        room = frame["room"]
        place = self._moderated(seat, room)
        self._operator(seat, room)
        staying = [user for user in self.present(room) if user.registered and user.id not in place.invited]
        place.private = True
        place.invited |= {user.id: "" for user in staying}
        self._change(seat, frame)
        self._close(room, self.seats, f"{seat.user.name} made the room private")

    def _close(self, room: str, seats: list[Seat], why: str) -> None:
        """Have those leave who have no right to be in the room any more."""
        for seat in [seat for seat in seats if room in seat.rooms]:
            try:
                self.may_enter(seat, room)
            except No:
                self.leave(seat, room)
                seat.due.append({"t": "parted", "room": room, "why": why})

    def moderate(self, seat: Seat, frame: Frame) -> None:
        kind, room, own = frame["t"], frame["room"], seat.user
        place = self._moderated(seat, room)
        rank = self.rank(room, own)
        if rank < (2 if kind in ("op", "deop") else 1):
            raise No("not_operator")
        whom = self._meant(place, frame)
        if kind in ("op", "deop") and not whom.registered:
            raise No("not_registered")
        if kind in ("kick", "ban", "mute") and self.rank(room, whom) >= rank:
            raise No("not_operator")
        why, seconds = frame["why"], frame["seconds"] if kind in ("ban", "mute") else 0
        event = Happening(room, kind, own.id, own.name, why, whom=whom, whom_name=whom.name, seconds=seconds)
        self._appoint(place, event, whom)
        told = []
        if kind == "invite" and whom not in self.present(room):
            log = conversation([own, whom])
            told = [Happening(log, kind, own.id, own.name, room, whom=whom, whom_name=whom.name)]
        for one in self.record(event, *told):
            self.hand_out(one)
        if kind in ("kick", "ban"):
            self._expel(event, whom)
        elif kind in CLOSINGS:
            reason = CLOSINGS[kind].format(own.name) + (f": {why}" if why else "")
            self._close(room, [one for one in self.seats if one.user is whom], reason)
        seat.due.append({"t": "done", "rid": frame["rid"], "seq": event.seq})

    def _meant(self, place: Place, frame: Frame) -> User:
        """Return who is meant by an id, or by a name: who has it, or had it when what is taken back was given, or spoke
        under it if nobody has it now."""
        if "user" in frame:
            if user := self.user(frame["user"]):
                return user
            raise No("unknown_name")
        name = frame["name"].lower()
        of = {"unban": place.banned, "unmute": place.muted, "uninvite": place.invited, "deop": place.operators}
        concerned = of.get(frame["t"], {})
        found = [
            user
            for user in self.users
            if user.id in concerned and name in (user.name.lower(), concerned[user.id].lower())
        ]
        if frame["t"] in ("kick", "ban", "mute") and not any(user.name.lower() == name for user in self.users):
            spoke = {event.user for event in self.readable(frame["room"])[-200:] if event.name.lower() == name}
            found = [user for user in self.users if user.id in spoke]
        if len(found) > 1:
            raise No("refused")
        return found[0] if found else self.named(frame["name"])

    kick = ban = unban = mute = unmute = op = deop = invite = uninvite = moderate

    def _appoint(self, place: Place, event: Happening, whom: User) -> None:
        people = {"ban": place.banned, "mute": place.muted, "invite": place.invited, "op": place.operators}
        if event.kind in people:
            people[event.kind][whom.id] = whom.name
        elif event.kind != "kick":
            people[event.kind.removeprefix("un").removeprefix("de")].pop(whom.id, None)

    def _expel(self, event: Happening, whom: User) -> None:
        verb = "kicked" if event.kind == "kick" else "banned"
        why = f"{verb} by {event.name}" + (f": {event.text}" if event.text else "")
        for seat in self.seats:
            if seat.user is whom and event.log in seat.rooms:
                self.leave(seat, event.log)
                seat.due.append({"t": "parted", "room": event.log, "why": why})

    def trim(self, log: str, keep: int, everything: bool, limit: int) -> int:
        """Trim the log. Return how many events that removed."""
        kept = self.readable(log)
        count = len(kept) if everything else max(0, len(kept) - keep) if keep else 0
        going = kept[: min(count, limit)]
        for event in going:
            event.kept = False
            self._clear_edits(event)
            for one in (log, *(f"~{user}" for user in participants(log))):
                self.trimmed[one] = max(self.trimmed[one], event.seq)
        return len(going)


def in_log(event: Happening, log: str) -> bool:
    return int(log[1:]) in participants(event.log) if log.startswith("~") else event.log == log


def hidden(event: Happening, user: User) -> bool:
    """Whether the user ignores who said something, or who changed a conversation otherwise than by deleting."""
    speech = event.kind in (*SAID, "edit") or (bool(participants(event.log)) and event.kind != "delete")
    return event.user in user.ignored and speech


def counted(log: str) -> str:
    """Return what has positions of its own: a room, or all conversations."""
    return WHISPERS if participants(log) else log


def hits(text: str, words: set[str]) -> list[list[int]]:
    """Where the words are in a text."""
    return [list(found.span()) for found in re.finditer(r"\S+", text) if found[0] in words]


class Watched:
    """The application, with a way to wait until each of its connections has ended, since TestClient does not wait."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["ended"] = ended = anyio.Event()
        try:
            await self.app(scope, receive, send)
        finally:
            ended.set()


def plain(frame: Frame) -> Frame:
    """Return what is compared of a frame: without sentences and numbers of pages over all rooms, and with lists of
    people as sets."""
    if frame["t"] == "error":
        return {name: frame[name] for name in ("t", "code", "rid", "cid") if name in frame}
    if frame["t"] == "done":
        return {name: value for name, value in frame.items() if name != "note"}
    if frame["t"] == "found" and "room" not in frame and "next" in frame:
        return {**frame, "next": True}
    if "people" in frame:
        return {**frame, "people": sorted(frame["people"], key=lambda person: int(person["id"]))}
    if "operators" in frame:
        ids = {"operator_users": sorted(frame["operator_users"])} if "operator_users" in frame else {}
        return {**frame, **ids, "operators": sorted(frame["operators"])}
    return frame


SETTINGS = {"chat.store": ":memory:", "chat.limits.rate": 0, "chat.names.given-up": 0}


def limited(app_settings: list[Settings] = []) -> Settings:  # noqa: B006
    """Read the settings once: reading them costs more than the rest of a run."""
    if not app_settings:
        app_settings.append(create_app(overrides=SETTINGS).settings)
    return app_settings[0]


index = st.integers(0, 4)
rooms = st.sampled_from(ROOMS)
logs = st.sampled_from(["lobby", "lobby", "den", "@", "@1,2", "@2", "@1,3", "@1,2,3", "@2,9"])
whom = st.integers(0, 6)
words = st.sampled_from(["red", "blue", "green"])
places_to_start = st.sampled_from(["now", "last", "last", "beginning", "somewhere", "future", "epoch"])
NAMES = ("ann", "Ann", "bob", "cy", "user0", "USER1", "user7", "", "no name")
CHANGES = ("private", "public", "slow", "slow")
MODERATIONS = (
    "kick",
    "kick",
    "ban",
    "ban",
    "unban",
    "mute",
    "mute",
    "unmute",
    "op",
    "op",
    "deop",
    "invite",
    "uninvite",
)


class Chat(RuleBasedStateMachine):
    """Clients that do anything at all."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = itertools.count()
        app = create_app(limited())
        app.state.chat.passwords.hasher = Argon2id(time_cost=1, memory_cost=8, parallelism=1)
        self.backend: Embedded = app.state.chat.backend
        self.stack = ExitStack()
        self.client = self.stack.enter_context(TestClient(Watched(app)))
        assert self.client.portal is not None
        self.portal = self.client.portal
        self.committed: list[Event] = []
        self.growing = Condition()
        self.backend.follow(self.follow)
        self.model = Model(self.backend.epoch, self.news, self.places)
        self.tokens: list[str] = []

    @property
    def seats(self) -> list[Seat]:
        return self.model.seats

    def seat(self, number: int) -> Seat:
        return self.seats[number % len(self.seats)]

    def name(self, number: int, *, loud: bool = False) -> str:
        users = self.model.users
        name = users[number].name if number < len(users) else "nobody" if number < 6 else "no name"
        return name.upper() if loud else name

    def text(self, word: str, *, whisper: bool = False) -> str:
        return f"{word} {next(self.numbers)}" + (f" {SECRET}" if whisper else "")

    # Between the clients and the application

    def follow(self, events: Sequence[Event]) -> None:
        with self.growing:
            self.committed += events
            self.growing.notify_all()

    def news(self, log: str, after: int, least: int) -> list[Event]:
        """Return the events of a log after a position, once there are that many. Clients may get them earlier."""

        def found() -> list[Event]:
            return [event for event in self.committed if event.room == log and event.seq > after]

        with self.growing:
            self.growing.wait_for(lambda: len(found()) >= least, DEADLINE)
            return found()

    def places(self) -> Places:
        """Return the place of each event that is stored now."""

        def select(connection: sqlite3.Connection) -> Places:
            return {(log, seq): pos for log, seq, pos in connection.execute("SELECT room, seq, pos FROM events")}

        async def read() -> Places:
            places: Places = await self.backend._read(select)
            return places

        return self.portal.call(read)

    def stored(self, log: str) -> list[Event]:
        """Return what the store has of a log, after everything that it was asked before."""

        async def read() -> list[Event]:
            return await self.backend.read(log, after=self.model.trimmed[log], limit=1000)

        return self.portal.call(read)

    def ask(self, *asked: tuple[Seat, Frame], end: str = "end") -> None:
        """Have commands answered, and then wait until all clients have everything that is due."""

        async def converse() -> None:
            with anyio.fail_after(DEADLINE):
                if asked:
                    await self._converse([*asked, *((seat, self.end()) for seat, _ in asked)])
                await self._converse([(seat, self.end(end)) for seat in self.seats])

        self.portal.call(converse)

    async def _converse(self, asked: Sequence[tuple[Seat, Frame]]) -> None:
        """Send all commands, then receive until each is answered."""
        for seat, frame in asked:
            await seat.session._receive_tx.send({"type": "websocket.receive", "text": json.dumps(frame)})
        for seat in self.seats:
            awaited = {frame.get("rid", frame.get("cid")) for other, frame in asked if other is seat}
            while awaited:
                awaited.discard(self._note(seat, await seat.session._send_rx.receive()))

    def bid_farewell(self, seat: Seat, frame: Frame) -> None:
        """Send a command that ends the connection, and check that its answer comes before the end."""

        async def converse() -> None:
            with anyio.fail_after(DEADLINE):
                await self._converse([(seat, frame)])
                message = await seat.session._send_rx.receive()
                assert (message["type"], message["code"]) == ("websocket.close", 1000)

        self.portal.call(converse)
        assert [plain(answer) for answer in seat.got] == [{"t": "done", "rid": frame["rid"]}]

    def _note(self, seat: Seat, message: Any) -> Any:
        """Record a frame that came. Return what it answers, if anything."""
        assert message["type"] == "websocket.send", message
        frame = json.loads(message["text"])
        answered = frame.get("rid", frame.get("cid"))
        if frame["t"] in HINTS:
            return None
        if frame["t"] == "named" and "token" in frame:
            del self.model.tokens[seat.token]
            seat.token = frame.pop("token")
            self.tokens.append(seat.token)
            self.model.tokens[seat.token] = next(user for user in self.model.users if user.id == frame["id"])
        if isinstance(answered, str) and answered.startswith("end"):
            assert frame["t"] == "conversations" or frame["code"] == "unknown_type", frame
        else:
            seat.got.append(frame)
        if frame["t"] == "found":
            seat.next = frame.get("next", 0)
        return answered

    def end(self, t: str = "end") -> Frame:
        """Return a request whose answer marks the end of what came before. `conversations` waits for the store, as
        connections that are behind do; `end` does not exist, and is answered at once."""
        return {"t": t, "rid": f"end{next(self.numbers)}"}

    def perform(self, seat: Seat, frame: Frame) -> None:
        """Send a command, and let both the application and the model answer it."""
        frame = frame if "cid" in frame else {**frame, "rid": f"r{next(self.numbers)}"}
        self.ask((seat, frame))
        self.answer(seat, frame)
        self.settle()

    def answer(self, seat: Seat, frame: Frame) -> None:
        try:
            getattr(self.model, frame["t"])(seat, frame)
        except No as no:
            known = self.model.cids.get((seat.user.id, frame.get("cid", "")))
            if known is not None and known.kept:
                seat.due.append(known.ack)
                return
            asked: Frame = {name: frame[name] for name in ("rid", "cid") if name in frame}
            seat.due.append({"t": "error", "code": str(no), **asked})

    def settle(self) -> None:
        """Receive until everything that is due has come, and compare."""
        for _ in range(PATIENCE):
            if all(len(seat.got) >= len(seat.due) for seat in self.seats):
                break
            self.ask(end="conversations")
        for seat in self.seats:
            got, due = self.grouped(seat.got), self.grouped(seat.due)
            for group in got.keys() | due.keys():
                heard, expected = got.get(group, []), due.get(group, [])
                assert heard == expected, f"{seat.user.name} got of {group!r}: {heard}, expected: {expected}"
            for frame in seat.got:
                self.check_secret(seat, frame)
            seat.got, seat.due = [], []

    def grouped(self, frames: Sequence[Frame]) -> dict[str, list[Frame]]:
        """Return the sequence a frame belongs to: its room, all whispers, or all other answers."""
        groups: dict[str, list[Frame]] = {}
        for frame in map(plain, frames):
            group = "" if "rid" in frame and frame["t"] != "joined" else frame.get("room", "")
            if frame["t"] == "ack":
                group = next((event.log for event in self.model.log if event.id == frame["id"]), "")
            groups.setdefault(group[:1] if group[:1] == WHISPERS else group, []).append(frame)
        return groups

    def check_secret(self, seat: Seat, frame: Frame) -> None:
        """Check, without the model, that nobody got a whisper from a conversation that they are not in."""
        for event in [frame, *frame.get("events", ())]:
            if SECRET in str(event.get("text", "")).split():
                assert seat.user.id in participants(event["room"]), f"{seat.user.name} got {event}"

    def close(self, seat: Seat) -> None:
        self.end_connection(seat)
        self.model.free_name(seat.user)

    def end_connection(self, seat: Seat) -> None:
        async def ended() -> None:
            with anyio.fail_after(DEADLINE):
                await seat.session.scope["ended"].wait()

        seat.session.close()
        self.portal.call(ended)
        seat.session.__exit__(None, None, None)
        self.seats.remove(seat)
        for room in list(seat.rooms):
            self.model.leave(seat, room)

    # What may happen

    @initialize(registers=st.sampled_from([True, True, True, False]))
    def come(self, registers: bool) -> None:
        for number in range(3):
            self.connect(0)
            self.join(number, "lobby", "now", 0)
            self.join(number, WHISPERS, "now", 0)
        if registers:
            self.register(0, well=True)

    @precondition(lambda self: len(self.seats) < MOST_SEATS)
    @rule(which=st.integers(0, 8))
    def connect(self, which: int) -> None:
        """Connect as a new user, or with one of the tokens that were ever issued."""
        new = (which == 0 and len(self.model.users) < MOST_USERS) or not self.tokens
        self.enter("" if new else self.tokens[which % len(self.tokens)])

    def enter(self, token: str) -> None:
        protocols = ["chat.v1.json", *([f"token.{token}"] if token else [])]
        session = self.stack.enter_context(self.client.websocket_connect("/chat", subprotocols=protocols))
        welcome = json.loads(session.receive_text())
        user = self.model.tokens.get(token)
        if user is None:
            user = User(len(self.model.users) + 1, f"user{len(self.model.users)}")
            self.model.users.append(user)
            assert welcome["token"] not in self.tokens
            self.tokens.append(welcome["token"])
            self.model.tokens[welcome["token"]] = user
        else:
            assert welcome["token"] == token
        told = (welcome["t"], welcome["id"], welcome["name"], welcome["registered"], welcome["epoch"])
        assert told == ("welcome", user.id, user.name, user.registered, self.model.epoch)
        self.seats.append(Seat(session, user, welcome["token"]))
        self.ask()
        self.settle()

    def leave_token(self, seat: Seat) -> None:
        """End the other connections on a token that is about to end, before the server does."""
        for other in [other for other in self.seats if other.token == seat.token and other is not seat]:
            self.close(other)
        self.ask()
        self.settle()

    @precondition(lambda self: self.seats)
    @rule(who=index, how=st.sampled_from(["", "", "quit", "logout"]), word=words, again=st.booleans())
    def drop(self, who: int, how: str, word: str, again: bool) -> None:
        """End the connection, send messages, and resume from where it was."""
        seat = self.seat(who)
        rooms = sorted(seat.rooms)
        if how:
            if how == "logout":
                self.leave_token(seat)
            self.bid_farewell(seat, {"t": how, "rid": "bye"})
            if how == "logout":
                self.model.tokens.pop(seat.token, None)
        self.close(seat)
        self.ask()
        self.settle()
        if not again:
            return
        if self.seats:
            self.all_at_once([*((who, room, word) for room in ROOMS), (who, {0, 1, 2}, word)], [])
        self.enter(seat.token)
        for room in rooms:
            self.join(len(self.seats) - 1, room, "last", 0)

    @precondition(lambda self: self.seats)
    @rule(who=index, room=rooms, word=words)
    def say_and_drop(self, who: int, room: str, word: str) -> None:
        """Lose the connection before the ack; a retry may follow."""
        seat, frame = self.seat(who), {"t": "msg", "room": room, "text": self.text(word)}
        frame["cid"] = f"c{next(self.numbers)}"
        seat.session.send_text(json.dumps(frame))
        in_rooms = set(seat.rooms)
        self.end_connection(seat)
        self.stored(room)
        self.ask()
        seat.rooms = in_rooms
        seen = self.model.seen.copy()
        self.answer(seat, frame)
        if not any(other.user is seat.user and room in other.rooms for other in self.seats):
            self.model.seen = seen
        self.model.free_name(seat.user)  # after what it said, if it could
        self.settle()

    @precondition(lambda self: self.seats)
    @rule(who=index, room=st.sampled_from(["lobby", "den", "@"]), start=places_to_start, pick=st.integers(0, 99))
    def join(self, who: int, room: str, start: str, pick: int) -> None:
        seat = self.seat(who)
        self.perform(seat, {"t": "join", "room": room, **self.position(seat, room, start, pick)})

    def position(self, seat: Seat, room: str, start: str, pick: int) -> Frame:
        log = f"~{seat.user.id}" if room == WHISPERS else room
        last, epoch = self.model.seen[seat.user.id, room], self.model.epoch
        positions: dict[str, Frame] = {
            "now": {},
            "last": {"epoch": epoch, "after": last},
            "beginning": {"after": 0},
            "somewhere": {"after": pick},
            "future": {"epoch": epoch, "after": self.model.head(log) + 1 + pick},
            "epoch": {"epoch": "another", "after": last},
        }
        return positions[start]

    @precondition(lambda self: self.seats)
    @rule(who=index, room=logs)
    def part(self, who: int, room: str) -> None:
        self.perform(self.seat(who), {"t": "part", "room": room})

    @precondition(lambda self: self.seats)
    @rule(who=index, room=logs, word=words, me=st.booleans())
    def say(self, who: int, room: str, word: str, me: bool) -> None:
        text = self.text(word, whisper=room[0] == WHISPERS)
        self.perform(self.seat(who), {"t": "msg", "room": room, "text": text, "me": me, "cid": self.cid()})

    def cid(self) -> str:
        return f"c{next(self.numbers)}"

    @precondition(lambda self: self.seats and self.model.cids)
    @rule(who=index, pick=st.integers(0, 99), other_text=st.booleans())
    def retry(self, who: int, pick: int, other_text: bool) -> None:
        """Repeat any message under its cid. Under someone else's cid it is a new message."""
        seat = self.seat(who)
        own = [event for (user, _), event in self.model.cids.items() if user == seat.user.id]
        event = (own or list(self.model.cids.values()))[pick % len(own or self.model.cids)]
        changed = other_text or not event.text
        text = self.text("again", whisper=bool(participants(event.log))) if changed else event.text
        self.perform(seat, {"t": "msg", "room": event.log, "text": text, "cid": event.cid})

    @precondition(lambda self: self.seats)
    @rule(who=index, to=st.lists(whom, max_size=3), word=words, loud=st.booleans())
    def whisper(self, who: int, to: list[int], word: str, loud: bool) -> None:
        names = [self.name(number, loud=loud) for number in to]
        text = self.text(word, whisper=True)
        self.perform(self.seat(who), {"t": "whisper", "to": names, "text": text, "cid": self.cid()})

    @precondition(lambda self: self.seats)
    @rule(who=index, to=st.sets(st.integers(0, 2), min_size=1), word=words)
    def whisper_to_known(self, who: int, to: set[int], word: str) -> None:
        self.whisper(who, sorted(to), word, loud=False)

    @precondition(lambda self: self.seats)
    @rule(who=index, word=words)
    def reply(self, who: int, word: str) -> None:
        text = self.text(word, whisper=True)
        self.perform(self.seat(who), {"t": "reply", "text": text, "cid": self.cid()})

    @precondition(lambda self: self.seats and self.model.log)
    @rule(
        who=index,
        t=st.sampled_from(["edit", "delete"]),
        pick=st.integers(0, 99),
        there=st.sampled_from([True, True, True, False]),
        room=logs,
    )
    def amend(self, who: int, t: str, pick: int, there: bool, room: str) -> None:
        """Pick a message: the user's own if there is one, or anyone's; or a topic or reason; in its room or another."""
        seat = self.seat(who)
        said = [event for event in self.model.log if event.kind in SAID]
        own = [event for event in said if event.user == seat.user.id]
        # An invitation that ends may be kept as long as the room is private.
        others = [event for event in self.model.log if event.kept or event.kind != "uninvite"]
        notes = [event for event in others if event.kind in NOTES and event.text]
        choice = (notes if pick % 8 > 5 else own if pick % 2 else said) or others or self.model.log
        event = choice[pick // 2 % len(choice)]
        room = event.log if there else room
        text = self.text("amended", whisper=room[0] == WHISPERS)
        frame = {"t": t, "room": room, "seq": event.seq}
        self.perform(seat, frame | ({"text": text} if t == "edit" else {}))

    @precondition(lambda self: self.seats)
    @rule(who=index, name=st.one_of(st.sampled_from(NAMES), whom))
    def nick(self, who: int, name: str | int) -> None:
        self.perform(self.seat(who), {"t": "nick", "name": self.name(name) if isinstance(name, int) else name})

    @precondition(lambda self: self.seats)
    @rule(who=index, well=st.sampled_from([True, True, False]))
    def register(self, who: int, well: bool) -> None:
        seat = self.seat(who)
        if well and not seat.user.registered:
            self.leave_token(seat)
        self.perform(seat, {"t": "register", "password": PASSWORD if well else "short"})

    @precondition(lambda self: self.seats)
    @rule(who=index, to=whom, well=st.booleans())
    def login(self, who: int, to: int, well: bool) -> None:
        password = PASSWORD if well else "wrong password"
        seat = self.seat(who)
        self.leave_token(seat)
        self.perform(seat, {"t": "login", "name": self.name(to), "password": password})

    @precondition(lambda self: self.seats)
    @rule(who=index, t=st.sampled_from(["ignore", "ignore", "unignore"]), to=st.one_of(st.integers(0, 2), whom))
    def ignore(self, who: int, t: str, to: int) -> None:
        seat = self.seat(who)
        self.perform(seat, {"t": t, "name": self.name(to)})
        for room in sorted(seat.rooms):
            self.perform(seat, {"t": "history", "room": room, "limit": 200})

    @precondition(lambda self: self.seats)
    @rule(who=index, room=logs, text=st.sampled_from(["", "of all"]))
    def topic(self, who: int, room: str, text: str) -> None:
        self.perform(self.seat(who), {"t": "topic", "room": room, "text": text})

    @precondition(lambda self: self.seats)
    @rule(who=index, room=rooms, t=st.sampled_from(CHANGES), seconds=st.sampled_from([0, 3600]))
    def change(self, who: int, room: str, t: str, seconds: int) -> None:
        self.perform(self.seat(who), {"t": t, "room": room} | ({"seconds": seconds} if t == "slow" else {}))

    @precondition(lambda self: self.seats)
    @rule(who=index, room=logs, t=st.sampled_from(MODERATIONS), to=whom, by_id=st.booleans())
    def moderate(self, who: int, room: str, t: str, to: int, by_id: bool) -> None:
        whom = {"user": to + 1} if by_id else {"name": self.name(to)}
        self.perform(self.seat(who), {"t": t, "room": room, **whom, "why": "", "seconds": 0})

    @precondition(lambda self: self.operators())
    @rule(
        who=st.integers(0, 9),
        t=st.sampled_from(MODERATIONS + CHANGES),
        to=st.integers(0, 2),
        why=st.sampled_from(["", "so"]),
        seconds=st.sampled_from([0, 3600, 3600]),
        tries=st.sampled_from([True, True, False]),
        name=st.sampled_from(["", "", "", *NAMES]),
    )
    def operate(self, who: int, t: str, to: int, why: str, seconds: int, tries: bool, name: str) -> None:
        """Let someone who may do it moderate, and let anyone try what may be forbidden now."""
        able = self.operators()
        seat, room = able[who % len(able)]
        whom = self.model.users[to]
        changed = {"t": t, "room": room, "seconds": seconds}
        self.perform(seat, changed if t in CHANGES else {**changed, "name": name or whom.name, "why": why})
        own = [event for event in self.model.readable(room) if event.user == whom.id and event.kind in SAID]
        edit = {"t": "edit", "room": room, "seq": own[-1].seq if own else 0, "text": self.text("amended")}
        for one in [one for one in self.seats if one.user is whom and tries][:1]:
            for _ in range(2):
                self.perform(one, {"t": "msg", "room": room, "text": self.text("red"), "cid": self.cid()})
            self.perform(one, edit)
            self.perform(one, {"t": "join", "room": room})

    def operators(self) -> list[tuple[Seat, str]]:
        """Return the operators who are in their room, each with the room."""
        inside = [(seat, room) for seat in self.seats for room in ROOMS if room in seat.rooms]
        return [(seat, room) for seat, room in inside if self.model.rank(room, seat.user)]

    @precondition(lambda self: self.seats)
    @rule(
        who=index,
        room=logs,
        where=st.sampled_from(["", "before", "after"]),
        pick=st.integers(0, 60),
        limit=st.sampled_from([1, 2, 5, 200]),
    )
    def history(self, who: int, room: str, where: str, pick: int, limit: int) -> None:
        place = {where: pick} if where else {}
        self.perform(self.seat(who), {"t": "history", "room": room, "limit": limit, **place})

    @precondition(lambda self: self.seats)
    @rule(
        who=index,
        room=logs | st.just(""),
        words=st.sampled_from(["red", "blue", "again", "amended", SECRET]),
        limit=st.integers(1, 4),
        before=st.sampled_from([FAR, FAR, 10, 30, 60]),
    )
    def search(self, who: int, room: str, words: str, limit: int, before: int) -> None:
        seat, frame = self.seat(who), {"t": "search", "words": words, "limit": limit}
        if room:
            self.perform(seat, {**frame, "room": room} | ({"before": before} if before != FAR else {}))
            return
        self.perform(seat, frame)
        if seat.next:
            self.perform(seat, {**frame, "before": seat.next})

    @precondition(lambda self: self.seats)
    @rule(who=index)
    def list_conversations(self, who: int) -> None:
        self.perform(self.seat(who), {"t": "conversations"})

    @precondition(lambda self: self.seats)
    @rule(who=index, room=rooms)
    def look(self, who: int, room: str) -> None:
        self.perform(self.seat(who), {"t": "room", "room": room})

    @rule(pick=st.integers(0, 9), keep=st.integers(0, 4), everything=st.booleans(), limit=st.sampled_from([1, 3, 500]))
    def trim(self, pick: int, keep: int, everything: bool, limit: int) -> None:
        known = sorted({event.log for event in self.model.log} | {"lobby"})
        log, since = known[pick % len(known)], 2**60 if everything else 0

        async def trimmed() -> int:
            return await self.backend.trim(log, keep=keep, since=since, limit=limit)

        assert self.portal.call(trimmed) == self.model.trim(log, keep, everything, limit)
        self.ask()
        self.settle()

    @precondition(lambda self: self.seats and self.model.log)
    @rule(
        who=index,
        pick=st.integers(0, 9),
        keep=st.integers(1, 4),
        start=st.sampled_from(["last", "beginning", "somewhere"]),
        place=st.integers(0, 30),
    )
    def trim_and_resume(self, who: int, pick: int, keep: int, start: str, place: int) -> None:
        self.trim(pick, keep, everything=False, limit=500)
        log = self.model.log[pick % len(self.model.log)].log
        self.join(who, WHISPERS if participants(log) else log, start, place)

    @precondition(lambda self: self.seats)
    @rule(
        said=st.lists(st.tuples(index, st.one_of(rooms, st.sets(st.integers(0, 2), min_size=1)), words), max_size=8),
        joins=st.lists(st.tuples(index, st.sampled_from(["lobby", "den", "@"]), places_to_start), max_size=3),
    )
    def all_at_once(self, said: Sequence[Said], joins: Sequence[tuple[int, str, str]]) -> None:
        """Let several speak while others join. The store decides on the order, and everything must agree with it."""
        Rush(self, said, joins).run()

    def teardown(self) -> None:
        try:
            if not any(seat.got for seat in self.seats):
                for seat in self.seats:
                    self.perform(seat, {"t": "conversations"})
                self.check_store()
        finally:
            self.stack.close()

    def check_store(self) -> None:
        """Check that the logs and mailboxes contain what the model says, to the end."""
        for log in {*ROOMS, *(event.log for event in self.model.log), *(f"~{user.id}" for user in self.model.users)}:
            stored = [(event.seq, event.id, event.text) for event in self.stored(log)]
            assert stored == [(event.seq, event.id, event.text) for event in self.model.readable(log)]


class Rush:
    """Many commands at once: messages and whispers by those who may speak, and joins by those not in the room."""

    def __init__(self, chat: Chat, said: Sequence[Said], joins: Sequence[tuple[int, str, str]]) -> None:
        self.chat, self.model = chat, chat.model
        self.joins: dict[tuple[int, str], tuple[Seat, Frame]] = {}
        self.said: list[tuple[Seat, Frame, Happening]] = []
        for who, room, start in joins:
            self._join(chat.seat(who), room, start)
        for who, where, word in said:
            self._say(chat.seat(who), where, word)

    def _join(self, seat: Seat, room: str, start: str) -> None:
        if (id(seat), room) in self.joins:
            return
        try:
            if room != WHISPERS:
                self.model.may_enter(seat, room)
        except No:
            return
        if room in seat.rooms:  # what it got before the answer could be any part of all
            self.chat.part(self.chat.seats.index(seat), room)
        frame = {"t": "join", "room": room, "rid": f"r{next(self.chat.numbers)}"}
        # The future is out of reach of what is said meanwhile.
        self.joins[id(seat), room] = seat, frame | self.chat.position(seat, room, start, 1000)

    def _say(self, seat: Seat, where: str | set[int], word: str) -> None:
        frame = {"text": self.chat.text(word, whisper=not isinstance(where, str)), "cid": self.chat.cid()}
        if isinstance(where, str):
            inside = sorted(seat.rooms & {*ROOMS})
            where = where if where in inside else inside[0] if inside else where
            place = self.model.places[where]
            if where not in seat.rooms or place.slow or seat.user.id in place.muted:
                return
            frame |= {"t": "msg", "room": where}
            event = self.model.drafted(seat, frame, where, "msg")
        elif (id(seat), WHISPERS) in self.joins:  # what it replies to next would depend on which comes first
            return
        else:
            users = [self.model.users[number] for number in sorted(where)]
            to = tuple(user.name for user in users if user is not seat.user) or (seat.user.name,)
            frame |= {"t": "whisper", "to": [user.name for user in users]}  # type: ignore[dict-item]
            log = conversation([seat.user, *users])
            event = self.model.drafted(seat, frame, log, "msg", to)
            seat.conversation = log
        self.said.append((seat, frame, event))

    def run(self) -> None:
        asked = [(seat, frame) for seat, frame, _ in self.said]
        joining = list(self.joins.values())
        for at, join in enumerate(joining):
            asked.insert(min(len(asked), 3 * at + 1), join)
        self.chat.ask(*asked)
        before = {log: self.model.head(log) for log in (*ROOMS, *(f"~{user.id}" for user in self.model.users))}
        there = {id(seat): set(seat.rooms) for seat in self.chat.seats}
        events = self.model.record(*(event for *_, event in self.said), *self._owners())
        for seat in self.chat.seats:
            mine = [event for one, _, event in self.said if one is seat]
            for log in {counted(event.log) for event in mine}:
                said = [event for event in mine if counted(event.log) == log]
                stored = [event for event in events if event in said]
                assert said == stored, f"{seat.user.name} is stored out of order in {log}"
        for seat, frame in joining:
            self._joined(seat, frame, before, there)
        for event in events:
            for seat in self.chat.seats:
                if any(one is seat and said is event for one, _, said in self.said):
                    seat.due.append(event.ack)
                room = WHISPERS if participants(event.log) else event.log
                if room in there[id(seat)] and (room != WHISPERS or seat.user.id in participants(event.log)):
                    self.model.give(seat, event)
        self.chat.settle()

    def _owners(self) -> list[Happening]:
        """Record the new owner of a room: the first registered user who joined it, as the store says."""
        owners = []
        for room, place in self.model.places.items():
            able = {seat.user.id: seat.user for seat, frame in self.joins.values() if frame["room"] == room}
            if place.owner or not any(self.model.may_own(user, room) for user in able.values()):
                continue
            count = 1 + sum(event.log == room for *_, event in self.said)
            news = self.chat.news(room, self.model.head(room), count)
            first = next(event.detail.whom for event in news if event.kind == "owner" and event.detail.whom)
            place.owner = able[first.id]
            assert place.owner.registered
            owners.append(Happening(room, "owner", 0, "*", whom=place.owner, whom_name=first.name))
        return owners

    def _joined(self, seat: Seat, frame: Frame, before: dict[str, int], there: dict[int, set[str]]) -> None:
        """Take the start and the people from the answer; every event after that start is due."""
        room = frame["room"]
        log = f"~{seat.user.id}" if room == WHISPERS else room
        told = next(one for one in seat.got if one.get("rid") == frame["rid"])
        assert before[log] <= told["head"] <= self.model.head(log)
        recovered, at = self.model.start(frame, log, told["head"])
        self.model.load(room)
        seat.rooms.add(room)
        answer = self.model.joined(seat, frame, told["head"], recovered)
        seat.due.append({**answer, **{name: told[name] for name in ("members", "people") if name in told}})
        self.model.seen[seat.user.id, room] = at
        for event in self.model.readable(log):
            if event.seq > at:
                self.model.give(seat, event)


def test_every_client_gets_what_the_model_says_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    # The model knows no time: a busy machine may neither cut a search short nor let anyone try passwords anew.
    monkeypatch.setattr("app.backends.search.engine.SLOW", 10_000)
    monkeypatch.setattr("app.identity.attempts.PERIOD", 1e9)
    run_state_machine_as_test(
        Chat,
        settings=settings(
            max_examples=200,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
