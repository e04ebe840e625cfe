"""Users: names and accounts, what they have read and whom they ignore."""

from __future__ import annotations

from asyncio import gather
from collections.abc import Awaitable, Callable

import pytest

from app.backends import Backend, NameTaken
from app.chat.events import Account, Appended, User
from app.chat.logs import mailbox
from tests.contracts.helpers import draft, register, someone, soon

pytestmark = pytest.mark.anyio


async def test_names_count_up_and_secrets_identify(backend: Backend) -> None:
    secrets = [f"secret {number}".encode() for number in range(30)]
    users = await soon(gather(*[backend.create_user(secret) for secret in secrets[:20]]))
    users += [await soon(backend.create_user(secret)) for secret in secrets[20:]]
    assert [user.name for user in users] == [f"user{number}" for number in range(30)]
    assert len({user.id for user in users}) == 30
    assert [await soon(backend.user_by_token(secret)) for secret in secrets] == users


async def test_an_unknown_secret_identifies_nobody(backend: Backend) -> None:
    await soon(backend.create_user(b"secret\0a"))
    for secret in (b"", b"secret", b"secret\0", b"secret\0A", b"secret\0a\0"):
        assert await soon(backend.user_by_token(secret)) is None


async def test_asked_again_with_a_secret_it_is_the_same_user(backend: Backend) -> None:
    users = await soon(gather(*[backend.create_user(b"secret") for _ in range(10)]))
    assert [*users, await soon(backend.create_user(b"secret"))] == [users[0]] * 11


async def test_a_name_is_claimed_and_the_former_one_is_free(backend: Backend) -> None:
    ann, bob = await someone(backend), await someone(backend)
    assert await soon(backend.account(ann.name)) == Account(ann, "", 0)
    named = await soon(backend.claim(ann.id, "Ann", "ann"))
    assert named == User(ann.id, "Ann")
    assert await soon(backend.account("ann")) == Account(named, "", 0)
    assert await soon(backend.account("Ann")) is None
    assert await soon(backend.account(ann.name)) is None
    assert await soon(backend.users([ann.id])) == [named]
    with pytest.raises(NameTaken) as caught:
        await soon(backend.claim(bob.id, "ANN", "ann"))
    assert caught.value.holder == Account(named, "", 0)
    assert await soon(backend.claim(ann.id, "ANN", "ann")) == User(ann.id, "ANN")
    assert await soon(backend.claim(ann.id, "Anna", "anna")) == User(ann.id, "Anna")
    assert await soon(backend.claim(bob.id, "Ann", "ann")) == User(bob.id, "Ann")


async def test_of_a_hundred_claims_at_once_one_wins(backend: Backend) -> None:
    users = [await someone(backend) for _ in range(100)]
    claims = [backend.claim(user.id, f"Ann{user.id}", "ann") for user in users]
    answers = await soon(gather(*claims, return_exceptions=True))
    [winner] = [answer for answer in answers if isinstance(answer, User)]
    for user, answer in zip(users, answers, strict=True):
        if user.id == winner.id:
            assert winner == User(user.id, f"Ann{user.id}")
        else:
            assert isinstance(answer, NameTaken)
            assert answer.holder.user == winner
    assert await soon(backend.account("ann")) == Account(winner, "", 0)
    assert [user.name for user in await soon(backend.users([user.id for user in users]))] == [
        winner.name if user.id == winner.id else user.name for user in users
    ]


async def test_a_refused_claim_harms_no_other_call(backend: Backend) -> None:
    ann, bob = await someone(backend), await someone(backend)
    await soon(backend.claim(ann.id, "Ann", "ann"))
    calls = backend.append(draft(bob, "one")), backend.claim(bob.id, "ann", "ann"), backend.append(draft(bob, "two"))
    one, refused, two = await soon(gather(*calls, return_exceptions=True))
    assert isinstance(refused, NameTaken)
    assert [answer.event.text for answer in (one, two) if isinstance(answer, Appended)] == ["one", "two"]


async def test_one_who_has_no_password_can_be_evicted(backend: Backend) -> None:
    ann, bob, cem = [await someone(backend) for _ in range(3)]
    await soon(backend.claim(ann.id, "Ann", "ann"))
    for evict in (0, bob.id, cem.id, 10_000):
        with pytest.raises(NameTaken):
            await soon(backend.claim(bob.id, "Ann", "ann", evict=evict))
    assert await soon(backend.claim(bob.id, "Ann", "ann", evict=ann.id)) == User(bob.id, "Ann")
    assert await soon(backend.users([ann.id])) == [ann]
    assert await soon(backend.account(ann.name)) == Account(ann, "", 0)
    await register(backend, bob)
    with pytest.raises(NameTaken) as caught:
        await soon(backend.claim(cem.id, "Ann", "ann", evict=bob.id))
    assert caught.value.holder == Account(User(bob.id, "Ann", registered=True), "hash", 0)
    assert await soon(backend.users([bob.id, cem.id])) == [User(bob.id, "Ann", registered=True), cem]


async def test_a_numbered_name_is_its_first_owner_s(backend: Backend) -> None:
    ann, bob = await someone(backend), await someone(backend)
    await soon(backend.claim(ann.id, "Ann", "ann"))
    for evict in (0, ann.id):
        with pytest.raises(NameTaken) as caught:
            await soon(backend.claim(bob.id, ann.name, ann.name, evict=evict))
        assert caught.value.holder.user == User(ann.id, "Ann")
    for name in ("user10000", "user007", "user" + "9" * 5000):
        with pytest.raises(ValueError, match="user"):
            await soon(backend.claim(bob.id, name, name))
    assert await soon(backend.claim(ann.id, ann.name.upper(), ann.name)) == User(ann.id, ann.name.upper())
    with pytest.raises(NameTaken):
        await soon(backend.claim(bob.id, ann.name, ann.name, evict=ann.id))
    assert (await someone(backend)).name == "user2"


async def test_a_failed_claim_evicts_nobody(backend: Backend) -> None:
    ann, bob = await someone(backend), await someone(backend)
    await soon(backend.claim(ann.id, "Ann", "ann"))
    with pytest.raises(ValueError, match="surrogates"):
        await soon(backend.claim(bob.id, "\ud800", "ann", evict=ann.id))
    assert await soon(backend.users([ann.id, bob.id])) == [User(ann.id, "Ann"), bob]


async def test_a_password_makes_a_user_registered(backend: Backend) -> None:
    ann, bob = await soon(backend.create_user(b"a")), await someone(backend)
    registered = User(ann.id, ann.name, registered=True)
    assert await register(backend, ann) == registered
    assert await soon(backend.user_by_token(b"a")) == registered
    assert await soon(backend.account(ann.name)) == Account(registered, "hash", 0)
    for again in ("hash", "other"):
        taken = backend.register(ann.id, again, b"b", ends=b"a", at=2, skeleton="", operator=False)
        assert await soon(taken) is None
    assert await soon(backend.account(ann.name)) == Account(registered, "hash", 0)
    assert [await soon(backend.user_by_token(token)) for token in (b"a", b"b")] == [registered, None]
    assert await soon(backend.claim(ann.id, "Ann", "ann")) == User(ann.id, "Ann", registered=True)
    assert await soon(backend.users([bob.id, ann.id])) == [bob, User(ann.id, "Ann", registered=True)]


@pytest.mark.parametrize(
    "call",
    [
        lambda backend: backend.claim(99, "Ann", "ann"),
        lambda backend: register(backend, User(99, "Ann"), token=b"secret"),
        lambda backend: backend.sign_in(99, "", b"secret", ends=b"", at=1),
        lambda backend: backend.change_password(99, "", "hash", b"secret", at=1),
    ],
    ids=["claim", "register", "sign in", "change password"],
)
async def test_a_user_who_is_not_there(backend: Backend, call: Callable[[Backend], Awaitable[object]]) -> None:
    with pytest.raises(ValueError, match="99"):
        await soon(call(backend))
    assert await soon(backend.account("ann")) is None
    assert await soon(backend.user_by_token(b"secret")) is None


async def test_users_come_in_the_order_asked_for(backend: Backend) -> None:
    ann, bob, cem = [await someone(backend) for _ in range(3)]
    assert await soon(backend.users([cem.id, 99, ann.id, -1, 2**70])) == [cem, ann]
    assert await soon(backend.users([])) == []
    assert await soon(backend.users([bob.id])) == [bob]


async def test_when_a_user_was_seen_only_moves_on(backend: Backend) -> None:
    ann = await someone(backend)
    for at, known in ((5, 5), (3, 5), (1_700_000_000_000, 1_700_000_000_000), (0, 1_700_000_000_000)):
        await soon(backend.depart(ann.id, at))
        assert await soon(backend.account(ann.name)) == Account(ann, "", known)


async def test_marks_only_move_on(backend: Backend) -> None:
    ann, bob = await someone(backend), await someone(backend)
    for seq, known in ((0, 0), (5, 5), (3, 5), (0, 5), (9, 9)):
        assert await soon(backend.mark_read(ann.id, "room", seq)) == known
    assert await soon(backend.mark_read(ann.id, mailbox(ann.id), 7)) == 7
    assert [await soon(backend.mark_read(user.id, room, 0)) for user, room in ((bob, "room"), (ann, "other"))] == [0, 0]
    assert await soon(backend.mark_read(ann.id, "room", 0)) == 9


async def test_many_marks_are_read_at_once(backend: Backend) -> None:
    ann, bob = await someone(backend), await someone(backend)
    for user, room, seq in ((ann, "room", 5), (ann, mailbox(ann.id), 7), (ann, "unasked", 1), (bob, "other", 3)):
        await soon(backend.mark_read(user.id, room, seq))
    asked = ["room", mailbox(ann.id), "other"]
    assert await soon(backend.read_markers(ann.id, asked)) == {"room": 5, mailbox(ann.id): 7}
    assert await soon(backend.read_markers(ann.id, [])) == {}


async def test_ignoring(backend: Backend) -> None:
    ann, bob, cem = [await someone(backend) for _ in range(3)]
    for whom in (bob, cem, bob):
        await soon(backend.ignore(ann.id, whom.id, on=True))
    assert await soon(backend.ignored(ann.id)) == {bob.id, cem.id}
    assert await soon(backend.ignored(bob.id)) == frozenset()
    for _ in range(2):
        await soon(backend.ignore(ann.id, bob.id, on=False))
    assert await soon(backend.ignored(ann.id)) == {cem.id}


async def test_who_is_admitted_is_a_user_like_any_other_for_what_is_asked_next(backend: Backend) -> None:
    ann = await soon(backend.create_guest())
    claiming = backend.claim(ann.id, "Ann", "ann")
    bob, cyd = await soon(backend.create_guest()), await someone(backend)
    assert await soon(claiming) == User(ann.id, "Ann")
    assert [user.id for user in (ann, bob, cyd)] == [ann.id, ann.id + 1, ann.id + 2]
    assert await soon(backend.users([cyd.id, bob.id, ann.id])) == [cyd, bob, User(ann.id, "Ann")]
    assert (bob.name, bob.registered) == (bob.default_name, False)
    assert await soon(backend.account(bob.name)) == Account(bob, "", 0)
    assert await register(backend, bob) == User(bob.id, bob.name, registered=True)
    assert await soon(backend.user_by_token(b"")) is None


async def test_ids_are_given_once_however_many_come_at_once_and_by_either_door(backend: Backend) -> None:
    coming = [backend.create_guest() if number % 3 else backend.create_user(b"%d" % number) for number in range(300)]
    users = await soon(gather(*coming))
    assert len({user.id for user in users}) == len({user.name for user in users}) == 300
    assert await soon(backend.users([user.id for user in users])) == users
