"""`natter config` as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli import main
from config import load, shipped
from tests.clients import DEADLINE, ROOT

COMMAND = [sys.executable, "-m", "app", "config"]


def config(*arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `natter config`."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )


def printed(*arguments: str, cwd: Path = ROOT, **environment: str) -> str:
    """Return what `natter config` prints, without a warning."""
    done = config(*arguments, cwd=cwd, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_it_prints_every_setting_as_a_file_that_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "application.conf").write_text("app.deployment { port = 9000, port = ${?PORT} }, chat.room = den")
    text = printed(cwd=tmp_path, PORT="9001")
    (tmp_path / "application.conf").write_text(text)
    assert printed(cwd=tmp_path) == text
    settings = load([tmp_path / "application.conf"], environment={})
    assert settings.app.deployment.port == 9001
    assert settings.property("chat.room") == "den"
    assert {".".join(path) for path in settings.tree.origins} == {
        ".".join(path) for path in load([shipped("application.conf")], environment={}).tree.origins
    }


def test_it_opens_neither_a_store_nor_a_port(tmp_path: Path) -> None:
    (tmp_path / "application.conf").write_text("app.deployment.port = 1\nchat.store = store/chat.db")
    assert 'store = "store/chat.db"' in printed(cwd=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["application.conf"]


def test_it_takes_the_flags_of_the_server(tmp_path: Path) -> None:
    for name, port in (("left", 1), ("right", 2)):
        (tmp_path / f"{name}.conf").write_text(f"app.deployment.port = {port}, app.deployment.root-path = /{name}")
    flags = ("-config=left.conf", "--config", "right.conf", "-P:app.deployment.reload=true", "-host=::1", "-path", "/x")
    text = printed(*flags, "app.deployment", "--origin", cwd=tmp_path)
    for line in (
        'host = ["::1"]  # flag -host',
        "port = 2  # right.conf:1",
        'root-path = "/x"  # flag -path',
        "reload = true  # flag -P:app.deployment.reload",
        'shutdown-grace = "3s"  # default',
    ):
        assert f"  {line}\n" in text
    assert "# left.conf" not in text
    assert printed("app.deployment.port", "-port=3") == "app.deployment.port = 3\n"
    assert printed("app.deployment.port", cwd=tmp_path, APP_CONFIG="left.conf") == "app.deployment.port = 1\n"


def test_an_environment_variable_is_named_with_the_line_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "application.conf").write_text("app.deployment.port = 1\napp.deployment.port = ${?PORT}")
    arguments = ("--origin", "app.deployment.port")
    from_variable = "app.deployment.port = 9  # environment variable PORT, application.conf:2\n"
    assert printed(*arguments, cwd=tmp_path, PORT="9") == from_variable
    assert printed(*arguments, cwd=tmp_path, PORT="") == "app.deployment.port = 1  # application.conf:1\n"


@pytest.fixture
def hook(tmp_path: Path) -> Path:
    """A folder with the example of a webhook, which has a secret, and a module that prints."""
    (tmp_path / "webhook.py").write_text((ROOT / "examples" / "webhook.py").read_text())
    (tmp_path / "loud.py").write_text("def module(app):\n    print('loading', app.property('loud.words'))\n")
    (tmp_path / "application.conf").write_text(
        "app.modules = [app.modules.chat.module, webhook.module, loud.module]\n"
        "webhook.secret = ${HOOK_SECRET}\n"
        'loud { words = 1, url = "https://ann:"${HOOK_SECRET}"@chat.example/" }\n'
        "unread.a = 1\n"
    )
    return tmp_path


def test_the_groups_of_modules_are_there_with_defaults_and_without_secrets(hook: Path) -> None:
    done = config(cwd=hook, HOOK_SECRET="correct horse")
    assert done.returncode == 0
    assert 'webhook {\n  secret = "***"\n  name = "webhook"\n  largest = "64KiB"\n}\n' in done.stdout
    assert 'loud {\n  words = 1\n  url = "***"\n}\nunread {\n  a = 1\n}\n' in done.stdout
    assert "horse" not in done.stdout + done.stderr
    assert done.stderr.splitlines() == [
        "loading 1",
        "natter: application.conf:4: the group unread has no effect: no module reads it",
    ]


def test_what_a_module_needs_is_missing(hook: Path) -> None:
    done = config(cwd=hook)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("natter: application.conf:2:18: webhook.secret: ${HOOK_SECRET} is set neither")


def test_a_setting_under_its_former_name_says_where_it_was_set(tmp_path: Path) -> None:
    (tmp_path / "application.conf").write_text("\nchat.limits.connections = 5")
    done = config("--origin", "app.websockets.connections", cwd=tmp_path)
    assert done.stdout == "app.websockets.connections = 5  # application.conf:2\n"
    assert done.stderr == (
        "natter: application.conf:2: chat.limits.connections is called app.websockets.connections now\n"
    )


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("app.deployment.prot", "there is no such setting; did you mean app.deployment.port?"),
        ("deployment", "there is no such setting; did you mean app.deployment?"),
        ("port", "there is no such setting; did you mean app.deployment.port?"),
        ("ping-periods", "there is no such setting; did you mean app.websockets.ping-period?"),
        ("app.deployment.port.x", "there is no such setting; did you mean app.deployment.port?"),
        ("chat.limits.connections", "there is no such setting: it is called app.websockets.connections now"),
        ("ktor.deployment.port", "there is no such setting: write app.deployment.port"),
        ("zzzz", "there is no such setting; natter config prints them all"),
        ("", "there is no such setting; natter config prints them all"),
    ],
)
def test_a_path_that_there_is_not(path: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", path]) == 2
    shown = path or '""'
    assert capsys.readouterr() == ("", f"natter: {shown}: {told}\n")


@pytest.mark.parametrize(
    "flags",
    [
        ("-P:app.deployment.prot=1",),
        ("-P:app.deployment.port=many",),
        ("-P:nonsense",),
        ("-config=none.conf",),
        ("-config",),
        ("--zzz",),
    ],
)
def test_what_is_wrong_is_told_as_the_server_tells_it(
    flags: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    told = []
    for arguments in (["config", *flags], flags):
        try:
            code = main(arguments)
        except SystemExit as ended:
            code = int(ended.code or 0)
        output = capsys.readouterr()
        assert (code, output.out, output.err.count("\n")) == (2, "", 1)
        told.append(output.err.replace("natter config --help", "natter --help"))
    assert told[0] == told[1]


def test_a_module_that_there_is_not_is_told() -> None:
    done = config("-P:app.modules=[app.modules.chat.modul]")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "app.modules.chat has no function modul; did you mean module?" in done.stderr


def test_a_reader_that_wants_no_more_is_not_told() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        done = subprocess.run(COMMAND, cwd=ROOT, stdout=closed, stderr=subprocess.PIPE, timeout=DEADLINE)
    assert (done.returncode, done.stderr) == (1, b"")


def test_an_output_that_can_not_be_written_is_one_line() -> None:
    for output, told in (
        (">/dev/full", "no space left on device"),
        (">&-", "standard output is closed: redirect it to a file"),
    ):
        command = ["sh", "-c", f"exec {' '.join(COMMAND)} {output}"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE)
        assert (done.returncode, done.stderr) == (1, f"natter: {told}\n")


def test_what_a_terminal_does_not_show_is_escaped(tmp_path: Path) -> None:
    (tmp_path / "application.conf").write_text("a { b = ${X}, c = ü }")
    environment = {
        **os.environb,
        b"PYTHONPATH": os.fsencode(ROOT),
        b"X": b"\x1b[31m\xff",
        b"PYTHONIOENCODING": b"ascii",
    }
    done = subprocess.run([*COMMAND, "a"], cwd=tmp_path, env=environment, capture_output=True, timeout=DEADLINE)
    assert done.stdout.decode() == 'a {\n  b = "\\u001b[31m\\ufffd"\n  c = "ü"\n}\n'


def test_without_a_file_of_your_own_values_are_defaults(tmp_path: Path) -> None:
    text = printed("--origin", cwd=tmp_path, PORT="9")
    assert "    port = 9  # environment variable PORT\n" in text
    assert '    ping-period = "15s"  # default\n' in text
    assert str(ROOT) not in text
    done = config(cwd=tmp_path, PORT="x")
    wrong = 'app.deployment.port = "x" (from the environment variable PORT)'
    assert done.stderr == f"natter: {wrong}: expected a port number from 0 to 65535\n"
