"""The order in which frames are sent: by a Shard with recorded connections, and by the whole server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.chat.dialects import JSON
from app.chat.events import Detail, Event, Kind, User
from app.chat.logs import conversation
from app.chat.room import Cursor
from app.clock import Clock
from app.live.delivery import PART
from app.live.shard import MOST_LONG, Shard
from app.live.subscriber import DeliveryGroup, Subscriber
from app.transports.frames import decode_text, split_frames
from tests.clients import DEADLINE, serving

ROOMS = ("a", "b", "c")
PEOPLE = (1, 2, 3)


@pytest.fixture(autouse=True, scope="module")
def no_flush_is_slow() -> Iterator[None]:
    """Events are sent when they are delivered, however busy the machine is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.live.pacing.SLOW_FLUSH", float("inf"))
        yield


class Channel:
    """A channel that records what is written to it."""

    def __init__(self) -> None:
        self.full = self.short = self.deflated = False
        self.writes: list[bytes] = []

    @property
    def sender(self) -> Channel:
        return self

    def send(self, data: bytes, /) -> int:
        if self.full:
            raise BlockingIOError
        if self.short:
            return len(data) // 2
        self.write(data)
        return len(data)

    def write_rest(self, data: bytes, sent: int, /) -> None:
        assert sent == len(data) // 2
        assert not self.full
        self.write(data)

    def write(self, data: bytes, /) -> None:
        assert data
        self.writes.append(data)


class Positions:
    """As much of a Following as a Shard uses."""

    def __init__(self, cursors: dict[str, Cursor[Subscriber]]) -> None:
        self.cursors, self.whispers_sent = cursors, 0

    def __len__(self) -> int:
        return len(self.cursors)

    def first_pending(self) -> int | None:
        pending = [cursor.room.first_pending(cursor) for cursor in self.cursors.values()]
        return min((order for order in pending if order is not None), default=None)


class Listening:
    """As much of a Connection as a Shard uses."""

    def __init__(self, shard: Shard, user: int, *, rooms: Sequence[str] = ROOMS, ignored: Sequence[int] = ()) -> None:
        self.shard, self.user, self.dialect = shard, User(user, f"user{user - 1}"), JSON
        self.ignored = ignored
        self.channel = Channel()
        self.behind, self.cut_off = 0, False
        self.expelled: list[Event] = []
        self.cursors: dict[str, Cursor[Subscriber]] = {}
        self.following = Positions(self.cursors)
        for room in rooms:
            self.cursors[room] = shard.attach(self.subscriber, room, 0)
            assert self.cursors[room].room.go_live(self.cursors[room], self.group, self.channel.sender)
        shard.connections[user] = (*shard.connections.get(user, ()), self.subscriber)

    def whispers_fell_behind(self, after: int) -> None:
        self.following.whispers_sent = -1

    @property
    def subscriber(self) -> Subscriber:
        return cast(Subscriber, self)

    @property
    def group(self) -> Any:
        return DeliveryGroup(JSON, self.channel.deflated, frozenset(self.ignored))

    def accepts(self, event: Event) -> bool:
        return event.user not in self.ignored

    def acknowledge(self, event: Event) -> None:
        payload = JSON.encode_ack(event)
        assert payload is not None
        self.shard.hold(self.subscriber, payload)

    def fell_behind(self) -> None:
        self.behind += 1
        if self.cut_off:
            for cursor in self.cursors.values():
                self.shard.detach(cursor)

    def expel(self, event: Event) -> None:
        self.expelled.append(event)
        self.shard.detach(self.cursors[event.room])

    def got(self) -> list[tuple[str, int]]:
        """Return the type and the position of each frame."""
        frames = [json.loads(decode_text(frame)) for data in self.channel.writes for frame in split_frames(data)]
        return [(frame["t"], frame["seq"]) for frame in frames]


def event(
    seq: int, room: str, user: int, *, cid: str = "", kind: str = Kind.MSG, whom: int = 0, text: str = "text"
) -> Event:
    detail = Detail(whom=User(whom, f"user{whom - 1}") if whom else None)
    return Event(room, seq, f"id{seq}", 0, user, f"user{user - 1}", text, cid=cid, kind=kind, detail=detail)


def in_a_loop(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


def new_shard() -> Shard:
    return Shard(lambda room: (0, ()), 1.0, Clock())


said = st.tuples(
    st.sampled_from(PEOPLE),
    st.sampled_from([*ROOMS, conversation({1, 2}), conversation({2, 3}), conversation({1, 2, 3})]),
    st.booleans(),
)
turns = st.lists(st.lists(st.lists(said, max_size=4), max_size=3), max_size=4)


@given(turns, st.sampled_from([(), (2,), (1, 3)]))
@settings(max_examples=200, deadline=None)
def test_each_connection_gets_everything_in_the_order_of_its_commit_and_at_once(
    turns: list[list[list[tuple[int, str, bool]]]], ignored: tuple[int, ...]
) -> None:
    """With an ack or a whisper, all comes in one write. Otherwise there is one for each room."""

    async def run() -> None:
        shard = new_shard()
        listening = [Listening(shard, user) for user in PEOPLE]
        listening += [Listening(shard, 1, rooms=["b"]), Listening(shard, 3, ignored=ignored)]
        owed: list[list[Event]] = [[] for _ in listening]
        seq = 0
        for turn in turns:
            for delivered in turn:
                events = []
                for user, room, acknowledged in delivered:
                    seq += 1
                    events.append(event(seq, room, user, cid="c" if acknowledged else ""))
                for sent in events:
                    if sent.cid:
                        shard.acknowledge(sent, listening[sent.user - 1].subscriber)
                before = [len(one.channel.writes) for one in listening]
                shard.deliver(events)
                for number, (one, mine, count) in enumerate(zip(listening, owed, before, strict=True)):
                    mine += events
                    assert_in_order(one, mine, ignored=one.ignored, acknowledged=number < len(PEOPLE))
                    private = [sent for sent in events if is_private(one, sent) and sent.user not in one.ignored]
                    private += [sent for sent in events if sent.cid and sent.user - 1 == number]
                    rooms = {sent.room for sent in events if sent.room in one.cursors}
                    assert len(one.channel.writes) <= count + (1 if private else len(rooms))
            await a_turn()
            assert [len(one.got()) for one in listening] == [
                len(owed_to(one, mine, ignored=one.ignored, acknowledged=number < len(PEOPLE)))
                for number, (one, mine) in enumerate(zip(listening, owed, strict=True))
            ]

    in_a_loop(run())


def is_private(one: Listening, sent: Event) -> bool:
    """Whether this is a whisper that the connection gets."""
    return sent.room[0] == "@" and str(one.user.id) in sent.room[1:].split(",")


def assert_in_order(
    one: Listening, events: Sequence[Event], *, ignored: Sequence[int] = (), acknowledged: bool = True
) -> None:
    """Check that it got all that it is owed, and that each room, with acks and whispers, kept its order."""
    owed, got = owed_to(one, events, ignored=ignored, acknowledged=acknowledged), one.got()
    assert sorted(got) == sorted(owed)
    for room in one.cursors:
        private = {sent.seq for sent in events if sent.room[0] == "@" or sent.room == room}
        assert [frame for frame in got if frame[1] in private] == [frame for frame in owed if frame[1] in private]


def owed_to(
    one: Listening, events: Sequence[Event], *, ignored: Sequence[int] = (), acknowledged: bool = True
) -> list[tuple[str, int]]:
    """Return what it should get: events in its rooms and whispers it takes part in, each with its ack before it."""
    owed = []
    for sent in events:
        if sent.cid and acknowledged and sent.user == one.user.id:
            owed.append(("ack", sent.seq))
        if (is_private(one, sent) or sent.room in one.cursors) and sent.user not in ignored:
            owed.append(("msg", sent.seq))
    return owed


async def a_turn() -> None:
    turned = asyncio.Event()
    asyncio.get_running_loop().call_soon(turned.set)
    await turned.wait()


@given(turns, st.integers(1, 3), st.sampled_from([10, 40, 10_000]), st.sampled_from([0, 10_000]))
@settings(max_examples=200, deadline=None)
def test_in_rooms_so_large_that_it_takes_turns_each_room_and_the_private_among_it_keep_their_order(
    turns: list[list[list[tuple[int, str, bool]]]], block: int, most_text: int, long: int
) -> None:
    """Texts that are longer than `long` are sent to one connection in each turn."""

    async def run() -> None:
        shard = new_shard()
        listening = [Listening(shard, user) for user in (*PEOPLE, *PEOPLE)]
        listening += [Listening(shard, 1, rooms=["b"]), Listening(shard, 2, rooms=["a", "c"])]
        events: list[Event] = []
        for turn in turns:
            for delivered in turn:
                fresh: list[Event] = []
                for user, room, acknowledged in delivered:
                    sent = event(1 + len(events) + len(fresh), room, user, cid="c" if acknowledged else "")
                    fresh.append(sent)
                    if acknowledged:
                        shard.acknowledge(sent, listening[user - 1].subscriber)
                shard.deliver(fresh)
                events += fresh
            await a_turn()
        for _ in range(100):
            await a_turn()
        for number, one in enumerate(listening):
            assert_in_order(one, events, acknowledged=number < len(PEOPLE))

    with pytest.MonkeyPatch.context() as patch:
        for module in ("app.chat.room", "app.live.delivery", "app.live.shard"):
            patch.setattr(f"{module}.BLOCK_SIZE", block)
        patch.setattr("app.chat.room.MOST_TEXT", most_text)
        patch.setattr("app.live.delivery.LONG", long)
        patch.setattr("app.live.shard.SHORT", long)
        patch.setattr("app.live.delivery.PART", 1)
        patch.setattr("app.live.delivery.MOST_TURNS", 10_000)
        patch.setattr("app.live.shard.TIME_SLICE", -1)
        patch.setattr("app.live.shard.CLOCK_CHECK_INTERVAL", 1)
        in_a_loop(run())


def test_others_have_their_turn_while_much_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("app.chat.room", "app.live.delivery", "app.live.shard"):
        monkeypatch.setattr(f"{module}.BLOCK_SIZE", 2)
    monkeypatch.setattr("app.live.shard.TIME_SLICE", -1)

    async def run() -> None:
        shard = new_shard()
        many = [Listening(shard, user, rooms=["a"]) for user in range(1, 22)]
        few = [Listening(shard, user, rooms=["b"]) for user in (30, 31)]
        shard.deliver([event(1, "a", 1)])
        assert 0 < sum(bool(one.got()) for one in many) < 10
        shard.deliver([event(2, "b", 30), event(3, "a", 1)])
        await a_turn()
        assert all(one.got() == [("msg", 2)] for one in few)
        assert 2 < sum(bool(one.got()) for one in many) < 20
        assert many[20].got() == []
        many[20].channel.full = True
        shard.flush(now=True)
        assert all(one.got() == [("msg", 1), ("msg", 3)] for one in many[:20])
        assert (many[20].got(), many[20].cursors["a"].read_to, many[20].behind) == ([], 0, 1)

    in_a_loop(run())


def test_others_have_their_turn_while_long_texts_are_sent() -> None:
    """A turn sends few bytes of them, to however many people."""

    async def run() -> None:
        shard = new_shard()
        many = [Listening(shard, user, rooms=["a"]) for user in range(1, 101)]
        other = Listening(shard, 200, rooms=["b"])
        shard.deliver([event(seq, "a", 1, text="x" * 60_000) for seq in (1, 2, 3)])
        sent, spoken = bytes_of(many), 3
        assert 0 < sent <= PART
        while any(len(one.got()) < 3 for one in many):
            spoken += 1
            said = event(spoken, "b", 200, cid="c")
            shard.acknowledge(said, other.subscriber)
            shard.deliver([said])
            await a_turn()
            assert other.got()[-2:] == [("ack", spoken), ("msg", spoken)]
            before, sent = sent, bytes_of(many)
            assert before < sent <= before + 2 * PART, "the loop has gone round twice"
        assert all(one.got() == [("msg", 1), ("msg", 2), ("msg", 3)] for one in many)

    in_a_loop(run())


def test_the_more_long_texts_wait_the_more_of_them_are_sent_in_a_turn() -> None:
    async def run() -> None:
        shard = new_shard()
        many = [Listening(shard, user, rooms=["a"]) for user in range(1, 101)]
        shard.deliver([event(seq, "a", 1, text="x" * 60_000) for seq in range(1, 101)])
        turns, total = 0, 100 * 100 * 60_000
        while bytes_of(many) < total:
            await a_turn()
            turns += 1
        assert turns < total / PART / 2

    in_a_loop(run())


def test_rooms_with_long_texts_take_turns() -> None:
    async def run() -> None:
        shard = new_shard()
        rooms = {room: [Listening(shard, user, rooms=[room]) for user in range(1, 21)] for room in ROOMS}
        shard.deliver([event(seq, room, 1, text="x" * 60_000) for seq, room in enumerate(ROOMS, 1)])
        for _ in range(len(ROOMS)):
            await a_turn()
        assert all(0 < bytes_of(here) < len(here) * 60_000 for here in rooms.values())
        shard.flush(now=True)
        assert all(len(one.got()) == 1 for here in rooms.values() for one in here)

    in_a_loop(run())


def bytes_of(listening: Sequence[Listening]) -> int:
    """How many bytes were written to connections."""
    return sum(len(data) for one in listening for data in one.channel.writes)


def test_others_have_their_turn_while_long_answers_and_whispers_are_written() -> None:
    async def run() -> None:
        shard = new_shard()
        many = [Listening(shard, user, rooms=["a"]) for user in range(1, 41)]
        answer = b'{"t":"msg","seq":1,"text":"%s"}' % (b"x" * 60_000)
        for one in many:
            shard.send(one.subscriber, answer)
        other = Listening(shard, 100, rooms=["b"])
        shard.send(other.subscriber, b'{"t":"ack","seq":1}')
        shard.flush()
        assert 0 < bytes_of(many) < MOST_LONG + 2 * len(answer)
        assert other.got() == [("ack", 1)], "it doesn't wait for what is long"
        shard.flush(now=True)
        assert all(one.got() == [("msg", 1)] for one in many)
        before = bytes_of(many)
        shard.deliver([event(2, conversation(set(range(1, 41))), 1, text="x" * 60_000)])
        shard.flush()
        assert before < bytes_of(many) < before + MOST_LONG + 2 * len(answer)
        shard.flush(now=True)
        assert all(one.got() == [("msg", 1), ("msg", 2)] for one in many)
        assert len({id(one.channel.writes[1]) for one in many}) == 1, "it is encoded once"

    in_a_loop(run())


def test_those_who_get_the_same_share_it_and_it_is_joined_once() -> None:
    async def run() -> None:
        shard = new_shard()
        many = [Listening(shard, user, rooms=["a"]) for user in range(1, 20)]
        first = event(1, "a", 1, cid="c")
        shard.acknowledge(first, many[0].subscriber)
        shard.deliver([first, event(2, "a", 2)])
        assert many[0].got() == [("ack", 1), ("msg", 1), ("msg", 2)]
        assert len({id(data) for one in many[1:] for data in one.channel.writes}) == 1
        shard.deliver([event(3, "a", 2)])
        assert len({id(one.channel.writes[-1]) for one in many}) == 1

    in_a_loop(run())


def test_who_is_full_falls_behind_and_is_given_nothing_but_its_acks() -> None:
    async def run() -> None:
        shard = new_shard()
        slow, other = Listening(shard, 1, rooms=["a", "b"]), Listening(shard, 2, rooms=["a", "b"])
        shard.deliver([event(1, "a", 2), event(2, "b", 2)])
        slow.channel.full = True
        own = event(3, "a", 1, cid="c")
        shard.acknowledge(own, slow.subscriber)
        shard.deliver([own, event(4, "a", 2), event(5, conversation({1, 2}), 2)])
        assert slow.got() == [("msg", 1), ("msg", 2), ("ack", 3)]
        assert other.got() == [("msg", 1), ("msg", 2), ("msg", 3), ("msg", 4), ("msg", 5)]
        assert slow.behind == 2, "once for the room and once for the whisper"
        assert (slow.cursors["a"].live, slow.cursors["a"].read_to) == (False, 1)
        assert slow.cursors["b"].live
        assert slow.following.whispers_sent == -1

    in_a_loop(run())


@pytest.mark.parametrize("block", [1, 1024])
def test_a_room_whose_last_are_cut_off_while_they_are_sent_to_is_gone(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("app.chat.room", "app.live.delivery", "app.live.shard"):
        monkeypatch.setattr(f"{module}.BLOCK_SIZE", block)

    async def run() -> None:
        shard = new_shard()
        cut_off = [Listening(shard, user, rooms=["a", "b"]) for user in (1, 2)]
        for one in cut_off:
            one.channel.full = one.cut_off = True
        shard.deliver([event(1, "a", 1), event(2, "b", 1)])
        shard.flush(now=True)
        assert [one.got() for one in cut_off] == [[], []]
        assert not shard.rooms
        await a_turn()

    in_a_loop(run())


def test_after_a_slow_flush_the_next_one_takes_along_what_is_being_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.live.pacing.SLOW_FLUSH", -1)

    async def run() -> None:
        shard = new_shard()
        one = Listening(shard, 1, rooms=["a"])
        shard.deliver([event(1, "a", 2)])
        assert one.got() == [("msg", 1)]
        shard.deliver([event(2, "a", 2)])
        assert len(one.channel.writes) == 1, "more may have arrived meanwhile"
        shard.pending_appends += 1
        await a_turn()
        assert len(one.channel.writes) == 1, "one is being committed"
        shard.pending_appends -= 1
        shard.deliver([event(3, "a", 2)])
        assert len(one.channel.writes) == 2
        shard.deliver([event(4, "a", 2)])
        shard.pending_appends += 1
        await a_turn()
        assert len(one.channel.writes) == 2
        shard.append_done()
        await a_turn()
        assert one.got() == [("msg", 1), ("msg", 2), ("msg", 3), ("msg", 4)]
        assert len(one.channel.writes) == 3, "what was committed is no longer waited for, since it failed"

    in_a_loop(run())


def test_where_nodes_write_together_a_slow_flush_is_followed_by_a_rest() -> None:
    """Nobody knows what other nodes have under way, so what comes meanwhile goes out together."""

    async def run() -> None:
        shard = Shard(lambda room: (0, ()), 1.0, Clock(), rests=True)
        one = Listening(shard, 1, rooms=["a"])
        shard.deliver([event(1, "a", 2)])
        shard._pacing.slow, shard._pacing._rest_until = True, float("inf")
        for seq in (2, 3, 4):
            shard.deliver([event(seq, "a", 2)])
            await a_turn()
        assert one.got() == [("msg", 1)]
        shard._pacing._rest_until = 0
        shard._pacing._rested()
        assert one.got() == [("msg", 1), ("msg", 2), ("msg", 3), ("msg", 4)]
        assert len(one.channel.writes) == 2

    in_a_loop(run())


def test_what_a_socket_does_not_take_is_kept_or_left_to_the_log() -> None:
    async def run() -> None:
        shard = new_shard()
        quick, short, full = (Listening(shard, user, rooms=["a"]) for user in (1, 2, 3))
        short.channel.short = full.channel.full = True
        shard.deliver([event(1, "a", 1), event(2, "a", 1)])
        assert quick.got() == short.got() == [("msg", 1), ("msg", 2)]
        assert full.got() == []
        assert (full.behind, full.cursors["a"].live, full.cursors["a"].read_to) == (1, False, 0)
        assert quick.cursors["a"].live
        assert short.cursors["a"].live

    in_a_loop(run())


@pytest.mark.parametrize("kind", [Kind.KICK, Kind.BAN])
def test_who_is_put_out_gets_what_came_before_and_nothing_after(kind: Kind) -> None:
    async def run() -> None:
        shard = new_shard()
        one, two = Listening(shard, 1, rooms=["a", "b"]), Listening(shard, 2, rooms=["a", "b"])
        shard.deliver([event(1, "a", 1), event(2, "b", 2), event(3, "a", 1, kind=kind, whom=2), event(4, "a", 1)])
        assert [sent.seq for sent in two.expelled] == [3]
        assert two.got() == [("msg", 1), (kind, 3), ("msg", 2)], "what is in one room comes together"
        assert one.got() == [("msg", 1), (kind, 3), ("msg", 2), ("msg", 4)]

    in_a_loop(run())


def test_on_a_real_server_acks_events_and_whispers_come_in_the_order_of_their_commit() -> None:
    count = 60
    with serving("-P:chat.limits.rate=0") as server:
        options: Any = {"subprotocols": ["chat.v1.json"]}
        with server.connect("/chat?name=ann", **options) as ann, server.connect("/chat?name=bob", **options) as bob:
            for client in (ann, bob):
                for number, room in enumerate(("@", *ROOMS)):
                    client.send(json.dumps({"t": "join", "room": room, "rid": number}))
                joined = 0
                while joined < 4:
                    joined += json.loads(client.recv(DEADLINE))["t"] == "joined"
            for number in range(count):
                for client in (ann, bob):
                    where = {"t": "msg", "room": ROOMS[number % 3]}
                    whom = {"t": "whisper", "to": ["bob" if client is ann else "ann"]}
                    client.send(
                        json.dumps({"text": str(number), "cid": f"c{number}", **(where if number % 4 else whom)})
                    )
            for client in (ann, bob):
                got: list[dict[str, Any]] = []
                while len([frame for frame in got if frame["t"] == "ack"]) < count or len(got) < 3 * count:
                    frame = json.loads(client.recv(DEADLINE))
                    assert frame["t"] != "error", frame
                    if "seq" in frame and frame["t"] in ("ack", "msg"):
                        got.append(frame)
                acks = [int(frame["cid"][1:]) for frame in got if frame["t"] == "ack"]
                for place, frame in enumerate(got):
                    if frame["t"] == "ack":
                        [own] = [at for at, other in enumerate(got) if other.get("id") == frame["id"] and at != place]
                        assert place < own
                for room in {frame["room"] for frame in got if frame["t"] == "msg"}:
                    seqs = [frame["seq"] for frame in got if frame["t"] == "msg" and frame["room"] == room]
                    assert seqs == sorted(set(seqs))
                assert acks == sorted(acks)


def test_who_can_not_be_sent_to_reads_from_the_log_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(payload: bytes) -> bytes:
        raise MemoryError

    async def run() -> None:
        shard = new_shard()
        everyone = [Listening(shard, user, rooms=["a"]) for user in PEOPLE]
        shard.deliver([event(1, "a", 1)])
        with monkeypatch.context() as patch:
            patch.setattr("app.live.delivery.encode_text", no_memory)
            shard.deliver([event(2, "a", 1)])
        shard.deliver([event(3, "a", 1)])
        for one in everyone:
            assert one.got() == [("msg", 1)], "nothing after the hole"
            assert (one.behind, one.cursors["a"].live, one.cursors["a"].read_to) == (1, False, 1)

    in_a_loop(run())


def test_a_connection_that_fails_takes_nothing_from_others() -> None:
    async def run() -> None:
        shard = new_shard()
        broken, other = Listening(shard, 1, rooms=["a"]), Listening(shard, 2, rooms=["a"])
        broken.channel.write = broken.channel.close = no_function  # type: ignore[method-assign,attr-defined]
        own = event(1, "a", 1, cid="c")
        shard.acknowledge(own, broken.subscriber)
        shard.deliver([own, event(2, "a", 2), event(3, conversation({1, 2}), 2)])
        assert other.got() == [("msg", 1), ("msg", 2), ("msg", 3)]

    in_a_loop(run())


def no_function(*arguments: object) -> None:
    raise RuntimeError("a bug")
