"""Speakers: names under which modules speak."""

from __future__ import annotations

from collections.abc import Sequence

from app.backends import NameTaken
from app.chat.errors import Code, Refused
from app.chat.events import PLAIN, Detail, Draft, Event, Kind, User
from app.chat.logs import conversation, room_name
from app.chat.mentions import group
from app.chat.names import Name
from app.chat.rules import check_not_blank, may_notify, rank
from app.chat.state import RoomState
from app.live.context import ChatContext
from app.live.ids import new_id
from app.live.listening import ANSWERING

MAX_CID = 64
"""Most characters of a `cid`, as for clients."""
NO_PASSWORD = "!"  # noqa: S105
"""Stored in place of a password's hash. No password matches it."""


class Speaker:
    """A name under which a module speaks, without a connection. It is registered with a password that nobody knows.

    Its methods raise Refused for what is not allowed, and Unavailable if the store can't answer now.
    """

    def __init__(self, chat: ChatContext, name: Name) -> None:
        self._chat, self._name = chat, name
        self.name = name.display
        """Its name, which is also the `name` of its events."""
        self._user: User | None = None

    async def user(self) -> User:
        """Return its user, the same one after a restart. A guest who has its name loses it. Refused if a registered
        user has it."""
        if self._user is None:
            backend = self._chat.backend
            user = await backend.create_user(f"service:{self._name.canonical}".encode())
            if not user.registered:  # before it gets the name, so that nobody can take that in between
                at = self._chat.clock.now()
                registering = backend.register(user.id, NO_PASSWORD, b"", ends=b"", at=at, skeleton="", operator=False)
                user = await registering or user
            self._user = user if user.name == self.name else await self._take_name(user)
        return self._user

    async def say(self, room: str, text: str, *, me: bool = False, cid: str = "") -> Event:
        """Say `text` in a room. Return the event once it is stored; repeating the `cid` returns the same event."""
        room, detail = room_name(room), PLAIN
        if "@" in text and (mentioned := group(text)) and await self._may_notify(room):
            detail = Detail(notify=mentioned)
        return await self._post(room, text, cid, Kind.ME if me else Kind.MSG, detail)

    async def whisper(self, to: str | Sequence[str], text: str, *, cid: str = "") -> Event:
        """Say `text` to one or more people and nobody else. Return the event once it is stored; repeating the `cid`
        returns the same event."""
        names = [to] if isinstance(to, str) else to
        self._chat.limits.check_recipients(len(names))
        own = await self.user()
        people = [(await self._chat.account(name)).user for name in names]
        if not people:
            raise Refused(Code.UNKNOWN_NAME, "A whisper needs at least one recipient", reason="nobody")
        others = {person.id: person.name for person in people if person.id != own.id} or {own.id: own.name}
        return await self._post(conversation({own.id, *others}), text, cid, detail=Detail(to=tuple(others.values())))

    async def _may_notify(self, room: str) -> bool:
        user, state = await self.user(), RoomState(await self._chat.backend.state(room))
        return may_notify(state, rank(state, user, server_operator=self._chat.is_server_operator(user)))

    async def _post(self, room: str, text: str, cid: str, kind: Kind = Kind.MSG, detail: Detail = PLAIN) -> Event:
        check_not_blank(text)
        self._chat.limits.check_message(text)
        if len(cid) > MAX_CID:
            raise Refused(Code.BAD_FRAME, f"A cid can have at most {MAX_CID} characters, and this one has {len(cid)}")
        if not cid and (answering := ANSWERING.get()) is not None:
            cid = answering.next_cid()  # another node may do it again
        draft = Draft(room, await self.user(), text, new_id(), self._chat.clock.now(), cid, kind, detail=detail)
        self._chat.check_rules(draft)
        return (await self._chat.backend.append(draft)).event

    async def _take_name(self, user: User) -> User:
        """Claim its name for its user. A guest who had it gets the default name back and is told."""
        backend, hub = self._chat.backend, self._chat.hub
        evicted, named = 0, None
        while named is None:
            try:
                named = await backend.claim(user.id, self.name, self._name.canonical, evict=evicted)
            except NameTaken as taken:
                if taken.holder.user.registered:
                    problem = (
                        f"{self.name}: a module wants to speak under this name, but someone else has registered it"
                    )
                    raise Refused(Code.NAME_TAKEN, problem, reason="registered", name=self.name) from None
                evicted = taken.holder.user.id
        if evicted:
            hub.update_user(User.newcomer(evicted))
        return named
