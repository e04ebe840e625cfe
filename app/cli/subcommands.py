"""The table of subcommands. It imports none of them, so that each starts with only what it needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NamedTuple, cast

PROGRAM = "natter"
DEFAULT = "serve"
"""The subcommand that runs when none is given."""

Run = Callable[[Sequence[str], str], int]
"""Takes the arguments after the subcommand's name, and the name to show in messages; returns the exit code."""


class Subcommand(NamedTuple):
    """A row of the table."""

    target: str
    """`module:function`; the function is a Run."""
    summary: str
    """One line for `natter --help`."""
    arguments: str = ""
    """The positional arguments, as `natter --help` shows them."""
    on_sigterm: int | None = 1
    """The exit code after SIGTERM; None leaves the signal to the subcommand."""
    on_sigint: int | None = 1
    """The exit code after Ctrl-C; None leaves the signal to the subcommand."""

    cleans_up: bool = True
    """Whether it has something to clean up when a signal ends it early. If not, it ends at once: an exception in the
    middle of an import can get lost, or be shown."""

    collects: bool = True
    """Whether garbage is collected from the start. If not, the subcommand says from when on: what is imported stays, so
    looking for garbage meanwhile takes a sixth of a start for nothing."""

    synonyms: tuple[str, ...] = ()
    """Words that people may type in place of its name. They are not accepted, but answered with the name."""

    def load(self) -> Run:
        """Import the subcommand's function."""
        module, _, function = self.target.partition(":")
        return cast(Run, getattr(import_module(module), function))


SUBCOMMANDS = {
    "serve": Subcommand(
        "app.cli.serve:main",
        "Start the server. This is the default.",
        on_sigterm=0,
        on_sigint=0,
        cleans_up=False,
        collects=False,
        synonyms=("start", "run"),
    ),
    "new": Subcommand(
        "app.cli.new:main",
        "Make a project with a module of your own.",
        "[NAME]",
        on_sigint=130,
        synonyms=("init", "create"),
    ),
    "chat": Subcommand(
        "app.client.main:main", "Chat in the terminal, or from a script.", "[URL]", on_sigterm=143, on_sigint=None
    ),
    "config": Subcommand(
        "app.cli.configuration:main",
        "Print the settings, and where each one came from.",
        "[PATH]",
        synonyms=("settings", "configuration", "conf"),
    ),
    "export": Subcommand("app.cli.store:export", "Write the store, or one room, as lines of JSON.", "[ROOM]"),
    "import": Subcommand("app.cli.store:import_", "Load an export into the store.", "FILE"),
    "backup": Subcommand("app.cli.store:backup", "Copy the store to a new file.", "FILE"),
    "store": Subcommand("app.cli.repair:main", "Check the store, or save what can be read of it.", "check|salvage"),
    "load": Subcommand("app.cli.load:main", "Measure a server under load.", "[URL]"),
}
"""All subcommands by name, in the order of `natter --help`."""
