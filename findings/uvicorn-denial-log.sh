#!/usr/bin/env bash
# An application refuses a WebSocket with websocket.http.response.*, as ASGI says, and the client gets the status and the
# text. uvicorn with the websockets library then logs an error for it, "ASGI callable returned without completing
# handshake.": each refusal looks like a bug of the application. With wsproto there is no such line.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check uvicorn==0.54.0 websockets==17.4 wsproto==1.3.2

cat >"$folder/refuse.py" <<'PYTHON'
import logging
import socket
import sys
import threading

import uvicorn
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

errors = []


class Errors(logging.Handler):
    def emit(self, record):
        errors.append(record.getMessage())


async def application(scope, receive, send):
    await receive()
    await send({"type": "websocket.http.response.start", "status": 429, "headers": []})
    await send({"type": "websocket.http.response.body", "body": b"too many"})


logging.getLogger("uvicorn.error").addHandler(Errors(logging.ERROR))
listener = socket.create_server(("127.0.0.1", 0))
config = uvicorn.Config(application, ws=sys.argv[1], log_config=None, lifespan="off")
server = uvicorn.Server(config)
thread = threading.Thread(target=server.run, args=([listener],))
thread.start()
try:
    connect(f"ws://127.0.0.1:{listener.getsockname()[1]}/")
except InvalidStatus as refused:
    answer = refused.response
server.should_exit = True
thread.join()
print(f"{sys.argv[1]} {answer.status_code} {answer.body.decode()}: {' '.join(errors) or 'no error'}")
PYTHON

output=$(for library in auto wsproto; do "$folder/venv/bin/python" -W ignore "$folder/refuse.py" "$library"; done)
echo "$output"
[ "$output" = "auto 429 too many: ASGI callable returned without completing handshake.
wsproto 429 too many: no error" ] || { echo "changed: expected an error from the first only" >&2; exit 1; }
