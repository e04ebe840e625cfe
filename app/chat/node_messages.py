"""What the nodes of a shared history tell each other, as bytes. Any of it may come late, twice or never.

Each node numbers its `News`, which say what has changed on it, one after another. A `Beat` repeats the last number. So
the others see when they have missed something, and `Ask` for the `Whole` of it. The rest are hints: if one is lost,
nobody misses it.
"""

from __future__ import annotations

from msgspec import Struct, msgpack

from app.chat.presence import Here, Read, Typing

Key = int | str | tuple[int | str, str]
"""Whose a limit is: a user, an address, or an account with a device."""


class Gone(Struct, frozen=True, array_like=True, gc=False):
    """A user who has no connection to a node any more, and since when, in milliseconds since 1970."""

    user: int
    at: int


class Use(Struct, frozen=True, array_like=True):
    """How much one has used of a limit on a node `since` it began to count, in milliseconds since 1970; or how much it
    has now of what can be given back."""

    limit: str
    key: Key
    amount: float
    since: int = 0


class Held(Struct, frozen=True, array_like=True, gc=False):
    """A guest who left, whose name is on hold for an address, and for how many seconds already."""

    address: str
    user: int
    age: float = 0.0


class News(Struct, frozen=True, array_like=True, tag="news"):
    """What has changed on a node. `heard` has the position in each room up to which its listeners are done."""

    node: str
    started: int
    number: int
    here: tuple[Here, ...] = ()
    gone: tuple[Gone, ...] = ()
    uses: tuple[Use, ...] = ()
    held: tuple[Held, ...] = ()
    heard: dict[str, int] = {}  # msgspec copies it


class Whole(Struct, frozen=True, array_like=True, tag="whole"):
    """A part of everything that holds on a node as of the news `number`."""

    node: str
    started: int
    number: int
    part: int
    parts: int
    here: tuple[Here, ...] = ()
    uses: tuple[Use, ...] = ()
    held: tuple[Held, ...] = ()
    heard: dict[str, int] = {}  # msgspec copies it


class Beat(Struct, frozen=True, array_like=True, tag="beat"):
    """A node lives, and has told this many news. `started` is when it did, in milliseconds since 1970."""

    node: str
    started: int
    number: int


class Ask(Struct, frozen=True, array_like=True, tag="ask"):
    """Someone wants the whole of what a node has to tell, or that of all nodes if `node` is empty."""

    node: str = ""


class Bye(Struct, frozen=True, array_like=True, tag="bye"):
    """A node ends. Its connections are closed."""

    node: str


NodeMessage = News | Whole | Beat | Ask | Bye | Typing | Read

BYTES = "\0"
"""A text that begins with this stands for bytes, in hexadecimal digits."""


def as_text(address: str | bytes) -> str:
    """Return what counts as one address as a text."""
    return address if isinstance(address, str) else BYTES + address.hex()


def from_text(text: str) -> str | bytes:
    """Undo `as_text`."""
    return bytes.fromhex(text[1:]) if text.startswith(BYTES) else text


encode = msgpack.Encoder().encode
"""Encode a message for other nodes."""
decode = msgpack.Decoder(NodeMessage).decode
"""Decode what `encode` made. msgspec.MsgspecError for anything else, such as what a newer version tells."""
