#!/usr/bin/env bash
# Hypercorn's --websocket-ping-interval sends pings and never looks for an answer: a client that sends no pong stays
# connected, so a client whose network is gone stays until TCP gives up. uvicorn closes such a client. Hypercorn does if
# it runs with --read-timeout as well, which ends every connection on which nothing comes, HTTP included.
set -euo pipefail
folder=$(mktemp -d)
server=
trap 'if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; fi; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check hypercorn==0.18.0 uvicorn==0.54.0 websockets==17.4

cat >"$folder/probe.py" <<'PYTHON'
async def application(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
PYTHON

cat >"$folder/silent.py" <<'PYTHON'
import socket
import sys
import time

for _ in range(200):
    try:
        client = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
        break
    except OSError:
        time.sleep(0.1)
client.sendall(
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
until, got, over = time.monotonic() + 8, b"", False
while not over and (left := until - time.monotonic()) > 0:
    client.settimeout(left)
    try:
        data = client.recv(1000)
    except TimeoutError:
        break
    over, got = not data, got + data
frames = got.partition(b"\r\n\r\n")[2]
print(f"pinged={frames[:1] == bytes([0x89])} ended={over}")
PYTHON

cd "$folder"
port=18623
check() {
  "$folder/venv/bin/$1" "${@:3}" >/dev/null 2>&1 &
  server=$!
  output=$("$folder/venv/bin/python" "$folder/silent.py" "$port")
  kill "$server"
  wait "$server" || true
  server=
  echo "$1 $output"
  [ "$output" = "$2" ] || { echo "changed: expected $2" >&2; exit 1; }
  port=$((port + 1))
}
check hypercorn "pinged=True ended=False" -b 127.0.0.1:"$port" --websocket-ping-interval 1 probe:application
check hypercorn "pinged=True ended=True" -b 127.0.0.1:"$port" --websocket-ping-interval 1 --read-timeout 3 probe:application
check uvicorn "pinged=True ended=True" --port "$port" --ws-ping-interval 1 --ws-ping-timeout 1 --lifespan off probe:application
