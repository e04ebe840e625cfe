"""The page over HTTP: which address answers with which file, how long a browser may keep it, and what it may load.

A file below `/assets/` has an address that names its content, so it is kept for good. The others (the page itself, the
offline page, the manifest and the service worker) are checked each time.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import posixpath
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app.page.assets import FOLDER, HASH_LENGTH, Asset, build, reached

STATIC = Path(__file__).parent / "static"
ENTRY = "main.js"
INDEX, OFFLINE, MANIFEST, WORKER = "index.html", "offline.html", "manifest.webmanifest", "worker.js"
PLAIN = (INDEX, OFFLINE, MANIFEST, WORKER)
SHELL = 'const SHELL = { version: "", files: ["./"] };'
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
    "": "text/plain; charset=utf-8",
}
UNCOMPRESSED = (".png",)
CHECKED = "no-cache"
KEPT = "public, max-age=31536000, immutable"
POLICY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
"""Headers of documents and workers only: they mean nothing on what a document loads, which is dozens of files."""

Endpoint = Callable[[Request], Awaitable[Response]]


def routes(folder: Path = STATIC) -> dict[str, Endpoint]:
    """The paths of the page, each with the endpoint that answers there. ValueError if the files in `folder` don't fit
    together."""
    assets = build(folder, PLAIN, ENTRY)
    index = _with_preloads(assets)
    contents = {
        INDEX: index,
        OFFLINE: assets[OFFLINE].content,
        MANIFEST: assets[MANIFEST].content,
        WORKER: _with_shell(assets, index),
    }
    documents = {
        "/" if name == INDEX else f"/{name}": _serving(_file(name, content, CHECKED))
        for name, content in contents.items()
    }
    kept = {asset.url: _file(asset.name, asset.content, KEPT) for asset in assets.values() if asset.name not in PLAIN}
    return {**documents, f"/{FOLDER}/{{path:path}}": _serving_from(kept)}


@dataclass(frozen=True, slots=True)
class File:
    """What one address answers with."""

    content: bytes
    tag: str
    compresses: bool
    headers: Mapping[str, str]

    def answer(self, request: Request) -> Response:
        """The content, compressed if the client accepts that; 304 without content if the client has it."""
        compressed = self.compresses and _accepts_gzip(request.headers.get("accept-encoding", ""))
        tag = f'"{self.tag}-gzip"' if compressed else f'"{self.tag}"'
        headers = {**self.headers, "ETag": tag}
        if tag in re.split(r"\s*,\s*", request.headers.get("if-none-match", "").replace("W/", "")):
            return Response(status_code=304, headers=headers)
        if compressed:
            headers["Content-Encoding"] = "gzip"
        return Response(_compressed(self.content) if compressed else self.content, headers=headers)


@cache
def _compressed(content: bytes) -> bytes:
    """Compress on the first request rather than at start, which should be fast."""
    return gzip.compress(content, mtime=0)


def _file(name: str, content: bytes, caching: str) -> File:
    suffix = posixpath.splitext(name)[1]
    headers = {
        "Content-Type": TYPES[suffix],
        "Cache-Control": caching,
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
        **(POLICY if name in PLAIN else {}),
    }
    tag = hashlib.sha256(content).hexdigest()[:HASH_LENGTH]
    return File(content, tag, suffix not in UNCOMPRESSED, headers)


def _accepts_gzip(header: str) -> bool:
    for coding in header.split(","):
        name, _, quality = coding.partition(";")
        if name.strip() in ("gzip", "*"):
            return not re.fullmatch(r"\s*q=0(\.0*)?\s*", quality)
    return False


def _serving(file: File) -> Endpoint:
    async def serve(request: Request) -> Response:
        return file.answer(request)

    return serve


def _serving_from(files: Mapping[str, File]) -> Endpoint:
    async def serve(request: Request) -> Response:
        file = files.get(f"{FOLDER}/{request.path_params['path']}")
        if file is None:
            raise HTTPException(404)
        return file.answer(request)

    return serve


def _with_preloads(assets: Mapping[str, Asset]) -> bytes:
    """The page with a hint for each module that it can't start without, so that the browser asks for all at once."""
    index = assets[INDEX]
    scripts = [name for name in index.refers if name.endswith(".js")]
    links = [
        f'<link rel="modulepreload" href="{assets[name].url}">'
        for name in reached(assets, scripts, static=True)
        if name not in scripts
    ]
    return index.content.replace(b"</head>", "".join(f"  {link}\n" for link in links).encode() + b"</head>", 1)


def _with_shell(assets: Mapping[str, Asset], index: bytes) -> bytes:
    """The service worker with the list of files to cache: all that the page is made of."""
    names = reached(assets, [OFFLINE, *(name for name in assets[INDEX].refers if name != MANIFEST)])
    shell = {"files": ["./", *(assets[name].url for name in names)]}
    hashes = [assets[name].hash for name in names]
    version = hashlib.sha256(index + json.dumps(hashes).encode()).hexdigest()[:HASH_LENGTH]
    source = assets[WORKER].content.decode()
    if SHELL not in source:
        raise ValueError(f"{WORKER}: expected the line {SHELL}")
    return source.replace(SHELL, f"const SHELL = {json.dumps({'version': version, **shell})};", 1).encode()
