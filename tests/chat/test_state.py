"""A room's settings, and what they allow people to do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.chat import rules
from app.chat.errors import Code, Refused
from app.chat.events import Detail, Event, Kind, User
from app.chat.frames import Ban, Kick, Op, Private, Slow, Topic
from app.chat.rules import Rank
from app.chat.state import DROPPED_AT, LIFTING, MODERATION, RoomState

ANN, BOB, CY = User(1, "ann", registered=True), User(2, "bob", registered=True), User(3, "cy")
SERVER = User(0, "*", registered=True)


def event(seq: int, kind: Kind, text: str = "", whom: User | None = None, *, until: int = 0, seconds: int = 0) -> Event:
    return Event(
        "den", seq, f"e{seq}", seq, 1, "ann", text, kind=kind, detail=Detail(whom=whom, until=until, seconds=seconds)
    )


events = st.builds(
    lambda kind, whom, text: (kind, whom, text),
    st.sampled_from([kind for kind in Kind if kind not in (Kind.OWNER,)]),
    st.sampled_from([ANN, BOB, CY]),
    st.text(max_size=3),
)


@given(st.lists(events, max_size=30), st.randoms(use_true_random=False))
def test_events_come_to_the_same_in_any_order_and_twice(drawn: list[tuple[Kind, User, str]], random: object) -> None:
    log = [event(seq, kind, text, whom, seconds=seq) for seq, (kind, whom, text) in enumerate(drawn, 1)]
    shuffled = [*log, *log]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = RoomState(log), RoomState(shuffled)
    assert view(one) == view(other)
    latest = {each.key: each for each in log if each.key}
    assert view(RoomState(latest.values())) == view(one)


@given(st.lists(events, max_size=30), st.integers(0, 30))
def test_a_settled_state_keeps_what_has_an_effect_and_little_else(
    drawn: list[tuple[Kind, User, str]], before: int
) -> None:
    log = [event(seq, kind, text, whom, seconds=seq) for seq, (kind, whom, text) in enumerate(drawn, 1)]
    settled = RoomState(log[:before])
    settled.settle()
    for each in log[before:]:
        settled.apply(each)
    assert view(settled) == view(RoomState(log))
    assert not [each for each in settled._last.values() if each.kind in LIFTING]
    for kind in MODERATION:
        assert settled.count(kind, 0) == len(settled.in_force(kind, 0))


def test_bans_that_have_ended_are_dropped_sooner_or_later() -> None:
    state = RoomState()
    state.settle()
    for seq in range(1, 1000):
        state.apply(event(seq, Kind.BAN, whom=User(seq, "x"), until=seq + 1))
    state.apply(event(1000, Kind.BAN, whom=ANN))
    assert len(state._last) <= DROPPED_AT
    assert [one.detail.whom for one in state.in_force(Kind.BAN, 5000)] == [ANN]


def test_a_reason_that_is_deleted_is_in_no_list() -> None:
    ban = event(1, Kind.BAN, "rude", BOB)
    state = RoomState([ban])
    state.apply(replace(event(2, Kind.DELETE), of=1, detail=Detail(what="why")))
    assert [one.text for one in state.in_force(Kind.BAN, 0)] == [""]


def view(state: RoomState) -> object:
    people = [
        (state.is_operator(id_), state.is_invited(id_), state.ban(id_, 0), state.mute(id_, 0)) for id_ in (1, 2, 3)
    ]
    return state.topic, state.private, state.slow, sorted(state.operators), people


def test_a_ban_ends_when_it_said() -> None:
    state = RoomState([event(1, Kind.BAN, "why", BOB, until=100)])
    assert state.ban(2, 99) is not None
    assert state.ban(2, 100) is None
    assert RoomState([event(1, Kind.BAN, "", BOB)]).ban(2, 2**50) is not None
    assert RoomState([event(1, Kind.BAN, "", BOB), event(2, Kind.UNBAN, "", BOB)]).ban(2, 0) is None


def test_ranks_go_to_registered_people_only() -> None:
    state = RoomState([event(1, Kind.OWNER, "", ANN), event(2, Kind.OP, "", BOB), event(3, Kind.OP, "", CY)])
    assert [rules.rank(state, user, server_operator=False) for user in (ANN, BOB, CY)] == [
        Rank.OWNER,
        Rank.OPERATOR,
        Rank.MEMBER,
    ]
    assert rules.rank(state, BOB, server_operator=True) == Rank.SERVER_OPERATOR
    assert rules.rank(state, CY, server_operator=True) == Rank.MEMBER


@pytest.mark.parametrize("own", Rank)
@pytest.mark.parametrize("other", Rank)
def test_nobody_is_put_out_by_who_ranks_no_higher(own: Rank, other: Rank) -> None:
    allowed = own >= Rank.OPERATOR and own > other
    for command in (Kick("den", "bob"), Ban("den", "bob", seconds=60)):
        if allowed:
            kind, _, detail = rules.moderation_event(command, own, BOB, other, now=1000)
            assert (kind, detail.whom) == (Kind(str(command.__struct_config__.tag)), BOB)
            assert detail.until == (61_000 if kind == Kind.BAN else 0)
        else:
            with pytest.raises(Refused) as refused:
                rules.moderation_event(command, own, BOB, other, now=1000)
            assert refused.value.code == Code.NOT_OPERATOR


@pytest.mark.parametrize("own", Rank)
def test_who_appoints_and_who_changes_a_room(own: Rank) -> None:
    owned = RoomState([event(1, Kind.OWNER, "", ANN)])
    for command, state, allowed in (
        (Topic("den", "tea"), RoomState(), True),
        (Topic("den", "tea"), owned, own >= Rank.OPERATOR),
        (Private("den"), RoomState(), own >= Rank.OPERATOR),
        (Slow("den", 5), owned, own >= Rank.OPERATOR),
    ):
        if allowed:
            rules.setting_event(command, state, own)
        else:
            with pytest.raises(Refused):
                rules.setting_event(command, state, own)
    if own >= Rank.OWNER:
        assert rules.moderation_event(Op("den", "bob"), own, BOB, Rank.MEMBER, 0)[0] == Kind.OP
        with pytest.raises(Refused) as refused:
            rules.moderation_event(Op("den", "cy"), own, CY, Rank.MEMBER, 0)
        assert refused.value.code == Code.NOT_REGISTERED
    else:
        with pytest.raises(Refused):
            rules.moderation_event(Op("den", "bob"), own, BOB, Rank.MEMBER, 0)


def test_who_is_banned_muted_or_not_invited() -> None:
    state = RoomState([event(1, Kind.PRIVATE), event(2, Kind.INVITE, "", BOB), event(3, Kind.MUTE, "noise", BOB)])
    rules.check_admission("den", state, BOB, Rank.MEMBER, 0)
    with pytest.raises(Refused, match="private"):
        rules.check_admission("den", state, CY, Rank.MEMBER, 0)
    rules.check_admission("den", state, CY, Rank.OPERATOR, 0)
    with pytest.raises(Refused, match="noise"):
        rules.check_mute("den", state, BOB, Rank.MEMBER, 0)
    banned = RoomState([event(1, Kind.BAN, "", BOB)])
    for rank in (Rank.MEMBER, Rank.OPERATOR):
        with pytest.raises(Refused, match="banned"):
            rules.check_admission("den", banned, BOB, rank, 0)
    rules.check_admission("den", banned, BOB, Rank.OWNER, 0)


def test_a_refusal_tells_when_it_ends_as_people_read_it() -> None:
    state = RoomState([event(1, Kind.MUTE, "noise", BOB, until=1_792_000_000_123)])
    with pytest.raises(Refused) as refused:
        rules.check_mute("den", state, BOB, Rank.MEMBER, 0)
    assert refused.value.message == "You are muted in den until 2026-10-14 17:46 UTC: noise"
    assert refused.value.values["until"] == "2026-10-14T17:46:40.123Z"


def test_a_slow_room_tells_how_long_to_wait() -> None:
    state = RoomState([event(1, Kind.SLOW, seconds=10)])
    with pytest.raises(Refused) as refused:
        rules.check_pace("den", state, Rank.MEMBER, since=9.0)
    assert (refused.value.code, refused.value.after, refused.value.retry) == (Code.SLOW_MODE, 1000, True)
    rules.check_pace("den", state, Rank.MEMBER, since=10.0)
    rules.check_pace("den", state, Rank.OPERATOR, since=9.0)
