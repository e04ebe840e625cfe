"""`natter export`, `import` and `backup` as processes, beside a server and after one."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection

from app.backends.embedded import Embedded
from app.backends.schema import APPLICATION_ID, MIGRATIONS
from app.cli import main
from tests.clients import DEADLINE, ROOT, Served, serving

COMMAND = [sys.executable, "-m", "app"]
FREELY = "-P:chat.limits.rate=0"


def natter(*arguments: str | Path, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        input=stdin,
        capture_output=True,
        timeout=60,
    )


def done(*arguments: str | Path, stdin: bytes = b"", **environment: str) -> bytes:
    """What a command that succeeds writes; it says nothing else."""
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


class Client:
    """A client of the JSON dialect."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.welcome = self.next()
        self.token, self.rid = self.welcome["token"], 0

    def next(self) -> Any:
        return json.loads(self.connection.recv(DEADLINE))

    def ask(self, t: str, **fields: Any) -> Any:
        """The answer: an error too."""
        self.rid += 1
        key = "cid" if "cid" in fields else "rid"
        self.connection.send(json.dumps({"t": t, **({} if key == "cid" else {"rid": self.rid}), **fields}))
        while (told := self.next()).get(key) != (fields["cid"] if key == "cid" else self.rid):
            pass
        return told

    def history(self, room: str) -> list[Any]:
        page = self.ask("history", room=room, limit=200)
        assert (page["t"], page["more"]) == ("history", False)
        return list(page["events"])


@contextmanager
def client(server: Served, token: str = "") -> Iterator[Client]:
    subprotocols = ["chat.v1.json", *([f"token.{token}"] if token else [])]
    with server.connect(subprotocols=subprotocols) as connection:
        yield Client(connection)


def answered(answer: Any) -> Any:
    assert answer["t"] != "error", answer
    return answer


def test_a_chat_goes_on_in_another_store(tmp_path: Path) -> None:
    old, new = str(tmp_path / "old.db"), str(tmp_path / "new.db")
    with serving(FREELY, environment={"CHAT_STORE": old}) as server, client(server) as ann, client(server) as bob:
        assert answered(ann.ask("nick", name="Ann"))["name"] == "Ann"
        answered(ann.ask("register", password="correct horse"))
        answered(bob.ask("nick", name="Bob"))
        epoch = answered(ann.ask("join", room="red"))["epoch"]
        answered(bob.ask("join", room="red"))
        answered(ann.ask("topic", room="red", text="paint"))
        ack = answered(ann.ask("msg", room="red", cid="c1", text="vermilion"))
        answered(bob.ask("whisper", to=["Ann"], cid="c2", text="psst scarlet"))
        answered(ann.ask("ban", room="red", name="Bob"))
        answered(ann.ask("join", room="@"))
        said, whispered = ann.history("red"), ann.history("@")
        whole = done("export", CHAT_STORE=old)
    (tmp_path / "chat.jsonl").write_bytes(whole)
    done("import", tmp_path / "chat.jsonl", CHAT_STORE=new)
    assert [event["text"] for event in whispered] == ["psst scarlet"]
    with serving(FREELY, environment={"CHAT_STORE": new}) as server:
        with client(server, ann.token) as again:
            assert (again.welcome["id"], again.welcome["name"], again.welcome["registered"]) == (1, "Ann", True)
            assert again.welcome["epoch"] != epoch
            joined = answered(again.ask("join", room="red", epoch=epoch, after=1))
            assert (joined["recovered"], joined["topic"], joined["head"]) == (False, "paint", said[-1]["seq"])
            assert again.history("red") == said
            answered(again.ask("join", room="@"))
            assert again.history("@") == whispered
            assert again.ask("msg", room="red", cid="c1", text="vermilion") == ack
            (found,) = again.ask("search", room="red", words="vermilion")["events"]
            assert found["seq"] == ack["seq"]
            assert len(again.ask("search", room="@", words="scarlet")["events"]) == 1
            assert again.ask("msg", room="red", cid="c9", text="new")["seq"] > said[-1]["seq"]
        with client(server, bob.token) as again:
            assert again.welcome["name"] == "Bob"
            assert again.ask("join", room="red")["t"] == "error"
            answered(again.ask("join", room="@"))
            assert again.history("@") == whispered
        with client(server) as other:
            assert other.welcome["name"] == "user2"
            assert other.ask("login", name="ann", password="wrong horse")["t"] == "error"
            assert answered(other.ask("login", name="ann", password="correct horse"))["id"] == 1


class Talker(threading.Thread):
    """Says one thing after the other, and keeps what was acknowledged: texts by position."""

    def __init__(self, server: Served) -> None:
        super().__init__(daemon=True)
        self.server = server
        self.acked: dict[int, str] = {}
        self.changed, self.enough = threading.Condition(), False

    def run(self) -> None:
        with client(self.server) as one:
            answered(one.ask("join", room="red"))
            number = 0
            while not self.enough:
                number += 1
                ack = answered(one.ask("msg", room="red", cid=f"c{number}", text=f"message {number}"))
                with self.changed:
                    self.acked[ack["seq"]] = f"message {number}"
                    self.changed.notify()

    def said(self, more: int) -> dict[int, str]:
        """All that is acknowledged, once there is so much more of it."""
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
    with serving(FREELY, environment={"CHAT_STORE": store}) as server:
        talker = Talker(server)
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
    with serving(FREELY, environment={"CHAT_STORE": str(copy)}) as server, client(server) as one:
        head = answered(one.ask("join", room="red"))["head"]
        assert head == max(copied)


def test_a_room_through_a_pipe_by_the_settings_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "one.conf").write_text(f'chat.store = "{tmp_path}/one.db"')
    (tmp_path / "two.conf").write_text(f'chat.store = "{tmp_path}/two.db"')
    with (
        serving(f"-config={tmp_path}/one.conf", "-port=0", environment={"CHAT_STORE": ""}) as server,
        client(server) as ann,
    ):
        answered(ann.ask("join", room="red"))
        answered(ann.ask("msg", room="red", cid="c1", text="vermilion"))
    text = done("export", f"-config={tmp_path}/one.conf", "red")
    assert text == done("export", "red", "--config", tmp_path / "one.conf")
    assert text == done("export", "red", f"-P:chat.store={tmp_path}/one.db")
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
        (2, "'@1,2' can't be a room: use 1 to 64 characters of", ("export", "@1,2")),
        (2, "the following arguments are required: FILE; see natter backup --help", ("backup",)),
        (2, "unrecognized arguments: blue", ("export", "red", "blue")),
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
    """A store with much in it."""
    path = str(tmp_path / "chat.db")
    backend = Embedded(path)
    backend.open()
    backend.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(
            "INSERT INTO events (room, id, at, user, name, text, cid) "
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
            "SELECT 'red', i, 1, 1, 'ann', printf('%.1000c', 'x'), '' FROM n"
        )
    return path


def test_a_store_in_use_and_a_copy_that_is_there(store: str, tmp_path: Path) -> None:
    text = done("export", CHAT_STORE=store)
    with serving(environment={"CHAT_STORE": store}):
        refused(1, f"{store}: the store is in use by another process", "import", "-", stdin=text, CHAT_STORE=store)
    refused(1, f"{store}: this file exists already: choose the name of a new file", "backup", store, CHAT_STORE=store)
    refused(1, "none/x.db: no such file or directory: choose", "backup", tmp_path / "none" / "x.db", CHAT_STORE=store)
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
    assert line.startswith(f"natter: {store}: upgrading from version 1 to {len(MIGRATIONS)}; {store}.before-v")
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
        process.stdout.readline()  # the pipe is full soon, so it is in the middle
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
