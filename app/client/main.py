"""The command `natter chat`, also `python -m app.client`: reads the arguments and starts the client for them.

Exit codes: 0 when done; 1 if a message was not delivered; 2 for wrong arguments; 3 if the server can't be reached; 4 if
something other than a chat server answers; 5 without a secure connection; 6 if you can't have the name; 7 if you may
not enter, or were removed; 130 after Ctrl+C, 143 after SIGTERM.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn
from urllib.parse import parse_qs, urlsplit

from app.chat.errors import Refused as RefusedName
from app.chat.logs import room_name
from app.client.address import DEFAULT, normalize
from app.client.credentials import Credentials, CredentialsError, state_directory
from app.client.errors import ChatError, Unreachable
from app.client.languages.catalogue import Catalogue, load
from app.client.sanitize import safe_line

# The help and its errors are in English in every language: argparse puts its own English words around them, and mixing
# two languages in one line is worse than one that is not yours.
DESCRIPTION = (
    "Chat in the terminal. In a pipe, each line of standard input is sent as a message; messages from others go to "
    "standard output, everything else to standard error. It exits when all lines are acknowledged."
)
INTERRUPTED, TERMINATED = 130, 143


def main(arguments: Sequence[str] | None = None, program: str = "natter chat") -> int:
    """Run the command line `arguments`, without the program's name, and return the exit code."""
    flags = parser(program).parse_intermixed_args(list(sys.argv[1:] if arguments is None else arguments))
    catalogue = load(os.environ)
    try:
        return _run(flags, catalogue, program)
    except ChatError as error:
        return _fail(program, catalogue.translate(error.message), error.exit_code)
    except TimeoutError:
        return _fail(program, catalogue.text("pipe.timeout", seconds=flags.timeout), Unreachable.exit_code)
    except BrokenPipeError:
        # The reader of the output is gone. Python must not try to flush the buffer again when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        return INTERRUPTED


def entry(arguments: Sequence[str], program: str = "natter chat") -> NoReturn:
    """Run `main` as a process, which SIGTERM stops in an orderly way."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    sys.exit(main(arguments, program))


def _run(flags: argparse.Namespace, catalogue: Catalogue, program: str) -> int:
    credentials = Credentials(state_directory(os.environ))
    if _in_pipe(flags):
        return asyncio.run(_pipe(flags, credentials, catalogue, program))
    return asyncio.run(_terminal(flags, credentials, catalogue))


def _in_pipe(flags: argparse.Namespace) -> bool:
    """Whether to work as in a pipe: there is no terminal, or a flag for scripts is given."""
    for_scripts = flags.json or flags.follow or flags.once or flags.to or flags.since is not None
    return bool(for_scripts) or sys.stdin is None or not (sys.stdin.isatty() and sys.stdout.isatty())


async def _terminal(flags: argparse.Namespace, credentials: Credentials, catalogue: Catalogue) -> int:
    gc.disable()  # what is imported here stays: looking for garbage in it takes a tenth of the start
    from app.client.terminal.launch import run_terminal
    from app.client.terminal.session import TerminalOptions

    gc.freeze()
    gc.enable()
    try:
        name, token = credentials.find(flags.url, flags.name)
    except CredentialsError as error:
        raise ChatError(error.message) from None
    options = TerminalOptions(flags.url, name, token, _rooms(flags))
    home = state_directory(os.environ)
    return await run_terminal(
        options,
        credentials,
        catalogue,
        home,
        colour=not flags.no_color,
        bell=flags.bell,
        bare_names=flags.bare_names,
    )


async def _pipe(flags: argparse.Namespace, credentials: Credentials, catalogue: Catalogue, program: str) -> int:
    from app.client.pipe import Pipe, PipeOptions

    options = PipeOptions(
        url=flags.url,
        name=flags.name,
        rooms=_rooms(flags),
        to=flags.to,
        json=flags.json,
        follow=flags.follow,
        since=flags.since,
        once=flags.once,
    )
    async with asyncio.timeout(flags.timeout or None):
        return await Pipe(options, credentials, catalogue, program).run()


def _rooms(flags: argparse.Namespace) -> tuple[str, ...]:
    """The rooms to join: those of the flags, or else of the address. Empty if the server is to choose."""
    return tuple(flags.room) or tuple(parse_qs(urlsplit(flags.url).query).get("room", ()))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        sys.exit(_fail(self.prog, f"{message}; see {self.prog} --help", 2))


def parser(program: str) -> argparse.ArgumentParser:
    """The flags of the command."""
    made = _Parser(prog=program, allow_abbrev=False, description=DESCRIPTION)
    made.add_argument(
        "url", nargs="?", metavar="URL", type=_url, default=DEFAULT, help=f"address of the chat (default: {DEFAULT})"
    )
    made.add_argument("--name", default="", help="your name; by default the one of last time, or you are asked")
    made.add_argument("--room", action="append", type=_room, default=[], help="join this room; repeat it for more")
    made.add_argument("--no-color", action="store_true", help="don't use colors, as if NO_COLOR were set")
    made.add_argument("--bell", action="store_true", help="ring the bell when someone mentions you or whispers to you")
    made.add_argument(
        "--bare-names", action="store_true", help="count your name as a mention of you without an @ before it too"
    )
    pipes = made.add_argument_group("in a pipe")
    pipes.add_argument(
        "--to", type=_names, default=(), metavar="NAME[,NAME…]", help="whisper each line to these people"
    )
    pipes.add_argument("--json", action="store_true", help="print messages and room changes as JSON, one per line")
    pipes.add_argument(
        "--follow", action="store_true", help="keep running after the input ends, and print your own messages too"
    )
    pipes.add_argument(
        "--since", type=_position, metavar="SEQ", help="print messages after this position first; 0 for all"
    )
    pipes.add_argument("--once", action="store_true", help="exit after the first message from someone else")
    pipes.add_argument("--timeout", type=_seconds, default=0.0, metavar="SECONDS", help="give up after this time")
    return made


def _url(text: str) -> str:
    try:
        return normalize(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _room(text: str) -> str:
    try:
        return room_name(text.removeprefix("#"))
    except RefusedName as refused:
        raise argparse.ArgumentTypeError(refused.message) from None


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip().removeprefix("@") for name in text.split(","))
    if not all(names):
        raise argparse.ArgumentTypeError(f"expected names separated by commas, got {text!r}")
    return names


def _position(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) < 2**53:
        return int(text)
    raise argparse.ArgumentTypeError(f"expected a position, 0 or more, got {text!r}")


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if 0 < value < float("inf"):
        return value
    raise argparse.ArgumentTypeError(f"expected a number of seconds above 0, got {text!r}")


def _fail(program: str, problem: str, code: int) -> int:
    sys.stderr.write(f"{program}: {safe_line(problem)}\n")
    return code
