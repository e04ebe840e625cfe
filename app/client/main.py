"""The command `natter chat`, also `python -m app.client`: the arguments, and what becomes of them.

Exit codes: 0 when done; 1 where a message was not delivered; 2 for wrong arguments; 3 where nobody answers; 4 where
something else than a chat does; 5 without a secure connection; 6 for a name that can't be had; 7 for who is not let in,
or put out; 130 after Ctrl-C, 143 after SIGTERM.
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
from app.client.address import DEFAULT, normal
from app.client.errors import ChatError, Unreachable
from app.client.identity import Identities, directory
from app.client.safe import line

DESCRIPTION = (
    "Chat in the terminal. In a pipe each line of standard input is a message, delivered and acknowledged before the "
    "end; messages go to standard output, all else to standard error."
)
INTERRUPTED, TERMINATED = 130, 143


def main(arguments: Sequence[str] | None = None, program: str = "natter chat") -> int:
    """Run the command line `arguments`, without the program's name; the answer is the exit code."""
    flags = parser(program).parse_intermixed_args(list(sys.argv[1:] if arguments is None else arguments))
    try:
        return _run(flags, program)
    except ChatError as error:
        return _fail(program, str(error), error.exit_code)
    except TimeoutError:
        return _fail(program, f"not done within {flags.timeout:g} s", Unreachable.exit_code)
    except BrokenPipeError:
        # Who read it has read enough. What is left in the buffer must not be tried again when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        return INTERRUPTED


def entry(arguments: Sequence[str], program: str = "natter chat") -> NoReturn:
    """`main` as a process: SIGTERM ends it in good order."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    sys.exit(main(arguments, program))


def _run(flags: argparse.Namespace, program: str) -> int:
    identities = Identities(directory(os.environ))
    if _piped(flags):
        return asyncio.run(_pipe(flags, identities, program))
    return asyncio.run(_talk(flags, identities))


def _piped(flags: argparse.Namespace) -> bool:
    """Whether there is no conversation: no terminal, or something is asked for that is for scripts."""
    wanted = flags.json or flags.follow or flags.once or flags.to or flags.since is not None
    return bool(wanted) or sys.stdin is None or not (sys.stdin.isatty() and sys.stdout.isatty())


async def _talk(flags: argparse.Namespace, identities: Identities) -> int:
    gc.disable()  # what is loaded here stays: to look for garbage in it takes a tenth of the start
    from app.client.terminal.start import talk
    from app.client.terminal.talk import Place

    gc.freeze()
    gc.enable()
    try:
        name, token = identities.find(flags.url, flags.name)
    except OSError as error:
        raise ChatError(str(error)) from None
    place = Place(flags.url, name, token, _rooms(flags))
    return await talk(place, identities, directory(os.environ), colour=not flags.no_color, bell=flags.bell)


async def _pipe(flags: argparse.Namespace, identities: Identities, program: str) -> int:
    from app.client.pipe import Pipe, Plan

    plan = Plan(
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
        return await Pipe(plan, identities, program).run()


def _rooms(flags: argparse.Namespace) -> tuple[str, ...]:
    """The rooms to be in: those that are named, or that of the address; none where the server is to say it."""
    return tuple(flags.room) or tuple(parse_qs(urlsplit(flags.url).query).get("room", ()))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        sys.exit(_fail(self.prog, f"{message}; see {self.prog} --help", 2))


def parser(program: str) -> argparse.ArgumentParser:
    """What the command line may have."""
    made = _Parser(prog=program, allow_abbrev=False, description=DESCRIPTION)
    made.add_argument("url", nargs="?", metavar="URL", type=_url, default=DEFAULT, help=f"the chat ({DEFAULT})")
    made.add_argument("--name", default="", help="what to be called; without it as the last time, or you are asked")
    made.add_argument("--room", action="append", type=_room, default=[], help="a room to be in, again for more")
    made.add_argument("--no-color", action="store_true", help="without colours, as with NO_COLOR set")
    made.add_argument("--bell", action="store_true", help="ring the bell when somebody names you, or whispers")
    pipes = made.add_argument_group("in a pipe")
    pipes.add_argument(
        "--to", type=_names, default=(), metavar="NAME[,NAME…]", help="whisper each line to these people"
    )
    pipes.add_argument("--json", action="store_true", help="messages and changes as the server tells them, a line each")
    pipes.add_argument("--follow", action="store_true", help="go on when the input has ended; print your own lines too")
    pipes.add_argument(
        "--since", type=_position, metavar="SEQ", help="begin after this position; 0 for all that is kept"
    )
    pipes.add_argument("--once", action="store_true", help="end after the first message of somebody else")
    pipes.add_argument("--timeout", type=_seconds, default=0.0, metavar="SECONDS", help="give up after so long")
    return made


def _url(text: str) -> str:
    try:
        return normal(text)
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
        raise argparse.ArgumentTypeError(f"expected names with a comma between two, got {text!r}")
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
    raise argparse.ArgumentTypeError(f"expected seconds, more than 0, got {text!r}")


def _fail(program: str, problem: str, code: int) -> int:
    sys.stderr.write(f"{program}: {line(problem)}\n")
    return code
