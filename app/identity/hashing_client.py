"""The server's side of the password process: starts it, passes passwords on, and starts it again."""

from __future__ import annotations

import logging
import os
import select
from time import monotonic

from msgspec import msgpack

from app.identity.hashing import HashingError
from app.identity.hashing_process import Answer, Check, Checked, Failed, Hash, Hashed, Prepare, Prepared, Request
from app.identity.preparing import forbidden, prepare, takes_time
from app.processes.child import IDLE, Child, Pauses
from app.processes.frames import READ, Frames, frame

log = logging.getLogger("chat")

PATIENCE = 60.0
"""Seconds that the process has for a password. It takes less than one, but may get little of a core."""
TRIES = 2
"""How many processes get a password: one may have been killed for the memory that the one before it used."""


class HashingProcess:
    """A Hasher that has a process of its own, from the first password until `rest`.

    A process that ends is started again, and gets the password again. If that one ends too, passwords are refused for
    some time, which grows: see `Pauses`.
    """

    def __init__(self) -> None:
        self._child: Child | None = None
        self._decoder: msgpack.Decoder[Answer] = msgpack.Decoder(Prepared | Hashed | Checked | Failed)
        self._pauses, self._refused_until = Pauses(), float("-inf")
        self._interrupted = False

    @property
    def pid(self) -> int:
        """The id of the process, 0 if there is none."""
        child = self._child
        return child.pid if child else 0

    def prepare(self, password: str) -> str:
        if not takes_time(password):
            return prepare(password)
        try:
            answer = self._ask(Prepare(password))
        except UnicodeEncodeError:
            raise forbidden() from None
        assert isinstance(answer, Prepared)
        if answer.password is None:
            raise forbidden()
        return answer.password

    def hash(self, password: str) -> str:
        answer = self._ask(Hash(password))
        assert isinstance(answer, Hashed)
        return answer.hash

    def matches(self, hashed: str, password: str) -> bool:
        try:
            answer = self._ask(Check(hashed, password))
        except UnicodeEncodeError:
            return False
        assert isinstance(answer, Checked)
        return answer.matches

    def rest(self) -> None:
        self._end()
        self._interrupted = False

    def interrupt(self) -> None:
        self._interrupted = True
        if child := self._child:
            child.kill()

    def _ask(self, request: Request) -> Answer:
        asking = frame(request)
        if monotonic() < self._refused_until:
            raise HashingError("passwords are refused for some seconds")
        for tries_left in reversed(range(TRIES)):
            try:
                answer = self._answer_to(asking)
            except _LostError as error:
                why = str(error)
                if self._interrupted:
                    raise HashingError("the server stops") from None
                if tries_left:
                    log.error("%s; it is started again", why)
            else:
                if not isinstance(answer, Failed):
                    return answer
                if not answer.lacking:
                    raise RuntimeError(f"the password process met an error: {answer.why}")
                why = f"a password can't be hashed: {answer.why}"
                break
        pause = self._pauses.next(monotonic() - self._refused_until)
        log.error("%s; passwords are refused for %g s", why, pause)
        self._refused_until = monotonic() + pause
        raise HashingError(why)

    def _answer_to(self, asking: bytes) -> Answer:
        if self._child is None:
            try:
                self._child = Child("app.identity.hashing_process", priority=IDLE)
            except OSError as error:
                raise _LostError(f"the password process can't be started: {error.strerror}") from None
        try:
            return self._decoder.decode(_exchange(self._child, asking, monotonic() + PATIENCE))
        except TimeoutError:
            self._end()
            raise _LostError(f"the password process has not answered for {PATIENCE:g} s") from None
        except (EOFError, BrokenPipeError):
            raise _LostError(f"the password process ended ({self._end()})") from None

    def _end(self) -> str:
        """End the process, and return how it did. It has nothing that could get lost."""
        child, self._child = self._child, None
        if child is None:
            return ""
        child.kill()
        return child.end()


class _LostError(Exception):
    """The process is gone, for the reason in the message."""


def _exchange(child: Child, asking: bytes, deadline: float) -> bytes:
    """Send a frame, and return the message that comes back. EOFError or BrokenPipeError if the process ends."""
    left = memoryview(asking)
    while left:
        _wait(child.requests, select.POLLOUT, deadline)
        left = left[os.write(child.requests, left[: select.PIPE_BUF]) :]  # so much never blocks
    frames = Frames()
    while True:
        _wait(child.answers, select.POLLIN, deadline)
        data = os.read(child.answers, READ)
        if not data:
            raise EOFError
        for message in frames.feed(data):
            return message


def _wait(file: int, event: int, deadline: float) -> None:
    poll = select.poll()
    poll.register(file, event)
    if not poll.poll(max(0.0, 1000 * (deadline - monotonic()))):
        raise TimeoutError
