"""What a backend raises."""

from __future__ import annotations

from app.chat.events import Account


class StoreError(Exception):
    """The store can't be opened. The text is one line."""


class Unavailable(Exception):
    """The store can't be used at the moment. The text is one line. `after` says when to try again, in milliseconds, as
    far as that is known; otherwise it is 0."""

    def __init__(self, problem: str, *, after: int = 0) -> None:
        super().__init__(problem)
        self.after = after


class Trimmed(Exception):
    """The events to read have been trimmed: everything up to position `through` is gone."""

    def __init__(self, through: int) -> None:
        super().__init__(f"everything up to position {through} has been trimmed")
        self.through = through


class NameTaken(Exception):
    """The name belongs to another user: `holder`, or is kept for it. `reason` says why, unless the holder just has it:
    `lookalike` if it has a name that looks like this one, `given_up` if it had this one until recently. With `often`,
    the holder is the user who claimed the name, and gave up as many others lately as one may."""

    def __init__(self, holder: Account, reason: str = "") -> None:
        super().__init__(f"the name belongs to {holder.user.name}")
        self.holder, self.reason = holder, reason
