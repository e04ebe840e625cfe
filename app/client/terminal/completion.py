"""What Tab completes: names, rooms, commands and their arguments, by the server's table of commands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from app.client.sanitize import safe_line


@dataclass(frozen=True, slots=True)
class CompletionSources:
    """Where the candidates come from."""

    names: Callable[[], Iterable[str]]
    """Names of people, those who spoke last first."""
    rooms: Callable[[], Iterable[str]]
    commands: Callable[[], Iterable[tuple[str, str]]]
    """Each command with its usage."""
    own_messages: Callable[[], Iterable[tuple[int, str]]]
    """The positions and texts of your last messages, the newest first."""


class WordCompleter(Completer):
    """Completes the word before the cursor."""

    def __init__(self, sources: CompletionSources) -> None:
        self._sources = sources

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:  # noqa: ARG002
        """The candidates for the word. One that is not safe to show is left out, since it would stand in the prompt."""
        before = document.text_before_cursor
        word = before.rsplit(None, 1)[-1] if before and not before[-1].isspace() else ""
        for text, shown in self._candidates(before, word):
            if safe_line(shown) == shown:
                yield Completion(text, start_position=-len(word), display=shown)

    def _candidates(self, before: str, word: str) -> Iterator[tuple[str, str]]:
        if before.startswith("/") and not before.startswith("//"):
            if " " not in before:
                yield from self._commands(word)
                return
            command, _, rest = before[1:].partition(" ")
            yield from self._arguments(command.casefold(), rest, word)
            return
        first = word == before
        yield from self._names(word.removeprefix("@"), ": " if first else " ", "@" if first or word[:1] == "@" else "")

    def _commands(self, word: str) -> Iterator[tuple[str, str]]:
        from app.chat.commands import NAMES  # only when a command is typed: the prompt should not wait for it

        start = word[1:].casefold()
        names = [name for name, _ in self._sources.commands()]
        for name in sorted({*names, *(alias for alias, of in NAMES.items() if start and of in names)}):
            if name.startswith(start):
                yield f"/{name} ", f"/{name}"

    def _arguments(self, command: str, rest: str, word: str) -> Iterator[tuple[str, str]]:
        """Candidates for what the usage of a command, such as `/kick NAME [WHY]`, has in the place of the word."""
        from app.chat.commands import NAMES

        command = NAMES.get(command, command)
        usage = dict(self._sources.commands()).get(command, "").split()
        index = min(len(rest.split(" ")), len(usage)) - 1
        placeholder = usage[index].strip("[]") if usage else ""
        if placeholder.startswith("NAME["):
            done, comma, last = word.rpartition(",")
            yield from self._names(last, " ", done + comma)
        elif placeholder == "NAME" or (placeholder in ("TEXT", "WHY") and word):
            yield from self._names(word, " ", "")
        elif placeholder == "ROOM":
            yield from self._rooms(word)
        elif placeholder == "COMMAND":
            start = word.removeprefix("/").casefold()
            yield from ((name, name) for name, _ in self._sources.commands() if name.startswith(start))
        elif placeholder == "ID":
            yield from self._own_messages(word, with_text=command == "edit")

    def _names(self, start: str, end: str, before: str) -> Iterator[tuple[str, str]]:
        for name in self._sources.names():
            if name.casefold().startswith(start.casefold()):
                yield f"{before}{name}{end}", name

    def _rooms(self, start: str) -> Iterator[tuple[str, str]]:
        for room in self._sources.rooms():
            if room.startswith(start.removeprefix("#")):
                yield room, room

    def _own_messages(self, start: str, *, with_text: bool) -> Iterator[tuple[str, str]]:
        """The positions of your messages; with their text if that is to be edited."""
        for seq, text in self._sources.own_messages():
            if str(seq).startswith(start):
                yield (f"{seq} {text}" if with_text else str(seq)), f"{seq} {safe_line(text[:30])}"
