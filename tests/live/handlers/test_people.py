"""Names: asking for one, changing it, registering it; and ignoring people."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from app import chat_of
from app.chat.closing import CloseCode
from app.testing import Host, Refusal, test_application

PASSWORD = "correct horse"


def test_a_name_is_asked_for_in_the_url(chat: Host) -> None:
    with chat.connect("Ann") as ann, chat.join("bob", dialect="text") as bob:
        assert ann.name == "Ann"
        assert bob.greeting == "You are connected! There are 1 users here."
        ann.join()
        bob.send("hi")
        assert ann.receive()["from"] == "bob"


@pytest.mark.parametrize(
    ("name", "code"),
    [("ann", "name_taken"), ("ANN", "name_taken"), ("user7", "name_taken"), ("a b", "bad_name"), ("é", "bad_name")],
)
def test_a_name_that_can_not_be_had_is_told_after_the_welcome(chat: Host, name: str, code: str) -> None:
    with chat.connect("Ann"):
        with pytest.raises(Refusal, match=r"^user1 was refused: ") as refusal:
            chat.connect(name)
        assert (refusal.value.frame["t"], refusal.value.code) == ("error", code)
        cy = chat.websocket(f"/chat?{urlencode({'name': name})}")
        assert cy.receive() == "You are connected! There are 1 users here."
        assert str(cy.receive()).startswith("*** ")


def test_a_name_is_changed_on_all_connections_of_its_user(chat: Host) -> None:
    with chat.connect() as ann, chat.connect() as bob, chat.connect(token=ann.token) as also:
        assert ann.answer("nick", name="Ann", rid=7) == {"t": "named", "id": 1, "name": "Ann", "rid": 7}
        assert also.receive() == {"t": "named", "id": 1, "name": "Ann"}
        assert bob.refused("nick", name="aNN").code == "name_taken"
        assert ann.answer("nick", name="ANN")["name"] == "ANN"
        assert ann.answer("nick", name="user0")["name"] == "user0"
        assert bob.answer("nick", name="ann")["name"] == "ann"
        bob.join()
        assert bob.say("hi").name == "ann"


def test_of_a_hundred_who_want_one_name_one_gets_it(chat: Host) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(chat.connect()) for _ in range(100)]
        with ThreadPoolExecutor(20) as pool:
            list(pool.map(lambda client: client.ask("nick", name="Ann", rid=1), clients))
        answers = [client.receive() for client in clients]
        assert [answer["t"] for answer in answers].count("named") == 1
        assert [answer.get("code") for answer in answers].count("name_taken") == 99


def test_a_name_is_kept_for_who_holds_the_token(chat: Host) -> None:
    with chat.join("ann") as ann:
        ann.say("hi")
        token = ann.token
    with chat.connect() as bob:
        assert bob.refused("nick", name="ann").code == "name_taken"
    with chat.connect(token=token) as ann:
        assert ann.name == "ann"


def test_a_name_without_a_token_is_free_once_its_holder_left(chat: Host) -> None:
    with chat.join("ann", dialect="text"):
        pass
    with chat.connect() as bob:
        assert bob.answer("nick", name="ann")["name"] == "ann"


def test_a_name_is_not_kept_for_ever(tmp_path: Path) -> None:
    with test_application(store=tmp_path / "chat.db", overrides={"chat.names.hold": 0}) as chat:
        with chat.connect("ann") as ann:
            token = ann.token
            with chat.connect() as bob:
                assert bob.refused("nick", name="ann").code == "name_taken"
        with chat.connect() as bob:
            assert bob.answer("nick", name="ann")["name"] == "ann"
            with chat.connect(token=token) as again:
                assert again.name == "user0"


def test_a_password_protects_a_name_and_gives_it_back(chat: Host) -> None:
    with chat.connect("ann") as ann:
        assert ann.answer("register", password=PASSWORD)["registered"]
    with chat.connect() as bob, chat.join(dialect="text") as text:
        assert bob.refused("nick", name="ann").code == "name_taken"
        assert bob.refused("login", name="ann", password="another").code == "wrong_password"
        assert bob.refused("login", name="nobody", password=PASSWORD).code == "wrong_password"
        bob.join()
        named = bob.answer("login", name="Ann", password=PASSWORD)
        assert (named["name"], named["registered"], named["id"]) == ("ann", True, 1)
        bob.ask("msg", room="lobby", cid="1", text="x")
        assert bob.receive()["code"] == "not_joined"
        text.send(f"/login ann {PASSWORD}")
        assert text.receive() == "*** You are ann now"
        assert text.receive() == "You are connected! There are 1 users here."
        assert text.receive() == "*** ann owns the room now"
        text.send("hi")
        assert text.receive() == "[ann]: hi"
    with chat.connect(token=bob.token) as again:
        assert (again.name, again.welcome["registered"]) == ("ann", True)


def test_after_five_wrong_passwords_an_address_waits(chat: Host) -> None:
    with chat.connect("ann") as ann, chat.connect() as bob:
        ann.answer("register", password=PASSWORD)
        for _ in range(5):
            assert bob.refused("login", name="ann", password="wrong").code == "wrong_password"
        error = bob.refused("login", name="ann", password=PASSWORD).frame
        assert (error["code"], error["retry"]) == ("rate_limited", True)
        assert 0 < error["after"] <= 60_000


def test_an_account_can_not_be_tried_from_many_addresses(tmp_path: Path) -> None:
    overrides = {"app.deployment.trusted-proxies": ["127.0.0.1"]}
    with test_application(store=tmp_path / "chat.db", server=True, overrides=overrides) as chat:
        with chat.connect("ann") as ann:
            ann.answer("register", password=PASSWORD)
        codes = Counter(
            chat.connect(headers={"X-Forwarded-For": f"192.0.2.{number}"})
            .refused("login", name="ann", password="wrong")
            .code
            for number in range(40)
        )
        assert codes == {"wrong_password": 5, "rate_limited": 35}


def test_who_was_signed_in_on_a_device_is_let_through_whatever_others_try(tmp_path: Path) -> None:
    overrides = {"app.deployment.trusted-proxies": ["127.0.0.1"]}
    with test_application(store=tmp_path / "chat.db", server=True, overrides=overrides) as chat:
        with chat.connect("ann") as ann:
            token = ann.answer("register", password=PASSWORD).get("token", ann.token)
            ann.answer("logout")
        for number in range(20):  # from the address of ann as well
            forwarded = {"X-Forwarded-For": f"192.0.2.{number}"} if number % 2 else {}
            chat.connect(headers=forwarded).refused("login", name="ann", password="wrong")
        with chat.connect() as other, chat.connect(token=token) as again:
            assert other.refused("login", name="ann", password=PASSWORD).code == "rate_limited"
            assert not again.welcome["registered"]
            assert again.answer("login", name="ann", password=PASSWORD)["registered"]


def test_the_addresses_of_a_household_are_one(tmp_path: Path) -> None:
    overrides = {"app.deployment.trusted-proxies": ["127.0.0.1"]}
    with test_application(store=tmp_path / "chat.db", server=True, overrides=overrides) as chat:
        codes = Counter(
            chat.connect(headers={"X-Forwarded-For": f"2001:db8::{number}"})
            .refused("login", name=f"nobody{number}", password="wrong")
            .code
            for number in range(20)
        )
        assert codes == {"wrong_password": 5, "rate_limited": 15}


def test_it_does_not_matter_how_an_accent_in_a_password_is_written(chat: Host) -> None:
    with chat.connect("ann") as ann, chat.connect() as bob:
        ann.answer("register", password="cafe\u0301 au lait")
        assert bob.answer("login", name="ann", password="caf\u00e9 au lait")["registered"]


def test_blanks_count_in_a_password_in_both_dialects(chat: Host) -> None:
    with chat.connect("ann") as ann, chat.join(dialect="text") as text:
        ann.answer("register", password=" correct horse ")
        assert text.command("/login ann correct horse") == "Wrong name or password"
        text.send("/login ann  correct horse ")
        assert text.receive() == "*** You are ann now"


@pytest.mark.parametrize("password", ["", "short", "x" * 129])
def test_what_can_not_be_a_password(chat: Host, password: str) -> None:
    with chat.connect() as ann:
        assert ann.refused("register", password=password).code == "bad_password"


def test_who_logs_out_can_not_come_back_by_token(chat: Host) -> None:
    with chat.connect("ann") as ann:
        ann.answer("register", password=PASSWORD)
        token = ann.token
        assert ann.answer("logout")["t"] == "done"
        assert ann.closed() == CloseCode.BYE
    with chat.connect(token=token) as other:
        assert other.id != ann.id


def test_who_quits_is_gone_but_may_come_back(chat: Host) -> None:
    with chat.connect() as ann:
        assert ann.answer("quit")["t"] == "done"
        with pytest.raises(AssertionError, match="closed the connection"):
            ann.receive()
    with chat.connect(token=ann.token) as again:
        assert again.id == ann.id


def test_of_who_is_ignored_nothing_is_heard_on_any_connection(chat: Host) -> None:
    with (
        chat.connect("ann") as ann,
        chat.connect("bob") as bob,
        chat.connect(token=ann.token) as also,
    ):
        for client in (ann, bob, also):
            client.join()
        assert ann.answer("ignore", name="Bob")["t"] == "done"
        assert ann.refused("ignore", name="ann").code == "bad_name"
        assert ann.refused("ignore", name="nobody").code == "unknown_name"
        bob.say("hidden")
        bob.whisper("ann", "hidden")
        ann.say("seen")
        assert also.receive()["text"] == "seen"
        assert [event["text"] for event in ann.answer("history", room="lobby")["events"]] == ["seen"]
        assert ann.answer("search", room="lobby", words="hidden")["events"] == []
        ann.answer("unignore", name="bob")
        assert [event["text"] for event in ann.answer("history", room="lobby")["events"]] == ["hidden", "seen"]


def test_the_text_dialect_lists_who_is_ignored(chat: Host) -> None:
    ann = chat.join("ann", dialect="text")
    chat.connect("cy")
    chat.connect("bob")
    assert ann.command("/ignored") == "You are ignoring nobody"
    ann.command("/ignore cy")
    ann.command("/ignore bob")
    ann.send("/ignored")
    assert [ann.receive(), ann.receive()] == ["*** bob", "*** cy"]


def test_of_who_is_ignored_nothing_is_unread(chat: Host) -> None:
    ann, bob, cy = chat.join("ann"), chat.join("bob"), chat.join("cy")
    bob.whisper("ann", text="psst")
    cy.whisper("ann", text="psst")
    ann.answer("ignore", name="bob")
    read = {one["with"][0]: one.get("read", 0) for one in ann.answer("conversations")["conversations"]}
    assert set(read) == {"bob", "cy"}
    assert (read["bob"] > 0, read["cy"]) == (True, 0)


def test_of_who_is_ignored_no_typing_is_shown(chat: Host) -> None:
    with (
        chat.connect("ann") as ann,
        chat.connect("bob") as bob,
        chat.connect(token=bob.token) as also_bob,
        chat.connect("cy") as cy,
    ):
        for client in (ann, bob, cy):
            client.join("@")
            client.join()
        ann.answer("ignore", name="bob")
        bob.ask("typing", room="lobby")
        also_bob.ask("typing", room="@1,2")
        for client in (bob, also_bob):
            client.answer("rooms")  # the hint before it is on its way
        cy.ask("typing", room="lobby")
        assert ann.hint("typing") == {"t": "typing", "room": "lobby", "from": "cy"}
        assert cy.hint("typing")["from"] == "bob"


@pytest.mark.parametrize(
    "name", ["all", "channel", "admin", "server", "system", "everyone", "a11", "adrnin", "System_"]
)
def test_a_name_that_would_mislead_is_nobodys(chat: Host, name: str) -> None:
    with chat.connect("ann") as ann:
        assert ann.refused("nick", name=name).code == "bad_name"


def test_an_official_name_is_for_who_the_configuration_names() -> None:
    with test_application(overrides={"chat.operators": ["admin"]}) as chat:
        ann, bob = chat.connect(), chat.connect()
        assert bob.refused("nick", name="adm1n").frame["reason"] == "official"
        assert bob.refused("nick", name="system").frame["reason"] == "official"
        assert ann.answer("nick", name="Admin")["name"] == "Admin"


@pytest.mark.parametrize("name", ["r00t", "root.", "ROOT_"])
def test_a_name_like_that_of_a_server_operator_is_nobodys(chat: Host, name: str) -> None:
    with chat.connect("ann") as ann:
        assert ann.refused("nick", name=name).frame["reason"] == "lookalike"
        assert ann.answer("nick", name="Root")["name"] == "Root"


def test_names_of_other_scripts_are_for_who_wants_them(tmp_path: Path) -> None:
    with test_application(store=tmp_path / "chat.db", overrides={"chat.names.unicode": True}) as chat:
        ann, bob = chat.connect(), chat.connect()
        assert ann.answer("nick", name="Ännchen")["name"] == "Ännchen"
        assert bob.refused("nick", name="ännchen").code == "name_taken"
        assert ann.answer("nick", name="ape")["name"] == "ape"
        assert bob.refused("nick", name="\u0430\u0440\u0435").code == "name_taken"  # the same to the eye, in Cyrillic
        assert bob.refused("nick", name="\u0430nn").code == "bad_name"
        ann.join("@")
        bob.ask("whisper", to=["APE"], text="psst", cid="1")
        assert ann.receive()["text"] == "psst"


def test_a_user_ignores_a_limited_number_of_people() -> None:
    with test_application(overrides={"chat.limits.ignored": 1}) as chat:
        ann, bob, cy = (chat.join(name) for name in ("ann", "bob", "cy"))
        ann.answer("ignore", name="bob")
        ann.answer("ignore", name="bob")
        refused = ann.refused("ignore", name="cy")
        assert (refused.code, refused.frame["reason"], refused.frame["limit"]) == ("too_many", "ignored", 1)
        ann.answer("unignore", name="bob")
        ann.answer("ignore", name="cy")
        cy.say("hidden")
        bob.say("seen")
        assert ann.hears("seen")


def test_ignoring_someone_reads_no_log_however_many_rooms_and_connections_there_are(chat: Host) -> None:
    ann, bob = chat.join("ann"), chat.join("bob")
    also = [chat.join(token=ann.token) for _ in range(3)]
    for number in range(10):
        for one in (ann, bob, *also):
            one.join(f"room{number}")
    backend, reads = chat_of(chat.app).backend, list[str]()
    read = backend.read

    def recorded(room: str, **page: Any) -> Any:
        reads.append(room)
        return read(room, **page)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backend, "read", recorded)
        ann.answer("ignore", name="bob")
        bob.say("hidden", room="room3")
        bob.say("hidden", room="lobby")
        ann.say("seen", room="room3")
        for one in also:
            assert one.hears("seen").text == "seen"
        ann.answer("unignore", name="bob")
        bob.say("heard again", room="room3")
        for one in (ann, *also):
            assert one.hears("heard again")
    assert reads == []
