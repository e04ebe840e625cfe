"""What must hold for every file of the project."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.clients import DEADLINE, ROOT

HOSTS = {
    # Hosts that the project may name: those of pages it links to, of XML namespaces, and the reserved ones.
    "evil.com",
    "example.com",
    "example.org",
    "github.com",
    "keepachangelog.com",
    "ktor.io",
    "maven.apache.org",
    "no-color.org",
    "repo1.maven.org",
    "semver.org",
    "starlette.dev",
    "www.sqlite.org",
    "www.unicode.org",
    "www.w3.org",
}
BINARY = {".png", ".db"}
AS_THEY_ARE = ROOT / "tests/config/hocon"
"""Files whose white space is what is tested."""
RESERVED = (".example", ".invalid", ".localhost", ".test", ".example.com", ".example.org", ".evil.com")
HOST = re.compile(r"\b(?:https?|wss?)://(?:[^/\s@\"'`]*@)?([\w-]+(?:\.[\w-]+)*\.[a-z]{2,})\b", re.I)
PERSONAL_FOLDER = re.compile(r"(?<![\w.])/(?:root|work|workspace|Users)/\w|(?<![\w.])/home/(?!ann\b)\w")
INSTALLS_THE_OTHER_NATTER = re.compile(r"\b(?:pipx?|uvx?|uv tool|uv pip)\b[^\n]*\binstall\b[^\n.]*\bnatter\b(?!-chat)")


def files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def texts() -> list[tuple[Path, str]]:
    return [(path, path.read_text(encoding="utf-8")) for path in files() if path.suffix not in BINARY]


def test_text_files_end_with_one_newline_and_hold_no_tabs_or_blanks_at_the_end() -> None:
    for path, text in texts():
        if path.is_relative_to(AS_THEY_ARE):
            continue
        assert not text or (text.endswith("\n") and not text.endswith("\n\n")), path
        assert not any(line.endswith((" ", "\t")) for line in text.split("\n")), path


def test_the_tests_wait_for_events_and_skip_nothing_for_good() -> None:
    for path in (ROOT / "tests").rglob("*.py"):
        if path != Path(__file__):
            text = path.read_text()
            assert not any(word in text for word in ("time.sleep(", "asyncio.sleep(", "mark.skip", "mark.xfail")), path


WAITING = r"DEADLINE =|timeout=|(?:fail_after|asyncio\.timeout|\.wait|\.join|\.result)\(|wait_for\(.*\), "
WAITS = re.compile(rf"(?:{WAITING}) *(\d[\d.]*)(?![\w.]| \*)")
"""How long a test waits for something at most, where it is given as a number."""


def hurries(text: str) -> list[str]:
    """What in the text of a test allows something less time than a busy machine may take for it."""
    return [match[0] for match in WAITS.finditer(text) if 0 < float(match[1]) < DEADLINE]


def test_the_tests_give_a_busy_machine_its_time() -> None:
    """DEADLINE is for what must happen. What must not happen is a question that is asked later, not a time to wait."""
    for path in (ROOT / "tests").rglob("*.py"):
        if path != Path(__file__):
            assert not hurries(path.read_text()), path


@pytest.mark.parametrize(
    "text",
    ["DEADLINE = 20\n", "thread.join(2)\n", "with fail_after(10):", "asyncio.wait_for(work(), 1.5)", "timeout=30)"],
)
def test_the_check_finds_a_hurry(text: str) -> None:
    assert len(hurries(text)) == 1


@pytest.mark.parametrize(
    "text", ["timeout=0)", "ping.timeout=300ms", "thread.join(DEADLINE)", "DEADLINE = 60.0", "join(2 * DEADLINE)"]
)
def test_the_check_passes_what_has_time(text: str) -> None:
    assert hurries(text) == []


def foreign(text: str) -> list[str]:
    """The hosts in `text` that the project has no reason to name, such as a mirror of a package registry."""
    hosts = [host.lower() for host in HOST.findall(text)]
    return [host for host in hosts if host not in HOSTS and not host.endswith(RESERVED)]


def test_no_file_names_a_host_that_the_project_has_no_reason_to_name() -> None:
    found = {path: hosts for path, text in texts() if path != Path(__file__) and (hosts := foreign(text))}
    assert not found, "if the project should name the host, add it to HOSTS"


def test_no_file_names_a_folder_of_the_machine_it_was_written_on() -> None:
    """The checkout and the home folder, or anything like them."""
    own = [str(folder) for folder in (ROOT.resolve(), Path.home()) if len(folder.parts) > 2]
    for path, text in texts():
        if path != Path(__file__):
            assert not PERSONAL_FOLDER.search(text), path
            assert not any(folder in text for folder in own), path


def test_nothing_tells_people_to_install_the_other_project_called_natter() -> None:
    """PyPI's `natter` is another project; this one is `natter-chat`."""
    for path, text in texts():
        if path != Path(__file__):
            assert not INSTALLS_THE_OTHER_NATTER.search(text), path


@pytest.mark.parametrize(
    "text",
    [
        "https://mirror.corp.com/simple",
        "https://packages.corp.io/simple/",
        "ws://user:pw@chat.corp.io:80/",
        "HTTPS://A.IO",
    ],
)
def test_the_check_finds_a_host(text: str) -> None:
    assert len(foreign(text)) == 1


@pytest.mark.parametrize(
    "text",
    ["ws://127.0.0.1:8080", "ws://localhost:8080/chat", "https://chat.example.com/x", "http://{host}:80", "//x.io"],
)
def test_the_check_passes_reserved_names_and_addresses(text: str) -> None:
    assert foreign(text) == []


@pytest.mark.parametrize(
    "text", ["pip install natter", "pipx install natter", "uv tool install -U natter", "pip install -U natter"]
)
def test_the_check_finds_the_other_project(text: str) -> None:
    assert INSTALLS_THE_OTHER_NATTER.search(text)
    assert not INSTALLS_THE_OTHER_NATTER.search(text + "-chat")
