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
from threading import Lock
from typing import NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app.page import languages
from app.page.assets import FOLDER, HASH_LENGTH, build, first_scripts
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
    """The paths of the page, each with the endpoint that answers there. The page is built when someone first asks for
    a part of it: a server should start fast."""

    async def serve_document(request: Request) -> Response:
        variants = (await page(folder)).documents[_name_of(request)]
        tag = languages.negotiate(request.headers.get("accept-language", ""), variants)
        return variants[tag].answer(request)

    async def serve_asset(request: Request) -> Response:
        file = (await page(folder)).kept.get(f"{FOLDER}/{request.path_params['path']}")
        if file is None:
            raise HTTPException(404)
        return file.answer(request)

    documents_ = {"/" if name == INDEX else f"/{name}": serve_document for name in DOCUMENTS}
    return {**documents_, f"/{FOLDER}/{{path:path}}": serve_asset}


async def page(folder: Path) -> Built:
    """The page of the files in `folder`, which is built once: they don't change while it is served."""
    return _pages[folder] if folder in _pages else await run_in_threadpool(_built_once, folder)


def _built_once(folder: Path) -> Built:
    """The page of the files in `folder`. Those who ask at the same time wait for the one who builds it."""
    with _building:
        if folder not in _pages:
            _pages[folder] = built(folder)
        return _pages[folder]


def built(folder: Path) -> Built:
    """Build the page of the files in `folder`. ValueError if they don't fit together."""
    catalogues = languages.read(folder)
    first = set().union(*map(languages.keys_in, first_scripts(folder, ENTRY)))
    assets = build(folder, DOCUMENTS, ENTRY, replaced=languages.files(catalogues, first))
    return Built(
        {
            name: {tag: _file(name, content, CHECKED) for tag, content in contents.items()}
            for name, contents in documents(assets, catalogues).items()
        },
        {asset.url: _file(asset.name, asset.content, KEPT) for asset in assets.values() if asset.name not in DOCUMENTS},
    )


_pages: dict[Path, Built] = {}
_building = Lock()


class Built(NamedTuple):
    """A page as it is served."""

    documents: Mapping[str, Mapping[str, File]]
    """Each document by its name, in each language."""
    kept: Mapping[str, File]
    """All other files by their addresses."""


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


def _name_of(request: Request) -> str:
    """The document that a request asks for."""
    return posixpath.basename(request.url.path) or INDEX


def _accepts_gzip(header: str) -> bool:
    for coding in header.split(","):
        name, _, quality = coding.partition(";")
        if name.strip() in ("gzip", "*"):
            return not re.fullmatch(r"\s*q=0(\.0*)?\s*", quality)
    return False
