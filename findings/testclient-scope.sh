#!/usr/bin/env bash
# Starlette's TestClient gives the application scopes without the key `asgi`, which the ASGI specification requires of
# every server, in all three kinds of scope. An application that reads scope["asgi"]["spec_version"], as middleware does
# that tells extensions apart, works on every server and raises KeyError under TestClient.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check starlette==1.10.0 httpx==0.28.1 httpx2==2.16.2

cat >"$folder/scopes.py" <<'PYTHON'
from starlette.testclient import TestClient

seen = {}


async def application(scope, receive, send):
    seen[scope["type"]] = "asgi" in scope
    message = await receive()
    if scope["type"] == "lifespan":
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["type"] == "http":
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})
    else:
        assert message["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close"})


with TestClient(application) as client:
    client.get("/")
    with client.websocket_connect("/") as websocket:
        websocket.receive()
print(" ".join(f"{kind}={has}" for kind, has in sorted(seen.items())))
PYTHON

output=$("$folder/venv/bin/python" -W ignore "$folder/scopes.py")
echo "$output"
[ "$output" = "http=False lifespan=False websocket=False" ] || { echo "changed: expected no scope to have asgi" >&2; exit 1; }
