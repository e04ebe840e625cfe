"""Who one is on which server: names and tokens, in a file that only their owner may read.

The file is `servers.json` in `$XDG_STATE_HOME/natter`, or `~/.local/state/natter`. A token is as good as a password.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct, ValidationError, convert, to_builtins


def directory(environment: Mapping[str, str]) -> Path:
    """Where the client keeps what it has to remember."""
    base = environment.get("XDG_STATE_HOME", "")
    return (Path(base) if base.startswith("/") else Path("~/.local/state").expanduser()) / "natter"


class Known(Struct):
    """What is known of one server: by whose name one was there last, and the token of each name."""

    last: str = ""
    tokens: dict[str, str] = {}


class Identities:
    """The names and tokens of all servers. Several programs may use them at once; each change is done whole."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "servers.json"

    def find(self, url: str, name: str = "") -> tuple[str, str]:
        """The name and the token for a server: those of `name`, or of who was there last; nothing where there is none.
        OSError where they can't be read."""
        known = self._read().get(_server(url), Known())
        wanted = name or known.last
        own = next((kept for kept in known.tokens if kept.casefold() == wanted.casefold()), None)
        return (name or own or "", known.tokens[own] if own is not None else "")

    def keep(self, url: str, name: str, token: str, *, last: bool) -> None:
        """Keep the token under the name, in place of an earlier one of the same token or name. `last`: and be that the
        next time; it is so too if there is nobody else. OSError where it can't be written."""
        with self._changing() as servers:
            known = servers.setdefault(_server(url), Known())
            before = known.tokens
            known.tokens = {
                other: secret
                for other, secret in before.items()
                if secret != token and other.casefold() != name.casefold()
            }
            renamed = known.last not in known.tokens and known.last in before
            known.tokens[name] = token
            if last or renamed or not known.last:
                known.last = name

    def forget(self, url: str, token: str) -> None:
        """Forget a token."""
        with self._changing() as servers:
            known = servers.get(_server(url), Known())
            known.tokens = {name: secret for name, secret in known.tokens.items() if secret != token}
            if known.last not in known.tokens:
                known.last = ""

    def _read(self) -> dict[str, Known]:
        try:
            return convert(json.loads(self._path.read_bytes()), dict[str, Known])
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (ValueError, ValidationError):
            raise OSError(f"{self._path} is not a file of names and tokens") from None
        except OSError as error:
            raise OSError(f"{self._path} can't be read: {(error.strerror or str(error)).lower()}") from None

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Known]]:
        """All of it, to be changed: one program at a time."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self._path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise OSError(f"{self._path} can't be written: {(error.strerror or str(error)).lower()}") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            servers = self._read()
            before = to_builtins(servers)
            yield servers
            if (after := to_builtins(servers)) != before:
                self._write(after)
        finally:
            os.close(lock)

    def _write(self, servers: Any) -> None:
        new = self._path.with_suffix(".new")
        with open(os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:  # noqa: PTH123
            os.fchmod(file.fileno(), 0o600)
            json.dump(servers, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)


def _server(url: str) -> str:
    """What a server is known by: its address without what one asks of it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2].lower()}{parts.path}"
