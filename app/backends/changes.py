"""Changes: everything that can be written to a store, each as one typed value.

A change holds whatever depends on chance or on the time, such as an id, a token or a date. So the store that results
from a sequence of changes depends on that sequence alone: `app.backends.machine` applies it, on one node or on many.
They are also what the journal holds, so a released change never alters its fields or their meaning: add a new one, or a
field with a default at the end. `BindToken`, `RevokeToken`, `SetPassword` and `RecordSeen` are asked for no more, but
journals of former versions have them.

To add a change: its type here and in `Change`, its statement in `STATEMENTS` (`app.backends.machine`), and a test in
`tests/contracts`.
"""

from __future__ import annotations

from msgspec import Struct, msgpack

from app.chat.events import Draft


class Trim(Struct, frozen=True, array_like=True, tag="trim"):
    """Remove the oldest events of a room: see `Backend.trim`. The answer is how many went."""

    room: str
    keep: int
    since: int
    limit: int


class CreateUser(Struct, frozen=True, array_like=True, tag="create_user", gc=False):
    """Create a user who signs in with a token, given by its digest, or a guest if that is empty. With a digest that is
    known, the answer is its user. `user` is the id, or 0 for the next one. `offered` is a token that the client showed
    and that is nobody's any more: if it was a sign-in, the new token remembers whose."""

    token: bytes = b""
    user: int = 0
    offered: bytes = b""


class BindToken(Struct, frozen=True, array_like=True, tag="bind_token"):
    """Make a token one of the user's."""

    token: bytes
    user: int


class RevokeToken(Struct, frozen=True, array_like=True, tag="revoke_token"):
    """Make a token nobody's."""

    token: bytes


class SignIn(Struct, frozen=True, array_like=True, tag="sign_in"):
    """Sign in to an account: see `Backend.sign_in`. The answer is the user, or None if the password has changed.
    `former` is the user whose token ends."""

    user: int
    password: str
    token: bytes
    ends: bytes
    at: int
    former: int = 0


class SignOut(Struct, frozen=True, array_like=True, tag="sign_out"):
    """End a sign-in: see `Backend.sign_out`. `user` is whose it was."""

    token: bytes
    at: int
    user: int = 0


class UseToken(Struct, frozen=True, array_like=True, tag="use_token"):
    """Record that a sign-in was used at a time, in milliseconds since 1970."""

    token: bytes
    at: int


class Register(Struct, frozen=True, array_like=True, tag="register"):
    """Protect a user's name with a password: see `Backend.register`. The answer is the user, None if it is registered
    already, or NameTaken."""

    user: int
    password: str
    token: bytes
    ends: bytes
    at: int
    skeleton: str
    operator: bool


class ChangePassword(Struct, frozen=True, array_like=True, tag="change_password"):
    """Replace a password, and end all sign-ins: see `Backend.change_password`. The answer is the user, or None if the
    password has changed."""

    user: int
    before: str
    password: str
    token: bytes
    at: int


class MakeOperator(Struct, frozen=True, array_like=True, tag="make_operator"):
    """Give the rank that comes with a name to the registered user who has it, unless it was given before. The answer is
    the id of the user who has the rank, or 0."""

    canonical: str


class Claim(Struct, frozen=True, array_like=True, tag="claim"):
    """Rename a user: see `Backend.claim`. The answer is the user, or NameTaken."""

    user: int
    name: str
    canonical: str
    evict: int = 0
    skeleton: str = ""
    at: int = 0
    since: int = 0
    most: int = 0
    operator: bool = False


class SetSkeletons(Struct, frozen=True, array_like=True, tag="set_skeletons"):
    """Store what names look like, by canonical name."""

    skeletons: tuple[tuple[str, str], ...]


class SetPassword(Struct, frozen=True, array_like=True, tag="set_password"):
    """Store the hash of a user's password. The answer is the user."""

    user: int
    password: str


class Depart(Struct, frozen=True, array_like=True, tag="depart"):
    """Record when a user left, and free the name of a guest: see `Backend.depart`. The answer is the
    user."""

    user: int
    at: int
    free: bool = False


class Forget(Struct, frozen=True, array_like=True, tag="forget"):
    """Forget guests whom no log knows, and their tokens: see `Backend.forget`."""

    users: tuple[int, ...] = ()
    tokens: tuple[bytes, ...] = ()


class RecordSeen(Struct, frozen=True, array_like=True, tag="record_seen"):
    """Record that a user was here at a time, in milliseconds since 1970."""

    user: int
    at: int


class MarkRead(Struct, frozen=True, array_like=True, tag="mark_read"):
    """Move a user's read marker forward. The answer is where it is then."""

    user: int
    room: str
    seq: int


class Ignore(Struct, frozen=True, array_like=True, tag="ignore"):
    """Start or stop ignoring someone."""

    user: int
    whom: int
    on: bool


class Probe(Struct, frozen=True, array_like=True, tag="probe"):
    """Change nothing. That it is applied shows that the store works. The answer is None."""


class Numbered(Struct, frozen=True, array_like=True, tag="numbered"):
    """Note the number of a run's last batch, at a position of the log: see `app.backends.nats.batches`. It is applied
    with every batch and never in one."""

    run: bytes
    number: int
    position: int


Change = (
    Draft
    | Trim
    | CreateUser
    | BindToken
    | RevokeToken
    | SignIn
    | SignOut
    | UseToken
    | Register
    | ChangePassword
    | MakeOperator
    | Claim
    | SetSkeletons
    | SetPassword
    | Depart
    | Forget
    | RecordSeen
    | MarkRead
    | Ignore
    | Probe
    | Numbered
)
"""What can be applied. A Draft is appended to the log of its room; the answer is Appended."""

encode = msgpack.Encoder().encode
"""Encode changes for the journal. UnicodeEncodeError or OverflowError for what can't be stored."""
decode = msgpack.Decoder(list[Change]).decode
"""Decode what `encode` made of a list of changes. msgspec.MsgspecError for anything else."""
