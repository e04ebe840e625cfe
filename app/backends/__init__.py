"""Where logs and identities live.

What every backend promises, and `tests/contracts/test_backend.py` holds it to:

- **Atomic.** An append is in the log whole or not at all. Of several appends with one user and `cid` exactly one is
  stored; the others get it as a duplicate.
- **Ordered.** All who read or follow a room see its events in one order, `seq` strictly increasing. Appends from one
  caller to one room are stored in the order of the calls. Positions are never used twice, and may have gaps.
- **Durable.** An append is answered once it survives the loss of power (embedded: fsync; a cluster: a quorum). Nothing
  is shown to a reader or a follower before that.
- **Unavailable for a while.** Any call may raise Unavailable (a full disk, a lost quorum). Then nothing is known of its
  outcome: whoever retries an append uses the same `cid`.
- **Following.** A follower gets every event that is committed after `follow`, in order per room. What came before is
  read. So whoever follows first and reads then misses nothing, and drops what is not after its position.

A backend may be used from several event loops; each call is answered in the loop that made it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from app.chat.events import Appended, Bounds, Draft, Event, User

Follower = Callable[[Sequence[Event]], None]
"""Called with committed events, in any thread, one call at a time; it must not wait and must not raise."""


class StoreError(Exception):
    """The store can't be opened. Its text is one line."""


class Unavailable(Exception):
    """The store can't answer now. Its text is one line."""


class Trimmed(Exception):
    """What should be read is no longer kept: everything up to position `through` is gone."""

    def __init__(self, through: int) -> None:
        super().__init__(f"everything up to position {through} is no longer kept")
        self.through = through


class Backend(Protocol):
    """The interface; see the module's docstring for what it promises."""

    @property
    def epoch(self) -> str:
        """Names this history: positions of another epoch mean nothing here. Known once open."""

    def open(self) -> None:
        """Open the store, once: later calls do nothing. StoreError if it can't be used; it is then left as it was."""

    def close(self) -> None:
        """Finish what was asked for and let the store go."""

    def append(self, draft: Draft) -> Awaitable[Appended]:
        """Append to the log of `draft.room`. The order of the calls is that of the log; awaiting is for the answer."""

    def read(self, room: str, *, after: int, limit: int) -> Awaitable[list[Event]]:
        """At most `limit` events of `room` with a position over `after`, oldest first. Trimmed if there were more."""

    def read_back(self, room: str, *, before: int, limit: int) -> Awaitable[list[Event]]:
        """The last `limit` events of `room` with a position below `before`, oldest first."""

    def bounds(self, room: str) -> Awaitable[Bounds]:
        """What the log of `room` holds."""

    def trim(self, room: str, *, keep: int, since: int, limit: int) -> Awaitable[int]:
        """Forget the oldest events of `room`: those before the last `keep` (0: all are kept) and those from before
        `since`, in milliseconds since 1970; at most `limit` at once. The answer is how many were forgotten. Atomic:
        an event is readable, or its position is below `Bounds.trimmed`. The texts leave the file's pages too.
        """

    def rooms(self) -> Awaitable[list[str]]:
        """The rooms that hold an event."""

    def follow(self, follower: Follower) -> Callable[[], None]:
        """Call `follower` with all that is committed from now on, until the returned function is called."""

    def enlist(self, secret: bytes) -> Awaitable[User]:
        """A new user, who has `secret`; the name is `userN`, N counting up and never given twice. Asked again with the
        same secret it answers with the same user.
        """

    def identify(self, secret: bytes) -> Awaitable[User | None]:
        """The user who has `secret`."""
