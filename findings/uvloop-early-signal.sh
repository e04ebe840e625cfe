#!/usr/bin/env bash
# uvloop loses a signal that arrives after add_signal_handler and before the loop runs: its handler is never called, and
# the signal's default action doesn't happen either. asyncio's own loop calls the handler once it runs. A worker process
# that registers its handlers and then imports a large application can't be stopped with SIGTERM until that is done.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check uvloop==0.23.0

cat >"$folder/signals.py" <<'PYTHON'
import asyncio
import os
import signal

import uvloop


def calls(new_loop):
    loop, got = new_loop(), []
    loop.add_signal_handler(signal.SIGTERM, got.append, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    loop.run_until_complete(asyncio.sleep(0.3))
    loop.close()
    return len(got)


print(f"asyncio={calls(asyncio.new_event_loop)} uvloop={calls(uvloop.new_event_loop)}")
PYTHON

output=$("$folder/venv/bin/python" -W ignore "$folder/signals.py")
echo "$output"
[ "$output" = "asyncio=1 uvloop=0" ] || { echo "changed: expected uvloop to lose the signal" >&2; exit 1; }
