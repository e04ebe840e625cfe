"""Where a new project gets Natter from. No package index has it, so the project depends on a URL: of the checkout or
the archive that made it, or of another one."""

from __future__ import annotations

import json
import re
import tomllib
from contextlib import suppress
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from app.new_project.errors import ProjectError
from config.errors import shown

DISTRIBUTION = "natter-chat"
TOP = Path(__file__).parents[2]
"""The folder that the running `app` is in."""
FLAG = "--natter"
REMEDY = f"name a checkout of Natter, a wheel, an sdist or a URL with {FLAG}"
ARCHIVE = re.compile(r"natter_chat-.*\.(?:whl|tar\.gz)")
# No ' and no $: the URL is between single quotes in a Makefile. No git+file: pip before 24.1 doesn't take it.
URL = re.compile(r"(?:https?|file|git\+(?:https?|ssh))://[\w.~:/?#\[\]@!&()*+,;=%-]+", re.ASCII)


def running() -> str:
    """The URL of the Natter that runs. ProjectError if it isn't known, or nothing is there any more."""
    url = TOP.as_uri() if is_checkout(TOP) else _recorded()
    if url is None:
        raise ProjectError(f"it isn't known where this Natter was installed from: {REMEDY}")
    try:
        return named(url)
    except ProjectError:
        raise ProjectError(f"this Natter was installed from {url}, which can't be used now: {REMEDY}") from None


def named(given: str) -> str:
    """The URL of the Natter that people name: a URL, or the path of a checkout, a wheel or an sdist. ProjectError if
    it is none of these."""
    path = Path(given).expanduser()
    if "://" in given:
        if not URL.fullmatch(given):
            expected = "expected a URL of https, file or git+https, without blanks and quotes"
            raise ProjectError(f"{FLAG} {shown(given)}: {expected}")
        if not given.startswith("file:"):
            return given
        path = Path(url2pathname(urlsplit(given).path))
    try:
        path = path.resolve(strict=True)
    except (OSError, ValueError):
        raise ProjectError(f"{FLAG} {shown(given)}: there is no such file or folder") from None
    if not (is_checkout(path) if path.is_dir() else ARCHIVE.fullmatch(path.name)):
        expected = "expected a checkout of Natter, its wheel (natter_chat-….whl) or its sdist (natter_chat-….tar.gz)"
        raise ProjectError(f"{FLAG} {shown(given)}: {expected}")
    return path.as_uri()


def is_checkout(folder: Path) -> bool:
    """Whether Natter can be installed from a folder."""
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
        return bool(project["project"]["name"] == DISTRIBUTION) and (folder / "app").is_dir()
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _recorded() -> str | None:
    """What the installer of the running `app` recorded, if it is known which URL that was."""
    with suppress(PackageNotFoundError, OSError, ValueError, KeyError, TypeError):
        installed = distribution(DISTRIBUTION)
        if _is_running(installed):
            return _installable(json.loads(installed.read_text("direct_url.json") or "null"))
    return None


def _is_running(installed: Distribution) -> bool:
    return Path(str(installed.locate_file("app"))).samefile(TOP / "app")


def _installable(record: Any) -> str:
    """The URL in a `direct_url.json`, as pip takes it. PEP 610 describes it."""
    url = str(record["url"])
    if vcs := record.get("vcs_info"):
        url = f"{vcs['vcs']}+{url}@{vcs['commit_id']}"
    return f"{url}#subdirectory={record['subdirectory']}" if record.get("subdirectory") else url
