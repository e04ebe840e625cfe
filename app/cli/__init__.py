"""The `natter` command. Without a subcommand, it starts the server.

Each subcommand is a row in `subcommands.py` and a function in a file of its own. The function takes the arguments after
the subcommand's name and the name to show in messages (such as `natter export`), and returns the exit code:
0 for success, 2 for a wrong flag or setting, 1 for any other failure. `natter chat` has more of them, see
`app.client.main`. A failure is one line on standard error.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from app.cli.subcommands import DEFAULT, PROGRAM, SUBCOMMANDS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line `arguments`, without the program's name, and return the exit code."""
    given = tuple(sys.argv[1:] if arguments is None else arguments)
    name = given[0] if given else ""
    if not name or name.startswith("-"):
        return SUBCOMMANDS[DEFAULT].load()(given, PROGRAM)
    if name not in SUBCOMMANDS:
        return _unknown(name)
    return SUBCOMMANDS[name].load()(given[1:], f"{PROGRAM} {name}")


def entry() -> NoReturn:
    """Run as a process: like `main`, and SIGTERM and Ctrl-C exit with the code that the subcommand's row gives. SIGHUP
    does as SIGTERM, unless `nohup` ignores it."""
    _open_missing_streams()
    subcommand = SUBCOMMANDS.get(sys.argv[1] if len(sys.argv) > 1 else DEFAULT, SUBCOMMANDS[DEFAULT])

    def end(code: int) -> NoReturn:
        if subcommand.cleans_up:
            sys.exit(code)
        os._exit(code)

    for number, code in ((signal.SIGTERM, subcommand.on_sigterm), (signal.SIGINT, subcommand.on_sigint)):
        if code is not None:
            signal.signal(number, lambda *_, code=code: end(code))
        elif number == signal.SIGINT:
            signal.signal(number, signal.default_int_handler)
    hangup = subcommand.on_sigterm
    if hangup is not None and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, lambda *_: end(hangup))
    if not subcommand.collects:
        gc.disable()
    sys.exit(main())


def _open_missing_streams() -> None:
    """Open /dev/null for each standard stream that was closed when the process started. Sockets and files would get its
    number otherwise, and whatever is printed would go there."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003  (it gets the lowest free number)
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115


def _unknown(name: str) -> int:
    from app.cli.flags import fail
    from config.errors import shown, suggestion

    meant = [known for known, row in SUBCOMMANDS.items() if name in row.synonyms]
    near = suggestion(meant[0] if meant else name, SUBCOMMANDS)
    return fail(f"unknown subcommand {shown(name)}{near or f'; see {PROGRAM} --help'}", 2)
