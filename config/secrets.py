"""Which values are secrets, and what is shown in their place.

A secret is told by its name: that of its key, of a group it is in, or of the environment variable that it came from. A
field of a settings dataclass can say so itself, with `metadata={"secret": True}` or `False`. In other texts, what a URL
or a connection string says about passwords is a secret.
"""

from __future__ import annotations

import re
from typing import Any

MASK = "***"
"""What is shown in the place of a secret."""

_FRAGMENTS = re.compile("passw|passphrase|secret|token|credential|authorization|cookie|bearer")
"""Parts of a name that is a secret's, in small letters and without what separates words."""
_WORDS = frozenset({"pass", "pwd", "pin", "salt", "apikey"})
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\dA-Z_]+|\d+")
_USER = re.compile(r"(?<=://)(?:[^\s/?#]*@|[^\s/?#:]*:(?!\d*(?:[/?#\s]|$))\S*@)")
"""What is before the `@` of a URL, also with a password in which `/` isn't escaped."""
_PARAMETER = re.compile(r"([\w.-]+)(\s*=\s*)(\"[^\"]*\"|'[^']*'|[^\s&;]+)")
_SCHEME = re.compile(r"\b(Bearer|Basic)( +)\S+", re.I)
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")


def is_secret(name: str) -> bool:
    """Whether `name` is that of a secret: it has a word such as password, secret, token or credential in it, or its
    last word is key."""
    words = [word.lower() for word in _WORD.findall(name)]
    joined = "".join(words)
    return bool(
        _FRAGMENTS.search(joined) or _WORDS & set(words) or words[-1:] in (["key"], ["keys"]) or "apikey" in joined
    )


def masked(value: Any) -> Any:
    """What is shown of a value that is a secret: whether it is set. An empty text, a null and a bool are no secrets."""
    if isinstance(value, dict):
        return {key: masked(child) for key, child in value.items()}
    if isinstance(value, list):
        return [masked(item) for item in value]
    return value if value is None or isinstance(value, bool) or value == "" else MASK


def without_secrets(value: Any) -> Any:
    """`value`, whose own name is no secret's, without the secrets in it."""
    if isinstance(value, dict):
        return {key: (masked if is_secret(key) else without_secrets)(child) for key, child in value.items()}
    if isinstance(value, list):
        return [without_secrets(item) for item in value]
    return _text(value) if isinstance(value, str) else value


def _text(text: str) -> str:
    if _PRIVATE_KEY.search(text):
        return MASK
    text = _USER.sub(f"{MASK}@", text)
    text = _SCHEME.sub(rf"\1\2{MASK}", text)
    return _PARAMETER.sub(lambda found: f"{found[1]}{found[2]}{MASK}" if is_secret(found[1]) else found[0], text)
