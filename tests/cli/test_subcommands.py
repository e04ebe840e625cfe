"""The table of subcommands: a new one is a file and a row, and each starts with only what it needs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from app import cli
from app.cli.subcommands import SUBCOMMANDS, Subcommand
from app.testing import test_application
from benchmarks.ports import free_port
from tests.clients import DEADLINE, ROOT, Raw

HELLO = """
import os, signal, sys
from app.cli.flags import Parser

def main(arguments, program):
    parser = Parser(program, "Greet somebody.")
    parser.add_argument("name", metavar="NAME")
    name = parser.parse_args(arguments).name
    if name == "nobody":
        os.kill(os.getpid(), signal.SIGTERM)
    sys.stdout.write(f"Hello {name}!\\n")
    return 5
"""


@pytest.fixture
def hello(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Subcommand:
    """A made-up subcommand: one file and one row."""
    (tmp_path / "hello.py").write_text(HELLO)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "hello", raising=False)
    row = Subcommand("hello:main", "Greet somebody by name.", "NAME")
    monkeypatch.setitem(SUBCOMMANDS, "hello", row)
    return row


def exit_code(*arguments: str) -> int:
    """Run the command line in this process."""
    try:
        return cli.main(arguments)
    except SystemExit as ended:
        return int(ended.code or 0)


def test_a_new_subcommand_is_a_file_and_a_row(hello: Subcommand, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("hello", "Ann") == 5
    assert capsys.readouterr().out == "Hello Ann!\n"
    assert exit_code("--help") == 0
    shown = capsys.readouterr().out
    (line,) = [line for line in shown.splitlines() if "natter hello" in line]
    assert line.split() == ["natter", "hello", "NAME", *hello.summary.split()]
    assert exit_code("hello", "--help") == 0
    assert "usage: natter hello [-h] NAME" in capsys.readouterr().out
    assert exit_code("hello") == 2
    expected = "natter: the following arguments are required: NAME; see natter hello --help\n"
    assert capsys.readouterr().err == expected
    assert exit_code("helo") == 2
    assert capsys.readouterr().err == 'natter: unknown subcommand "helo"; did you mean hello?\n'


def test_a_signal_ends_a_new_subcommand_with_the_code_of_its_row(tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text(HELLO)
    script = (
        "from app import cli\n"
        "from app.cli.subcommands import SUBCOMMANDS, Subcommand\n"
        "SUBCOMMANDS['hello'] = Subcommand('hello:main', 'Greet somebody.', on_sigterm=9)\n"
        "cli.entry()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "hello", "nobody"],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}"},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert (done.returncode, done.stdout, done.stderr) == (9, "", "")


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("exprot", 'unknown subcommand "exprot"; did you mean export?'),
        ("back-up", 'unknown subcommand "back-up"; did you mean backup?'),
        ("settings", 'unknown subcommand "settings"; did you mean config?'),
        ("run", 'unknown subcommand "run"; did you mean serve?'),
        ("init", 'unknown subcommand "init"; did you mean new?'),
        ("frobnicate", 'unknown subcommand "frobnicate"; see natter --help'),
        ("two\nlines", 'unknown subcommand "two\\nlines"; see natter --help'),
    ],
)
def test_an_unknown_subcommand_is_one_line(typed: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(typed, "-port=0") == 2
    assert capsys.readouterr() == ("", f"natter: {message}\n")


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_each_has_a_help_and_a_line_in_the_overview(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(name, "--help") == 0
    assert f"usage: natter {name} " in capsys.readouterr().out
    assert exit_code("--help") == 0
    assert f"natter {name}" in capsys.readouterr().out
    assert len(SUBCOMMANDS[name].summary.splitlines()) == 1


def test_each_file_of_a_subcommand_has_a_row() -> None:
    shared = {"__init__", "flags", "ktor_flags", "subcommands"}
    files = {f"app.cli.{path.stem}" for path in (ROOT / "app" / "cli").glob("*.py") if path.stem not in shared}
    targets = {row.target.partition(":")[0] for row in SUBCOMMANDS.values()}
    assert {target for target in targets if target.startswith("app.cli.")} == files


@pytest.mark.parametrize(
    ("name", "absent"),
    [
        ("chat", {"starlette", "uvicorn", "config", "app.backends", "app.live", "app.cli.flags", "app.cli.serve"}),
        ("export", {"starlette", "uvicorn", "app.application", "app.live", "app.client", "app.load"}),
        ("load", {"starlette", "uvicorn", "config", "app.application", "app.backends", "app.live", "app.client"}),
        ("config", {"app.client", "app.load", "app.backends.archive", "app.cli.serve"}),
        ("new", {"starlette", "uvicorn", "app.application", "app.backends", "app.client", "app.load"}),
        (
            "serve",
            {
                "app.client",
                "app.load",
                "app.new_project",
                "app.backends.archive",
                "app.cli.configuration",
                "config.describing",
            },
        ),
    ],
)
def test_each_imports_only_what_it_needs(name: str, absent: set[str]) -> None:
    script = (
        "import sys\n"
        "from app.cli import main\n"
        "try:\n"
        f"    main([{name!r}, '--help'])\n"
        "except SystemExit:\n"
        "    print(*sys.modules, sep='\\n', file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE)
    loaded = set(done.stderr.splitlines())
    assert "app.cli.subcommands" in loaded
    assert not loaded & absent


def test_the_server_is_what_starts_without_a_subcommand(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ((), ("serve",)):
        assert exit_code(*arguments, "-port=abc") == 2
        assert 'app.deployment.port = "abc": expected a port number' in capsys.readouterr().err


def test_a_signal_has_the_meaning_that_each_row_says() -> None:
    assert SUBCOMMANDS["serve"].on_sigterm == SUBCOMMANDS["serve"].on_sigint == 0
    assert SUBCOMMANDS["export"].on_sigterm == SUBCOMMANDS["export"].on_sigint == 1
    assert (SUBCOMMANDS["chat"].on_sigterm, SUBCOMMANDS["chat"].on_sigint) == (128 + signal.SIGTERM, None)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("moment", ["app.cli", "app.cli.serve", "config", "app.application", "app.modules.chat"])
def test_a_signal_while_it_starts_ends_the_server_without_a_word(name: str, moment: str) -> None:
    script = (
        "import os, runpy, signal, sys\n"
        "class Finder:\n"
        "    @staticmethod\n"
        "    def find_spec(name, path=None, target=None):\n"
        f"        if name == {moment!r}:\n"
        f"            os.kill(os.getpid(), signal.{name})\n"
        "sys.meta_path.insert(0, Finder)\n"
        "sys.argv = ['natter']\n"
        "runpy.run_module('app', run_name='__main__')\n"
    )
    environment = {**os.environ, "PORT": "0"}
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=DEADLINE
    )
    assert (ended.stdout, ended.stderr) == ("", "")
    assert ended.returncode == (-getattr(signal, name) if moment == "app.cli" else 0)


def test_a_signal_while_resources_are_opened_stops_the_server(tmp_path: Path) -> None:
    (tmp_path / "stopping.py").write_text(
        "import os, signal\n"
        "from contextlib import contextmanager\n"
        "@contextmanager\n"
        "def opened():\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    yield\n"
        "    print('closed')\n"
        "def module(app):\n"
        "    app.during(opened())\n"
    )
    flags = ["-port=0", '-P:app.modules=["app.modules.chat.module", "stopping.module"]']
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}"}
    command = [sys.executable, "-m", "app", *flags]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=DEADLINE)
    assert (ended.returncode, ended.stdout) == (0, "closed\n")
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("missing", [(0,), (1,), (2,), (0, 1, 2)])
def test_a_server_without_standard_streams_serves(missing: tuple[int, ...], tmp_path: Path) -> None:
    closing = " ".join(f"{number}>&-" for number in missing)
    port = free_port()
    command = f"exec {sys.executable} -m app -host=127.0.0.1 -port={port} {closing}"
    environment = {**os.environ, "CHAT_STORE": str(tmp_path / "chat.db")}
    with subprocess.Popen(["sh", "-c", command], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) as started:
        while started.poll() is None:
            with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), DEADLINE):
                break
        with Raw(port) as raw:
            assert raw.status == 101
        started.send_signal(signal.SIGTERM)
        assert started.wait(DEADLINE) == 0


def test_an_export_without_standard_output_is_one_line(tmp_path: Path) -> None:
    command, environment = f"exec {sys.executable} -m app export 1>&-", {**os.environ, "CHAT_STORE": f"{tmp_path}/x.db"}
    ended = subprocess.run(
        ["sh", "-c", command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=DEADLINE
    )
    assert (ended.returncode, ended.stderr) == (1, "natter: standard output is closed: redirect it to a file\n")


@pytest.mark.parametrize("arguments", ["backup copy.db", "store check", "store salvage copy.db"])
def test_what_writes_a_file_needs_no_standard_output(arguments: str, tmp_path: Path) -> None:
    store = tmp_path / "chat.db"
    with test_application(store=store) as chat:
        chat.join("ann").say("Hello")
    command = f"exec {sys.executable} -m app {arguments} 1>&-"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CHAT_STORE": str(store)}
    ended = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=DEADLINE
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert (tmp_path / "copy.db").is_file() == ("copy.db" in arguments)
