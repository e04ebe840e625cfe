"""What the user of a connection may read, and where it may be."""

from __future__ import annotations

from app.chat import rules
from app.chat.errors import Refused
from app.chat.events import User
from app.chat.logs import WHISPERS, conversation, is_conversation, mailbox, participants
from app.chat.room import Room
from app.live.context import ChatContext
from app.live.errors import not_joined
from app.live.following import Following
from app.live.subscriber import Subscriber


class Rights:
    """The rights of a connection: those of its user, who may be in some of its rooms on this connection alone."""

    __slots__ = ()

    context: ChatContext
    user: User
    following: Following

    def log_of(self, room: str) -> str:
        """Return the log that the client calls `room`. Refused if it may not read that log."""
        if is_conversation(room) and self.user.id in (people := participants(room)):
            return conversation(set(people))
        if room not in self.following:
            raise not_joined(room)
        return mailbox(self.user.id) if room == WHISPERS else room

    def reads(self, log: str) -> bool:
        """Whether the client may read a room or conversation now."""
        return log in self.following or self.user.id in participants(log)

    def rank(self, room: Room[Subscriber]) -> rules.Rank:
        """Return the user's rank in a room."""
        return rules.rank(room.state, self.user, server_operator=self.context.is_server_operator(self.user))

    def check_admission(self, room: Room[Subscriber]) -> None:
        """Refused if the user may not join the room."""
        rules.check_admission(room.name, room.state, self.user, self.rank(room), self.context.clock.now())

    def is_admitted(self, room: Room[Subscriber]) -> bool:
        """Whether the user may be in the room."""
        try:
            self.check_admission(room)
        except Refused:
            return False
        return True
