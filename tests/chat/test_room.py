from __future__ import annotations

from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from app.chat.room import Room


class RoomMachine(RuleBasedStateMachine):
    """Any order of joins and leaves: names are unique for ever, the members are those who joined and did not leave."""

    names = Bundle("names")

    def __init__(self) -> None:
        super().__init__()
        self.room: Room[int] = Room()
        self.here: dict[str, int] = {}
        self.joined = 0

    @rule(target=names)
    def join(self) -> str:
        name = self.room.join(self.joined)
        assert name == f"user{self.joined}"
        self.here[name] = self.joined
        self.joined += 1
        return name

    @rule(name=consumes(names))
    def leave(self, name: str) -> None:
        self.room.leave(name)
        self.room.leave(name)
        del self.here[name]

    @invariant()
    def members_are_those_who_stayed_in_order(self) -> None:
        assert list(self.room) == list(self.here.values())
        assert len(self.room) == len(self.here)


TestRoom = RoomMachine.TestCase
