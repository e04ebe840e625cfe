#!/usr/bin/env bash
# Granian refuses a WebSocket with the status and the body that websocket.http.response.* asks for, and adds the headers
# of an accepted one: a 429 comes with Connection: upgrade, Upgrade: websocket and a valid Sec-WebSocket-Accept. Clients
# that go by the status are not disturbed; a log or a proxy that goes by the headers sees an upgrade. Hypercorn adds none.
set -euo pipefail
folder=$(mktemp -d)
server=
trap 'if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; fi; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check hypercorn==0.18.0 granian==2.8.9 websockets==17.4

cat >"$folder/probe.py" <<'PYTHON'
async def application(scope, receive, send):
    assert scope["type"] == "websocket"
    await receive()
    await send({"type": "websocket.http.response.start", "status": 429, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "websocket.http.response.body", "body": b"too many"})
PYTHON

cat >"$folder/ask.py" <<'PYTHON'
import sys
import time

from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

for _ in range(200):
    try:
        connect(f"ws://127.0.0.1:{sys.argv[1]}/")
    except InvalidStatus as refused:
        answer = refused.response
        names = ("connection", "upgrade", "sec-websocket-accept")
        added = [name for name in names if answer.headers.get(name, "close") != "close"]
        print(answer.status_code, bytes(answer.body).decode(), *added)
        break
    except OSError:
        time.sleep(0.1)
PYTHON

cd "$folder"
port=18633
check() {
  "$folder/venv/bin/$1" "${@:3}" >/dev/null 2>&1 &
  server=$!
  output=$("$folder/venv/bin/python" -W ignore "$folder/ask.py" "$port")
  kill "$server"
  wait "$server" || true
  server=
  echo "$1 $output"
  [ "$output" = "$2" ] || { echo "changed: expected $2" >&2; exit 1; }
  port=$((port + 1))
}
check granian "429 too many connection upgrade sec-websocket-accept" --interface asgi --host 127.0.0.1 --port "$port" probe:application
check hypercorn "429 too many" -b 127.0.0.1:"$port" probe:application
