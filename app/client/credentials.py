"""Who you are on which server: names and tokens, in a file that only its owner can read.

The file is `servers.json` in `$XDG_STATE_HOME/natter`, or `~/.local/state/natter`. A token is as good as a password.
"""

from __future__ import annotations

import fcntl
import json
import os
import pwd
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct, ValidationError, convert, to_builtins

from app.client.languages.catalogue import translatable


def state_directory(environment: Mapping[str, str]) -> Path | None:
    """Where the client keeps what it remembers; None if you have no home directory."""
    base = environment.get("XDG_STATE_HOME", "")
    if base.startswith("/"):
        return Path(base) / "natter"
    home = environment.get("HOME") or _home_of_user()
    return Path(home) / ".local/state/natter" if home else None


def _home_of_user() -> str:
    """The home directory that the system knows; empty for a user whom it doesn't know, as there may be in a
    container."""
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return ""


class CredentialsError(OSError):
    """The file can't be read or written; `message` is one line for people."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ServerEntry(Struct):
    """What is kept of one server: the name you had there last, and the token of each name."""

    last: str = ""
    tokens: dict[str, str] = {}


class Credentials:
    """The names and tokens of all servers. Several programs may use them at once; each change is atomic."""

    def __init__(self, directory: Path | None) -> None:
        """Without a directory nothing is known, and nothing can be kept."""
        self._path = directory / "servers.json" if directory is not None else None

    def find(self, url: str, name: str = "") -> tuple[str, str]:
        """The name and token to use on a server: those of `name`, or of the last time. Empty strings for what is not
        known. CredentialsError if the file can't be read."""
        entry = self._read().get(_server(url), ServerEntry())
        wanted = name or entry.last
        own = next((kept for kept in entry.tokens if kept.casefold() == wanted.casefold()), None)
        return (name or own or "", entry.tokens[own] if own is not None else "")

    def keep(self, url: str, name: str, token: str, *, last: bool) -> None:
        """Keep a token under a name, in place of an earlier entry with the same token or name. `last`: use this name
        the next time; so does the first name on a server. CredentialsError if the file can't be written."""
        with self._changing() as servers:
            entry = servers.setdefault(_server(url), ServerEntry())
            before = entry.tokens
            entry.tokens = {
                other: secret
                for other, secret in before.items()
                if secret != token and other.casefold() != name.casefold()
            }
            renamed = entry.last not in entry.tokens and entry.last in before
            entry.tokens[name] = token
            if last or renamed or not entry.last:
                entry.last = name

    def forget(self, url: str, token: str) -> None:
        """Remove a token, if it was kept. CredentialsError if the file can't be written."""
        if self._path is None:
            return
        with self._changing() as servers:
            entry = servers.get(_server(url), ServerEntry())
            entry.tokens = {name: secret for name, secret in entry.tokens.items() if secret != token}
            if entry.last not in entry.tokens:
                entry.last = ""

    def _read(self) -> dict[str, ServerEntry]:
        if self._path is None:
            return {}
        try:
            return convert(json.loads(self._path.read_bytes()), dict[str, ServerEntry])
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (ValueError, ValidationError):
            raise CredentialsError(translatable("credentials.damaged", path=self._path)) from None
        except OSError as error:
            raise CredentialsError(translatable("credentials.unreadable", **self._problem(error))) from None

    @contextmanager
    def _changing(self) -> Iterator[dict[str, ServerEntry]]:
        """The contents of the file, to be changed by one program at a time."""
        if self._path is None:
            raise CredentialsError(translatable("credentials.no_home"))
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self._path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise CredentialsError(translatable("credentials.unwritable", **self._problem(error))) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            servers = self._read()
            before = to_builtins(servers)
            yield servers
            if (after := to_builtins(servers)) != before:
                _write(self._path, after)
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)  # a program that is being started may have the descriptor, too
            os.close(lock)

    def _problem(self, error: OSError) -> dict[str, object]:
        return {"path": self._path, "problem": (error.strerror or str(error)).lower()}


def _write(path: Path, servers: Any) -> None:
    new = path.with_suffix(".new")
    with open(os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:  # noqa: PTH123
        os.fchmod(file.fileno(), 0o600)
        json.dump(servers, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def _server(url: str) -> str:
    """The key of a server: its address without user, password and parameters."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2].lower()}{parts.path}"
