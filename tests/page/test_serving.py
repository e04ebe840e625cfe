"""How the page is served. What it does is tested in tests/page/browser."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from shutil import copytree
from urllib.parse import urljoin

import anyio
import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from app import create_app
from app.page import building, serving
from app.page.assets import build
from app.page.names import DOCUMENTS, STATIC

PLAIN = {"Accept-Encoding": "identity"}


@pytest.fixture(scope="module")
def client() -> TestClient:
    return TestClient(create_app())


class Tags(HTMLParser):
    """Every tag of a page, with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def links(self, **wanted: str) -> list[str]:
        """The addresses of all tags with these attributes."""
        found = [attrs for _, attrs in self.tags if all(attrs.get(key) == value for key, value in wanted.items())]
        return [address for attrs in found if (address := attrs.get("href") or attrs.get("src"))]


def parts(client: TestClient) -> Iterator[str]:
    """The address of every file that the page is made of."""
    seen, queue = set(), ["/", "/offline.html", "/manifest.webmanifest"]
    while queue:
        path = queue.pop()
        if path not in seen:
            seen.add(path)
            yield path
            text = client.get(path).content.decode(errors="replace")
            found = re.findall(r'[("\']((?:\.\.?/)*[\w./-]+\.[0-9a-f]{12}\.\w+)[)"\']', text)
            queue += [urljoin(path, address) for address in found]


def test_the_page_and_all_its_parts_are_there(client: TestClient) -> None:
    found = list(parts(client))
    names = {re.sub(r"^/assets/(.*)\.[0-9a-f]{12}(\.\w+)$", r"\1\2", path) for path in found if path != "/"}
    files = {path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*") if path.is_file()}
    joined = {name for name in files if name.endswith(".js")} - set(build(STATIC, DOCUMENTS, building.ENTRY))
    joined |= {f"css/{name}" for sheet in files if sheet.endswith(".css") for name in imported(STATIC / sheet)}
    unused = files - joined - {name.removeprefix("/") for name in names} - {"index.html", "worker.js", "vendor/LICENSE"}
    unused -= {"languages/en.json"}  # which is in the script
    assert {name for name in unused if not name.endswith((".d.ts", "package.json"))} == set()


def imported(sheet: Path) -> list[str]:
    return re.findall(r'^@import "(.*)";$', sheet.read_text(), re.MULTILINE)


def test_everything_has_its_type_and_may_be_kept_as_long_as_it_holds(client: TestClient) -> None:
    for path in [*parts(client), "/worker.js"]:
        answer = client.get(path)
        assert answer.status_code == 200, path
        kept = path.startswith("/assets/")
        expected = "public, max-age=31536000, immutable" if kept else "no-cache"
        assert answer.headers["cache-control"] == expected, path
        suffix = "" if path == "/" else Path(path).suffix
        assert answer.headers["content-type"] == building.TYPES[suffix or ".html"], path


def test_nothing_is_inline_and_nothing_foreign(client: TestClient) -> None:
    for path in [*parts(client), "/worker.js"]:
        answer = client.get(path)
        assert answer.headers["x-content-type-options"] == "nosniff"
        if not path.startswith("/assets/"):
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert not re.search(r"unsafe|http|\*", policy)
            assert answer.headers["referrer-policy"] == "no-referrer"
        if answer.headers["content-type"].startswith("text/html"):
            for tag, attributes in Tags(answer.text).tags:
                assert tag != "style"
                assert tag != "script" or "src" in attributes
                assert not [name for name in attributes if name == "style" or name.startswith("on")]


def test_every_module_that_the_page_starts_with_is_asked_for_at_once(client: TestClient) -> None:
    page = Tags(client.get("/").text)
    scripts = page.links(type="module")
    assert scripts
    hinted, queue, needed = set(page.links(rel="modulepreload")), list(scripts), set()
    while queue:
        path = queue.pop()
        text = client.get(path).text
        for address in re.findall(r"""^[^/\n]*\b(?:from|import)\s*["']([^"']+)["']""", text, re.MULTILINE):
            url = urljoin(path, address)
            if url not in needed:
                needed.add(url)
                queue.append(url)
    assert hinted == needed


def test_what_is_kept_is_not_sent_again(client: TestClient) -> None:
    for encoding in ("identity", "gzip"):
        first = client.get("/", headers={"Accept-Encoding": encoding})
        again = client.get(
            "/", headers={"Accept-Encoding": encoding, "If-None-Match": f'"x", W/{first.headers["etag"]}'}
        )
        assert again.status_code == 304
        assert again.content == b""
        assert again.headers["etag"] == first.headers["etag"]
        assert client.get("/", headers={"If-None-Match": '"x"'}).status_code == 200


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip", "gzip"),
        ("br, gzip;q=0.5", "gzip"),
        ("*", "gzip"),
        ("gzip;q=0", None),
        ("gzip; q=0.000", None),
        ("br", None),
        ("", None),
    ],
)
def test_it_is_compressed_for_who_takes_that(client: TestClient, accepted: str, encoding: str | None) -> None:
    plain = client.get("/", headers=PLAIN)
    answer = client.get("/", headers={"Accept-Encoding": accepted})
    assert answer.headers.get("content-encoding") == encoding
    assert answer.headers["vary"] == plain.headers["vary"] == "Accept-Encoding, Accept-Language"
    assert answer.text == plain.text
    assert (answer.headers["etag"] == plain.headers["etag"]) == (encoding is None)
    assert int(answer.headers["content-length"]) == (
        len(plain.content) if encoding is None else len(gzip.compress(plain.content, mtime=0))
    )


def test_head_is_answered(client: TestClient) -> None:
    for path in parts(client):
        assert client.head(path).headers["content-length"] == client.get(path).headers["content-length"]


def test_there_is_nothing_else(client: TestClient) -> None:
    paths = ("/assets/", "/assets/main.js", "/assets/../web.py", "/index.html", "/vendor/lit-html.js", "/assets/x.0.js")
    for path in paths:
        assert client.get(path).status_code == 404, path


def test_the_worker_keeps_all_that_the_page_is_made_of(client: TestClient) -> None:
    shell = re.search(r'"files": \[(.*?)\]', client.get("/worker.js").text)
    assert shell
    kept = {urljoin("/", address) for address in re.findall(r'"([^"]+)"', shell[1])}
    images = {path for path in parts(client) if path.endswith(".png")}
    assert kept == set(parts(client)) - images - {"/manifest.webmanifest"}


def test_the_worker_is_another_one_when_anything_of_the_page_is(tmp_path: Path) -> None:
    folder = tmp_path / "static"
    copytree(STATIC, folder)
    workers = {worker(folder)}
    for name in ("index.html", "offline.html", "icons/icon.svg"):
        with (folder / name).open("a") as file:
            file.write("\n")
        workers.add(worker(folder))
    assert len(workers) == 4


def worker(folder: Path) -> bytes:
    """The service worker of a page whose files are in `folder`."""
    return next(iter(building.built(folder).documents["worker.js"].values())).content


def test_it_can_be_installed(client: TestClient) -> None:
    (address,) = Tags(client.get("/").text).links(rel="manifest")
    manifest = client.get(address).json()
    assert manifest["start_url"] == manifest["scope"] == "./"
    assert {"192x192", "512x512"} <= {icon["sizes"] for icon in manifest["icons"]}
    for icon in manifest["icons"]:
        answer = client.get(f"/{icon['src']}")
        assert answer.headers["content-type"] == icon["type"]
        if icon["type"] == "image/png":
            width, height = (int.from_bytes(answer.content[at : at + 4], "big") for at in (16, 20))
            assert f"{width}x{height}" == icon["sizes"]


def test_the_page_is_built_when_somebody_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_pages", {})
    app = create_app(modules=["app.modules.web.module"])
    assert serving._pages == {}
    assert TestClient(app).get("/").status_code == 200
    assert list(serving._pages) == [STATIC]


@pytest.mark.anyio
async def test_the_page_is_built_once_for_all_who_ask_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    built, builds = building.built, list[Path]()

    def counted(folder: Path) -> building.Built:
        builds.append(folder)
        return built(folder)

    monkeypatch.setattr(serving, "_pages", {})
    monkeypatch.setattr(building, "built", counted)
    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(serving.page, STATIC)
    assert builds == [STATIC]


def test_the_first_load_is_small(client: TestClient) -> None:
    page = Tags(client.get("/").text)
    wanted = [*page.links(rel="stylesheet"), *page.links(type="module"), *page.links(rel="modulepreload")]
    wanted += page.links(rel="preload")
    sizes = {path: size(client.get(path)) for path in ["/", *wanted, *page.links(rel="icon")]}
    assert sum(sizes.values()) <= 60 * 1024, sizes


def size(answer: Response) -> int:
    """The bytes of an answer with its head; a server adds some for Date and Server."""
    head = sum(len(name) + len(value) + len(": \r\n") for name, value in answer.headers.multi_items())
    return int(answer.headers["content-length"]) + head + 100
