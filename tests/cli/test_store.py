"""`natter export`, `import` and `backup` as processes, while a server runs and after it."""

from __future__ import annotations

import json
import os
import shlex
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from app.backends.embedded import Embedded
from app.backends.schema import APPLICATION_ID, MIGRATIONS
from app.cli import main
from app.testing import JsonClient, Refusal, test_application
from tests.clients import DEADLINE, ROOT, serving

COMMAND = [sys.executable, "-m", "app"]


def natter(*arguments: str | Path, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        input=stdin,
        capture_output=True,
        timeout=DEADLINE,
    )


def done(*arguments: str | Path, stdin: bytes = b"", **environment: str) -> bytes:
    """Run a subcommand that must succeed without a word on stderr, and return its output."""
    ended = natter(*arguments, stdin=stdin, **environment)
    assert (ended.returncode, ended.stderr) == (0, b"")
    return ended.stdout


def refused(code: int, line: str, *arguments: str | Path, stdin: bytes = b"", **environment: str) -> None:
    ended = natter(*arguments, stdin=stdin, **environment)
    told = ended.stderr.decode()
    assert (ended.returncode, ended.stdout) == (code, b"")
    assert told.startswith("natter: ")
    assert told.count("\n") == 1, told
    assert line in told


def history(client: JsonClient, room: str) -> list[Any]:
    page = client.answer("history", room=room, limit=200)
    assert page["more"] is False
    return list(page["events"])


def found(client: JsonClient, room: str, words: str) -> list[Any]:
    """What a search finds once it isn't cut short by a machine that is busy with other things."""
    while (answer := client.answer("search", room=room, words=words)).get("partial"):
        pass
    return list(answer["events"])


def test_a_chat_goes_on_in_another_store(tmp_path: Path) -> None:
    old, new = str(tmp_path / "old.db"), str(tmp_path / "new.db")
    with test_application(store=old, server=True) as chat:
        ann, bob = chat.connect(), chat.connect()
        ann.nick("Ann")
        ann.register("correct horse")
        bob.nick("Bob")
        epoch = ann.join("red")["epoch"]
        bob.join("red")
        ann.answer("topic", room="red", text="paint")
        ann.ask("msg", room="red", cid="c1", text="vermilion")
        ack = ann.ack("c1")
        bob.whisper(ann, "psst scarlet")
        ann.answer("ban", room="red", name="Bob")
        ann.join("@")
        said, whispered = history(ann, "red"), history(ann, "@")
        whole = done("export", CHAT_STORE=old)
    (tmp_path / "chat.jsonl").write_bytes(whole)
    done("import", tmp_path / "chat.jsonl", CHAT_STORE=new)
    assert [event["text"] for event in whispered] == ["psst scarlet"]
    with test_application(store=new, server=True) as chat:
        again = chat.connect(token=ann.token)
        assert (again.id, again.name, again.welcome["registered"]) == (1, "Ann", True)
        assert again.epoch != epoch
        joined = again.join("red", epoch=epoch, after=1)
        assert (joined["recovered"], joined["topic"], joined["head"]) == (False, "paint", said[-1]["seq"])
        assert history(again, "red") == said
        again.join("@")
        assert history(again, "@") == whispered
        again.ask("msg", room="red", cid="c1", text="vermilion")
        assert again.ack("c1") == ack
        assert [event["seq"] for event in found(again, "red", "vermilion")] == [ack["seq"]]
        assert len(found(again, "@", "scarlet")) == 1
        assert again.say("new", room="red").seq > said[-1]["seq"]
        again = chat.connect(token=bob.token)
        assert again.name == "Bob"
        with pytest.raises(Refusal, match="banned"):
            again.join("red")
        again.join("@")
        assert history(again, "@") == whispered
        other = chat.connect()
        assert other.name == "user2"
        with pytest.raises(Refusal, match="wrong_password"):
            other.login("ann", "wrong horse")
        other.login("ann", "correct horse")
        assert other.id == 1


class Talker(threading.Thread):
    """Sends one message after the other, and keeps what was acknowledged: texts by position."""

    def __init__(self, client: JsonClient) -> None:
        super().__init__(daemon=True)
        self.client = client
        self.acked: dict[int, str] = {}
        self.changed, self.enough = threading.Condition(), False

    def run(self) -> None:
        self.client.join("red")
        number = 0
        while not self.enough:
            number += 1
            self.client.ask("msg", room="red", cid=f"c{number}", text=f"message {number}")
            ack = self.client.ack(f"c{number}")
            with self.changed:
                self.acked[ack["seq"]] = f"message {number}"
                self.changed.notify()

    def said(self, more: int) -> dict[int, str]:
        """Wait for `more` acks, and return all messages that are acknowledged."""
        with self.changed:
            least = len(self.acked) + more
            assert self.changed.wait_for(lambda: len(self.acked) >= least, DEADLINE)
            return dict(self.acked)

    def end(self) -> None:
        self.enough = True
        self.join(DEADLINE)
        assert not self.is_alive()


def test_a_copy_from_under_traffic_holds_all_that_was_acknowledged(tmp_path: Path) -> None:
    store, copy = str(tmp_path / "chat.db"), tmp_path / "copy.db"
    with test_application(store=store, server=True) as chat:
        talker = Talker(chat.connect())
        talker.start()
        before = talker.said(100)
        done("backup", copy, CHAT_STORE=store)
        between = talker.said(1)
        whole = done("export", CHAT_STORE=store)
        after = talker.said(20)
        talker.end()
    assert set(before) < set(between) < set(after)
    exported = {line["seq"]: line["text"] for line in map(json.loads, whole.splitlines()) if line["t"] == "event"}
    with closing(sqlite3.connect(copy)) as connection:
        copied = dict(connection.execute("SELECT seq, text FROM events"))
    for held, least in ((copied, before), (exported, between)):
        assert held.items() >= least.items()
        assert sorted(held) == list(range(1, len(held) + 1))
    backend = Embedded(str(copy))
    backend.open()
    backend.close()
    with test_application(store=copy) as chat:
        assert chat.connect().join("red")["head"] == max(copied)


def test_a_room_through_a_pipe_by_the_settings_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "one.conf").write_text(f'chat.store = "{tmp_path}/one.db"')
    (tmp_path / "two.conf").write_text(f'chat.store = "{tmp_path}/two.db"')
    with test_application(store=tmp_path / "one.db") as chat:
        ann = chat.join(room="red")
        ann.say("vermilion")
    text = done("export", f"-config={tmp_path}/one.conf", "red")
    assert text == done("export", "red", "--config", tmp_path / "one.conf")
    assert text == done("export", "red", f"-P:chat.store={tmp_path}/one.db")
    assert b"vermilion" in text
    assert ann.token.encode() not in text
    done("import", "-", f"-config={tmp_path}/two.conf", stdin=text)
    again = done("export", f"-config={tmp_path}/two.conf", "red")
    assert again.splitlines()[1:] == text.splitlines()[1:]


@pytest.mark.parametrize(
    ("code", "line", "arguments"),
    [
        (2, 'chat.store = ":memory:"', ("export", "-P:chat.store=:memory:")),
        (2, 'chat.store = ":memory:"', ("backup", "x.db")),
        (2, 'chat.store = ":memory:"', ("import", "x.jsonl")),
        (2, "chat.stroe: unknown key; did you mean store?", ("export", "-P:chat.stroe=x.db")),
        pytest.param(
            2,
            "'@1,2' can't be a room: use 1 to 64 characters of",
            ("export", "@1,2"),
            id="2-'@1,2' can't be a room: expected 1 to 64 of-arguments4",
        ),
        (2, "the following arguments are required: FILE; see natter backup --help", ("backup",)),
        (2, "the following arguments are required: check|salvage; see natter store --help", ("store",)),
        (2, "unrecognized arguments: blue", ("export", "red", "blue")),
        (2, "-config: expected the name of a file; see natter export --help", ("export", "-config=")),
        (2, "none.conf: can't be read", ("export", "-config=none.conf")),
        (1, "none.db: there is no store: expected the file of a chat", ("export", "-P:chat.store=none.db")),
        (1, "none.db: there is no store: expected the file of a chat", ("backup", "x.db", "-P:chat.store=none.db")),
        (1, "none.jsonl: no such file or directory", ("import", "none.jsonl", "-P:chat.store=none.db")),
        (
            1,
            "empty.jsonl:1: the file ends here: expected an export",
            ("import", "empty.jsonl", "-P:chat.store=none.db"),
        ),
    ],
)
def test_a_mistake_is_one_line(
    code: int,
    line: str,
    arguments: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.jsonl").touch()
    assert exit_code(*arguments) == code
    out, told = capsys.readouterr()
    assert (out, told.count("\n")) == ("", 1)
    assert told.startswith("natter: ")
    assert line in told
    assert [file.name for file in tmp_path.iterdir()] == ["empty.jsonl"]


def exit_code(*arguments: str) -> int:
    """Run the command line in this process."""
    try:
        return main(arguments)
    except SystemExit as ended:
        return int(ended.code or 0)


@pytest.fixture
def store(tmp_path: Path) -> str:
    """A store of 20 MB."""
    path = str(tmp_path / "chat.db")
    backend = Embedded(path)
    backend.open()
    backend.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(
            "INSERT INTO events WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
            "SELECT i, 'red', i, i, 1, 1, 'ann', printf('%.1000c', 'x'), '', 'msg', 0, '' FROM n"
        )
        connection.execute("UPDATE counters SET value = 20000 WHERE name = 'pos'")
        connection.execute("DELETE FROM meta WHERE key = 'end'")  # what was done here is part of this history
    return path


def test_a_store_in_use_and_a_copy_that_is_there(store: str, tmp_path: Path) -> None:
    text = done("export", CHAT_STORE=store)
    with serving(environment={"CHAT_STORE": store}):
        refused(1, f"{store}: the store is in use by another process", "import", "-", stdin=text, CHAT_STORE=store)
    refused(1, f"{store}: this file exists already: choose the name of a new file", "backup", store, CHAT_STORE=store)
    missing = tmp_path / "none" / "x.db"
    refused(1, "none/x.db: no such file or directory (ENOENT): choose", "backup", missing, CHAT_STORE=store)
    refused(
        1,
        f"stdin:1: this is an export of everything, which needs a new store: {store} has",
        "import",
        "-",
        stdin=text,
        CHAT_STORE=store,
    )


def test_a_store_of_an_older_version_is_upgraded_with_a_line(tmp_path: Path) -> None:
    store = tmp_path / "chat.db"
    with closing(sqlite3.connect(store)) as connection:
        connection.executescript(f"{MIGRATIONS[0]} PRAGMA user_version = 1; PRAGMA application_id = {APPLICATION_ID};")
    ended = natter("export", CHAT_STORE=str(store))
    assert ended.returncode == 0
    assert json.loads(ended.stdout.splitlines()[0])["t"] == "natter"
    (line,) = ended.stderr.decode().splitlines()
    assert line.startswith(f"natter: {store}: upgrading from version 1 to {len(MIGRATIONS)}, which rewrites 1 MiB; ")
    assert done("export", CHAT_STORE=str(store)) == ended.stdout


def test_who_stops_reading_ends_an_export_quietly(store: str) -> None:
    environment = {**os.environ, "CHAT_STORE": store}
    with subprocess.Popen(
        [*COMMAND, "export"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        assert json.loads(process.stdout.readline())["t"] == "natter"
        process.stdout.close()
        assert process.wait(DEADLINE) == 1
        assert process.stderr.read() == b""


def test_an_export_that_is_stopped_or_can_not_be_written_does_not_pass_for_one(store: str) -> None:
    environment = {**os.environ, "CHAT_STORE": store}
    with subprocess.Popen([*COMMAND, "export"], cwd=ROOT, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()  # the pipe fills up soon, which stops the export in the middle
        process.terminate()
        process.stdout.read()
        assert process.wait(DEADLINE) == 1
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [*COMMAND, "export"], cwd=ROOT, env=environment, stdout=full, stderr=subprocess.PIPE, timeout=DEADLINE
        )
    assert (ended.returncode, ended.stderr) == (1, b"natter: no space left on device\n")


def test_a_copy_that_is_stopped_leaves_nothing_behind(store: str, tmp_path: Path) -> None:
    folder = tmp_path / "copies"
    folder.mkdir()
    script = (
        "import os, signal, sys\n"
        "from app import cli as command\n"
        "from app.backends import copying\n"
        "from app.backends.archive import backup\n"
        "new_file = backup._new_file\n"
        "copying.STEPS = 100\n"
        "def stopped(copy):\n"
        "    if copy.name == 'at once.db':\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "    signal.setitimer(signal.ITIMER_REAL, 0.01)\n"
        "    return new_file(copy)\n"
        "backup._new_file = stopped\n"
        "signal.signal(signal.SIGALRM, lambda *_: sys.exit(1))\n"
        "command.entry()\n"
    )
    for name in ("at once.db", "soon.db"):
        ended = subprocess.run(
            [sys.executable, "-c", script, "backup", str(folder / name)],
            cwd=ROOT,
            env={**os.environ, "CHAT_STORE": store},
            capture_output=True,
            timeout=DEADLINE,
        )
        assert ended.returncode == 1
        assert b"Traceback" not in ended.stderr
        assert list(folder.iterdir()) == []


def test_the_help_names_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("--help") == 0
    told = " ".join(capsys.readouterr().out.split())
    for command in ("export [ROOM]", "import FILE", "backup FILE"):
        assert f"natter {command}" in told
        name = command.split()[0]
        assert exit_code(name, "--help") == 0
        explained = capsys.readouterr().out
        assert f"usage: natter {name}" in explained
        assert "-P:KEY=VALUE" in explained


def test_a_store_is_checked_and_what_can_be_read_is_salvaged(tmp_path: Path) -> None:
    store, copy = tmp_path / "chat.db", tmp_path / "saved.db"
    with test_application(store=store, server=True) as chat:
        ann = chat.join("ann", room="red")
        for number in range(50):
            ann.say(f"vermilion {number} " + "x" * 1000)
        assert b"all is sound" in done("store", "check", CHAT_STORE=str(store))
        refused(1, "in use", "store", "salvage", copy, CHAT_STORE=str(store))
    data = bytearray(store.read_bytes())
    page = data.index(b"vermilion 20 ") // 4096 * 4096
    data[page : page + 4096] = bytes(4096)
    store.write_bytes(data)
    ended = natter("store", "check", CHAT_STORE=str(store))
    assert (ended.returncode, ended.stderr) == (1, b"")
    assert b"this is damaged" in ended.stdout
    assert b"vermilion" not in ended.stdout
    told = done("store", "salvage", copy, CHAT_STORE=str(store)).decode().splitlines()
    assert all(line.startswith(f"{store}: ") for line in told)
    assert "saved 4" in told[0]
    assert "room 'red' lacks" in told[-1]
    with test_application(store=copy, server=True) as chat:
        again = chat.connect(token=ann.token)
        again.join("red")
        texts = [event["text"].split()[1] for event in history(again, "red")]
        assert {"0", "49"} < set(texts)
        assert "20" not in texts


@pytest.mark.parametrize("arguments", [["check", "x.db"], ["salvage"], ["mend"], []])
def test_what_to_do_with_a_store_has_to_be_said(arguments: list[str], tmp_path: Path) -> None:
    refused(2, "see natter store --help", "store", *arguments, CHAT_STORE=str(tmp_path / "chat.db"))


@pytest.mark.parametrize(
    ("redirection", "line"),
    [
        ("| head -c 1", ""),
        ("> /dev/full", "natter: no space left on device"),
        (">&-", "natter: standard output is closed: redirect it to a file"),
        (">&- 2>&-", ""),
    ],
)
def test_an_export_that_nobody_takes_ends_without_a_traceback(tmp_path: Path, redirection: str, line: str) -> None:
    store = tmp_path / "chat.db"
    with test_application(store=store, server=True) as chat:
        ann = chat.join("ann", room="red")
        for _ in range(5):
            ann.say("x" * 60_000)
    command = f"{shlex.join(COMMAND)} export {redirection}; exit ${{PIPESTATUS[0]}}"
    ended = subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "CHAT_STORE": str(store)},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == ([line] if line else [])
