"""Where logs and identities live.

What every backend promises, and `tests/contracts` holds it to:

- **Atomic.** An append is in the log whole or not at all. Of several appends with one user and `cid` exactly one is
  stored; the others get it as a duplicate.
- **Ordered.** All who read or follow a room see its events in one order, `seq` strictly increasing. Appends from one
  caller to one room are stored in the order of the calls. Positions are never used twice, and may have gaps.
- **Durable.** An append is answered once it survives the loss of power (embedded: fsync; a cluster: a quorum). Nothing
  is shown to a reader or a follower before that.
- **Conversations.** What is appended to the log `@3,5` is a whisper between the users 3 and 5. It is one event at one
  position, which is read in the log itself and in the mailbox of each of them, `~3` and `~5`, and nowhere else. A
  mailbox is read, bounded and followed like a room; nothing is appended to it. It begins after the last position that
  was trimmed from any of its conversations: older whispers that are kept are read in their conversation, or found.
- **State.** An event with a `key` is the room's state under that key until the next one, and is kept by `trim` so
  long; once trimmed it is in `state` alone.
- **Changed afterwards.** An edit of position `of` also puts its text there, a deletion empties the text there and in
  all edits of it; both atomically with their append. Where no message is, or one that is deleted, neither has an
  effect, and the edit is stored without its text. A deleted or trimmed text leaves the store's files: at once what is
  read, within a minute of the store being idle, or when it is closed, the last trace in an index or a journal.
- **Names.** A canonical name has one holder at a time: a claim is compare-and-set. `userN` is for the user who got it
  first, whatever that one is called now.
- **Presence and typing** are hints: not stored, lost when they get lost. A backend that other nodes share tells them,
  keeps a node's presence alive as a lease, and ends it within 15 s of the node's death.
- **Unavailable for a while.** Any call may raise Unavailable (a full disk, a lost quorum). Then nothing is known of its
  outcome: whoever retries an append uses the same `cid`.
- **Alone in being wrong.** What can't be (a room of no Unicode, a position of over 64 bits, an append to a mailbox, a
  user who is not there) is a ValueError or an OverflowError to its caller, and harms nobody else.
- **Following.** A follower gets every event that is committed after `follow`, in order per room. What came before is
  read. So whoever follows first and reads then misses nothing, and drops what is not after its position.

A backend may be used from several event loops; each call is answered in the loop that made it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from app.chat.events import Account, Appended, Bounds, Conversation, Draft, Event, User
from app.chat.presence import Hint, Person

Follower = Callable[[Sequence[Event]], None]
"""Called with committed events, in any thread, one call at a time; it must not wait and must not raise."""

Watcher = Callable[[Hint], None]
"""Called with what other nodes hint at, in any thread; it must not wait and must not raise."""


class StoreError(Exception):
    """The store can't be opened. Its text is one line."""


class Unavailable(Exception):
    """The store can't answer now. Its text is one line."""


class Trimmed(Exception):
    """What should be read is no longer kept: everything up to position `through` is gone."""

    def __init__(self, through: int) -> None:
        super().__init__(f"everything up to position {through} is no longer kept")
        self.through = through


class NameTaken(Exception):
    """Somebody else has the name: `holder`."""

    def __init__(self, holder: Account) -> None:
        super().__init__(f"{holder.user.name} has that name")
        self.holder = holder


class Backend(Protocol):
    """The interface; see the module's docstring for what it promises."""

    @property
    def epoch(self) -> str:
        """Names this history: positions of another epoch mean nothing here. Known once open."""

    @property
    def shared(self) -> bool:
        """Whether other nodes may be on the same store, so that `announce`, `hint` and `watch` are of use."""

    def open(self) -> None:
        """Open the store, once: later calls do nothing. StoreError if it can't be used; it is then left as it was."""

    def close(self) -> None:
        """Finish what was asked for and let the store go."""

    def append(self, draft: Draft) -> Awaitable[Appended]:
        """Append to the log of `draft.room`. The order of the calls is that of the log; awaiting is for the answer."""

    def read(self, room: str, *, after: int, limit: int) -> Awaitable[list[Event]]:
        """At most `limit` events of `room` with a position over `after`, oldest first. Trimmed if there were more."""

    def read_backwards(self, room: str, *, before: int, limit: int) -> Awaitable[list[Event]]:
        """The last `limit` events of `room` with a position below `before`, oldest first."""

    def get(self, room: str, seq: int) -> Awaitable[Event | None]:
        """The event of `room` at position `seq`, if it is there and not trimmed."""

    def find_by_cid(self, user: int, cid: str) -> Awaitable[Event | None]:
        """What the user's `cid` stored, as long as it is kept."""

    def search(self, log: str, words: str, *, before: int, limit: int) -> Awaitable[list[Event]]:
        """The last `limit` messages below `before` in a room, a conversation or a mailbox that hold all of `words`,
        oldest first. A word that ends with `*` stands for all that start so. Case and accents make no difference. What
        was appended before the call is found; an edited text by what it is now.
        """

    def state(self, room: str) -> Awaitable[list[Event]]:
        """The last event of each key, in the order of their positions."""

    def bounds(self, room: str) -> Awaitable[Bounds]:
        """What the log of `room` holds."""

    def trim(self, room: str, *, keep: int, since: int, limit: int) -> Awaitable[int]:
        """Forget the oldest events of `room`: those before the last `keep` (0: all are kept) and those from before
        `since`, in milliseconds since 1970; at most `limit` at once. The answer is how many were forgotten. Atomic:
        an event is readable, or its position is below `Bounds.trimmed`. The texts leave the file's pages too.
        """

    def rooms(self) -> Awaitable[list[str]]:
        """The rooms and conversations that hold an event or a state."""

    def conversations(self, user: int) -> Awaitable[list[Conversation]]:
        """The conversations of a user that hold an event, that with the latest first."""

    def follow(self, follower: Follower) -> Callable[[], None]:
        """Call `follower` with all that is committed from now on, until the returned function is called."""

    def create_user(self, secret: bytes) -> Awaitable[User]:
        """A new user, who has `secret`; the name is `userN`, N counting up and never given twice. Asked again with the
        same secret it answers with the same user.
        """

    def create_guest(self) -> Awaitable[User]:
        """A new user without a secret, who so is gone with the connection. It need not wait for the store: the user is
        in it before anything that refers to it, and soon in any case; one that is lost by then leaves no trace.
        """

    def user_by_token(self, secret: bytes) -> Awaitable[User | None]:
        """The user who has `secret`."""

    def bind_token(self, secret: bytes, user: int) -> Awaitable[None]:
        """Make `secret` one of this user's, whoever had it."""

    def revoke_token(self, secret: bytes) -> Awaitable[None]:
        """Make `secret` nobody's."""

    def account(self, canonical: str) -> Awaitable[Account | None]:
        """Who has a name."""

    def users(self, ids: Sequence[int]) -> Awaitable[list[User]]:
        """The users with these ids, in that order; unknown ones are left out."""

    def claim(self, user: int, name: str, canonical: str, *, evict: int = 0) -> Awaitable[User]:
        """Give `user` the name, and its former one back. NameTaken if another has it, unless that one is the user
        `evict` and has no password: that one gets its `userN` back. One's own name may be claimed in another form.
        """

    def set_password(self, user: int, password: str) -> Awaitable[User]:
        """Keep the hash of a password for a user, who is registered from then on."""

    def record_seen(self, user: int, at: int) -> Awaitable[None]:
        """The user was here at `at`, in milliseconds since 1970; an earlier time than the one known changes nothing."""

    def mark_read(self, user: int, room: str, seq: int) -> Awaitable[int]:
        """The user has read `room` (or the mailbox) up to `seq`. It only moves on; the answer is where it is."""

    def ignore(self, user: int, whom: int, *, on: bool) -> Awaitable[None]:
        """Whether `user` wants to hear nothing of `whom`."""

    def ignored(self, user: int) -> Awaitable[frozenset[int]]:
        """Of whom `user` wants to hear nothing."""

    def announce(self, room: str, people: Sequence[Person]) -> None:
        """Who is in `room` on this node, until the next call."""

    def hint(self, hint: Hint) -> None:
        """Tell the watchers on other nodes."""

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Call `watcher` with what other nodes announce and hint, until the returned function is called."""
