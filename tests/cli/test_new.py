"""`natter new`: what it asks, what it takes from flags, and what it refuses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app import cli
from tests.client.terminals import CTRL_D, ENTER, Terminal, terminal
from tests.clients import DEADLINE, ROOT

EVERYTHING = "routing, echo, chat, page, health"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> int:
    try:
        return cli.main(("new", *arguments))
    except SystemExit as ended:
        return int(ended.code or 0)


@contextmanager
def asked(*arguments: str) -> Iterator[Terminal]:
    with terminal(*arguments, module=("app", "new")) as shown:
        yield shown


def test_without_a_terminal_it_asks_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "app", "new", "demo"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, input="x\n" * 9, capture_output=True, text=True, timeout=DEADLINE)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        f"Created demo with {EVERYTHING}. Next:\n  cd demo\n  make run    # serves http://127.0.0.1:8080\n  make test\n"
    )
    assert f"NATTER ?= {ROOT.as_uri()}\n" in (tmp_path / "demo/Makefile").read_text()
    assert (tmp_path / "demo/demo/sockets.py").read_text().count("You said: ") == 1


def test_enter_takes_the_defaults(tmp_path: Path) -> None:
    with asked() as me:
        for question in (
            "Name [my-chat]:",
            "Location [.]:",
            "Modules (routing, echo, chat, page, health) [all]:",
            "Sample code (yes, no) [yes]:",
        ):
            me.prompt(question)
            me.types(ENTER)
        me.shows(f"Created my-chat with {EVERYTHING}. Next:")
        assert me.ends() == 0
    assert (tmp_path / "my-chat/my_chat/commands.py").is_file()


def test_what_a_flag_says_is_not_asked(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    with asked("demo", "--no-sample", "--location", "below") as me:
        me.prompt("Modules (routing, echo, chat, page, health) [all]:")
        me.types("echo, health" + ENTER)
        me.shows("Created demo with echo, health. Next:")
        me.shows("  cd below/demo")
        assert me.ends() == 0
    assert not (tmp_path / "below/demo/demo/routing.py").exists()
    with asked("-y", "other") as me:
        assert me.ends() == 0
        me.shows(f"Created other with {EVERYTHING}. Next:")


def test_an_answer_that_can_not_be_used_is_asked_for_again(tmp_path: Path) -> None:
    (tmp_path / "taken/demo").mkdir(parents=True)
    (tmp_path / "taken/demo/file").touch()
    name, location = "Name [my-chat]:", "Location [.]:"
    modules, sample = "Modules (routing, echo, chat, page, health) [all]:", "Sample code (yes, no) [yes]:"
    with asked() as me:
        me.prompt(name)
        me.types("My Demo" + ENTER)
        me.shows('"My Demo" can\'t be the name of a project')
        me.prompt(name)
        os.write(me._master, b"d\xff" + ENTER.encode())
        me.shows_times("can't be the name of a project", 2)
        me.prompt(name)
        me.types("demo" + ENTER)
        me.prompt(location)
        me.types("taken" + ENTER)
        me.shows('"taken/demo" is there already, and not an empty folder')
        me.prompt(location)
        me.types(ENTER)
        me.prompt(modules)
        me.types("chta" + ENTER)
        me.shows('unknown module "chta"; did you mean chat?')
        me.prompt(modules)
        me.types("chat" + ENTER)
        me.prompt(sample)
        me.types("maybe" + ENTER)
        me.shows('"maybe" is neither yes nor no')
        me.prompt(sample)
        me.types("N" + ENTER)
        me.shows("Created demo with chat. Next:")
        assert me.ends() == 0
    assert not (tmp_path / "demo/demo/commands.py").exists()


@pytest.mark.parametrize("answered", range(4))
def test_giving_up_leaves_nothing_behind(answered: int, tmp_path: Path) -> None:
    questions = ["Name [my-chat]:", "Location [.]:", "Modules (", "Sample code (yes, no) [yes]:"]
    for ended, code in ((CTRL_D, 1), (signal.SIGINT, 130), (signal.SIGTERM, 1)):
        with asked() as me:
            for number in range(answered):
                me.shows(questions[number])
                me.types(ENTER)
            me.shows(questions[answered])
            if isinstance(ended, signal.Signals):
                me.process.send_signal(ended)
            else:
                me.types(ended)
                me.shows("natter: nothing was created, since the input ended")
            assert me.ends() == code
            assert b"Traceback" not in me.raw
            assert me.raw.endswith(b"\r\n")
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["queue"], '"queue" can\'t be the name of a project: queue is a module of Python itself'),
        (
            ["my chat"],
            '"my chat" can\'t be the name of a project: expected lowercase letters, digits and hyphens, with',
        ),
        (["demo", "--modules", "chta"], 'unknown module "chta"; did you mean chat?'),
        (["demo", "--modules", "WebSockets"], 'unknown module "WebSockets"; did you mean echo?'),
        (["demo", "--modules", "xyz"], f'unknown module "xyz": expected {EVERYTHING}, or all'),
        (["demo", "--modules", " , "], f"no module is named: expected {EVERYTHING}, or all"),
        (["demo", "--modules", "page"], "the page needs the chat: add chat to the modules, or leave out page"),
        (["demo", "--location", "nowhere"], 'there is no folder "nowhere": create it, or choose another location'),
        (["demo", "--natter", "nowhere"], '--natter "nowhere": there is no such file or folder'),
        (["demo", "more"], "unrecognized arguments: more; see natter new --help"),
    ],
)
def test_what_is_wrong_is_one_line(
    arguments: list[str], problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"natter: {problem}")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_refuses_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.cli.new.create", lambda project: _refuse())
    assert run("demo") == 1
    assert capsys.readouterr() == ("", 'natter: can\'t create "demo": no space left on device\n')


def _refuse() -> None:
    from app.new_project.errors import ProjectError

    raise ProjectError('can\'t create "demo": no space left on device')


def test_natter_can_come_from_elsewhere(tmp_path: Path) -> None:
    url = "git+https://git.example/natter.git@v1#subdirectory=x"
    assert run("demo", "--natter", url) == 0
    makefile = (tmp_path / "demo/Makefile").read_text()
    assert "NATTER ?= git+https://git.example/natter.git@v1\\#subdirectory=x\n" in makefile
    shown = subprocess.run(
        ["make", "--dry-run", "wheel"], cwd=tmp_path / "demo", capture_output=True, text=True, timeout=DEADLINE
    ).stdout
    assert f"'natter-chat @ {url}'" in shown


def test_a_path_of_any_bytes_is_shown(tmp_path: Path) -> None:
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/\xff dir")
    Path(odd).mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "app", "new", "demo", "--location", odd]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=DEADLINE)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\\udcff dir/demo'" in done.stdout
