"""Sign-ins: tokens, passwords, and what ends with them."""

from __future__ import annotations

import pytest

from app.backends import Backend, NameTaken
from app.chat.events import User
from tests.contracts.helpers import register, someone, soon

pytestmark = pytest.mark.anyio

DAY = 24 * 60 * 60 * 1000


async def owners(backend: Backend, *tokens: bytes) -> list[int]:
    """The ids of those whose tokens these are; 0 for nobody's."""
    found = [await soon(backend.user_by_token(token)) for token in tokens]
    return [user.id if user else 0 for user in found]


async def devices(backend: Backend, *tokens: bytes) -> list[int]:
    return [await soon(backend.device_of(token)) for token in tokens]


async def account(backend: Backend, token: bytes, password: str = "hash") -> User:
    """A registered user who is signed in with a token."""
    guest = await soon(backend.create_user(b"guest " + token))
    return await register(backend, guest, password, token, ends=b"guest " + token)


async def test_a_registration_ends_the_token_of_the_guest(backend: Backend) -> None:
    ann = await account(backend, b"a")
    assert ann == User(ann.id, ann.name, registered=True)
    assert await owners(backend, b"a", b"guest a") == [ann.id, 0]


async def test_a_sign_in_ends_the_token_of_the_device(backend: Backend) -> None:
    ann, guest = await account(backend, b"a"), await soon(backend.create_user(b"g"))
    assert await soon(backend.sign_in(ann.id, "hash", b"b", ends=b"g", at=2)) == ann
    assert await owners(backend, b"a", b"b", b"g") == [ann.id, ann.id, 0]
    assert await soon(backend.sign_in(ann.id, "hash", b"", ends=b"b", at=3)) == ann
    assert await owners(backend, b"a", b"b", b"") == [ann.id, 0, 0]
    assert await soon(backend.users([guest.id])) == [guest]
    assert (await soon(backend.create_user(b"g"))).id not in (ann.id, guest.id)


async def test_a_password_that_has_changed_signs_nobody_in(backend: Backend) -> None:
    ann, _ = await account(backend, b"a"), await soon(backend.create_user(b"g"))
    assert await soon(backend.change_password(ann.id, "hash", "other", b"b", at=2)) == ann
    assert await soon(backend.sign_in(ann.id, "hash", b"c", ends=b"g", at=3)) is None
    assert await soon(backend.change_password(ann.id, "hash", "third", b"c", at=3)) is None
    assert await owners(backend, b"b", b"c") == [ann.id, 0]
    assert (await owners(backend, b"g"))[0] != ann.id
    assert await soon(backend.sign_in(ann.id, "other", b"d", ends=b"", at=4)) == ann


async def test_a_new_password_ends_all_other_sign_ins_of_the_user_alone(backend: Backend) -> None:
    ann, bob = await account(backend, b"a"), await account(backend, b"b")
    for token in (b"a2", b"a3"):
        await soon(backend.sign_in(ann.id, "hash", token, ends=b"", at=2))
    await soon(backend.change_password(ann.id, "hash", "other", b"a4", at=3))
    assert await owners(backend, b"a", b"a2", b"a3", b"a4", b"b") == [0, 0, 0, ann.id, bob.id]
    await soon(backend.change_password(ann.id, "other", "third", b"", at=4))
    assert await owners(backend, b"a4", b"b") == [0, bob.id]


async def test_a_sign_out_ends_the_token_and_no_other(backend: Backend) -> None:
    ann = await account(backend, b"a")
    await soon(backend.sign_in(ann.id, "hash", b"b", ends=b"", at=2))
    for token in (b"a", b"a", b"unknown"):
        await soon(backend.sign_out(token, at=3))
    assert await owners(backend, b"a", b"b") == [0, ann.id]
    assert (await soon(backend.create_user(b"a"))).id != ann.id


async def test_a_device_is_known_after_the_sign_out(backend: Backend) -> None:
    ann, bob = await account(backend, b"a"), await account(backend, b"b")
    assert await devices(backend, b"a", b"b", b"guest a", b"unknown", b"") == [ann.id, bob.id, 0, 0, 0]
    await soon(backend.sign_out(b"a", at=2))
    assert await devices(backend, b"a") == [ann.id]
    guest = await soon(backend.create_user(b"g", offered=b"a"))
    assert await devices(backend, b"g") == [ann.id]
    assert await owners(backend, b"g", b"a") == [guest.id, 0]
    await soon(backend.create_user(b"h", offered=b"unknown"))
    await soon(backend.create_user(b"i", offered=b"b"))
    assert await devices(backend, b"h", b"i") == [0, bob.id]
    await soon(backend.change_password(bob.id, "hash", "other", b"", at=3))
    assert await devices(backend, b"b") == [bob.id]
    await soon(backend.sign_out(b"g", at=4))
    assert await devices(backend, b"g") == [ann.id]


async def test_a_sign_in_that_was_not_used_for_long_has_ended(backend: Backend) -> None:
    ann, guest = await account(backend, b"a"), await soon(backend.create_user(b"g"))
    for at, last in ((5, 5), (9, 9), (7, 9)):
        await soon(backend.use_token(b"a", at=at))
        assert await soon(backend.user_by_token(b"a", since=last)) == ann
        assert await soon(backend.user_by_token(b"a", since=last + 1)) is None
    await soon(backend.use_token(b"g", at=5))
    assert await soon(backend.user_by_token(b"g", since=DAY)) == guest
    await soon(backend.sign_out(b"a", at=10))
    await soon(backend.use_token(b"a", at=11))
    assert await soon(backend.user_by_token(b"a")) is None


async def test_a_device_is_forgotten_in_the_end(backend: Backend) -> None:
    ann, bob = await account(backend, b"a"), await account(backend, b"b")
    await soon(backend.sign_out(b"a", at=DAY))
    await soon(backend.sign_out(b"unknown", at=91 * DAY))
    assert await devices(backend, b"a") == [ann.id]
    await soon(backend.sign_out(b"unknown", at=91 * DAY + 1))
    assert await devices(backend, b"a", b"b") == [0, bob.id]


async def test_the_rank_of_a_name_is_given_once_and_stays_with_the_account(backend: Backend) -> None:
    ann, bob = await someone(backend), await someone(backend)
    await soon(backend.claim(ann.id, "Admin", "admin"))
    assert await soon(backend.make_operator("admin")) == 0  # a guest has it
    await register(backend, ann, operator=True)
    assert await soon(backend.operators()) == {"admin": ann.id}
    await soon(backend.claim(ann.id, "Ann", "ann"))
    await soon(backend.claim(bob.id, "admin", "admin"))
    await register(backend, bob, operator=True)
    assert await soon(backend.make_operator("admin")) == ann.id
    assert await soon(backend.make_operator("nobody")) == 0
    assert await soon(backend.operators()) == {"admin": ann.id}
    assert await soon(backend.make_operator("ann")) == ann.id
    assert await soon(backend.operators()) == {"admin": ann.id, "ann": ann.id}


async def test_a_name_that_looks_like_a_registered_one_is_taken(backend: Backend) -> None:
    ann, bob, cem = await someone(backend), await someone(backend), await someone(backend)
    await soon(backend.claim(bob.id, "a1ice", "a1ice", skeleton="allce"))  # nobody registered is called that yet
    await soon(backend.claim(ann.id, "alice", "alice", skeleton="allce"))
    await register(backend, ann, skeleton="allce")
    with pytest.raises(NameTaken) as claiming:
        await soon(backend.claim(cem.id, "aIice", "aiice", skeleton="allce"))
    with pytest.raises(NameTaken) as registering:
        await register(backend, bob, skeleton="allce")
    for caught in (claiming, registering):
        assert (caught.value.reason, caught.value.holder.user.id) == ("lookalike", ann.id)
    assert not (await soon(backend.users([bob.id])))[0].registered
    assert (await soon(backend.claim(ann.id, "Aiice", "aiice", skeleton="allce"))).name == "Aiice"
    assert (await soon(backend.claim(bob.id, "A1ice", "a1ice", skeleton="allce"))).name == "A1ice"  # its own already


async def test_names_without_a_skeleton_get_one(backend: Backend) -> None:
    ann, bob = await someone(backend), await someone(backend)
    await soon(backend.claim(ann.id, "Ann", "ann"))
    await register(backend, ann)
    await soon(backend.claim(bob.id, "Bob", "bob"))
    assert await soon(backend.names_without_skeleton(10)) == ["ann"]
    await soon(backend.set_skeletons([("ann", "ann"), ("nobody", "nobody")]))
    assert await soon(backend.names_without_skeleton(10)) == []
    with pytest.raises(NameTaken):
        await soon(backend.claim(bob.id, "Ann.", "ann.", skeleton="ann"))


async def test_a_name_that_was_given_up_is_kept_for_its_owner(backend: Backend) -> None:
    ann, bob = await someone(backend), await someone(backend)
    await soon(backend.claim(ann.id, "Ann", "ann", skeleton="ann", at=1, most=3))
    await register(backend, ann, skeleton="ann")
    await soon(backend.claim(ann.id, "Eve", "eve", skeleton="eve", at=10, most=3))
    for name in ("ann", "ann."):
        with pytest.raises(NameTaken) as caught:
            await soon(backend.claim(bob.id, name, name, skeleton="ann", at=11, since=9, most=3))
        assert (caught.value.reason, caught.value.holder.user) == ("given_up", User(ann.id, "Eve", registered=True))
    assert (await soon(backend.claim(ann.id, "Ann", "ann", skeleton="ann", at=12, since=9, most=3))).name == "Ann"
    await soon(backend.claim(ann.id, "Eva", "eva", skeleton="eva", at=13, since=9, most=3))
    with pytest.raises(NameTaken):
        await soon(backend.claim(bob.id, "ann", "ann", skeleton="ann", at=14, since=12, most=3))
    assert (await soon(backend.claim(bob.id, "ann", "ann", skeleton="ann", at=14, since=13, most=3))).name == "ann"


async def test_a_guests_former_name_is_free(backend: Backend) -> None:
    ann, bob = await someone(backend), await someone(backend)
    await soon(backend.claim(ann.id, "Ann", "ann", skeleton="ann", at=1, most=3))
    await soon(backend.claim(ann.id, "Eve", "eve", skeleton="eve", at=2, most=3))
    assert (await soon(backend.claim(bob.id, "Ann", "ann", skeleton="ann", at=3, most=3))).name == "Ann"


async def test_nobody_keeps_more_names_than_allowed(backend: Backend) -> None:
    ann = await someone(backend)
    await register(backend, ann)
    names = ["one", "two", "three", "four"]
    for at, name in enumerate(names, 1):  # the default name is kept anyway, so the first costs nothing
        await soon(backend.claim(ann.id, name, name, skeleton=name, at=at, most=3))
    with pytest.raises(NameTaken) as caught:
        await soon(backend.claim(ann.id, "five", "five", skeleton="five", at=5, most=3))
    assert (caught.value.reason, caught.value.holder.user.id) == ("often", ann.id)
    assert (await soon(backend.users([ann.id])))[0].name == "four"
    await soon(backend.claim(ann.id, "two", "two", skeleton="two", at=5, most=3))  # one comes back, one goes
    await soon(backend.claim(ann.id, "five", "five", skeleton="five", at=6, since=3, most=3))
