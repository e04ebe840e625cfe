"""How a password is prepared: passwords are the same if their OpaqueString (RFC 8265) is.

An accented letter has several ways to be written, and which one a keyboard chooses is up to the device.
"""

from __future__ import annotations

from app.chat.errors import Code, Refused

MAX_PREPARED = 1000
"""Characters of a password that is prepared, which takes time. A longer one is compared as it is."""


def takes_time(password: str) -> bool:
    """Whether `prepare` takes time: some milliseconds, and many more the first time."""
    return not password.isascii() and len(password) <= MAX_PREPARED


def prepare(password: str) -> str:
    """Return a password as it is compared. Refused if it has characters that can't be in one, such as a tab."""
    try:
        if takes_time(password):
            from precis_i18n import get_profile  # loading its tables takes longer than anything else here

            prepared: str = get_profile("OpaqueString").enforce(password)
            return prepared
        password.encode()
    except UnicodeEncodeError:
        raise forbidden() from None
    if password.isascii() and not password.isprintable():
        raise forbidden()
    return password


def forbidden() -> Refused:
    """The error that a password has characters that can't be in one."""
    problem = "A password can't have control characters or invisible ones. Use letters, digits, signs and spaces"
    return Refused(Code.BAD_PASSWORD, problem, reason="characters")
