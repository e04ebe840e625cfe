"""The password process: prepares, hashes and checks passwords, until its standard input is closed.

A hash takes 64 MiB and all of a core for some hundredths of a second, so it has to leave the core to the server. A
thread of the server can't: it takes the interpreter's lock before and after each hash, and everyone waits for the lock
while its holder has no core.
"""

from __future__ import annotations

import os
from contextlib import suppress

from msgspec import Struct, msgpack

from app.chat.errors import Refused
from app.identity.hashing import Argon2id, Hasher, HashingError
from app.processes.frames import READ, Frames
from app.processes.streams import REQUESTS, take_streams


class Prepare(Struct, array_like=True, tag="prepare"):
    """To the process: prepare a password."""

    password: str


class Hash(Struct, array_like=True, tag="hash"):
    """To the process: hash a prepared password."""

    password: str


class Check(Struct, array_like=True, tag="check"):
    """To the process: say whether a password matches a hash."""

    hashed: str
    password: str


class Prepared(Struct, array_like=True, tag="prepared"):
    """From the process: the prepared password, or None if it has characters that can't be in one."""

    password: str | None


class Hashed(Struct, array_like=True, tag="hashed"):
    """From the process: the hash."""

    hash: str


class Checked(Struct, array_like=True, tag="checked"):
    """From the process: whether the password matches."""

    matches: bool


class Failed(Struct, array_like=True, tag="failed"):
    """From the process: why it can't do what it was asked for. `lacking` if it lacks memory or threads."""

    why: str
    lacking: bool


Request = Prepare | Hash | Check
Answer = Prepared | Hashed | Checked | Failed


def main() -> None:
    """Answer each request on standard input with one answer on standard output."""
    send = take_streams()
    hasher, frames = Argon2id(), Frames()
    decoder = msgpack.Decoder(Prepare | Hash | Check)
    with suppress(BrokenPipeError):
        while data := os.read(REQUESTS, READ):
            for message in frames.feed(data):
                send(_answer(hasher, decoder.decode(message)))


def _answer(hasher: Hasher, request: Request) -> Answer:
    try:
        if isinstance(request, Prepare):
            return Prepared(hasher.prepare(request.password))
        if isinstance(request, Hash):
            return Hashed(hasher.hash(request.password))
        return Checked(hasher.matches(request.hashed, request.password))
    except Refused:
        return Prepared(None)
    except (HashingError, MemoryError) as error:
        return Failed(str(error) or "Memory allocation error", lacking=True)
    except Exception as error:  # noqa: BLE001  (it is the server's; its message may have the password in it)
        return Failed(type(error).__name__, lacking=False)
