"""The page over HTTP: which address answers with which file, how long a browser may keep it, and what it may load.

A file below `/assets/` has an address that names its content, so it is kept for good. The documents (the page itself,
the offline page, the manifest and the service worker) are checked each time, and are in the reader's language.
"""

from __future__ import annotations

import gzip
import hashlib
import posixpath
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app.page import languages
from app.page.assets import FOLDER, HASH_LENGTH, build
from app.page.documents import DOCUMENTS, INDEX, documents

STATIC = Path(__file__).parent / "static"
ENTRY = "main.js"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".json": "application/json",
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
    catalogues = languages.read(folder)
    assets = build(folder, DOCUMENTS, ENTRY, replaced=languages.files(catalogues))
    endpoints = {
        "/" if name == INDEX else f"/{name}": _serving(
            {tag: _file(name, content, CHECKED) for tag, content in contents.items()}
        )
        for name, contents in documents(assets, catalogues).items()
    }
    kept = {a.url: _file(a.name, a.content, KEPT) for a in assets.values() if a.name not in DOCUMENTS}
    return {**endpoints, f"/{FOLDER}/{{path:path}}": _serving_from(kept)}


@cache
def shipped() -> Mapping[str, Endpoint]:
    """The routes of the page in this package. They are made once: its files don't change while it is served."""
    return routes()


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
        "Vary": "Accept-Encoding, Accept-Language" if name in DOCUMENTS else "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
        **(POLICY if name in DOCUMENTS else {}),
    }
    tag = hashlib.sha256(content).hexdigest()[:HASH_LENGTH]
    return File(content, tag, suffix not in UNCOMPRESSED, headers)


def _accepts_gzip(header: str) -> bool:
    for coding in header.split(","):
        name, _, quality = coding.partition(";")
        if name.strip() in ("gzip", "*"):
            return not re.fullmatch(r"\s*q=0(\.0*)?\s*", quality)
    return False


def _serving(variants: Mapping[str, File]) -> Endpoint:
    """An endpoint with one file for each language."""

    async def serve(request: Request) -> Response:
        tag = languages.negotiate(request.headers.get("accept-language", ""), variants)
        return variants[tag].answer(request)

    return serve


def _serving_from(files: Mapping[str, File]) -> Endpoint:
    async def serve(request: Request) -> Response:
        file = files.get(f"{FOLDER}/{request.path_params['path']}")
        if file is None:
            raise HTTPException(404)
        return file.answer(request)

    return serve
