"""Follows docs/tutorial.md from its first line to the last: each command is run and each file is written as the page
says. Only the installation is left out; `tests/new_project/test_installed.py` has it."""

from __future__ import annotations

import logging
import re
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from app.testing import test_application
from tests.client.terminals import ENTER, terminal
from tests.clients import PATIENCE, ROOT, Process, Raw
from tests.conftest import need
from tests.new_project.projects import check_style, check_types, made_to_run, pretend_installed, project
from tests.test_peers import WEBSOCAT, Peer

PAGE = (ROOT / "docs/tutorial.md").read_text()


class Block(NamedTuple):
    """A block of the page, the chapter it is in, and the paragraph before it."""

    chapter: str
    sentence: str
    kind: str
    text: str


def blocks() -> Iterator[Block]:
    chapter = before = ""
    for part in re.split(r"(^```\w+\n.*?^```\n)", PAGE, flags=re.M | re.S):
        if found := re.fullmatch(r"```(\w+)\n(.*)```\n", part, re.S):
            yield Block(chapter, before, found[1], found[2])
            before = ""
        else:
            chapter = [chapter, *re.findall(r"^## (.*)$", part, re.M)][-1]
            paragraphs = [text for text in part.strip().split("\n\n") if text]
            before = " ".join(paragraphs[-1].split()) if paragraphs else ""


class Reader:
    """Someone who does what the page says."""

    def __init__(self, home: Path, stack: ExitStack) -> None:
        self.project = home / "hello-chat"
        self.stack = stack
        self.server: Process | None = None
        self.port = 0
        self.waiting: list[tuple[Peer, list[str]]] = []
        """Terminals that the page shows more of than has happened yet."""
        self.made: dict[str, str] = {}
        """The files as `natter new` made them."""

    def follow(self, block: Block) -> None:
        """Do what a block shows."""
        {"console": self.console, "python": self.python, "hocon": self.hocon}[block.kind](block)

    def skip(self, block: Block) -> None:
        """Do no more than it takes to go on after a block."""
        if block.kind != "console":
            self.follow(block)
        elif block.text.startswith("$ natter new\n"):
            project(self.project.parent, self.project.name, "routing,echo")
            self.prepare()

    def console(self, block: Block) -> None:
        commands = [line.removeprefix("$ ") for line in block.text.splitlines() if line.startswith("$ ")]
        shown = [line for line in block.text.splitlines() if not line.startswith("$ ")]
        if commands == ["natter new"]:
            self.new(shown)
        elif commands[-1] == "make run":
            assert commands[:-1] in ([], ["cd hello-chat"])
            self.run(shown)
        elif commands == ["make test"]:
            self.test(shown)
        else:
            (command,) = commands
            self.talk(command, shown)

    def new(self, shown: list[str]) -> None:
        with terminal(module=("app", "new")) as me:
            for line in shown:
                question, bracket, answer = line.partition("]:")
                if bracket:
                    me.prompt(question + bracket)
                    me.types(answer.strip() + ENTER)
                else:
                    me.shows(line)
            assert me.ends() == 0
        self.prepare()

    def prepare(self) -> None:
        files = [path for path in self.project.rglob("*") if path.is_file()]
        self.made = {str(path.relative_to(self.project)): path.read_text() for path in files}
        pretend_installed(self.project)

    def run(self, shown: list[str]) -> None:
        (line,) = shown
        self.stop()
        self.server = self.stack.enter_context(made_to_run(self.project, PORT="0", CHAT_STORE="chat.db"))
        pattern = re.escape(line.partition(" INFO ")[2]).replace("8080", r"(\d+)") + "$"
        self.port = int(self.server.line(pattern)[1])

    def stop(self) -> None:
        assert not self.waiting
        if self.server:
            self.server.stop()
            assert "Traceback" not in "\n".join(self.server.log)

    def test(self, shown: list[str]) -> None:
        (line,) = shown
        done = subprocess.run(
            [need("make"), "test"], cwd=self.project, capture_output=True, text=True, timeout=PATIENCE
        )
        assert done.returncode == 0, done.stdout + done.stderr
        (passed,) = re.findall(r"=+ (\d+ passed) in", line)
        assert re.search(rf"=+ {passed} in", done.stdout), done.stdout

    def talk(self, command: str, shown: list[str]) -> None:
        """Lines that the server doesn't send are typed. If the page shows more than is sent so far, another terminal is
        needed for it, and the next block has that one."""
        url = re.fullmatch(r"websocat '?(ws://127\.0\.0\.1:8080/.*?)'?", command)
        assert url, command
        me = Peer(WEBSOCAT, url[1].replace("8080", str(self.port)))
        self.stack.callback(me.process.kill)
        typed: list[str] = []
        for number, line in enumerate(shown):
            said = re.match(r"\[\w+\]: (.*)|You said: (.*)", line)
            if said and (said[1] or said[2]) not in typed and "after=0" not in command:
                self.waiting.append((me, shown[number:]))
                return
            if said or line.startswith("You are connected!"):
                me.shows(line)
            else:
                me.types(line)
                typed.append(line)
        for other, rest in self.waiting:
            for line in rest:
                other.shows(line)
            other.leave()
        self.waiting.clear()
        me.leave()

    def python(self, block: Block) -> None:
        path = re.findall(r"`([\w/]+\.py)`", block.sentence)
        if "Create `" in block.sentence:
            assert not (self.project / path[0]).exists()
            self.write(path[0], block.text)
        elif "Add a test to `" in block.sentence:
            self.write(path[0], f"{self.read(path[0])}\n\n{block.text}")
        elif "Replace `" in block.sentence:
            assert (self.project / path[0]).exists()
            self.write(path[0], block.text)
        elif block.sentence.startswith("Take your route away"):
            self.take_away(path[0], block.text)
        else:
            path = path or ["tests/test_hello_chat.py"]
            assert block.text in self.made[path[0]].partition('"""\n\n')[2]

    def take_away(self, path: str, shown: str) -> None:
        """Do what the page says around the block: without the route, everything is as it was made."""
        for name in ("chat", "connection"):
            assert f"`hello_chat/{name}.py`" in PAGE
            (self.project / f"hello_chat/{name}.py").unlink()
        changed = self.read(path).replace("\nfrom hello_chat.chat import Chat\n", "")
        changed = changed.replace('    app.add_websocket_route("/chat", Chat().serve)\n', "")
        assert shown in changed
        assert changed == self.made[path]
        self.write(path, changed)

    def hocon(self, block: Block) -> None:
        conf = self.read("application.conf")
        (old,) = re.findall(r"^  modules = \[\n.*?^  \]\n", conf, re.M | re.S)
        if block.text.startswith("app {"):  # what the page shows of the file
            for part in re.findall(r"^  \w+ .*?^  [}\]]\n", block.text, re.M | re.S):
                assert part in conf
        else:
            self.write("application.conf", conf.replace(old, block.text))

    def read(self, path: str) -> str:
        return (self.project / path).read_text()

    def write(self, path: str, text: str) -> None:
        (self.project / path).write_text(text)


CHAPTERS = list(dict.fromkeys(block.chapter for block in blocks()))


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_everything_in_a_chapter_is_done(chapter: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with ExitStack() as stack:
        reader = Reader(tmp_path, stack)
        for block in blocks():
            if block.chapter == chapter:
                reader.follow(block)
            elif CHAPTERS.index(block.chapter) < CHAPTERS.index(chapter):
                reader.skip(block)
        reader.stop()
    check_style(tmp_path)


def test_every_block_is_in_a_chapter() -> None:
    assert len(list(blocks())) == PAGE.count("\n```") / 2 > 20
    assert len(CHAPTERS) == 7
    assert all(CHAPTERS)


def test_every_file_of_the_project_is_explained(tmp_path: Path) -> None:
    folder = project(tmp_path, "hello-chat", "routing,echo")
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    rows = re.findall(r"^\| (`[^|]*`) \| [^|]+ \|$", PAGE, re.M)
    assert {name for row in rows for name in re.findall("`([^`]+)`", row)} == files


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """The project with the chat that people write."""
    with ExitStack() as stack:
        reader = Reader(tmp_path, stack)
        for block in blocks():
            if block.chapter != CHAPTERS[-1]:
                reader.skip(block)
    assert "name_for" in reader.read("hello_chat/chat.py")
    return reader.project


def test_the_chat_that_people_write_is_strictly_typed(written: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    check_types([written], tmp_path / "cache")


def test_people_who_leave_while_others_speak_do_no_harm(written: Path, caplog: pytest.LogCaptureFixture) -> None:
    with test_application(config=written / "application.conf", server=True) as host:
        port = int(host.url.rpartition(":")[2])
        ann, bob = host.websocket("/chat"), host.websocket("/chat")
        for person in (ann, bob):
            person.receive()
        for number in range(20):
            with Raw(port) as leaving:
                leaving.frame()  # the greeting
                # The connection is reset, without the closing handshake, while it gets what Ann says.
                leaving.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                ann.send(f"{number}")
            assert ann.receive() == bob.receive() == f"[user0]: {number}"
            bob.send("and on")
            assert ann.receive() == bob.receive() == "[user1]: and on"
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
