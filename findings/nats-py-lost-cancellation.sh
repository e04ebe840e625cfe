#!/usr/bin/env bash
# While a server doesn't read, nats-py's publish() waits for room in its buffer, and swallows a cancellation there:
# asyncio.timeout() around it raises nothing, and the code goes on as if the message were on its way. A task that
# publishes in a loop can't be cancelled either. asyncio's own StreamWriter.drain() raises in the same place.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check nats-py==2.16.0

cat >"$folder/publish.py" <<'PYTHON'
import asyncio
import json

import nats

INFO = b"INFO " + json.dumps({"server_id": "X", "version": "2.15.1", "headers": True, "max_payload": 1 << 20}).encode()
written = []


async def serve(reader, writer):
    """Greet a client, and then leave what it sends in the socket."""
    writer.write(INFO + b"\r\n")
    await reader.readuntil(b"PING\r\n")
    writer.write(b"PONG\r\n")
    await reader.readuntil(b"PING\r\n")
    writer.write(b"PONG\r\n")
    reader._transport.pause_reading()
    written.append(writer)
    await asyncio.Event().wait()


async def within_a_second(act):
    """Act again and again for a second. Whether that raises TimeoutError."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(1):
            end = loop.time() + 5
            while loop.time() < end and not asyncio.current_task().cancelling():
                await act()
    except TimeoutError:
        return "raises"
    return "raises nothing"


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connection = await nats.connect(f"nats://127.0.0.1:{port}", allow_reconnect=False)
    await connection.flush()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"PING\r\nPING\r\n")

    async def drain():
        writer.write(bytes(1 << 19))
        await writer.drain()

    publishing = await within_a_second(lambda: connection.publish("subject", bytes(1 << 19)))
    print(f"publish {publishing}, drain {await within_a_second(drain)}")


loop = asyncio.new_event_loop()
loop.run_until_complete(main())
PYTHON

output=$("$folder/venv/bin/python" -W ignore "$folder/publish.py" 2>/dev/null)
echo "$output"
[ "$output" = "publish raises nothing, drain raises" ] ||
    { echo "changed: expected publish() to swallow the cancellation" >&2; exit 1; }
