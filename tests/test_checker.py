from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.checker import (
    WHISPERS,
    Acked,
    Disconnected,
    Heard,
    History,
    Joined,
    Record,
    Sent,
    check,
    conversation,
    followed,
)

LOBBY = frozenset({"lobby"})

HI = Heard("lobby", 58, "m1", "ann", "hi")
YO = Heard("lobby", 60, "m2", "bob", "yo")
BYE = Heard("lobby", 61, "m3", "ann", "bye")

ANN: Sequence[Record] = (
    Joined("lobby", head=57),
    Sent("lobby", "c1", "hi"),
    Acked("c1", "m1", 58),
    HI,
    YO,
    Disconnected(),
    Joined("lobby", head=60, after=60),
    Sent("lobby", "c2", "bye"),
    BYE,
    Acked("c2", "m3", 61),
)
BOB: Sequence[Record] = (
    Joined("lobby", head=57),
    HI,
    Sent("lobby", "c1", "yo"),
    Disconnected(),
    Joined("lobby", head=60, after=58),
    Sent("lobby", "c1", "yo"),
    YO,
    Acked("c1", "m2", 60),
    BYE,
)
EVE: Sequence[Record] = (Joined("den", head=3),)


def judge(ann: Sequence[Record] = ANN, bob: Sequence[Record] = BOB, eve: Sequence[Record] = EVE) -> list[str]:
    return check({"ann": History(LOBBY, ann), "bob": History(LOBBY, bob), "eve": History(frozenset({"den"}), eve)})


def kinds(violations: Sequence[str]) -> set[str]:
    return {violation.partition(":")[0] for violation in violations}


def swapped(records: Sequence[Record], one: Record, other: Record) -> list[Record]:
    places: dict[Record, Record] = {one: other, other: one}
    return [places.get(record, record) for record in records]


def put(records: Sequence[Record], old: Record, *new: Record) -> list[Record]:
    """`records` with `new` in the place of `old`."""
    at = records.index(old)
    return [*records[:at], *new, *records[at + 1 :]]


def test_a_correct_history_is_accepted() -> None:
    assert judge() == []


def test_a_dropped_message_is_lost() -> None:
    assert judge(bob=put(BOB, HI)) == ["lost: bob never heard m1 at lobby/58, which ann has an ack of"]
    assert judge(bob=put(BOB, BYE)) == ["lost: bob never heard m3 at lobby/61, which ann has an ack of"]


def test_an_ack_without_an_event_is_a_loss_for_all() -> None:
    assert judge(ann=put(ANN, BYE), bob=put(BOB, BYE)) == [
        "lost: ann never heard m3 at lobby/61, which ann has an ack of",
        "lost: bob never heard m3 at lobby/61, which ann has an ack of",
    ]


def test_what_one_heard_without_an_ack_is_lost_to_another() -> None:
    ann = put(put(ANN, Acked("c2", "m3", 61)), BYE)
    assert judge(ann=ann) == ["lost: ann never heard m3 at lobby/61, which bob heard"]


def test_what_came_before_joining_or_after_leaving_is_not_due() -> None:
    late: Sequence[Record] = (Joined("lobby", head=60), BYE)
    gone: Sequence[Record] = (Joined("lobby", head=57), HI, Disconnected())
    anew: Sequence[Record] = (*gone, *late)
    for carol in (late, gone, anew):
        histories = {"ann": History(LOBBY, ANN), "bob": History(LOBBY, BOB), "carol": History(LOBBY, carol)}
        assert check(histories) == []


def test_a_client_can_not_excuse_a_loss_by_resuming_too_late() -> None:
    bob = put(put(BOB, HI), Joined("lobby", head=60, after=58), Joined("lobby", head=60, after=60))
    assert "lost: bob never heard m1 at lobby/58, which ann has an ack of" in judge(bob=bob)


def test_what_comes_again_because_it_was_asked_for_again_is_no_double() -> None:
    bob = put(BOB, Joined("lobby", head=60, after=58), Joined("lobby", head=60, after=57), HI)
    assert judge(bob=bob) == []


def test_a_message_heard_twice_is_doubled() -> None:
    assert judge(bob=put(BOB, HI, HI, HI)) == ["doubled: bob heard m1 at lobby/58 again, after 58"]
    assert judge(bob=put(BOB, YO, HI, YO)) == ["doubled: bob heard m1 at lobby/58 again, after 58"]


def test_a_message_at_two_positions_is_doubled() -> None:
    again = replace(BYE, seq=62)
    assert "doubled: bob heard m3 at lobby/62, and it was heard at lobby/61 too" in judge(bob=put(BOB, BYE, BYE, again))


def test_two_messages_at_one_position_are_doubled() -> None:
    assert "doubled: bob heard m4 at lobby/61 where m3 was heard too" in judge(bob=put(BOB, BYE, replace(BYE, id="m4")))


def test_a_retry_that_was_stored_again_is_doubled() -> None:
    again = replace(YO, seq=62, id="m4")
    assert judge(ann=[*ANN, again], bob=[*BOB, again]) == ["doubled: lobby has 'yo' of bob 2 times, sent 1 times"]


def test_the_same_text_under_another_cid_is_another_message() -> None:
    again = replace(YO, seq=62, id="m4")
    bob = [*BOB, Sent("lobby", "c2", "yo"), again, Acked("c2", "m4", 62)]
    assert judge(ann=[*ANN, again], bob=bob) == []


def test_swapped_messages_are_reordered() -> None:
    assert judge(bob=swapped(BOB, YO, BYE)) == [
        "reordered: bob heard m2 at lobby/60 after 61",
        "reordered: ann heard m2 at lobby/60 where bob heard m3 at lobby/61",
    ]


def test_two_clients_with_orders_of_their_own_are_caught_whatever_the_positions_say() -> None:
    bob = put(put(BOB, YO, replace(BYE, seq=60)), BYE, replace(YO, seq=61))
    assert {"reordered", "doubled"} <= kinds(judge(bob=bob))


def test_acks_of_one_cid_that_differ_are_caught() -> None:
    ack = Acked("c1", "m1", 58)
    assert judge(ann=put(ANN, ack, ack, ack)) == []
    for other in (Acked("c1", "m9", 58), Acked("c1", "m1", 59)):
        expected = f"mismatched: ann's c1 was acked as m1 at 58 and {other.id} at {other.seq}"
        assert expected in judge(ann=put(ANN, ack, ack, other))


def test_an_ack_that_differs_from_the_event_is_caught() -> None:
    ack = Acked("c1", "m1", 58)
    assert "mismatched: ann's c1 was acked as m1 at lobby/59, and heard at m1 at lobby/58" in judge(
        ann=put(ANN, ack, Acked("c1", "m1", 59))
    )
    assert "mismatched: ann's c1 was acked as m9 at lobby/58, where m1 was heard" in judge(
        ann=put(ANN, ack, Acked("c1", "m9", 58))
    )


def test_acks_are_of_what_was_sent_and_of_one_message_each() -> None:
    assert "mismatched: ann got an ack of c9, which it had not sent" in judge(ann=[*ANN, Acked("c9", "m9", 62)])
    assert "mismatched: ann's c2 was acked as m1, as was ann's c1" in judge(
        ann=put(ANN, Acked("c2", "m3", 61), Acked("c2", "m1", 58))
    )


@pytest.mark.parametrize("wrong", [replace(BYE, text="b\ufffde"), replace(BYE, sender="bob")])
def test_an_altered_message_is_caught(wrong: Heard) -> None:
    assert kinds(judge(bob=put(BOB, BYE, wrong))) == {"altered"}
    assert kinds(judge(ann=put(ANN, BYE, wrong), bob=put(BOB, BYE, wrong))) == {"altered"}
    unacked = put(ANN, Acked("c2", "m3", 61))
    assert kinds(judge(ann=unacked, bob=put(BOB, BYE, wrong))) == {"altered"}
    assert kinds(judge(ann=put(unacked, BYE, wrong), bob=put(BOB, BYE, wrong))) == {"altered"}


def test_an_event_of_another_room_is_leaked() -> None:
    leaked = "leaked: eve heard m1 at lobby/58, and was not in lobby"
    assert judge(eve=[*EVE, HI]) == [leaked]
    assert leaked in judge(eve=[Joined("lobby", head=57), HI])


def test_an_event_before_joining_again_is_leaked() -> None:
    assert "leaked: ann heard m3 at lobby/61, and was not in lobby" in judge(
        ann=put(ANN, Disconnected(), Disconnected(), BYE)
    )


def test_a_resumption_that_fails_is_caught() -> None:
    joined = Joined("lobby", head=60, after=60)
    assert judge(ann=put(ANN, joined, replace(joined, recovered=False))) == [
        "unrecovered: ann could not resume lobby after 60"
    ]


PSST = Heard("@1,2", 62, "w1", "ann", "psst")
TO_ALL = Heard("@1,2,3", 64, "w2", "bob", "all of you")
SHH = Heard("@1,2", 65, "w3", "ann", "shh")

WHISPERING_ANN: Sequence[Record] = (
    Joined("@", head=0),
    Sent("@1,2", "c3", "psst"),
    Acked("c3", "w1", 62),
    PSST,
    TO_ALL,
    Sent("@1,2", "c4", "shh"),
    Acked("c4", "w3", 65),
    SHH,
)
WHISPERING_BOB: Sequence[Record] = (
    Joined("@", head=0),
    PSST,
    Sent("@1,2,3", "c2", "all of you"),
    Disconnected(),
    Joined("@", head=64, after=62),
    Sent("@1,2,3", "c2", "all of you"),
    TO_ALL,
    Acked("c2", "w2", 64),
    SHH,
)
WHISPERING_EVE: Sequence[Record] = (Joined("@", head=0), TO_ALL)


def overhear(
    ann: Sequence[Record] = WHISPERING_ANN,
    bob: Sequence[Record] = WHISPERING_BOB,
    eve: Sequence[Record] = WHISPERING_EVE,
) -> list[str]:
    people = {"ann": ann, "bob": bob, "eve": eve}
    return check({name: History(frozenset({"@"}), own, user) for user, (name, own) in enumerate(people.items(), 1)})


def test_correct_whispers_are_accepted() -> None:
    assert overhear() == []


def test_a_dropped_whisper_is_lost_to_those_it_was_for() -> None:
    assert overhear(bob=put(WHISPERING_BOB, PSST)) == ["lost: bob never heard w1 at @1,2/62, which ann has an ack of"]
    assert overhear(eve=put(WHISPERING_EVE, TO_ALL)) == [
        "lost: eve never heard w2 at @1,2,3/64, which bob has an ack of"
    ]


def test_a_whisper_acked_before_its_commit_and_then_gone_is_lost() -> None:
    """Nobody heard it, and after the crash another message got its position."""
    gone = "lost: ann never heard w3 at @1,2/65, which ann has an ack of"
    assert gone in overhear(ann=put(WHISPERING_ANN, SHH), bob=put(WHISPERING_BOB, SHH))
    other = Heard("@1,2", 65, "w4", "bob", "me")
    said = (Sent("@1,2", "c9", "me"), other, Acked("c9", "w4", 65))
    violations = overhear(ann=put(WHISPERING_ANN, SHH, other), bob=put(WHISPERING_BOB, SHH, *said))
    assert "mismatched: ann's c4 was acked as w3 at @1,2/65, where w4 was heard" in violations


def test_a_doubled_whisper_is_caught() -> None:
    assert overhear(bob=put(WHISPERING_BOB, TO_ALL, TO_ALL, TO_ALL)) == [
        "doubled: bob heard w2 at @1,2,3/64 again, after 64"
    ]
    again = replace(SHH, seq=66, id="w4")
    assert overhear(ann=[*WHISPERING_ANN, again], bob=[*WHISPERING_BOB, again]) == [
        "doubled: @1,2 has 'shh' of ann 2 times, sent 1 times"
    ]


def test_swapped_whispers_are_reordered_within_a_conversation_and_across() -> None:
    assert overhear(ann=swapped(WHISPERING_ANN, PSST, SHH))[-1] == (
        "reordered: ann heard w3 at @1,2/65 where bob heard w1 at @1,2/62"
    )
    assert overhear(ann=swapped(WHISPERING_ANN, PSST, TO_ALL)) == ["reordered: ann heard w1 at @1,2/62 after 64"]


def test_a_whisper_in_the_ear_of_a_third_is_leaked() -> None:
    leaked = "leaked: eve heard w1 at @1,2/62, and was not in @1,2"
    assert overhear(eve=[*WHISPERING_EVE, PSST]) == [leaked]
    assert overhear(eve=put(WHISPERING_EVE, TO_ALL, PSST, TO_ALL)) == [leaked]
    assert judge(eve=[*EVE, PSST])[0] == leaked


def test_a_whisper_in_another_conversation_than_it_was_sent_to_is_caught() -> None:
    wider = replace(PSST, room="@1,2,3")
    violations = overhear(put(WHISPERING_ANN, PSST, wider), put(WHISPERING_BOB, PSST, wider), [*WHISPERING_EVE, wider])
    assert "mismatched: ann's c3 was acked as w1 at @1,2/62, and heard at w1 at @1,2,3/62" in violations


def test_a_conversation_is_of_a_set_of_people() -> None:
    assert conversation(12, 3, 12) == "@3,12"
    assert overhear(eve=[*WHISPERING_EVE, Heard("@13,30", 70, "w9", "ann", "")])[0].startswith("leaked")


USERS = {"ann": 1, "bob": 2, "carol": 3, "dan": 4}
MEMBERS: Mapping[str, frozenset[str]] = {
    "ann": frozenset({"lobby", WHISPERS}),
    "bob": frozenset({"lobby", "den", WHISPERS}),
    "carol": frozenset({"lobby", "den", WHISPERS}),
    "dan": frozenset({"den", WHISPERS}),
}
CONVERSATIONS = ("@1,2", "@2,3,4", "@1,4", "@3")


def hears(name: str, room: str) -> bool:
    """Whether `name` may hear a room or a conversation."""
    return room in MEMBERS[name] if followed(room) == room else str(USERS[name]) in room[1:].split(",")


@dataclass
class Chat:
    """A chat that keeps its promises: the records of its clients are a correct history."""

    log: list[Heard] = field(default_factory=list)
    records: dict[str, list[Record]] = field(default_factory=lambda: {name: [] for name in MEMBERS})
    positions: dict[tuple[str, str], int] = field(default_factory=dict)
    online: set[str] = field(default_factory=set)
    unacked: dict[str, dict[str, Heard]] = field(default_factory=lambda: {name: {} for name in MEMBERS})

    def head(self, room: str) -> int:
        """Conversations with a person in common share positions; here, all do."""
        return max((event.seq for event in self.log if followed(event.room) == followed(room)), default=0)

    def come(self, name: str) -> None:
        if name in self.online:
            return
        self.online.add(name)
        for room in sorted(MEMBERS[name]):
            after = self.positions.get((name, room))
            events = [event for event in self.log if followed(event.room) == room and hears(name, event.room)]
            head = max((event.seq for event in events), default=0)
            self.records[name].append(Joined(room, head, after=after))
            self.positions[name, room] = head
            if after is not None:
                self.records[name] += [event for event in events if event.seq > after]
        for cid, event in self.unacked[name].items():
            self.records[name] += [Sent(event.room, cid, event.text), Acked(cid, event.id, event.seq)]
        self.unacked[name] = {}

    def go(self, name: str) -> None:
        if name in self.online:
            self.online.remove(name)
            self.records[name].append(Disconnected())

    def say(self, name: str, room: str, text: str, gap: int, fate: str) -> None:
        self.come(name)
        number = len(self.log) + 1
        event = Heard(room, self.head(room) + 1 + gap, f"m{number}", name, text)
        cid = f"c{number}"
        self.log.append(event)
        self.records[name].append(Sent(room, cid, text))
        ack = Acked(cid, event.id, event.seq)
        if fate == "unanswered":
            self.unacked[name][cid] = event
            self.go(name)
        elif fate == "acked first":
            self.records[name].append(ack)
        for other in self.online:
            if hears(other, room):
                self.records[other].append(event)
                self.positions[other, followed(room)] = event.seq
        if fate == "heard first":
            self.records[name].append(ack)


names = st.sampled_from(sorted(MEMBERS))
fates = st.sampled_from(["acked first", "heard first", "unanswered"])
steps: st.SearchStrategy[Callable[[Chat], None]] = st.one_of(
    st.builds(lambda name: lambda chat: chat.come(name), names),
    st.builds(lambda name: lambda chat: chat.go(name), names),
    st.builds(
        lambda place, text, gap, fate: lambda chat: chat.say(*place, text, gap, fate),
        st.sampled_from(
            [(name, room) for name in MEMBERS for room in ("lobby", "den", *CONVERSATIONS) if hears(name, room)]
        ),
        st.sampled_from(["hi", "yo", ""]),
        st.integers(0, 3),
        fates,
    ),
)


def played(script: Sequence[Callable[[Chat], None]]) -> dict[str, list[Record]]:
    """The records of the clients, who all stay until the end."""
    chat = Chat()
    for step in script:
        step(chat)
    for name in MEMBERS:
        chat.come(name)
    return chat.records


def verdict(records: Mapping[str, Sequence[Record]]) -> list[str]:
    return check({name: History(MEMBERS[name], own, USERS[name]) for name, own in records.items()})


@given(st.lists(steps, max_size=40), st.data())
def test_any_single_fault_in_a_correct_history_is_caught(
    script: list[Callable[[Chat], None]], data: st.DataObject
) -> None:
    records = played(script)
    assert verdict(records) == []
    heard = [(name, at) for name, own in records.items() for at, record in enumerate(own) if isinstance(record, Heard)]
    if not heard:
        return
    name, at = data.draw(st.sampled_from(heard))
    own = records[name]
    event = own[at]
    assert isinstance(event, Heard)

    dropped = [*own[:at], *own[at + 1 :]]
    assert "lost" in kinds(verdict({**records, name: dropped}))

    later = data.draw(st.integers(at + 1, len(own)))
    doubled = [*own[:later], event, *own[later:]]
    assert {"doubled", "leaked"} & kinds(verdict({**records, name: doubled}))

    heard_there = [
        record for record in own if isinstance(record, Heard) and followed(record.room) == followed(event.room)
    ]
    others = [record for record in heard_there if record != event]
    if others:
        other = data.draw(st.sampled_from(others))
        assert "reordered" in kinds(verdict({**records, name: swapped(own, event, other)}))

    altered = [*own[:at], replace(event, text=event.text + "."), *own[at + 1 :]]
    assert kinds(verdict({**records, name: altered})) == {"altered"}

    stranger = next(other for other in MEMBERS if not hears(other, event.room))
    leaked = [*records[stranger], event]
    assert kinds(verdict({**records, stranger: leaked})) == {"leaked"}
