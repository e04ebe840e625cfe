"""What changes do to users: told to those who keep something of a user in memory, on every node that applies them."""

from __future__ import annotations

from enum import Enum

from msgspec import Struct


class What(Enum):
    """What of a user may be another than before."""

    NAME = "its name, or whether it is registered"
    SIGN_INS = "its sign-ins: some have ended"
    IGNORED = "whom it ignores"
    RANK = "the rank that comes with a name"


class UserChange(Struct, frozen=True, gc=False):
    """Something about a user was changed, or may have been. The store has it already."""

    what: What
    user: int
    token: bytes = b""
    """The digest of the token that has ended; if that is empty, all of the user's have."""
    but: bytes = b""
    """The digest of the token that has not, if all others have."""
    own: bool = False
    """Whether someone on this node waits for the answer, and does what is to be done here."""
