"""What each address of the page answers with: the files as they are served, made from those in a folder."""

from __future__ import annotations

import gzip
import hashlib
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from app.page import languages
from app.page.assets import HASH_LENGTH, build, first_scripts
from app.page.documents import documents
from app.page.names import DOCUMENTS

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


class Built(NamedTuple):
    """A page as it is served."""

    documents: Mapping[str, Mapping[str, File]]
    """Each document by its name, in each language."""
    kept: Mapping[str, File]
    """All other files by their addresses."""

    def document(self, name: str, accepted: str) -> File:
        """A document in the best language for a header `Accept-Language`."""
        variants = self.documents[name]
        return variants[languages.negotiate(accepted, variants)]


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
