"""What someone is told who asks for a name that isn't free."""

from __future__ import annotations

from app.backends import NameTaken
from app.chat.errors import Code, Refused

MAX_GIVEN_UP = 10
"""Names that one user can have given up and kept for it. Otherwise one user could keep all names from others."""


def name_taken(name: str, taken: NameTaken) -> Refused:
    """The error for a name that someone else has, or that is kept for someone else."""
    holder = taken.holder.user
    if taken.reason == "given_up":
        return name_kept(name)
    if taken.reason == "lookalike":
        problem = f"{name} looks like {holder.name}, a registered name. Choose another one"
        return Refused(Code.NAME_TAKEN, problem, reason="lookalike", name=name)
    if taken.reason == "often":
        problem = f"You gave up {MAX_GIVEN_UP} names lately, which are kept for you. Take one of them back, or wait"
        return Refused(Code.NAME_TAKEN, problem, reason="often", name=name, limit=MAX_GIVEN_UP)
    reason = "registered" if holder.registered else "in_use"
    remedy = f"If it's yours: /login {holder.name} PASSWORD" if holder.registered else "Choose another one"
    return Refused(Code.NAME_TAKEN, f"The name {name} is taken. {remedy}", reason=reason, name=name)


def name_kept(name: str) -> Refused:
    """The error for a name that is kept for someone who gave it up."""
    problem = f"The name {name} is kept for someone who had it before. Choose another one"
    return Refused(Code.NAME_TAKEN, problem, reason="given_up", name=name)
