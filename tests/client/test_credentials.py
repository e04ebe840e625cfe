"""Names and tokens, kept for each server."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.client.credentials import Credentials, state_directory

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
    monkeypatch.setenv("HOME", "/home/ann")
    assert state_directory({"XDG_STATE_HOME": "/state"}) == Path("/state/natter")
    assert state_directory({}) == Path("/home/ann/.local/state/natter")
    assert state_directory({"XDG_STATE_HOME": "relative"}) == Path("/home/ann/.local/state/natter")
