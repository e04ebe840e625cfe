#!/usr/bin/env bash
# uvicorn reads X-Forwarded-Proto only if its whole value is `http` or `https` in lower case. A second proxy appends its
# own scheme (`https, http`), as it does to X-Forwarded-For, which uvicorn splits; and URI schemes have no case (RFC 3986,
# section 3.1). In both cases uvicorn keeps `http` without a word, and the application writes http:// into its redirects.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check uvicorn==0.54.0

cat >"$folder/schemes.py" <<'PYTHON'
import http.client
import socket
import threading

import uvicorn


async def application(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": f"{scope['scheme']} {scope['client'][0]}".encode()})


listener = socket.create_server(("127.0.0.1", 0))
server = uvicorn.Server(uvicorn.Config(application, log_level="error", lifespan="off"))
threading.Thread(target=server.run, args=([listener],), daemon=True).start()

for scheme in ("https", "HTTPS", "https, http"):
    connection = http.client.HTTPConnection(*listener.getsockname())
    connection.request("GET", "/", headers={"X-Forwarded-Proto": scheme, "X-Forwarded-For": "192.0.2.1, 127.0.0.1"})
    print(f"{scheme}: {connection.getresponse().read().decode()}")
PYTHON

output=$("$folder/venv/bin/python" "$folder/schemes.py")
echo "$output"
[ "$output" = "https: https 192.0.2.1
HTTPS: http 192.0.2.1
https, http: http 192.0.2.1" ] || { echo "changed: expected only the first to be https" >&2; exit 1; }
