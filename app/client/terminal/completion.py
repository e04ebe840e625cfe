"""What Tab completes: names, rooms, commands, and what they take, by the server's own table of commands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from app.chat.commands import NAMES
from app.client.safe import line


@dataclass(frozen=True, slots=True)
class Known:
    """What there is to choose from."""

    names: Callable[[], Iterable[str]]
    """Of people, those who spoke last first."""
    rooms: Callable[[], Iterable[str]]
    commands: Callable[[], Iterable[tuple[str, str]]]
    """Each with its usage."""
    own: Callable[[], Iterable[tuple[int, str]]]
    """One's own last messages: position and text, the last first."""


class WordCompleter(Completer):
    """Completes the word before the cursor."""

    def __init__(self, known: Known) -> None:
        self._known = known

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:  # noqa: ARG002
        """What the word may become. What is not safe to show is not completed: it would stand in the prompt."""
        before = document.text_before_cursor
        word = before.rsplit(None, 1)[-1] if before and not before[-1].isspace() else ""
        for text, shown in self._candidates(before, word):
            if line(shown) == shown:
                yield Completion(text, start_position=-len(word), display=shown)

    def _candidates(self, before: str, word: str) -> Iterator[tuple[str, str]]:
        if before.startswith("/") and not before.startswith("//"):
            if " " not in before:
                yield from self._commands(word)
                return
            command, _, rest = before[1:].partition(" ")
            yield from self._arguments(command.casefold(), rest, word)
            return
        end = ": " if word == before else " "
        yield from self._names(word.removeprefix("@"), end, "@" if word.startswith("@") else "")

    def _commands(self, word: str) -> Iterator[tuple[str, str]]:
        start = word[1:].casefold()
        names = [name for name, _ in self._known.commands()]
        for name in sorted({*names, *(alias for alias, of in NAMES.items() if start and of in names)}):
            if name.startswith(start):
                yield f"/{name} ", f"/{name}"

    def _arguments(self, command: str, rest: str, word: str) -> Iterator[tuple[str, str]]:
        """What the usage of a command has in the place of the word: `/kick NAME [WHY]`."""
        command = NAMES.get(command, command)
        usage = dict(self._known.commands()).get(command, "").split()
        place = min(len(rest.split(" ")), len(usage)) - 1
        wanted = usage[place].strip("[]") if usage else ""
        if wanted.startswith("NAME["):
            done, comma, last = word.rpartition(",")
            yield from self._names(last, " ", done + comma)
        elif wanted == "NAME" or (wanted in ("TEXT", "WHY") and word):
            yield from self._names(word, " ", "")
        elif wanted == "ROOM":
            yield from self._rooms(word)
        elif wanted == "COMMAND":
            start = word.removeprefix("/").casefold()
            yield from ((name, name) for name, _ in self._known.commands() if name.startswith(start))
        elif wanted == "ID":
            yield from self._own(word, whole=command == "edit")

    def _names(self, start: str, end: str, before: str) -> Iterator[tuple[str, str]]:
        for name in self._known.names():
            if name.casefold().startswith(start.casefold()):
                yield f"{before}{name}{end}", name

    def _rooms(self, start: str) -> Iterator[tuple[str, str]]:
        for room in self._known.rooms():
            if room.startswith(start.removeprefix("#")):
                yield room, room

    def _own(self, start: str, *, whole: bool) -> Iterator[tuple[str, str]]:
        """The positions of one's own messages, with the text if that is to be changed."""
        for seq, text in self._known.own():
            if str(seq).startswith(start):
                yield (f"{seq} {text}" if whole else str(seq)), f"{seq} {line(text[:30])}"
