"""The password process: hashes and checks passwords, until its standard input is closed.

A hash takes 64 MiB and all of a core for some hundredths of a second. In the server, the event loop would wait for a
thread that holds the interpreter's lock but has no core, and for the memory that is taken and given back.
"""

from __future__ import annotations

import os
from contextlib import suppress

from msgspec import Struct, msgpack

from app.identity.hashing import Argon2id, HashingError
from app.processes.frames import READ, Frames
from app.processes.streams import REQUESTS, take_streams


class Hash(Struct, array_like=True, tag="hash"):
    """To the process: hash a prepared password."""

    password: str


class Check(Struct, array_like=True, tag="check"):
    """To the process: say whether a password matches a hash."""

    hashed: str
    password: str


class Hashed(Struct, array_like=True, tag="hashed"):
    """From the process: the hash."""

    hash: str


class Checked(Struct, array_like=True, tag="checked"):
    """From the process: whether the password matches."""

    matches: bool


class Failed(Struct, array_like=True, tag="failed"):
    """From the process: why a password can't be hashed or checked."""

    why: str


Request = Hash | Check
Answer = Hashed | Checked | Failed


def main() -> None:
    """Answer each request on standard input with one answer on standard output."""
    send = take_streams()
    hasher, frames = Argon2id(), Frames()
    decoder = msgpack.Decoder(Hash | Check)
    with suppress(BrokenPipeError):
        while data := os.read(REQUESTS, READ):
            for message in frames.feed(data):
                request = decoder.decode(message)
                answer: Answer
                try:
                    if isinstance(request, Hash):
                        answer = Hashed(hasher.hash(request.password))
                    else:
                        answer = Checked(hasher.matches(request.hashed, request.password))
                except (HashingError, MemoryError) as error:
                    answer = Failed(str(error) or "Memory allocation error")
                send(answer)
