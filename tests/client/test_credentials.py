"""Names and tokens, kept for each server."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import pytest

from app.client.credentials import Credentials, state_directory
from tests.client.servers import Names
from tests.client.terminals import ENTER, terminal
from tests.clients import DEADLINE, ROOT

URL = "ws://localhost:8080/chat"


@pytest.fixture
def credentials(home: Path) -> Credentials:
    return Credentials(home)


def test_who_one_was_is_found_again(credentials: Credentials) -> None:
    assert credentials.find(URL) == ("", "")
    credentials.keep(URL, "ann", "1", last=True)
    credentials.keep(URL, "bob", "2", last=False)
    assert credentials.find(URL) == ("ann", "1")
    assert credentials.find(URL, "BOB") == ("BOB", "2")
    assert credentials.find(URL, "cy") == ("cy", "")
    assert credentials.find(f"{URL}?room=ops") == ("ann", "1")
    assert credentials.find("ws://localhost:9090/chat") == ("", "")


def test_another_name_of_the_same_user_takes_the_place_of_the_first(credentials: Credentials) -> None:
    credentials.keep(URL, "ann", "1", last=True)
    credentials.keep(URL, "anna", "1", last=False)
    assert credentials.find(URL) == ("anna", "1")
    assert credentials.find(URL, "ann") == ("ann", "")


def test_a_token_is_forgotten(credentials: Credentials) -> None:
    credentials.keep(URL, "ann", "1", last=True)
    credentials.forget(URL, "1")
    assert credentials.find(URL) == ("", "")


def test_nobody_else_may_read_it(credentials: Credentials, home: Path) -> None:
    before = os.umask(0)
    try:
        credentials.keep(URL, "ann", "1", last=True)
    finally:
        os.umask(before)
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in home.iterdir())
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_several_programs_at_once_lose_nothing(home: Path) -> None:
    names = [f"user{number}" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: Credentials(home).keep(URL, name, f"token of {name}", last=False), names))
    assert all(Credentials(home).find(URL, name) == (name, f"token of {name}") for name in names)


def test_a_file_that_is_broken_is_told_and_left_alone(credentials: Credentials, home: Path) -> None:
    home.mkdir(parents=True)
    (home / "servers.json").write_text("{")
    with pytest.raises(OSError, match=r"servers\.json is damaged: it doesn't hold names and tokens"):
        credentials.find(URL)
    with pytest.raises(OSError, match="is damaged"):
        credentials.keep(URL, "ann", "1", last=True)
    assert (home / "servers.json").read_text() == "{"


def test_where_nothing_can_be_kept(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    credentials = Credentials(tmp_path / "file/natter")
    assert credentials.find(URL) == ("", "")
    with pytest.raises(OSError, match=r"Can't write .*file/natter/servers\.json: not a directory$"):
        credentials.keep(URL, "ann", "1", last=True)


def test_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    ann = {"HOME": "/home/ann"}
    assert state_directory({"XDG_STATE_HOME": "/state", **ann}) == Path("/state/natter")
    assert state_directory(ann) == Path("/home/ann/.local/state/natter")
    assert state_directory({"XDG_STATE_HOME": "relative", **ann}) == Path("/home/ann/.local/state/natter")
    known = pwd.getpwuid(os.getuid())
    assert state_directory({}) == state_directory({"HOME": ""}) == Path(known.pw_dir) / ".local/state/natter"

    def unknown(uid: int) -> NoReturn:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert state_directory({}) is None
    assert state_directory(ann) == Path("/home/ann/.local/state/natter")


HOMELESS = """
import pwd, sys
def unknown(uid):
    raise KeyError(f"getpwuid(): uid not found: {uid}")
pwd.getpwuid = unknown
from app.client.main import entry
entry(sys.argv[1:])
"""
"""The client for a user whom the system doesn't know."""


def test_without_a_home_directory_nothing_is_kept(names: Names) -> None:
    environment = {key: value for key, value in os.environ.items() if key not in ("HOME", "XDG_STATE_HOME")}
    done = subprocess.run(
        [sys.executable, "-c", HOMELESS, names.url, "--name", names.ann],
        input="hello\n",
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        timeout=DEADLINE,
    )
    problem = "Your name and token were not saved: You have no home directory. Set HOME or XDG_STATE_HOME."
    assert done.stderr == f"natter chat: {problem}\n"
    assert (done.returncode, done.stdout) == (0, "")


def test_without_a_home_directory_a_terminal_works(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    with terminal(names.url, code=HOMELESS) as me:
        me.prompt("Your name:")
        me.types(names.bob + ENTER)
        me.shows("*** Your name and token were not saved: You have no home directory.")
        me.types("hello" + ENTER)
        me.shows(f"<{names.bob}> hello")
        me.types("/logout" + ENTER)
        me.shows("*** Goodbye")
        assert not any("not deleted" in line for line in me.lines())
