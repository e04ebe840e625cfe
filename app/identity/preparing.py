"""How a password is prepared: passwords are the same if their OpaqueString (RFC 8265) is.

An accented letter has several ways to be written, and which one a keyboard chooses is up to the device.
"""

from __future__ import annotations

from app.chat.errors import Code, Refused

MAX_PREPARED = 1000
"""Characters of a password that is prepared, which takes time. A longer one is compared as it is."""


def prepare(password: str) -> str:
    """Return a password as it is compared. Refused if it has characters that can't be in one, such as a tab."""
    if password.isascii() and password.isprintable():
        return password
    try:
        if len(password) > MAX_PREPARED:
            password.encode()
            return password
        from precis_i18n import get_profile  # loading its tables takes longer than anything else here

        prepared: str = get_profile("OpaqueString").enforce(password)
    except UnicodeEncodeError:
        problem = "A password can't have control characters or invisible ones. Use letters, digits, signs and spaces"
        raise Refused(Code.BAD_PASSWORD, problem, reason="characters") from None
    return prepared
