"""The store's interface: logs of events, and users.

Every backend promises the following. `tests/contracts` holds each to it.

- **Atomic.** An append is in the log as a whole or not at all. Of several appends with the same user and `cid`, exactly
  one is stored, and the others return it as a duplicate.
- **Ordered.** Everyone who reads or follows a room sees its events in the same order, with strictly increasing `seq`.
  Appends from one caller to one room are stored in the order of the calls. A position is never used twice. Gaps between
  positions are normal. Each room counts its own positions; all conversations share one count, so that a mailbox has one
  order.
- **Deterministic.** Every call that writes is a change (`app.backends.changes`). What the store holds depends on the
  sequence of changes alone.
- **Durable.** An append returns only once it would survive a power failure (embedded: fsync; a cluster: a quorum). No
  reader and no follower sees the event before that.
- **Conversations.** The log `@3,5` holds the whispers between the users 3 and 5. A whisper is one event at one
  position. It is read from the conversation's log and from the mailboxes of its people, `~3` and `~5`, and from nowhere
  else. A mailbox is read, bounded and followed like a room, but nothing can be appended to it. It starts after the last
  position that was trimmed from any of its conversations; older whispers that are kept can still be read in their
  conversation, or searched.
- **State.** An event with a `key` is the room's state under that key until the next one; one that lifts a ban, mute,
  invitation or appointment leaves none. Bans and mutes that have ended may be dropped from it. `trim` doesn't lose the
  state: an event that is trimmed from the log stays readable by `state` for as long as it is current.
- **Edits and deletions.** An edit of position `of` also replaces the text there, and clears the text in all earlier
  edits of it. A deletion also clears the text there and in all edits of it, or that of a topic or a reason, if its
  detail says `what`. Trimming a message clears its edits. All of this happens atomically with the append or trim. If
  there is no message at that position, or a deleted one, neither has an effect, and an edit is stored without its text.
  A deleted or trimmed text is unreadable at once. Its last traces in an index or a journal leave the store's files
  within a minute of the store being idle, or when the store is closed. The copy that is made before an upgrade is an
  exception, see `upgrade`; so is a log that many nodes share, which has them a few minutes longer.
- **Tokens.** A token is a user's until it ends: at a sign-in or registration on its device, at the sign-out, or,
  for all of a user's, when the password changes. Once ended nobody has it ever again.
- **Names.** At any time, a canonical name belongs to one user: a claim is compare-and-set. The default name `userN`
  stays reserved for the user who first got it, whatever that user is called now.
- **Nodes.** A backend that several nodes share passes on what one tells the others. That may come late, twice, in
  another order or never: what a node has to know is in the log of changes, which every node applies.
- **Unavailable.** Any call may raise Unavailable, for example because the disk is full or the quorum is lost. The
  outcome of the call is then unknown: to retry an append safely, use the same `cid`.
- **Isolated errors.** An impossible argument (a room that is not valid Unicode, a position above 64 bits, an append to
  a mailbox, an unknown user) raises ValueError or OverflowError to its caller, and affects nobody else.
- **Reading what was written.** A read sees everything that was asked for before it, in the same process. What another
  node was asked for, a read sees a little later, and in any case after `catch_up`.
- **Following.** A follower gets every event that is committed after the call of `follow`, in order per room, and
  nothing from before. To miss nothing, follow first, then read, and drop what is not after the last position read.
  The order stays if the follower passes events on to an event loop: at once when called in that loop, and otherwise
  with `call_soon_threadsafe`. Each Origin is told in the same order. Changes of users are followed in the same way,
  once they can be read; the caller of a change is answered after its followers are told.

Calls may come from several event loops. Each returns in the loop that made it. Times are in milliseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from app.backends.changes import (
    Change,
    ChangePassword,
    Claim,
    CreateUser,
    Depart,
    Forget,
    Ignore,
    MakeOperator,
    MarkRead,
    Register,
    SetSkeletons,
    SignIn,
    SignOut,
    Trim,
    UseToken,
)
from app.backends.errors import NameTaken as NameTaken
from app.backends.errors import StoreError as StoreError
from app.backends.errors import Trimmed as Trimmed
from app.backends.errors import Unavailable as Unavailable
from app.backends.user_changes import UserChange
from app.chat.events import Account, Appended, Bounds, Conversation, Draft, Event, User
from app.chat.logs import END

Follower = Callable[[Sequence[Event]], None]
"""Called with committed events, in any thread, one call at a time. It must not block and must not raise."""
UserFollower = Callable[[Sequence[UserChange]], None]
"""Called with changes of users that are applied, in any thread, one call at a time. It must not block and must not
raise."""


class Origin(Protocol):
    """Where a message comes from, and who is told what becomes of it. Called in the event loop of `Backend.post`."""

    def stored(self, event: Event, *, duplicate: bool) -> None:
        """Learn that the message is stored, before any follower in this event loop does. It must not raise."""

    def failed(self, error: Exception, draft: Draft) -> None:
        """Learn why a draft was not stored, or may not have been."""


class Events(list[Event]):
    """Events of a log, oldest first."""

    more = False
    """Whether there are more in the direction in which they were read."""


class Results(list[Event]):
    """What a search found, oldest first."""

    partial = False
    """Whether the search was cut short, because it took too long: older messages may match as well."""
    behind = 0
    """How many messages are not in the index yet and were not searched."""
    next = 0
    """What to pass as `before` for the next page; 0 if there is none. After a search in a list of logs, it is not a
    `seq`, and only good for a list."""
    took = 0.0
    """What the search took, in milliseconds of processor time."""
    marks: Sequence[Sequence[tuple[int, int]]] = ()
    """For each message, where in its text the hits are: start and end, in characters."""


MAX_TOLD = 500_000
"""Bytes that one node may tell the others at once."""

Watcher = Callable[[bytes], None]
"""Called with what other nodes tell, in any thread. It must not block and must not raise."""


class Backend(Protocol):
    """The interface. The module's docstring has the promises that apply to all of it."""

    @property
    def epoch(self) -> str:
        """Identifies this history. A position from another epoch means nothing here. Known once the store is open."""

    @property
    def shared(self) -> bool:
        """Whether other nodes may use the same store. If not, `tell` and `watch` do nothing."""

    @property
    def problem(self) -> str | None:
        """Why the store can't be written now, in one line, or None if that worked when it was last tried. While there
        is a problem, the store tries again by itself, every few seconds."""
        return None

    def check(self) -> Awaitable[None]:
        """Check that the store can be written and read: take the whole way of a change, and that of a read, unless a
        change took it in the last few seconds. Unavailable if it doesn't work."""

    async def catch_up(self) -> None:
        """Return once a read here sees all that any node was asked for and answered before the call. Unavailable if
        this node can't know. A store that isn't shared always sees all of it."""

    @property
    def damage(self) -> str | None:
        """What of the store is damaged, in words; None if nothing is known to be. What is sound goes on."""
        return None

    def open(self) -> None:
        """Open the store. Further calls do nothing. StoreError if it can't be used; it is then left as it was."""

    def close(self) -> None:
        """Finish the calls that were made, and close the store."""

    def submit(self, change: Change) -> Awaitable[Any]:
        """Apply a change after all that were submitted before, and return its answer. The order is that of the calls,
        not of the awaits."""

    def post(self, draft: Draft, origin: Origin) -> None:
        """Like `append`, but tell `origin` instead of returning an awaitable. This is how most messages come."""

    def append(self, draft: Draft) -> Awaitable[Appended]:
        """Append to the log of `draft.room`."""
        return self.submit(draft)

    def read(self, room: str, *, after: int, limit: int, size: int = 0, fold: bool = False) -> Awaitable[Events]:
        """Return the first events of `room` after position `after`, oldest first, at most `limit`. Raise Trimmed if
        some of them are gone.

        With `size`, stop with the event at which the texts have so many bytes of UTF-8 together: what comes after it is
        not read. With `fold`, leave out edits and deletions, since the messages show them. So that this has a bound,
        it looks at a few thousand events, and returns the last of them if there are more, whatever it is."""

    def read_backwards(
        self, room: str, *, before: int, limit: int, size: int = 0, fold: bool = False
    ) -> Awaitable[Events]:
        """Return the last events of `room` before position `before`, oldest first. Otherwise like `read`, the newest
        first."""

    def get(self, room: str, seq: int) -> Awaitable[Event | None]:
        """Return the event of `room` at position `seq`, or None if there is none or it was trimmed."""

    def find_by_cid(self, user: int, cid: str) -> Awaitable[Event | None]:
        """Return the event that the user stored with this `cid`, or None if there is none or it was trimmed."""

    def search(
        self, log: str | Sequence[str], words: str, *, before: int, limit: int, size: int = 0
    ) -> Awaitable[Results]:
        """Return the last messages before position `before` that contain all of `words`, oldest first, at most `limit`.
        `log` is a room, a conversation or a mailbox, or a list of them. With a list, even of one, `before` counts over
        all logs: it is what `Results.next` said, or 2**52 or more at first. The next page may be of other logs. With
        `size`, the messages have at most so many bytes in JSON together, unless it is a single one.

        `app.backends.search` says what `words` may be. Everything that was appended before the call is searched, edited
        messages with their present text, as far as `Results.partial` and `Results.behind` say; on a node, everything
        that this node had applied.
        """

    def spoke(self, room: str, *, after: int, since: int) -> Awaitable[dict[int, int]]:
        """Return when each user last said or edited something in a room, after a position and a time, among the last
        few thousand events."""

    def state(self, room: str) -> Awaitable[list[Event]]:
        """Return the current event of each key, ordered by position."""

    def owned(self, user: int) -> Awaitable[int]:
        """Return how many rooms the user owns."""

    def states(self, rooms: Sequence[str], keys: Sequence[str]) -> Awaitable[dict[str, list[Event]]]:
        """Return the current event of each of these keys, for each of these rooms that has any."""

    def bounds(self, room: str) -> Awaitable[Bounds]:
        """Return how far a log goes, and how far it was trimmed."""

    def trim(self, room: str, *, keep: int, since: int, limit: int) -> Awaitable[int]:
        """Remove the oldest events of `room`, at most `limit`, and return how many.

        An event goes if it is not among the last `keep` (0 for no such rule), or if it is older than `since`. Atomic:
        an event is readable, or its position is not above `Bounds.trimmed`. The texts leave the file's pages too.
        """
        return self.submit(Trim(room, keep, since, limit))

    def newest(self) -> Awaitable[int]:
        """Return the time of the event that was stored last, in milliseconds since 1970; 0 if there is none."""

    def rooms(self) -> Awaitable[list[str]]:
        """Return the rooms and conversations that have an event or a state."""

    def conversations(self, user: int, *, before: int = END, limit: int = 0) -> Awaitable[list[Conversation]]:
        """Return the user's conversations that have an event, the one with the latest event first: those whose latest
        event is before the position `before`, at most `limit`; 0 is no limit."""

    def follow(self, follower: Follower) -> Callable[[], None]:
        """Call `follower` with everything that is committed from now on. The function that is returned stops that."""

    def create_user(self, token: bytes, *, offered: bytes = b"") -> Awaitable[User]:
        """Create a user who comes back with a token, given by its digest. The name is `userN`; N counts up and is never
        reused. Idempotent: with a digest that is known, return its user. `offered` is a token that is nobody's any
        more: if it was a sign-in, `device_of` the new token is the same."""
        return self.submit(CreateUser(token, offered=offered))

    def create_guest(self) -> Awaitable[User]:
        """Create a user without a token, who can't come back once the connection is closed.

        This doesn't wait for the store. The user is written before anything that refers to it, and soon in any case. If
        the process dies before that, no trace is left.
        """

    def user_by_token(self, token: bytes, *, since: int = 0) -> Awaitable[User | None]:
        """Return the user whose token has this digest, or None. A sign-in that was used last before `since` counts as
        ended."""

    def use_token(self, token: bytes, *, at: int) -> Awaitable[None]:
        """Record that a sign-in was used at the time `at`. The token of a guest has no such time."""
        return self.submit(UseToken(token, at))

    def sign_in(
        self, user: int, password: str, token: bytes, *, ends: bytes, at: int, former: int = 0
    ) -> Awaitable[User | None]:
        """Sign in to an account: make a new token one of the user's, and end the one that the device had, as the user
        `former`. Either may be empty. Return None, and change nothing, if `password`, the hash that was checked, is no
        longer the user's."""
        return self.submit(SignIn(user, password, token, ends, at, former))

    def sign_out(self, token: bytes, *, at: int, user: int = 0) -> Awaitable[None]:
        """End a sign-in of a user: its token is nobody's from now on."""
        return self.submit(SignOut(token, at, user))

    def device_of(self, token: bytes) -> Awaitable[int]:
        """Return the id of the user whose sign-in this token is, or was the last on the same device; 0 if none is
        known."""

    def account(self, canonical: str) -> Awaitable[Account | None]:
        """Return the account with this canonical name, or None."""

    def account_of(self, user: int) -> Awaitable[Account | None]:
        """Return the account of a user, or None."""

    def users(self, ids: Sequence[int]) -> Awaitable[list[User]]:
        """Return the users with these ids, in the same order. Unknown ids are left out."""

    def claim(
        self,
        user: int,
        name: str,
        canonical: str,
        *,
        evict: int = 0,
        skeleton: str = "",
        at: int = 0,
        since: int = 0,
        most: int = 0,
        operator: bool = False,
    ) -> Awaitable[User]:
        """Rename `user`, and free the former name.

        Raise NameTaken if the name belongs to another user. If that one is the user `evict` and has no password, it
        gets its `userN` back instead. A user may claim its own name again in another spelling. `skeleton` is the same
        for names that look alike: a name that looks like that of another registered user is taken too.

        If `at`, the time, is given, the former name of a registered user is kept for it: a claim by someone else is
        NameTaken if the name, or one that looks like it, was given up after `since`. A user can keep `most` names.
        With `operator`, a registered user gets the rank that comes with the name, as with `make_operator`.
        """
        return self.submit(Claim(user, name, canonical, evict, skeleton, at, since, most, operator))

    def register(
        self, user: int, password: str, token: bytes, *, ends: bytes, at: int, skeleton: str, operator: bool
    ) -> Awaitable[User | None]:
        """Protect the user's name with a password, given by its hash, and sign the user in, as `sign_in` does. Return
        None, and change nothing, if the user is registered already. Raise NameTaken if the name looks like that of
        another registered user. With `operator`, the user gets the rank that comes with the name, as with
        `make_operator`."""
        return self.submit(Register(user, password, token, ends, at, skeleton, operator))

    def change_password(
        self, user: int, before: str, password: str, token: bytes, *, at: int
    ) -> Awaitable[User | None]:
        """Replace a password, end all of the user's tokens, and make a new one the user's unless it is empty. Return
        None, and change nothing, if the hash of the password is no longer `before`."""
        return self.submit(ChangePassword(user, before, password, token, at))

    def make_operator(self, canonical: str) -> Awaitable[int]:
        """Give the rank that comes with a name to the registered user who has it, for good. Nobody else gets it for
        that name again. Return the id of the user who has the rank, or 0."""
        return self.submit(MakeOperator(canonical))

    def operators(self) -> Awaitable[dict[str, int]]:
        """Return who has the rank that comes with a name, by canonical name."""

    def names_without_skeleton(self, limit: int) -> Awaitable[Sequence[str]]:
        """Return canonical names of registered users whose skeleton isn't known: of a former version, or imported."""

    def set_skeletons(self, skeletons: Sequence[tuple[str, str]]) -> Awaitable[None]:
        """Store what names look like, by canonical name."""
        return self.submit(SetSkeletons(tuple(skeletons)))

    def depart(self, user: int, at: int, *, free: bool = False) -> Awaitable[User]:
        """Record that the user left at the time `at`. A guest gets its `userN` back if the name is to be `free`, or if
        no log knows the guest: nothing in any of them is by, for or about it. Return the user as it is then."""
        return self.submit(Depart(user, at, free))

    def forget(self, users: Sequence[int] = (), tokens: Sequence[bytes] = ()) -> Awaitable[None]:
        """Forget those of these users who are guests that no log knows, and make those of these tokens nobody's that
        are such a guest's. Their ids and default names are never used again.

        The caller sees to it that the users are gone, and forgets a user a while after its token: until then someone
        may be connecting with it.
        """
        return self.submit(Forget(tuple(users), tuple(tokens)))

    def silent_guests(self, after: int, limit: int) -> Awaitable[tuple[int, list[int]]]:
        """Look at `limit` users whose ids are above `after`. Return the last of them, or 0 if there are no more, and
        those who can be forgotten."""

    def tokens_of_silent_guests(self, after: bytes, limit: int) -> Awaitable[tuple[bytes, list[tuple[bytes, int]]]]:
        """Look at `limit` tokens after a token, in their order. Return the last of them, or b"" if there are no more,
        and those of users who can be forgotten, with these."""

    def mark_read(self, user: int, room: str, seq: int) -> Awaitable[int]:
        """Move the user's read marker in a room or the mailbox to `seq`, unless it is further already. Return where it
        is then; with `seq` 0, this only reads it."""
        return self.submit(MarkRead(user, room, seq)) if seq > 0 else self.read_marker(user, room)

    def read_marker(self, user: int, room: str) -> Awaitable[int]:
        """Return the user's read marker in a room, a conversation or the mailbox; 0 if it never read there."""

    def read_markers(self, user: int, rooms: Sequence[str]) -> Awaitable[dict[str, int]]:
        """Return the user's read markers in those of these rooms, conversations or the mailbox where it has one."""

    def ignore(self, user: int, whom: int, *, on: bool) -> Awaitable[None]:
        """Start or stop ignoring: while `on`, `user` gets nothing from `whom`."""
        return self.submit(Ignore(user, whom, on))

    def ignored(self, user: int) -> Awaitable[frozenset[int]]:
        """Return the ids of those whom the user ignores."""

    def follow_users(self, follower: UserFollower) -> Callable[[], None]:
        """Call `follower` with what is changed about users from now on, whichever node asked for it. The function that
        is returned stops that."""

    def tell(self, payload: bytes) -> None:
        """Pass something on to the watchers on other nodes, in any thread, without waiting: at most MAX_TOLD bytes."""

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Call `watcher` with what other nodes tell. The function that is returned stops that."""
