"""The names that the addresses of the page are made of."""

from __future__ import annotations

from pathlib import Path

STATIC = Path(__file__).parent / "static"
"""The folder of the page's files."""
INDEX, OFFLINE, MANIFEST, WORKER = "index.html", "offline.html", "manifest.webmanifest", "worker.js"
DOCUMENTS = (INDEX, OFFLINE, MANIFEST, WORKER)
"""The files whose addresses people and browsers know."""
ASSETS = "assets"
"""Where all other files are, each with an address that names its content."""
