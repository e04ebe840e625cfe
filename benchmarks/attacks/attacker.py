"""The process of an attacker: `python -m benchmarks.attacks.attacker NAME HOST PORT`.

It waits for lines on standard input. `on` starts the attack, `off` ends it: all its connections are gone then, and a
line of JSON says what happened to them.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import suppress

import uvloop

from benchmarks.attacks.attack import ATTACKS, Target
from benchmarks.attacks.families import load
from benchmarks.servers import allow_all_files

NICE = 19
"""The bystander, who shares the core, comes first: else the attacker would hold it up, rather than the server."""


async def main(name: str, host: str, port: int) -> None:
    attack, target = ATTACKS[name], Target(host, port)
    loop = asyncio.get_running_loop()
    stdin = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    if attack.prepare:
        await attack.prepare(target)
    print("ready", flush=True)
    running: asyncio.Future[None] | None = None
    while line := (await stdin.readline()).strip():
        if line == b"on":
            running = asyncio.ensure_future(attack.run(target))
        elif running is not None:
            failed = running.exception() if running.done() else None
            running.cancel()
            with suppress(asyncio.CancelledError, ConnectionError):
                await running
            target.leave()
            if failed and not isinstance(failed, ConnectionError):
                raise failed
            print(json.dumps(target.outcomes), flush=True)
            target.outcomes.clear()


if __name__ == "__main__":
    os.nice(NICE)
    allow_all_files()
    load()
    uvloop.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
