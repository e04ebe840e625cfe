#!/usr/bin/env bash
# A server's protocol that calls transport.pause_reading() in connection_made gets data all the same under uvloop: reading
# begins right after connection_made, whatever was paused, and is_reading() is True again. Under asyncio's own loop nothing
# comes until resume_reading(). A protocol that wants to hand the connection on first, for example to start_tls, has lost
# its first bytes by then.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check uvloop==0.23.0

cat >"$folder/pausing.py" <<'PYTHON'
import asyncio
import socket

import uvloop


async def received():
    got = []

    class Paused(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport
            transport.pause_reading()

        def data_received(self, data):
            got.append((data, self.transport.is_reading()))

    server = await asyncio.get_running_loop().create_server(Paused, "127.0.0.1", 0)
    with socket.create_connection(server.sockets[0].getsockname()) as client:
        client.sendall(b"hello")
        await asyncio.sleep(0.3)
    server.close()
    return got


def outcome(new_loop):
    loop = new_loop()
    try:
        return loop.run_until_complete(received())
    finally:
        loop.close()


print(f"asyncio={outcome(asyncio.new_event_loop)} uvloop={outcome(uvloop.new_event_loop)}")
PYTHON

output=$("$folder/venv/bin/python" -W ignore "$folder/pausing.py")
echo "$output"
[ "$output" = "asyncio=[] uvloop=[(b'hello', True)]" ] || { echo "changed: expected uvloop to read on" >&2; exit 1; }
