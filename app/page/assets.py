"""The files of the page, each with an address that names its content, so that browsers can keep it for good.

The address has a hash of the content as it is served. The content has the addresses of the files that it refers to, so
a change of one file gives new addresses to all files that lead to it, and to no others.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from types import MappingProxyType

from app.page import bundle, stylesheet
from app.page.names import ASSETS

HASH_LENGTH = 12
VENDORED = "vendor/"
UNSERVED = (".d.ts", "package.json")

COMMENT = re.compile(r"/\*\*.*?\*/|^ *(?:/\*.*?\*/|//[^\n]*)", re.DOTALL | re.MULTILINE)
"""A comment that starts with `/**` or at the beginning of a line: such a comment can't be inside a string."""

JAVASCRIPT = re.compile(r"""(?:from|import(?P<dynamic>\s*\()?)\s*(?P<quote>["'])(?P<path>\.{1,2}/[^"'\n]+)(?P=quote)""")
REFERENCES = {
    ".js": JAVASCRIPT,
    ".html": re.compile(r"""\b(?:href|src)="(?P<path>[^"]+)\""""),
    ".css": re.compile(r"""\burl\(\s*["']?(?P<path>[^"')\s]+)"""),
    ".webmanifest": re.compile(r""""src":\s*"(?P<path>[^"]+)\""""),
}
EXTERNAL = re.compile(r"[a-z]+:|/|#|\./$")


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is served. `url` is relative to the page, `imports` are the modules that it can't start without,
    and `refers` are all files that it refers to."""

    name: str
    url: str
    content: bytes
    hash: str
    imports: tuple[str, ...]
    refers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Reference:
    start: int
    end: int
    path: str
    target: str
    static: bool


def build(
    folder: Path,
    plain: Collection[str],
    entry: str = "",
    *,
    replaced: Mapping[str, bytes | None] = MappingProxyType({}),
) -> dict[str, Asset]:
    """The files below `folder` by their names in it, with the addresses of others in their contents. Those in `plain`
    keep their names as addresses. The module `entry` and all that it imports of ours are one file with its name. So is
    each module that it loads later, with what that alone imports, and each stylesheet with its imports. `replaced` has
    other contents for some of the files, or None to leave them out. ValueError for a reference to a file that does not
    exist, and for files that refer to each other."""
    sources = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if _served(path)}
    read = {name: replaced[name] if name in replaced else _content(name, path) for name, path in sources.items()}
    contents = {name: content for name, content in read.items() if content is not None}
    contents = _with_stylesheets(_with_bundle(contents, entry) if entry else contents)
    references = {name: list(_references(name, content, contents)) for name, content in contents.items()}
    assets: dict[str, Asset] = {}
    for name in _in_order(references):
        content = _rewritten(name, contents[name], references[name], assets, plain)
        digest = hashlib.sha256(content).hexdigest()[:HASH_LENGTH]
        imports = tuple(reference.target for reference in references[name] if reference.static)
        refers = tuple(reference.target for reference in references[name])
        assets[name] = Asset(name, _url(name, digest, plain), content, digest, imports, refers)
    return assets


def first_scripts(folder: Path, entry: str) -> list[str]:
    """The texts of the module `entry` and all that it imports of ours: the first script that the page loads."""
    sources = {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*.js")}
    return [sources[name] for name in bundle.order(entry, sources, apart=_is_vendored)]


def reached(assets: Mapping[str, Asset], names: Iterable[str], *, static: bool = False) -> list[str]:
    """`names` and all files that they lead to, each once, nearest first; with `static` only by imports."""
    found = dict.fromkeys(names)
    queue = list(found)
    for name in queue:
        for target in assets[name].imports if static else assets[name].refers:
            if target not in found:
                found[target] = None
                queue.append(target)
    return queue


def _is_vendored(name: str) -> bool:
    return name.startswith(VENDORED)


def _served(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".") and not path.name.endswith(UNSERVED)


def _content(name: str, path: Path) -> bytes:
    """The content of a file. Our own JavaScript goes without comments, which are a quarter of it."""
    content = path.read_bytes()
    if path.suffix != ".js" or _is_vendored(name):
        return content
    return COMMENT.sub(lambda comment: "\n" * comment[0].count("\n"), content.decode()).encode()


def _with_bundle(contents: Mapping[str, bytes], entry: str) -> dict[str, bytes]:
    modules = {name: content.decode() for name, content in contents.items() if name.endswith(".js")}
    joined, inside = bundle.join(entry, modules, apart=_is_vendored)
    rest = {name: content for name, content in contents.items() if name not in inside}
    return rest | {name: text.encode() for name, text in joined.items()}


def _with_stylesheets(contents: Mapping[str, bytes]) -> dict[str, bytes]:
    sheets = {name: content.decode() for name, content in contents.items() if name.endswith(".css")}
    joined = {name: sheet.encode() for name, sheet in stylesheet.join(sheets).items()}
    return {name: content for name, content in contents.items() if name not in sheets} | joined


def _references(name: str, content: bytes, files: Collection[str]) -> Iterator[_Reference]:
    suffix = posixpath.splitext(name)[1]
    if suffix not in REFERENCES:
        return
    for match in REFERENCES[suffix].finditer(content.decode()):
        path = match["path"]
        if EXTERNAL.match(path):
            continue
        target = posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
        if target not in files:
            raise ValueError(f"{name} refers to {path}: expected a file of the page, but there is no {target}")
        static = suffix == ".js" and match["dynamic"] is None
        yield _Reference(*match.span("path"), path, target, static)


def _in_order(references: Mapping[str, list[_Reference]]) -> list[str]:
    """The names, each after those that it refers to."""
    graph = {name: [reference.target for reference in found] for name, found in references.items()}
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        circle = " ← ".join(error.args[1])
        raise ValueError(f"{circle}: expected no file to lead back to itself, since each is named by content") from None


def _url(name: str, digest: str, plain: Collection[str]) -> str:
    if name in plain:
        return name
    stem, suffix = posixpath.splitext(name)
    return f"{ASSETS}/{stem}.{digest}{suffix}"


def _rewritten(
    name: str, content: bytes, references: list[_Reference], assets: Mapping[str, Asset], plain: Collection[str]
) -> bytes:
    if not references:
        return content
    text, parts, position = content.decode(), [], 0
    here = posixpath.dirname(_url(name, "", plain))
    for reference in references:
        path = posixpath.relpath(assets[reference.target].url, here or ".")
        if reference.path.startswith(".") and not path.startswith("."):
            path = f"./{path}"
        parts += [text[position : reference.start], path]
        position = reference.end
    return "".join([*parts, text[position:]]).encode()
