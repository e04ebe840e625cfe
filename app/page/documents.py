"""What the server writes into the files whose addresses people and browsers know: messages in the reader's language,
hints of what to load at once, and the list of files that the service worker caches."""

from __future__ import annotations

import hashlib
import html
import json
import posixpath
from collections.abc import Callable, Iterable, Mapping

from app.page.assets import HASH_LENGTH, Asset, reached
from app.page.languages import DEFAULT, Messages, fill, name_of
from app.page.names import INDEX, MANIFEST, OFFLINE, WORKER

SHELL = 'const SHELL = { version: "", files: ["./"] };'

ESCAPES: dict[str, Callable[[str], str]] = {
    ".html": html.escape,
    ".webmanifest": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
}


def documents(assets: Mapping[str, Asset], catalogues: Mapping[str, Messages]) -> dict[str, dict[str, bytes]]:
    """The contents of each document by the tag of their language. ValueError if a document lacks what the server
    changes in it, or has a key that is in no catalogue."""
    pages = {tag: _with_links(assets, tag, catalogues) for tag in catalogues}
    worker = _with_shell(assets, pages)
    contents = {
        INDEX: pages,
        OFFLINE: dict.fromkeys(catalogues, assets[OFFLINE].content),
        MANIFEST: dict.fromkeys(catalogues, assets[MANIFEST].content),
    }
    filled = {
        name: {tag: _filled(name, content, tag, catalogues[tag]) for tag, content in variants.items()}
        for name, variants in contents.items()
    }
    return {**filled, WORKER: dict.fromkeys(catalogues, worker)}


def _filled(name: str, content: bytes, tag: str, messages: Messages) -> bytes:
    try:
        return fill(content.decode(), tag, messages, ESCAPES[posixpath.splitext(name)[1]]).encode()
    except KeyError as error:
        raise ValueError(f"{name}: there is no message {error.args[0]}") from None


def _others(tags: Iterable[str]) -> list[str]:
    """The languages that are files of their own."""
    return [tag for tag in tags if tag != DEFAULT]


def _with_links(assets: Mapping[str, Asset], tag: str, catalogues: Mapping[str, Messages]) -> bytes:
    """The page with hints to load at once the modules that it can't start without, and the messages of the reader's
    language; and with the addresses of the other languages, since the page itself decides which one to use."""
    index = assets[INDEX]
    scripts = [name for name in index.refers if name.endswith(".js")]
    modules = [name for name in reached(assets, scripts, static=True) if name not in scripts]
    links = [f'<link rel="modulepreload" href="{assets[name].url}">' for name in modules]
    for other in _others(catalogues):
        rel = 'rel="preload" as="fetch" crossorigin' if other == tag else 'rel="alternate" type="application/json"'
        links.append(f'<link {rel} hreflang="{other}" href="{assets[name_of(other)].url}">')
    return index.content.replace(b"</head>", "".join(f"  {link}\n" for link in links).encode() + b"</head>", 1)


def _with_shell(assets: Mapping[str, Asset], pages: Mapping[str, bytes]) -> bytes:
    """The service worker with the list of files to cache: all that the page is made of."""
    starts = [OFFLINE, *(name for name in assets[INDEX].refers if name != MANIFEST), *map(name_of, _others(pages))]
    names = reached(assets, starts)
    files = ["./", *(assets[name].url for name in names)]
    hashes = json.dumps([assets[name].hash for name in names]).encode()
    version = hashlib.sha256(b"".join([*pages.values(), hashes])).hexdigest()[:HASH_LENGTH]
    source = assets[WORKER].content.decode()
    if SHELL not in source:
        raise ValueError(f"{WORKER}: expected the line {SHELL}")
    return source.replace(SHELL, f"const SHELL = {json.dumps({'version': version, 'files': files})};", 1).encode()
