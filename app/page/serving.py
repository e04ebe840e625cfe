"""The page over HTTP: which address answers with which file, how long a browser may keep it, and what it may load.

A file below `/assets/` has an address that names its content, so it is kept for good. The documents (the page itself,
the offline page, the manifest and the service worker) are checked each time, and are in the reader's language.

The page is built when someone first asks for a part of it, and what builds it is loaded then: a server should start
fast.
"""

from __future__ import annotations

import posixpath
from collections.abc import Awaitable, Callable
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app.page.names import ASSETS, DOCUMENTS, INDEX, STATIC

if TYPE_CHECKING:
    from app.page.building import Built

Endpoint = Callable[[Request], Awaitable[Response]]


def routes(folder: Path = STATIC) -> dict[str, Endpoint]:
    """The paths of the page, each with the endpoint that answers there."""

    async def serve_document(request: Request) -> Response:
        accepted = request.headers.get("accept-language", "")
        return (await page(folder)).document(_name_of(request), accepted).answer(request)

    async def serve_asset(request: Request) -> Response:
        file = (await page(folder)).kept.get(f"{ASSETS}/{request.path_params['path']}")
        if file is None:
            raise HTTPException(404)
        return file.answer(request)

    documents_ = {"/" if name == INDEX else f"/{name}": serve_document for name in DOCUMENTS}
    return {**documents_, f"/{ASSETS}/{{path:path}}": serve_asset}


async def page(folder: Path) -> Built:
    """The page of the files in `folder`, which is built once: they don't change while it is served."""
    return _pages[folder] if folder in _pages else await run_in_threadpool(_built_once, folder)


def _built_once(folder: Path) -> Built:
    """The page of the files in `folder`. Those who ask at the same time wait for the one who builds it."""
    from app.page.building import built

    with _building:
        if folder not in _pages:
            _pages[folder] = built(folder)
        return _pages[folder]


_pages: dict[Path, Built] = {}
_building = Lock()


def _name_of(request: Request) -> str:
    """The document that a request asks for."""
    return posixpath.basename(request.url.path) or INDEX
