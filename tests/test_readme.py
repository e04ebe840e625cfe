"""Checks the README: every command in it runs, and prints what the README shows."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.backends.storefile import StoreFile
from app.testing import test_application
from tests.client.terminals import ENTER, terminal
from tests.clients import DEADLINE, ROOT, Process, serving
from tests.conftest import need
from tests.test_peers import WEBSOCAT, peer

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.S)
PYTHON = [text for kind, text in BLOCKS if kind == "python"]
CONSOLE = [text for kind, text in BLOCKS if kind == "console"]
COMMANDS = [line.removeprefix("$ ") for text in CONSOLE for line in text.splitlines() if line.startswith("$ ")]
CI = (ROOT / ".ci/run").read_text()

NATTER = f"{sys.executable} -m app"


def shown(command: str) -> list[str]:
    """The lines that the README shows under the first block with `command`."""
    (block, *_) = [text for text in CONSOLE if text.startswith(f"$ {command}\n")]
    return list(block.splitlines()[1:])


def like(line: str) -> str:
    """A pattern for a log line of the README, with any time and any port."""
    return re.sub(r":\d+$", r":(\\d+)$", re.escape(line.partition(" INFO ")[2]))


@contextmanager
def started(command: str, line: str, cwd: Path, **environment: str) -> Iterator[int]:
    """Run a command that serves until it is stopped. Yields the port that it logs in a line like `line`."""
    process = Process(cwd=cwd, command=command, environment=environment)
    try:
        yield int(process.line(like(line))[1])
    finally:
        process.stop()


def test_every_command_is_run_here_or_by_ci() -> None:
    run_here = {
        "make run",
        "websocat ws://127.0.0.1:8080/chat",
        "natter -config=my.conf -P:app.websockets.max-frame-size=128KiB",
        "natter config --origin app.deployment.port -config=my.conf -port=9090",
        "natter -P:app.deployment.prot=1",
        "natter -config=my.conf",
        "curl http://127.0.0.1:8080/ping",
        "make bench",
        "natter backup chat-2026-01-01.db",
        "natter export > chat.jsonl",
        "natter import chat.jsonl -P:chat.store=new.db",
        "natter chat",
        "echo hi | natter chat --room ops",
        "natter chat --follow --json | jq -r .text",
    }
    elsewhere = {
        # tests/test_packaging.py, from a plain installation
        "uvicorn app:create_app --factory --no-proxy-headers --no-access-log",
        "docker build -t natter .",  # tests/test_packaging.py, instruction by instruction
        "docker run --name natter -v natter:/data -e PORT=9000 -p 9000:9000 natter",
        "docker exec natter python -m app config --origin chat.store",  # the same
    }
    by_ci = {command for command in COMMANDS if re.search(rf"^{re.escape(command)}$", CI, re.M)}
    assert set(COMMANDS) == run_here | elsewhere | by_ci
    assert by_ci == {"make test", "make lint", "make slow"}


def test_make_run_and_two_terminals() -> None:
    need("make")
    (line,) = shown("make run")
    conversations = [text.splitlines()[1:] for text in CONSOLE if text.startswith("$ websocat")]
    with started("make run", line, ROOT, PORT="0", VENV=str(Path(sys.prefix))) as port:
        url = f"ws://127.0.0.1:{port}/chat"
        with peer(WEBSOCAT, url) as first:
            first.shows(conversations[0][0])
            with peer(WEBSOCAT, url) as second:
                greeting, typed, heard = conversations[1]
                second.shows(greeting)
                second.types(typed)
                second.shows(heard)
            first.shows(conversations[0][1])


def test_a_file_of_your_own(tmp_path: Path) -> None:
    command = "natter -config=my.conf -P:app.websockets.max-frame-size=128KiB"
    (hocon, *_) = [text for kind, text in BLOCKS if kind == "hocon"]
    (tmp_path / "my.conf").write_text(hocon)
    with started(command.replace("natter", NATTER), shown(command)[0], tmp_path, PORT="0"):
        pass


def test_what_is_configured(tmp_path: Path) -> None:
    command = "natter config --origin app.deployment.port -config=my.conf -port=9090"
    (tmp_path / "my.conf").write_text(next(text for kind, text in BLOCKS if kind == "hocon"))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command.replace("natter", NATTER, 1).split(),
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert (done.returncode, done.stdout.splitlines(), done.stderr) == (0, shown(command), "")


def test_a_mistake() -> None:
    command = "natter -P:app.deployment.prot=1"
    done = subprocess.run(
        command.replace("natter", NATTER).split(), cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE
    )
    assert done.stderr.splitlines() == shown(command)


def test_keeping_it(tmp_path: Path) -> None:
    commands = [command for command in COMMANDS if re.match("natter (backup|export|import) ", command)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CHAT_STORE": "chat.db"}
    with started(
        f"{NATTER} -port=0", "x INFO Application - Responding at http://127.0.0.1:8080", tmp_path, CHAT_STORE="chat.db"
    ):
        for command in commands:
            done = subprocess.run(
                command.replace("natter", NATTER, 1),
                shell=True,
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                timeout=DEADLINE,
            )
            assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    stores = [StoreFile(str(tmp_path / name)) for name in ("chat.db", "chat-2026-01-01.db", "new.db")]
    for store in stores:
        store.open().close()
        store.release()
    assert len({store.epoch for store in stores}) == len(stores)


@pytest.mark.slow("programs")
def test_the_client_in_the_terminal(tmp_path: Path) -> None:
    jq = need("jq")
    state = {"XDG_STATE_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    environment = {**os.environ, **state}
    with serving() as server, terminal(f"{server.ws}/chat", module=("app", "chat"), **state) as me:
        natter = f"{NATTER} chat {server.ws}/chat"
        me.prompt("Your name:")
        me.types("ann" + ENTER)
        me.shows("You're in lobby")
        command = "natter chat --follow --json | jq -r .text".replace("jq", f"{jq} --unbuffered")
        following = subprocess.Popen(
            command.replace("natter chat", natter),
            shell=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,
            text=True,
        )
        assert following.stdin
        assert following.stdout
        following.stdin.write("from a pipe\n")
        following.stdin.flush()
        me.shows("<ann> from a pipe")
        me.types("hello" + ENTER)
        assert [following.stdout.readline() for _ in range(2)] == ["from a pipe\n", "hello\n"]
        me.types("/join ops" + ENTER)
        me.shows("You're in ops")
        command = "echo hi | natter chat --room ops".replace("natter chat", natter)
        done = subprocess.run(command, shell=True, env=environment, capture_output=True, timeout=DEADLINE)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        me.shows("<ann> hi")
        os.killpg(following.pid, signal.SIGTERM)
        following.communicate(timeout=DEADLINE)


@pytest.mark.slow("programs")
def test_a_module_of_your_own(tmp_path: Path) -> None:
    python = PYTHON[0]
    hocon = [text for kind, text in BLOCKS if kind == "hocon"][1]
    (tmp_path / "ping.py").write_text(python)
    (tmp_path / "my.conf").write_text(hocon + "app.deployment.port = 0\n")
    assert len(python.strip().splitlines()) <= 5
    (block,) = [text for text in CONSOLE if "curl" in text]
    curl = need("curl")
    with started(
        f"{NATTER} -config=my.conf", "x INFO Application - Responding at http://127.0.0.1:8080", tmp_path
    ) as port:
        url = f"http://127.0.0.1:{port}/ping"
        answer = subprocess.run([curl, "-s", url], capture_output=True, text=True, timeout=DEADLINE, check=True).stdout
    assert answer == block.splitlines()[-1]


def test_a_module_that_takes_part(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text(PYTHON[1])
    (tmp_path / "my.conf").write_text("app.modules = [app.modules.chat.module, helper.module]")
    (shown,) = [text for kind, text in BLOCKS if kind == "text"]
    with test_application(config=tmp_path / "my.conf") as chat, chat.join(dialect="text") as client:
        for line in shown.splitlines():
            if line.startswith("> "):
                client.send(line.removeprefix("> "))
            else:
                assert client.receive() == line.removeprefix("< ")


def test_make_bench_says_what_the_figures_are_of() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.startup", "--runs", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=True,
    )
    assert re.search(r"s until it answers +natter \d", done.stdout)
    assert re.search(r"MiB when idle +natter \d", done.stdout)


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
