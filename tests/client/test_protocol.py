"""The client's side of the protocol without sockets: connections are lost at the worst moments."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from app.chat import frames
from app.chat.dialects import JSON_SUBPROTOCOL
from app.chat.errors import Code
from app.client.errors import Banned, ChatError, Interrupted, NameTaken, NotAChat, Refused, Uncertain
from app.client.events import Connected, Delayed, Left, Missed, NameRefused
from app.client.protocol.actions import Deliver, Fail, Send, Settle
from app.client.protocol.json_protocol import SUBPROTOCOL, JsonProtocol
from app.client.protocol.subscriptions import CATCH_UP_TIMEOUT

TOKEN = "secret"


class Wire:
    """A JsonProtocol, with what it sends, delivers and settles."""

    def __init__(self, protocol: JsonProtocol | None = None) -> None:
        self.protocol = protocol or JsonProtocol()
        self.now = 0.0
        self.sent: list[Any] = []
        self.told: list[Any] = []
        self.settled: dict[str | int, Any] = {}

    def work(self) -> None:
        for action in self.protocol.take_actions():
            match action:
                case Send(text):
                    self.sent.append(json.loads(text))
                case Deliver(event):
                    self.told.append(event)
                case Settle(key, outcome):
                    assert key not in self.settled, "everything ends once"
                    self.settled[key] = outcome
                case Fail(error):
                    raise error

    def gets(self, **fields: Any) -> None:
        self.protocol.text_received(json.dumps(fields), self.now)
        self.work()

    def welcomed(
        self, name: str = "ann", token: str = TOKEN, epoch: str = "e", room: str = "lobby", **limits: float
    ) -> None:
        self.protocol.connection_made()
        limits = {"rate": 0, "burst": 20, "frame": 65_536, **limits}
        self.gets(t="welcome", id=1, name=name, registered=False, token=token, epoch=epoch, limits=limits, room=room)

    def joins(self, room: str = "ops", head: int = 0, **fields: Any) -> None:
        self.protocol.request(frames.Join(room=room), self.now)
        self.work()
        self.joined(room, head, **fields)

    def joined(self, room: str = "ops", head: int = 0, **fields: Any) -> None:
        """Answer the last join."""
        rid = next(frame["rid"] for frame in reversed(self.sent) if frame["t"] == "join" and frame["room"] == room)
        self.gets(
            t="joined", room=room, head=head, rid=rid, **{"epoch": "e", "recovered": True, "members": 1, **fields}
        )

    def says(self, cid: str, room: str = "ops") -> None:
        self.protocol.send(cid, frames.Say(room=room, text=cid), self.now)
        self.work()

    def acked(self, cid: str, seq: int = 1) -> None:
        self.gets(t="ack", cid=cid, id=cid, seq=seq, ts="")

    def happens(self, seq: int, room: str = "ops") -> None:
        self.gets(t="msg", room=room, seq=seq, id=str(seq), ts="", **{"from": "bob", "user": 2, "text": str(seq)})

    def fails(self, code: str, **fields: Any) -> None:
        self.gets(t="error", code=code, message=code, **{"retry": False, **fields})

    def lost(self) -> None:
        self.protocol.connection_lost(self.now)
        self.work()
        self.sent.clear()

    def later(self) -> None:
        """Advance the clock to `wake_at`."""
        assert self.protocol.wake_at is not None
        self.now = self.protocol.wake_at
        self.protocol.tick(self.now)
        self.work()

    @property
    def spoken(self) -> list[str]:
        return [frame["cid"] for frame in self.sent if "cid" in frame]

    @property
    def heard(self) -> list[int]:
        return [event.seq for event in self.told if isinstance(event, frames.Message)]


@pytest.fixture
def wire() -> Wire:
    wire = Wire()
    wire.welcomed()
    wire.joins()
    return wire


def test_it_is_offered_under_the_name_that_servers_know() -> None:
    assert SUBPROTOCOL == JSON_SUBPROTOCOL


def test_what_was_not_acknowledged_is_sent_again_in_order(wire: Wire) -> None:
    for cid in "abc":
        wire.says(cid)
    wire.acked("a")
    wire.lost()
    wire.says("d")
    assert wire.sent == []
    wire.welcomed()
    assert [frame["t"] for frame in wire.sent] == ["join", "msg", "msg", "msg"]
    assert wire.spoken == ["b", "c", "d"]
    for cid in "bcd":
        wire.acked(cid)
    assert set(wire.settled) >= set("abcd")


def test_a_room_is_followed_from_where_it_was(wire: Wire) -> None:
    wire.happens(4)
    wire.happens(4)
    wire.happens(3)
    wire.lost()
    wire.welcomed()
    (join,) = wire.sent
    assert (join["room"], join["after"], join["epoch"]) == ("ops", 4, "e")
    wire.joined(head=7)
    for seq in (5, 7, 8):
        wire.happens(seq)
    assert wire.heard == [4, 5, 7, 8]
    assert [event for event in wire.told if isinstance(event, Missed)] == [Missed("ops", 2)]


def test_what_was_missed_is_counted_though_the_last_of_it_is_kept_from_us(wire: Wire) -> None:
    wire.happens(1)
    wire.lost()
    wire.welcomed()
    wire.joined(head=5)
    wire.happens(2)
    wire.later()
    assert wire.now >= CATCH_UP_TIMEOUT
    assert wire.told[-1] == Missed("ops", 1)


@pytest.mark.parametrize("marked", [True, False])
def test_the_results_of_a_search_keep_their_marks(wire: Wire, marked: bool) -> None:
    rid = wire.protocol.request(frames.Search(words="tea"), wire.now)
    wire.work()
    assert wire.sent[-1] == {"t": "search", "rid": rid, "words": "tea", "limit": 20}
    events = [
        {
            "t": t,
            "room": "ops",
            "seq": seq,
            "id": f"{seq}",
            "ts": "2026-01-31T12:00:00Z",
            "from": "bob",
            "text": "a tea",
        }
        for seq, t in enumerate(("msg", "unheard-of", "msg"), 1)
    ]
    more = {"marks": [[[2, 5]], [[0, 1]], []], "next": 7, "partial": True, "behind": 3} if marked else {"room": "ops"}
    wire.gets(t="found", words="tea", events=events, more=True, rid=rid, **more)
    found = wire.settled[rid]
    assert ([event.seq for event in found.events], found.more) == ([1, 3], True)
    if marked:
        assert (found.room, found.marks, found.next) == ("", [[(2, 5)], []], 7)
        assert (found.partial, found.behind) == (True, 3)
    else:
        assert (found.room, found.marks, found.next, found.partial) == ("ops", [[], []], 0, False)


@pytest.mark.parametrize("epoch", ["e", "another"])
def test_a_history_that_is_another_or_trimmed_begins_at_its_head(wire: Wire, epoch: str) -> None:
    wire.happens(9)
    wire.lost()
    wire.welcomed(epoch=epoch)
    wire.joined(head=3, epoch=epoch, recovered=False)
    wire.happens(3)
    wire.happens(4)
    assert wire.heard == [9, 4]
    assert [event.recovered for event in wire.told if isinstance(event, frames.Joined)] == [True, False]
    wire.lost()
    wire.welcomed(epoch=epoch)
    assert (wire.sent[0]["after"], wire.sent[0]["epoch"]) == (4, epoch)


def test_a_slow_reader_passes_over_and_asks_again(wire: Wire) -> None:
    wire.happens(1)
    wire.happens(2)
    wire.protocol.skip(wire.told.pop())
    wire.happens(3)
    wire.sent.clear()
    wire.protocol.resume_reading(wire.now)
    wire.protocol.resume_reading(wire.now)
    wire.work()
    assert [(frame["t"], frame["after"]) for frame in wire.sent] == [("join", 1)]
    wire.happens(4)
    wire.joined(head=4)
    for seq in (2, 3, 4, 5):
        wire.happens(seq)
    assert wire.heard == [1, 2, 3, 4, 5]


def test_who_is_forgotten_does_not_know_whether_it_was_stored(wire: Wire) -> None:
    wire.says("sent")
    wire.lost()
    wire.says("unsent")
    wire.welcomed(token="another")
    assert isinstance(wire.settled["sent"], Uncertain)
    assert wire.spoken == ["unsent"]


def test_in_another_history_nothing_is_stored(wire: Wire) -> None:
    wire.says("sent")
    wire.lost()
    wire.welcomed(token="another", epoch="another")
    assert wire.spoken == ["sent"]


def test_no_more_is_on_its_way_than_the_window() -> None:
    wire = Wire(JsonProtocol(window=2))
    wire.welcomed()
    wire.joins()
    for cid in "abc":
        wire.says(cid)
    assert wire.spoken == ["a", "b"]
    wire.acked("b")
    assert wire.spoken == ["a", "b", "c"]


def test_half_of_the_burst_is_used_and_then_the_rate() -> None:
    wire = Wire()
    wire.welcomed(rate=10, burst=20)
    wire.joins()
    for number in range(30):
        wire.says(str(number))
    for number in range(9):
        wire.acked(str(number))
    assert len(wire.sent) == 10
    wire.later()
    assert len(wire.sent) == 11
    assert wire.now == pytest.approx(0.1)


def test_where_there_is_a_rate_nothing_can_overtake_what_came_too_fast() -> None:
    wire = Wire()
    wire.welcomed(rate=10, burst=20)
    wire.joins()
    for cid in "abc":
        wire.says(cid)
    assert wire.spoken == ["a"]
    wire.fails("rate_limited", cid="a", retry=True, after=100)
    assert wire.spoken == ["a"]
    wire.later()
    assert wire.spoken == ["a", "a"]
    wire.acked("a")
    assert wire.spoken == ["a", "a", "b"]


def test_a_slow_room_holds_up_itself_only(wire: Wire) -> None:
    wire.joins("red")
    wire.says("a")
    wire.fails("slow_mode", cid="a", retry=True, after=5000)
    assert wire.told[-1] == Delayed("ops", "slow_mode", 5)
    wire.says("b")
    wire.says("c", room="red")
    assert wire.spoken == ["a", "c"]
    wire.acked("c")
    wire.later()
    assert (wire.now, wire.spoken[-1]) == (5, "a")


@pytest.mark.parametrize("request_", [frames.Edit(room="ops", text="b"), frames.Delete(room="ops")])
def test_what_changes_the_last_message_waits_for_it(wire: Wire, request_: frames.Edit | frames.Delete) -> None:
    wire.sent.clear()
    wire.says("a")
    wire.protocol.request(request_, wire.now)
    wire.work()
    assert [frame["t"] for frame in wire.sent] == ["msg"]
    wire.fails("slow_mode", cid="a", retry=True, after=5000)
    wire.says("c", room="red")
    wire.acked("c")
    assert [frame["t"] for frame in wire.sent] == ["msg", "msg"]
    wire.later()
    wire.acked("a")
    assert wire.spoken == ["a", "c", "a"]
    assert wire.sent[-1]["t"] == request_.__struct_config__.tag


def test_what_is_refused_is_at_its_end(wire: Wire) -> None:
    wire.says("a")
    wire.fails("muted", cid="a")
    assert (type(wire.settled["a"]), wire.settled["a"].code) == (Refused, "muted")
    wire.lost()
    wire.welcomed()
    assert wire.spoken == []


def test_who_may_not_come_back_is_told(wire: Wire) -> None:
    wire.lost()
    wire.says("a")
    wire.welcomed()
    wire.fails("banned", rid=wire.sent[0]["rid"])
    left = wire.told[-1]
    assert (type(left), left.room, type(left.error)) == (Left, "ops", Banned)
    wire.fails("not_joined", cid="a")
    assert isinstance(wire.settled["a"], Refused)


def test_requests_that_may_be_done_twice_are_repeated_and_others_not(wire: Wire) -> None:
    who = wire.protocol.request(frames.Who(room="ops"), wire.now)
    nick = wire.protocol.request(frames.Nick(name="x"), wire.now)
    last = wire.protocol.request(frames.Edit(room="ops", text="of the last message"), wire.now)
    join = wire.protocol.request(frames.Join(room="red"), wire.now)
    wire.work()
    wire.lost()
    assert isinstance(wire.settled[nick], Interrupted)
    assert isinstance(wire.settled[last], Interrupted)
    wire.welcomed()
    assert sorted(frame["t"] for frame in wire.sent) == ["join", "join", "who"]
    wire.gets(t="who", room="ops", members=0, rid=who)
    wire.joined("red")
    assert isinstance(wire.settled[who], frames.People)
    assert isinstance(wire.settled[join], frames.Joined)


def test_nobody_hears_that_a_hint_was_refused(wire: Wire) -> None:
    before = len(wire.told)
    typing = wire.protocol.request(frames.Typing(room="ops"), wire.now)
    wire.fails("not_joined", rid=typing)
    assert len(wire.told) == before


def test_a_slash_command_ends_with_its_answer_or_when_the_server_has_carried_it_out(wire: Wire) -> None:
    def run(line: str) -> tuple[int, int]:
        slash = wire.protocol.request(frames.SlashCommand(room="ops", line=line), wire.now)
        wire.work()
        assert [frame["t"] for frame in wire.sent[-2:]] == ["command", "help"]
        return slash, wire.sent[-1]["rid"]

    refused, probe = run("/dance")
    wire.fails("unknown_command", rid=refused)
    wire.gets(t="help", commands=[], rid=probe)
    assert wire.settled[refused].code == "unknown_command"
    answered, probe = run("/roll")
    wire.gets(t="notice", text="a 20", rid=answered)
    wire.gets(t="help", commands=[], rid=probe)
    assert wire.settled[answered].text == "a 20"
    silent, probe = run("/me waves")
    assert silent not in wire.settled
    wire.gets(t="help", commands=[], rid=probe)
    assert wire.settled[silent] == frames.Done()
    lost, _ = run("/roll")
    wire.lost()
    assert isinstance(wire.settled[lost], Interrupted)


def test_a_login_waits_for_acks_and_what_follows_waits_for_it(wire: Wire) -> None:
    wire.says("a")
    login = wire.protocol.request(frames.Login(name="bob", password="horse"), wire.now)
    wire.says("b")
    assert wire.sent[-1]["t"] == "msg"
    wire.acked("a")
    assert wire.sent[-1]["t"] == "login"
    wire.gets(t="named", id=2, name="bob", registered=True, rid=login)
    assert [frame["t"] for frame in wire.sent[-2:]] == ["join", "msg"]
    assert wire.protocol.name == "bob"


def test_a_name_that_is_taken() -> None:
    wire = Wire(JsonProtocol(name="ann"))
    wire.welcomed(name="user3")
    assert wire.told == []
    wire.fails("name_taken")
    refused, connected = wire.told
    assert (type(refused), refused.name, type(refused.error)) == (NameRefused, "user3", NameTaken)
    assert connected == Connected("user3")


def test_a_name_in_another_form_is_ours() -> None:
    wire = Wire(JsonProtocol(name="ANN"))
    wire.welcomed(name="ann")
    wire.gets(t="help", commands=[], rid=wire.sent[0]["rid"])
    assert wire.told == [Connected("ann")]


@pytest.mark.parametrize(
    ("told", "room"), [("hall", "hall"), ("", "lobby"), ("../etc", "lobby"), ("\x1b[2J", "lobby"), ("@1,2", "lobby")]
)
def test_the_server_says_where_to_begin(told: str, room: str) -> None:
    wire = Wire()
    wire.welcomed(room=told)
    assert wire.protocol.room == room


def test_what_is_longer_than_the_server_reads_is_not_sent() -> None:
    wire = Wire()
    wire.welcomed(frame=200)
    wire.joins()
    wire.protocol.send("long", frames.Say(room="ops", text="x" * 200), wire.now)
    rid = wire.protocol.request(frames.Edit(room="ops", seq=1, text="\n" * 100), wire.now)
    wire.says("short")
    assert [wire.settled[key].code for key in ("long", rid)] == [Code.TOO_LONG] * 2
    assert wire.spoken == ["short"]
    most = 200 - len('{"t":"msg","cid":"most","room":"ops","text":"","me":false}')
    wire.protocol.send("most", frames.Say(room="ops", text="x" * most), wire.now)
    wire.protocol.send("more", frames.Say(room="ops", text="x" * (most + 1)), wire.now)
    wire.work()
    assert (wire.spoken[-1], str(wire.settled["more"])) == (
        "most",
        "The message takes 201 bytes to send, but the server accepts 200 at most",
    )


def test_what_an_older_server_did_not_read_is_at_its_end_and_the_rest_is_sent_again(wire: Wire) -> None:
    wire.says("a")
    wire.protocol.send("b", frames.Say(room="ops", text="x" * 1_000), wire.now)
    wire.protocol.frame_too_big()
    wire.lost()
    assert wire.settled["b"].code == Code.TOO_LONG
    wire.welcomed()
    wire.joined()
    assert wire.spoken == ["a"]


def test_an_older_server_tells_no_ids_no_room_and_no_limit_of_a_frame() -> None:
    wire = Wire()
    wire.protocol.connection_made()
    older = {"id": 1, "name": "ann", "registered": False, "token": TOKEN, "epoch": "e"}
    wire.gets(t="welcome", **older, limits={"rate": 0, "burst": 20, "message": 10})
    assert (wire.protocol.room, wire.protocol.limits["frame"]) == ("lobby", 65_536)
    wire.joins()
    wire.gets(t="msg", room="ops", seq=1, id="1", ts="", **{"from": "bob", "text": "hi"})
    wire.gets(t="topic", room="ops", seq=2, id="2", ts="", **{"from": "bob", "text": "tea"})
    assert [event.user for event in wire.told[-2:]] == [UNSET, UNSET]
    wire.lost()
    wire.protocol.connection_made()
    wire.gets(t="welcome", **older, limits={"rate": 0, "burst": 20, "message": 100_000})
    assert wire.protocol.limits["frame"] == 100_000


def test_what_does_not_speak_it_is_no_chat() -> None:
    wire = Wire()
    wire.protocol.connection_made()
    wire.protocol.text_received("You are connected!", wire.now)
    with pytest.raises(NotAChat):
        wire.work()


def test_frames_of_an_unknown_type_are_ignored(wire: Wire) -> None:
    before = len(wire.told)
    wire.gets(t="weather", room="ops", sunny=True)
    wire.protocol.text_received("no JSON", wire.now)
    wire.protocol.text_received('{"t": "msg"}', wire.now)
    wire.work()
    assert len(wire.told) == before


def test_at_the_end_all_that_waits_ends(wire: Wire) -> None:
    wire.says("sent")
    wire.lost()
    wire.says("unsent")
    wire.protocol.fail(ChatError("over"))
    wire.work()
    assert isinstance(wire.settled["sent"], Uncertain)
    assert not isinstance(wire.settled["unsent"], Uncertain)


@settings(deadline=None)
@given(st.data())
def test_whatever_is_lost_each_message_is_stored_once_in_order_and_heard_once_in_order(data: st.DataObject) -> None:
    """Between two connections the server has read some of what was sent, and the client some of what came back."""
    wire, log = Wire(), list[str]()
    said = 0
    wire.protocol.request(frames.Join(room="ops"), wire.now)
    for last in [False] * data.draw(st.integers(0, 6)) + [True]:
        wire.welcomed()
        for _ in range(data.draw(st.integers(0, 5))):
            wire.says(f"m{said}")
            said += 1
        answers: list[dict[str, Any]] = []
        read = len(wire.sent) if last else data.draw(st.integers(0, len(wire.sent)))
        for frame in wire.sent[:read]:
            answers += carried_out(frame, log)
        wire.sent.clear()
        arrived = len(answers) if last else data.draw(st.integers(0, len(answers)))
        for answer in answers[:arrived]:
            wire.gets(**answer)
            if data.draw(st.booleans()) and answer["t"] == "msg":
                wire.gets(**answer)
        if not last:
            wire.lost()
    assert log == [f"m{number}" for number in range(said)]
    assert all(isinstance(wire.settled[f"m{number}"], frames.Ack) for number in range(said))
    heard = wire.heard
    assert heard == sorted(set(heard))
    assert not heard or heard == list(range(heard[0], said + 1))


def carried_out(frame: dict[str, Any], log: list[str]) -> list[dict[str, Any]]:
    """What the server sends for a frame."""
    if frame["t"] == "join":
        after = frame.get("after", len(log))
        joined = {"t": "joined", "room": "ops", "epoch": "e", "head": len(log), "recovered": True, "members": 1}
        return [{**joined, "rid": frame["rid"]}, *(told(seq, log) for seq in range(after + 1, len(log) + 1))]
    cid = frame["cid"]
    fresh = cid not in log
    if fresh:
        log.append(cid)
    seq = log.index(cid) + 1
    ack = {"t": "ack", "cid": cid, "id": cid, "seq": seq, "ts": ""}
    return [ack, told(seq, log)] if fresh else [ack]


def told(seq: int, log: list[str]) -> dict[str, Any]:
    return {"t": "msg", "room": "ops", "seq": seq, "id": log[seq - 1], "ts": "", "from": "ann", "text": log[seq - 1]}


def test_a_ping_of_the_chat_is_answered_at_once(wire: Wire) -> None:
    wire.sent.clear()
    wire.gets(t="ping")
    assert wire.sent == [{"t": "pong"}]


def test_a_new_token_is_kept_at_once(wire: Wire) -> None:
    register = wire.protocol.request(frames.Register(password="correct horse"), wire.now)
    wire.gets(t="named", id=1, name="ann", registered=True, token="new", rid=register)
    assert wire.protocol.token == "new"
    wire.gets(t="named", id=1, name="anna", registered=True)
    assert wire.protocol.token == "new"
